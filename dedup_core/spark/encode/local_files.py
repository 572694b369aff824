"""Images on disks that driver and workers share: listed by both, read by the workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from dedup_core.errors import InputError
from dedup_core.filesystems import alternatives, fixed_part, is_glob
from dedup_core.images import files
from dedup_core.images.files import Folder, FoundFile, ImageFile, look
from dedup_core.images.names import readable
from dedup_core.images.patterns import ALL_BELOW
from dedup_core.spark.encode.checkpoints import Part
from dedup_core.spark.encode.entries import entry_row, no_files
from dedup_core.spark.encode.walking import walk, write_rows
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENTRIES, conform


@dataclass(frozen=True)
class LocalImages:
    """A folder, a glob or a single file on a disk that driver and workers share."""

    location: str
    recursive: bool

    def list_into(self, staging: Staging) -> DataFrame:
        """Write what there is, and return it.

        Raises:
            InputError: if the input is missing or can't be listed.
        """
        if os.path.lexists(self.location) and not os.path.isdir(self.location):
            file = look(self.location, readable(os.path.basename(self.location)))
            write_rows(staging, "walked/0", [entry_row(file)])
            return staging.read("walked/0", ENTRIES)
        return conform(walk(staging, self._first(), _LocalWalker), ENTRIES)

    @property
    def nothing(self) -> str:
        """What to say where there are no files."""
        return no_files(self.location)

    def contents(self, listing: DataFrame, part: Part) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing.repartition(part.tasks), CONTENTS)

    def _first(self) -> Folder:
        if os.path.isdir(self.location):
            self._check(self.location)
            return Folder.first(self.location, [ALL_BELOW if self.recursive else "*"])
        if not is_glob(self.location):
            raise missing(self.location)
        base = fixed_part(self.location) or "."
        self._check(base)
        patterns = alternatives(os.path.relpath(self.location, base))
        return Folder.first(base, patterns, takes_folders=self.recursive and ALL_BELOW not in self.location)

    def _check(self, folder: str) -> None:
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise InputError(f"the input {self.location} can't be listed: {error.strerror or error}") from error


def missing(location: str) -> InputError:
    """Return what to say of an input that isn't there."""
    return InputError(f"the input does not exist: {location} (on another filesystem give its scheme: hdfs://, s3a://)")


class _LocalWalker:
    """Looks into folders of disks for rows."""

    def __init__(self) -> None:
        self._walker = files.DiskWalker()

    def enter(self, place: Folder) -> None:
        """Take note of what lies on the way to a place that another walker came upon."""
        self._walker.enter(place)

    def look_into(self, place: Folder, deep: bool) -> Iterator[Folder | FoundFile | ImageFile]:  # noqa: ARG002
        """Yield what lies in a folder: a disk lists one at a time."""
        return self._walker.look_into(place)

    def row(self, found: FoundFile | ImageFile) -> dict[str, Any]:
        """Return a row of what was found."""
        return entry_row(self._walker.looked_at(found))
