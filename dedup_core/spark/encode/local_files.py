"""Images on disks that driver and workers share: listed by the driver, read by the workers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from dedup_core.errors import InputError
from dedup_core.filesystems import alternatives, fixed_part, is_glob
from dedup_core.images.files import ImageFile, look, matching, walk
from dedup_core.images.names import readable
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, conform

_LISTING_ROWS = 100_000
_CALENDAR = (-2_208_988_800_000_000, 253_402_300_800_000_000)  # 1900 to 9999 in microseconds: what Spark can write
ENTRIES_ARROW = pa.schema(
    [
        ("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")),
        ("identity", pa.string()), ("uri", pa.string()), ("file_id", pa.string()), ("links", pa.int32()),
        ("is_folder", pa.bool_()), ("reason", pa.string()), ("message", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class LocalImages:
    """A folder, a glob or a single file on a disk that driver and workers share."""

    location: str
    recursive: bool

    def list_into(self, staging: Staging) -> None:
        """Write what there is, some 100,000 rows at a time.

        Raises:
            InputError: if the input is missing or holds no files.
        """
        files = self._files()
        first = next(files, None)
        if first is None:
            raise InputError(
                f"no files in {self.location} (names that begin with '.' are passed over, and what a run of ours wrote)"
            )
        rows = map(entry_row, itertools.chain([first], files))
        with staging.open_output("entries", "part-0.parquet") as file, pq.ParquetWriter(file, ENTRIES_ARROW) as writer:
            while batch := list(itertools.islice(rows, _LISTING_ROWS)):
                writer.write_table(pa.Table.from_pylist(batch, schema=ENTRIES_ARROW))

    def contents(self, listing: DataFrame) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing, CONTENTS)

    def _files(self) -> Iterator[ImageFile]:
        if os.path.isdir(self.location):
            self._check(self.location)
            return walk(self.location, self.recursive)
        if os.path.lexists(self.location):
            return iter([look(self.location, readable(os.path.basename(self.location)))])
        if not is_glob(self.location):
            raise InputError(
                f"the input does not exist: {self.location} (on another filesystem give its scheme: hdfs://, s3a://)"
            )
        return self._matches(fixed_part(self.location) or ".")

    def _check(self, folder: str) -> None:
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise InputError(f"the input {self.location} can't be listed: {error.strerror or error}") from error

    def _matches(self, base: str) -> Iterator[ImageFile]:
        self._check(base)
        patterns = alternatives(os.path.relpath(self.location, base))
        return matching(base, patterns, takes_folders=self.recursive and "**" not in self.location)


def entry_row(file: ImageFile) -> dict[str, Any]:
    """Return a file as a row of ``tables.ENTRIES``."""
    reason, message = (None, None) if file.failure is None else (file.failure.reason, file.failure.message)
    return {
        "path": file.name,
        "size": file.size,
        "modified_at": moment(file.modified_at),
        "identity": file.identity,
        "uri": None if file.failure else file_uri(file.path),
        "file_id": file.file_id,
        "links": file.links,
        "is_folder": file.failure is not None,
        "reason": reason,
        "message": message,
    }


def file_uri(path: str | bytes) -> str:
    """Return where a worker reads a local file: its bytes, whatever they are, as a URI."""
    return "file://" + quote(os.path.abspath(os.fsencode(path)))


def moment(microseconds: int | None) -> int | None:
    """Return a time that a calendar knows, in microseconds since 1970, and None for one that no calendar does.

    Disks hold any number as a time. For people alone: what tells a file's content is its identity.
    """
    is_known = microseconds is not None and _CALENDAR[0] <= microseconds < _CALENDAR[1]
    return microseconds if is_known else None
