"""The files of a folder: every entry gives one, whatever is wrong with it.

What a file is, for us: its device and inode tell one file that has several names; its inode, size, time of change and
time of modification tell whether it still has the content that it had. Programs can set the time of modification, as
rsync and every restored backup do; the time of change is the system's own.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dedup_core.ledger import MARKER, PLACES
from dedup_core.names import readable
from dedup_core.picture import Failure

_EXPORT = re.compile(r"(duplicates|to_remove)(_\w+)?\.json")


@dataclass(frozen=True)
class ImageFile:
    """A file that may be an image.

    Attributes:
        name: its path relative to the folder, with '/' between the parts: its key in every map.
        path: where to read it.
        size: its bytes; None, as what follows, where the disk doesn't say.
        modified_at: when it was changed, by what its owner says, in microseconds since 1970.
        identity: changes whenever the content does.
        file_id: the same for all names of one file, and for no other file.
        is_link: whether the name only points at the file.
        other_names: of the file, in the same folder.
        failure: why a folder can't be listed, whose name this then is; None for a file.
    """

    name: str
    path: str
    size: int | None = None
    modified_at: int | None = None
    identity: str | None = None
    file_id: str | None = None
    is_link: bool = False
    other_names: tuple[str, ...] = ()
    failure: Failure | None = None


def list_images(folder: str, recursive: bool = False) -> list[ImageFile]:
    """Return the files in a folder, each under one of its names, sorted by name; see `walk`.

    Raises:
        OSError: if the folder itself can't be listed.
    """
    os.scandir(folder).close()
    return sorted(one_name_a_file(walk(folder, recursive)), key=lambda file: file.name)


def walk(folder: str, recursive: bool, base: str | None = None) -> Iterator[ImageFile]:
    """Yield the files in a folder, in no order.

    Names that begin with a dot are passed over, links to folders, which may lead round in a circle, and the tables and
    pages that a run of ours wrote. A folder that can't be listed is yielded itself, with a failure.

    Args:
        folder: an existing folder.
        recursive: whether to list the folders inside it too.
        base: the folder that names are relative to, if another one.
    """
    base = folder if base is None else base
    is_linked = os.path.realpath(folder) != os.path.abspath(folder)
    waiting = [folder]  # not a recursion: folders may lie in each other by the thousand
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as found:
                entries = _without_ours(list(found))
        except OSError as error:
            yield ImageFile(name_in(base, place), place, failure=_unlistable(error))
            continue
        inside = "" if place == base else f"{name_in(base, place)}/"
        for entry in entries:
            if not _is_folder(entry):
                yield look(entry.path, inside + readable(entry.name), is_linked or entry.is_symlink())
            elif recursive and not entry.is_symlink():
                waiting.append(entry.path)


def look(path: str, name: str, is_link: bool) -> ImageFile:
    """Return what the disk says of a file; nothing where it says nothing, which reading the file will explain."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ImageFile(name, path, is_link=is_link)
    numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ImageFile(
        name,
        path,
        size=status.st_size,
        modified_at=status.st_mtime_ns // 1000,
        identity="disk:" + ".".join(f"{number:x}" for number in numbers),
        file_id=f"disk:{status.st_dev:x}.{status.st_ino:x}.{status.st_size:x}" if status.st_ino else None,
        is_link=is_link,
    )


def name_in(base: str, path: str) -> str:
    """Return the name of a path relative to a folder, as text, with '/' between the parts."""
    name = os.path.relpath(path, base or ".")
    return readable(name if os.sep == "/" else name.replace(os.sep, "/"))


def one_name_a_file(files: Iterable[ImageFile]) -> Iterator[ImageFile]:
    """Yield each file once, under its first name that is no link to it, with the others."""
    names: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        names[file.file_id or f"name:{file.name}"].append(file)
    for same in names.values():
        first, *others = sorted(same, key=lambda file: (file.is_link, file.name))
        yield replace(first, other_names=tuple(other.name for other in others)) if others else first


def is_ours(path: str, top: str) -> bool:
    """Return whether a path below a folder leads into what a run of ours wrote."""
    inner = os.path.relpath(path, top).split(os.sep)
    above = [os.path.join(top, *inner[:depth]) for depth in range(len(inner))]
    return any(_is_our_name(name) and _is_marked(place) for place, name in zip(above, inner, strict=True))


def _without_ours(entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    is_marked = any(entry.name == MARKER for entry in entries)
    return [
        entry for entry in entries if not entry.name.startswith(".") and not (is_marked and _is_our_name(entry.name))
    ]


def _is_our_name(name: str) -> bool:
    """Return whether an entry of a marked folder has a name that runs write to."""
    return name in PLACES or name == MARKER or _EXPORT.fullmatch(name) is not None


def _is_marked(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, MARKER))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; not what can't be looked at, such as a link that leads to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _unlistable(error: OSError) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure("vanished", "the folder was listed, but is gone")
    if isinstance(error, PermissionError):
        return Failure("unreadable", "the folder can't be listed: no permission")
    return Failure("unreadable", f"the folder can't be listed: {error.strerror or error}")
