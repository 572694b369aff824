"""Patterns of paths, followed from folder to folder: no list of what matches is ever held."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate

ALL_BELOW = "**"
_Rest = tuple[str, ...]


@dataclass(frozen=True)
class Patterns:
    """What entries of a folder, and of those inside it, have to match: one of several patterns.

    "*", "?" and "[...]" match within a name, and "**" any number of folders, links to folders not. Names that begin
    with a dot match a pattern that does.

    Attributes:
        rests: what is left of each pattern below the folder, part by part.
    """

    rests: frozenset[_Rest]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Patterns:
        """Return patterns relative to the folder where the search begins."""
        return cls(frozenset(rest for pattern in patterns for rest in _from_here(tuple(pattern.split("/")))))

    def __bool__(self) -> bool:
        """Return whether anything can match."""
        return bool(self.rests)

    @property
    def names(self) -> list[str] | None:
        """The names that can match in the folder, where the patterns have names and nothing else there."""
        heads = {rest[0] for rest in self.rests}
        return None if any(re.search(r"[*?\[]", head) for head in heads) else sorted(heads)

    @property
    def goes_deep(self) -> bool:
        """Whether something can match at any depth below the folder."""
        return any(rest[0] == ALL_BELOW for rest in self.rests)

    def match(self, name: str) -> bool:
        """Return whether an entry of the folder is what is looked for."""
        return any(len(rest) == 1 and _matches(rest[0], name) for rest in self.rests)

    def inside(self, name: str, is_link: bool, takes_folders: bool = False) -> Patterns:
        """Return what is looked for in a folder of that name in the folder.

        Args:
            name: of the folder.
            is_link: whether it is a link to one.
            takes_folders: whether all that lies below a folder matches if the folder does.
        """
        found: set[_Rest] = set()
        for head, *tail in self.rests:
            if not _matches(head, name) or (head == ALL_BELOW and is_link):
                continue
            if head == ALL_BELOW:
                found.update(_from_here((head, *tail)))
            elif tail:
                found.update(_from_here(tuple(tail)))
            elif takes_folders:
                found.add((ALL_BELOW,))
        return Patterns(frozenset(found))


def _from_here(rest: _Rest) -> Iterable[_Rest]:
    """Yield the rests of a pattern that apply to the entries of a folder: "**" may stand for no folder at all."""
    yield rest
    while rest[0] == ALL_BELOW and len(rest) > 1:
        rest = rest[1:]
        yield rest


def _matches(part: str, name: str) -> bool:
    is_hidden = name.startswith(".") and not part.startswith(".")
    return not is_hidden and _compiled(part).fullmatch(name) is not None


@functools.lru_cache(maxsize=1000)
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(translate(part))
