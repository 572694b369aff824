"""The files of a folder: every entry gives one, whatever is wrong with it.

What a file is, for us: `dedup_core.images.disks` tells one file that has several names; its inode, size, time of
change and time of modification tell whether it still has the content that it had. Programs can set the time of
modification, as rsync and every restored backup do; the time of change is the system's own.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from dedup_core import arguments
from dedup_core.images.disks import Disks
from dedup_core.images.names import readable
from dedup_core.images.ours import Ours
from dedup_core.images.patterns import ALL_BELOW, Patterns
from dedup_core.images.picture import Failure


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
        links: how many links the name leads through, from where the listing began.
        other_names: of the file, in the same folder.
        failure: why a folder can't be listed, whose name this then is; None for a file.
    """

    name: str
    path: str
    size: int | None = None
    modified_at: int | None = None
    identity: str | None = None
    file_id: str | None = None
    links: int = 0
    other_names: tuple[str, ...] = ()
    failure: Failure | None = None


class _Entry(Protocol):
    """What `os.scandir` yields, as far as it is used here."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    def is_dir(self) -> bool: ...
    def is_symlink(self) -> bool: ...


@dataclass(frozen=True)
class _Named:
    """An entry of a folder that was asked for by its name."""

    name: str
    path: str

    def is_dir(self) -> bool:
        return os.path.isdir(self.path)

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)


@dataclass(frozen=True)
class Folder:
    """A folder to list. It travels as text to whichever process lists it.

    Attributes:
        path: where it is.
        inside: what the names of its entries begin with.
        wanted: which of its entries, and of those below it.
        takes_folders: whether all that lies in a folder that is wanted is so too.
        real: its path, links followed.
        links: how many links lead there.
        head: what the names of its entries begin with that are meant, where a store has too many for one listing.
    """

    path: str
    inside: str
    wanted: Patterns
    takes_folders: bool = False
    real: str = ""
    links: int = 0
    head: str = ""

    @classmethod
    def first(cls, folder: str, patterns: Iterable[str], takes_folders: bool = False) -> Folder:
        """Return the folder on a disk where a listing begins; see `matching`."""
        return cls(folder, "", Patterns.of(patterns), takes_folders, os.path.realpath(folder))

    @classmethod
    def from_json(cls, text: str) -> Folder:
        """Return the place that `to_json` made this text of."""
        known = json.loads(text)
        return cls(**known | {"wanted": Patterns(frozenset(map(tuple, known["wanted"])))})

    def to_json(self) -> str:
        """Return the place as text of plain letters, whatever bytes its name has."""
        return json.dumps(vars(self) | {"wanted": sorted(self.wanted.rests)})

    def above(self) -> Iterator[str]:
        """Yield the folders that lead here from where the listing began, that one first."""
        folders, path = [], self.path
        for _ in range(self.inside.count("/")):
            path = os.path.dirname(path)
            folders.append(path)
        yield from reversed(folders)

    def entries(self) -> Iterator[_Entry]:
        """Yield the entries that may be wanted. A folder need not be open to all to be asked for a name."""
        names = self.wanted.names
        if names is None:
            with os.scandir(self.path) as found:
                yield from found
        for name in names or ():
            entry = _Named(name, os.path.join(self.path, name))
            if _exists(entry.path):
                yield entry

    def below(self, entry: _Entry) -> Folder:
        """Return an entry that is a folder, with what is wanted in it."""
        is_link = entry.is_symlink()
        wanted = self.wanted.inside(entry.name, is_link, self.takes_folders)
        real = self.real_path(entry) if wanted else ""
        inside = f"{self.inside}{readable(entry.name)}/"
        return Folder(entry.path, inside, wanted, self.takes_folders, real, self.links + is_link)

    def file(self, entry: _Entry, disks: Disks) -> ImageFile:
        """Return an entry that is no folder."""
        name, links = self.inside + readable(entry.name), self.links + entry.is_symlink()
        return look(entry.path, name, links, self.real_path(entry), disks)

    def real_path(self, entry: _Entry) -> str:
        """Return where an entry leads."""
        return os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(self.real, entry.name)


def list_images(folder: str, recursive: bool = False) -> list[ImageFile]:
    """Return the files in a folder, each under one of its names, sorted by name; see `walk`.

    Raises:
        TypeError, ValueError: if the folder is no path.
        OSError: if the folder itself can't be listed.
    """
    os.scandir(arguments.path(folder, "folder")).close()
    return sorted(one_name_a_file(walk(folder, recursive)), key=lambda file: file.name)


def walk(folder: str, recursive: bool) -> Iterator[ImageFile]:
    """Yield the files in a folder, in no order; see `matching`.

    Args:
        folder: an existing folder.
        recursive: whether to list the folders inside it too.
    """
    return matching(folder, [ALL_BELOW if recursive else "*"])


def matching(folder: str, patterns: Iterable[str], takes_folders: bool = False) -> Iterator[ImageFile]:
    """Yield the files in a folder that match a pattern, each once, in no order.

    Names that begin with a dot are passed over where a pattern doesn't, links to folders, which may lead round in a
    circle, where it doesn't name them, and what runs of ours wrote. A folder that can't be listed is yielded itself,
    with a failure.

    Args:
        folder: where to begin; names are relative to it.
        patterns: as `Patterns` takes them, relative to it.
        takes_folders: whether all that lies in a folder that matches does so too.
    """
    walker, waiting = DiskWalker(), [Folder.first(folder, patterns, takes_folders)]
    while waiting:  # not a recursion: folders may lie in each other by the thousand
        for found in walker.look_into(waiting.pop()):
            if isinstance(found, Folder):
                waiting.append(found)
            else:
                yield walker.looked_at(found)


@dataclass(frozen=True)
class FoundFile:
    """A file that is wanted and not yet looked at: where it lies, and its entry there."""

    place: Folder
    entry: _Entry


class DiskWalker:
    """Looks into folders of disks, in any order: what it met on the way to one it need not meet again."""

    def __init__(self) -> None:
        """Know of no folder yet."""
        self._ours, self._disks = Ours(), Disks()

    def enter(self, place: Folder) -> None:
        """Take note of what lies on the way to a place that another walker came upon."""
        for folder in place.above():
            self._ours.meet(folder)

    def look_into(self, place: Folder) -> Iterator[Folder | FoundFile | ImageFile]:
        """Yield the files in a folder that are wanted, and the folders that may hold some.

        A folder that can't be listed is yielded as a file with a failure.
        """
        self._ours.meet(place.path)
        try:
            for entry in place.entries():
                if entry.path in self._ours:
                    continue
                if not _is_folder(entry):
                    if place.wanted.match(entry.name):
                        yield FoundFile(place, entry)
                elif (below := place.below(entry)).wanted:
                    yield below
        except OSError as error:
            yield ImageFile(place.inside[:-1] or ".", place.path, failure=unlistable(error))

    def looked_at(self, found: FoundFile | ImageFile) -> ImageFile:
        """Return a file with what the disk says of it. Threads may ask at the same time."""
        return found.place.file(found.entry, self._disks) if isinstance(found, FoundFile) else found


def look(path: str, name: str, links: int = 0, real: str | None = None, disks: Disks | None = None) -> ImageFile:
    """Return what the disk says of a file; nothing where it says nothing, which reading the file will explain.

    Args:
        path: where it is.
        name: what to call it.
        links: how many links the name leads through.
        real: the path with links followed, where it is known.
        disks: of this machine, where they are known.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ImageFile(name, path, links=links)
    numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ImageFile(
        name,
        path,
        size=status.st_size,
        modified_at=status.st_mtime_ns // 1000,
        identity="disk:" + ".".join(f"{number:x}" for number in numbers),
        file_id=(disks or Disks()).file_id(real or os.path.realpath(path), status),
        links=links,
    )


def one_name_a_file(files: Iterable[ImageFile]) -> Iterator[ImageFile]:
    """Yield each file once, under its first name that is no link to it, with the others."""
    names: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        names[file.file_id or f"name:{file.name}"].append(file)
    for same in names.values():
        first, *others = sorted(same, key=lambda file: (file.links, file.name))
        yield replace(first, other_names=tuple(other.name for other in others)) if others else first


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_folder(entry: _Entry) -> bool:
    """Return whether an entry is a folder; not what can't be looked at, such as a link that leads to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def unlistable(error: Exception) -> Failure:
    """Return why a folder can't be listed."""
    if isinstance(error, FileNotFoundError):
        return Failure("vanished", "the folder was listed, but is gone")
    if isinstance(error, PermissionError):
        return Failure("unreadable", "the folder can't be listed: no permission")
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return Failure("unreadable", f"the folder can't be listed: {reason}")
