"""Images on disks that driver and workers share: listed by the driver, read by the workers."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame

from dedup_core.errors import InputError
from dedup_core.locations import arrow_url, has_scheme
from dedup_core.picture import Failure, read
from dedup_core.spark.schemas import CONTENTS, conform
from dedup_core.spark.store import Staging

_LISTING_ROWS = 100_000
_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)(.*)", re.DOTALL)
_ARROW_LISTING = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")), ("uri", pa.string())]
)


@dataclass(frozen=True)
class LocalImages:
    """A folder, a glob or a single file on a disk that driver and workers share."""

    location: str
    recursive: bool

    def list_into(self, staging: Staging) -> None:
        """Write the listing, some 100,000 rows at a time.

        Raises:
            InputError: if the input is missing or holds no files.
        """
        rows = self._rows()
        try:
            first = next(rows)
        except StopIteration:
            raise InputError(f"no files in {self.location} (names that begin with '.' are passed over)") from None
        with staging.open_output("listing", "part-0.parquet") as file, pq.ParquetWriter(file, _ARROW_LISTING) as writer:
            for batch in _batches(first, rows):
                writer.write_table(pa.Table.from_pylist(batch, schema=_ARROW_LISTING))

    def contents(self, listing: DataFrame) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing, CONTENTS)

    def _rows(self) -> Iterator[dict[str, object]]:
        if os.path.isdir(self.location):
            return (_row(path, self.location) for path in self._walk(self.location))
        if os.path.exists(self.location):
            return iter([_row(self.location, os.path.dirname(self.location))])
        if not glob.has_magic(self.location):
            raise InputError(
                f"the input does not exist: {self.location} (on another filesystem give its scheme: hdfs://, s3a://)"
            )
        base = fixed_part(self.location)
        return (_row(path, base) for path in self._matches())

    def _matches(self) -> Iterator[str]:
        for path in sorted(set(glob.iglob(self.location, recursive=True))):
            if os.path.isfile(path):
                yield path
            elif self.recursive and "**" not in self.location:
                yield from self._walk(path)

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            yield folder  # the worker that tries to read it will say why that fails
            return
        for entry in visible:
            if entry.is_dir():
                if self.recursive and not entry.is_symlink():  # a link to a folder may lead round in a circle
                    yield from self._walk(entry.path)
            else:
                yield entry.path


def read_uri(uri: str, max_bytes: int) -> bytes | Failure:
    """Read one file in a worker: from a disk, or through Arrow's filesystems."""
    local = local_path(uri)
    if local is not None:
        return read(os.fsdecode(unquote_to_bytes(local)) if uri.startswith("file:") else local, max_bytes)
    try:
        root, path = _REMOTE.match(uri).groups()  # type: ignore[union-attr]  # what has a scheme matches
        filesystem, base = _filesystem(root)
        with filesystem.open_input_file(place_of(filesystem.type_name, base, path)) as file:
            if file.size() > max_bytes:
                return Failure("too_large", f"{file.size():,} bytes, over the limit of {max_bytes:,}")
            return bytes(file.readall())
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except (OSError, pa.ArrowException) as error:
        return Failure("unreadable", f"the file can't be read: {' '.join(str(error).split())}")


def place_of(filesystem: str, base: str, key: str) -> str:
    """Return where a key lies for a kind of filesystem: below its bucket, or on HDFS, which has none, from the root."""
    place = "/".join(part for part in (base.strip("/"), key.lstrip("/")) if part)
    return f"/{place}" if filesystem == "hdfs" else place


@functools.lru_cache(maxsize=16)
def _filesystem(root: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a URL's scheme and authority; a key after it may hold what a URL may not."""
    return fs.FileSystem.from_uri(arrow_url(root))


def local_path(location: str) -> str | None:
    """Return the path on a disk that a location names, or None for another filesystem."""
    if location.startswith("file:"):
        return "/" + location.removeprefix("file:").lstrip("/")
    return None if has_scheme(location) else os.path.expanduser(location)


def fixed_part(pattern: str) -> str:
    """Return the folder that a glob starts from: "/a/b" for "/a/b/*/c.jpg"."""
    fixed = re.split(r"[*?\[{]", pattern, maxsplit=1)[0]
    return os.path.dirname(fixed) if fixed != pattern else pattern


def _row(path: str, base: str) -> dict[str, object]:
    try:
        status = os.stat(path)
        size, modified = status.st_size, round(status.st_mtime * 1e6)
    except OSError:
        size, modified = None, None
    relative = os.path.relpath(path, base or ".")
    readable = os.fsencode(relative).decode("utf-8", "backslashreplace")
    return {
        "path": readable,
        "size": size,
        "modified_at": modified,
        "uri": "file://" + quote(os.fsencode(os.path.abspath(path))),
    }


def _batches(first: dict[str, object], rows: Iterable[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    batch = [first]
    for row in rows:
        if len(batch) == _LISTING_ROWS:
            yield batch
            batch = []
        batch.append(row)
    yield batch
