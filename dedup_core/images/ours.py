"""What our own runs wrote, met while folders are listed: never an image of the user's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from dedup_core.errors import SettingsError
from dedup_core.ledger import MARKER, PLACES, SPARKS_MARKS, STAGING, Ledger


class Ours:
    """The files that the markers of the folders met so far list. What else lies beside them is the user's."""

    def __init__(self) -> None:
        """Know of no folder yet."""
        self._paths: set[str] = set()
        self._places: tuple[str, ...] = ()

    def meet(self, folder: str) -> None:
        """Take note of what a folder's marker lists, if it has one."""
        ledger = _ledger_in(folder)
        if ledger is not None:
            self._paths.update(os.path.join(folder, *name.split("/")) for name in ours(ledger))
            self._places += tuple(os.path.join(folder, place, "") for place in PLACES)

    def __contains__(self, path: str) -> bool:
        """Return whether runs wrote what lies at a path: a file, or the whole folder."""
        return path in self._paths or (path.endswith(SPARKS_MARKS) and self._is_of_spark(path))

    def _is_of_spark(self, path: str) -> bool:
        return os.path.basename(path) in SPARKS_MARKS and path.startswith(self._places)


def ours(ledger: Ledger) -> Iterator[str]:
    """Yield what to pass over in a marked folder: the files that are listed, the marker, and work in progress."""
    yield from (MARKER, STAGING)
    yield from ledger.files


def parsed(text: bytes) -> Ledger | None:
    """Return the list that a marker holds; None if it is none of ours, so that it hides nothing."""
    try:
        return Ledger.from_json(text.decode("utf-8"), "the folder")
    except (SettingsError, UnicodeDecodeError):
        return None


def _ledger_in(folder: str) -> Ledger | None:
    marker = os.path.join(folder, MARKER)
    try:
        if not stat.S_ISREG(os.stat(marker).st_mode):
            return None
        with open(marker, "rb") as file:
            return parsed(file.read())
    except (OSError, ValueError):
        return None
