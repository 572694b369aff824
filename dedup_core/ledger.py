"""What of an output folder is ours: a marker in it lists every file that a run has published there.

Only what the marker lists is ever replaced or deleted. Whatever else lies under one of our names is somebody's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from dedup_core.errors import SettingsError

MARKER = "dedup-core.json"
"""The marker's name. Spark's and Arrow's readers of a table never see it: it lies beside the tables, not in one."""

STAGING = "_staging"
TABLES = ("features", "failures", "pairs", "duplicates", "groups", "removals")
EVALUATION, REPORT, RUNS = "evaluation", "report", "runs"
PLACES = (*TABLES, EVALUATION, REPORT, RUNS, STAGING)
"""The folders that are ours in an output folder."""

_ABOUT = (
    "dedup-core has written this folder. The files below are its own: it replaces and deletes these and no others. "
    "Without this file it takes nothing here for its own."
)


@dataclass(frozen=True)
class Ledger:
    """The content of a marker.

    Attributes:
        files: every file that is ours, by its path in the output folder.
        runs: the ids of the finished runs, in the order in which they were published.
    """

    files: frozenset[str] = frozenset()
    runs: tuple[str, ...] = ()

    def under(self, *places: str) -> list[str]:
        """Return the files that are one of these places or lie below one, sorted."""
        folders = tuple(f"{place}/" for place in places)
        return sorted(name for name in self.files if name in places or name.startswith(folders))

    def with_files(self, files: Iterable[str]) -> Ledger:
        """Return the ledger with more files in it."""
        return Ledger(self.files.union(files), self.runs)

    def without_files(self, files: Iterable[str]) -> Ledger:
        """Return the ledger without some files."""
        return Ledger(self.files.difference(files), self.runs)

    def with_run(self, run_id: str) -> Ledger:
        """Return the ledger with one more finished run."""
        return Ledger(self.files, (*self.runs, run_id))

    def to_json(self) -> str:
        """Return the text of the marker."""
        content = {"about": _ABOUT, "runs": self.runs, "files": sorted(self.files)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Ledger:
        """Return the ledger that a marker holds.

        Args:
            text: the marker's content.
            where: the output folder, for the message.

        Raises:
            SettingsError: if it is no marker of ours.
        """
        try:
            content = json.loads(text)
            files, runs = content["files"], content["runs"]
            if not all(isinstance(name, str) and _stays_inside(name) for name in [*files, *runs]):
                raise ValueError("a name leads out of the folder")
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsError(
                f"{where}/{MARKER} should list what is ours there and can't be read: choose another folder, or move "
                "that file away to have nothing in the folder taken for ours"
            ) from error
        return cls(frozenset(files), tuple(runs))


def _stays_inside(name: str) -> bool:
    """Return whether a path leads to something in the folder: a marker that was tampered with could name any file."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/")
