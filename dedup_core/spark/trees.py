"""What lies in a folder on a disk, as it is: no link is followed, and no depth is too deep."""

from __future__ import annotations

import os
from collections.abc import Iterator


def leaves(root: str, inside: str = "") -> Iterator[str]:
    """Yield all files and links in a folder and below it, and with a slash at its end every folder that is empty.

    Args:
        root: the folder, which may be a link.
        inside: the part of it to look at, "pairs/method=phash". What is no folder there, or on the way there, is
            yielded itself.
    """
    place = root
    for part in filter(None, inside.split("/")):
        place = os.path.join(place, part)
        if os.path.islink(place) or not os.path.isdir(place):
            yield from [place] if os.path.lexists(place) else []
            return
    yield from _below(place)


def _below(folder: str) -> Iterator[str]:
    """Yield the leaves below a folder; of a folder that can't be listed, itself, as of anything else unknown."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as found:
                entries = list(found)
        except FileNotFoundError:
            continue
        except OSError:
            yield place
            continue
        yield from [] if entries else [f"{place}/"]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                yield entry.path


def remove_empty(root: str, inside: str) -> None:
    """Remove a folder below a root, and those above it, as far as nothing at all is in them."""
    while inside:
        try:
            os.rmdir(os.path.join(root, inside))
        except FileNotFoundError:
            pass
        except OSError:
            return
        inside = os.path.dirname(inside)
