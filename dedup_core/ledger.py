"""What of an output folder is ours: a marker in it lists every file that a run has published there.

Only what the marker lists is ever replaced or deleted. Whatever else lies under one of our names is somebody's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from dedup_core.errors import SettingsError

MARKER = "dedup-core.json"
"""The marker's name. Spark's and Arrow's readers of a table never see it: it lies beside the tables, not in one."""

STAGING = "_staging"
ENCODED = ("features", "failures")
SEARCHED = ("pairs", "duplicates", "groups", "removals")
TABLES = (*ENCODED, *SEARCHED)
EVALUATION, REPORT, RUNS = "evaluation", "report", "runs"
PLACES = (*TABLES, EVALUATION, REPORT, RUNS, STAGING)
"""The folders that are ours in an output folder."""

LOG = "_delta_log"
"""The folder in a Delta table's that says which files hold its rows."""

PARTITION = "method="
"""What the folder of one method's rows is called by in a table, before the method's name."""

SPARKS_MARKS = ("_SUCCESS", "_metadata", "_common_metadata")
"""Files that Spark leaves beside those of a table."""

_VERSION = re.compile(rf"({'|'.join(TABLES)})/_[0-9]{{8}}T[0-9]{{6}}Z-[0-9a-f]{{6}}\.[\w-]+(/method=[^/]+)?")

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
        return self if run_id in self.runs else Ledger(self.files, (*self.runs, run_id))

    def to_json(self) -> str:
        """Return the text of the marker."""
        content = {"about": _ABOUT, "runs": self.runs, "files": sorted(self.files)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Ledger:
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
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise no_marker(where) from error
        if not (_are_names(files) and _are_names(runs)):
            raise no_marker(where)
        return cls(frozenset(files), tuple(runs))


def no_marker(where: str) -> SettingsError:
    """Return what to say of a folder whose marker is none of ours, or can't be read."""
    return SettingsError(
        f"{where}/{MARKER} should list what is ours there and can't be read: choose another folder, or move "
        "that file away to have nothing in the folder taken for ours"
    )


def is_hidden(name: str) -> bool:
    """Return whether readers of a table pass over a file, and cameras don't write it: it may be anybody's."""
    return name.startswith(".") or name in SPARKS_MARKS


def is_version(place: str) -> bool:
    """Return whether a folder is one in which a run leaves rows of a Delta table: its name tells the run.

    No reader of Parquet looks into it by itself, as its name begins with an underscore.
    """
    return _VERSION.fullmatch(place) is not None


def _are_names(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) and stays_inside(name) for name in names)


def stays_inside(name: str) -> bool:
    """Return whether a path leads to something in the folder: a marker that was tampered with could name any file."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
