"""Which file a path leads to: one key for all names of a file, on whichever machine somebody looks.

Machines that share a disk see it at the same place, but each numbers it in its own way, and some filesystems make up
their inodes. So a file goes by its real path, and by its inode where several real paths may lead to it: hard links,
disks that are mounted more than once, and folders that pass over upper and lower case.
"""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from dedup_core.images.names import readable

_TABLE = "/proc/self/mountinfo"
_FOLDERS_KNOWN = 10_000


@dataclass(frozen=True)
class Disk:
    """A disk that is mounted.

    Attributes:
        device: its number on this machine.
        points: the folders at which it is seen, in an order that doesn't depend on the machine.
    """

    device: int
    points: tuple[str, ...]


class Disks:
    """The disks of this machine, as they are mounted when this is made.

    Args:
        table: the mounts, as Linux lists them; by default those that there are. Empty where a system has no such list.
    """

    def __init__(self, table: str | None = None) -> None:
        """Read the table. Folders are looked at when they are met."""
        self._at_point = _mounted(_table() if table is None else table)
        self._disk_of = functools.lru_cache(_FOLDERS_KNOWN)(self._find_disk)
        self._is_spelt_freely = functools.lru_cache(_FOLDERS_KNOWN)(self._find_free_spelling)
        self._passes_over_case: dict[str, bool] = {}

    def file_id(self, real: str, status: os.stat_result) -> str:
        """Return the key of a file: the same for all its names, and for no other file.

        Args:
            real: its path, links followed.
            status: what the disk says of it.
        """
        folder, name = os.path.split(real)
        disk = self._disk_of(real if real in self._at_point else folder)
        is_free = self._is_spelt_freely(folder) or self._ignores_case(folder, name)
        has_one_path = status.st_nlink <= 1 and disk is not None and len(disk.points) == 1 and not is_free
        if has_one_path or not status.st_ino:
            return f"real:{readable(real)}"
        return f"disk:{_name(disk, status.st_dev)}.{status.st_ino:x}"

    def _find_disk(self, folder: str) -> Disk | None:
        return next((self._at_point[place] for place in _upwards(folder) if place in self._at_point), None)

    def _find_free_spelling(self, folder: str) -> bool:
        """Return whether a folder has other spellings, by its own name or that of one above it."""
        return any(self._ignores_case(*os.path.split(place)) for place in _upwards(folder))

    def _ignores_case(self, folder: str, name: str) -> bool:
        """Return whether a folder passes over upper and lower case, tried with a name in it."""
        if name.swapcase() == name:
            return False
        if folder not in self._passes_over_case:
            if len(self._passes_over_case) >= _FOLDERS_KNOWN:
                self._passes_over_case.clear()
            self._passes_over_case[folder] = _is_same(os.path.join(folder, name), os.path.join(folder, name.swapcase()))
        return self._passes_over_case[folder]


def links_in(path: str) -> int:
    """Return how many links an absolute path leads through: the fewer, the closer a name is to its file."""
    if os.path.realpath(path) == path:
        return 0
    return sum(os.path.islink(place) for place in _upwards(path))


def _table() -> str:
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _mounted(table: str) -> dict[str, Disk]:
    """Return what is seen at every mount point: of several mounts at one, the last."""
    numbers: dict[str, int] = {}
    for line in table.splitlines():
        _, _, device, _, point, *_ = line.split(" ")
        major, minor = device.split(":")
        numbers[_unescaped(point)] = os.makedev(int(major), int(minor))
    points = defaultdict(list)
    for point, number in numbers.items():
        points[number].append(point)
    in_order = {number: sorted(places, key=lambda place: (len(place), place)) for number, places in points.items()}
    return {point: Disk(number, tuple(in_order[number])) for point, number in numbers.items()}


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)


def _name(disk: Disk | None, device: int) -> str:
    """Return what to call a disk: where it is seen, which machines agree on, and not how this one numbers it.

    Parts of a disk may have numbers of their own, which the table lacks, as the subvolumes of Btrfs do.
    """
    if disk is not None and disk.device == device:
        return readable(disk.points[0])
    return f"{'' if disk is None else readable(disk.points[0])}.{device:x}"


def _upwards(path: str) -> Iterator[str]:
    """Yield a path and the folders above it."""
    above = os.path.dirname(path)
    while path != above:
        yield path
        path, above = above, os.path.dirname(above)
    yield path


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except (OSError, ValueError):
        return False
