"""Images on a store or a filesystem of many machines: listed by driver and workers, read by the workers."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.filesystems import (
    RemoteFile,
    alternatives,
    fixed_part,
    is_glob,
    look_at_uri,
    normal,
    reached,
    read_uri,
)
from dedup_core.images.files import Folder, ImageFile, unlistable
from dedup_core.images.ours import ours, parsed
from dedup_core.images.patterns import ALL_BELOW, Patterns
from dedup_core.images.picture import Failure
from dedup_core.ledger import MARKER, PLACES, SPARKS_MARKS, STAGING
from dedup_core.spark.encode.checkpoints import Part
from dedup_core.spark.encode.entries import entry_row, no_files
from dedup_core.spark.encode.store_folders import StoreEntry, StoreFolders, folders_of
from dedup_core.spark.encode.walking import walk, write_rows
from dedup_core.spark.explained import explanation
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENTRIES, conform

_KNOWN = "hdfs, viewfs, s3 (s3a, s3n), gs (gcs), abfs (abfss)"
_MARKER_BYTES = 1 << 28
_MOST_AT_ONCE = 20_000  # files below a folder that one walker lists; more are divided
_OURS = "uri STRING, below STRING, is_mark BOOLEAN"
_OURS_ARROW = pa.schema([("uri", pa.string()), ("below", pa.string()), ("is_mark", pa.bool_())])


@dataclass(frozen=True)
class RemoteImages:
    """A folder, a glob or a file on any filesystem that Arrow knows."""

    location: str
    recursive: bool

    def list_into(self, staging: Staging) -> DataFrame:
        """Write what there is, and return it; no content is read.

        Raises:
            InputError: if the input is missing or can't be listed.
        """
        if self._type() == fs.FileType.File:
            name = posixpath.basename(self._url)
            write_rows(staging, "walked/0", [_row(name, self._url, look_at_uri(self._url))])
            return staging.read("walked/0", ENTRIES)
        folder = self.folder
        found = walk(staging, self._first(folder), functools.partial(_RemoteWalker, folder))
        return _without_ours(staging, found)

    @property
    def nothing(self) -> str:
        """What to say where there are no files."""
        return no_files(self.location)

    def contents(self, listing: DataFrame, part: Part) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing.repartition(part.tasks), CONTENTS)

    @property
    def folder(self) -> str:
        """The URL of the folder that names are relative to: that of a single file, or what a glob starts from.

        Raises:
            InputError: if there is nothing there.
        """
        kind = self._type()
        if kind == fs.FileType.File:
            return posixpath.dirname(self._url)
        return self._url if kind == fs.FileType.Directory else fixed_part(self._url)

    @property
    def _url(self) -> str:
        return normal(self.location)

    def _type(self) -> fs.FileType:
        """Return what the location names: a file, a folder, or nothing if it is a pattern."""
        try:
            filesystem, place = reached(self._url)
            kind = filesystem.get_file_info(place).type
        except (OSError, pa.ArrowException, ImportError) as error:
            to_do = explanation(error) or f"the filesystems known are {_KNOWN}"
            raise InputError(f"the input {self.location} can't be reached ({_line(error)}): {to_do}") from error
        if kind == fs.FileType.NotFound and not is_glob(self._url):
            raise InputError(f"the input does not exist: {self.location}")
        return kind

    def _first(self, folder: str) -> Folder:
        try:
            folders, place = folders_of(folder)
            next(folders.entries(place, deep=False), None)
        except Exception as error:  # of boto3 for one, which need not be there to be named
            known = explanation(error)
            told = _line(error) + ("" if known is None else f": {known}")
            raise InputError(f"the input {self.location} can't be listed: {told}") from error
        if folder == self._url:
            return Folder(place, "", Patterns.of([ALL_BELOW if self.recursive else "*"]))
        patterns = Patterns.of(alternatives(self._url.removeprefix(folder).lstrip("/")))
        return Folder(place, "", patterns, takes_folders=self.recursive and ALL_BELOW not in self._url)


class _RemoteWalker:
    """Looks into folders for rows. What our runs wrote is told apart when all markers are known."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._folders: StoreFolders = folders_of(folder)[0]

    def enter(self, place: Folder) -> None:
        """Nothing on the way to a place matters here."""

    def look_into(self, place: Folder, deep: bool) -> Iterator[Folder | dict[str, Any]]:
        """Yield rows of the files in a folder that are wanted, or markers; and the folders that may hold some.

        A folder that can't be listed is a row; if it is the first one, of which nothing is known, the task fails.
        """
        deep = deep and self._folders.goes_deep and place.wanted.goes_deep
        try:
            found = self._folders.entries(place.path, deep, place.head)
            first = list(itertools.islice(found, _MOST_AT_ONCE + 1)) if deep else []
            parts = self._parts(place, first) if len(first) > _MOST_AT_ONCE else []
            if parts:  # they leave out the file that is called as the head, the first of all
                found, first = iter(()), [entry for entry in first[:1] if entry.name == place.head]
            for entry in itertools.chain(first, found):
                if entry.file is not None:
                    yield from self._of_file(place, entry.name, entry.file)
                elif wanted := place.wanted.inside(entry.name, False, place.takes_folders):
                    below, inside = f"{place.path}/{entry.name}", f"{place.inside}{entry.name}/"
                    yield Folder(below, inside, wanted, place.takes_folders)
            yield from parts
        except Exception as error:
            if not place.inside:
                raise
            failed = ImageFile(place.inside[:-1] or ".", place.path, failure=unlistable(error))
            yield entry_row(failed) | {"is_wanted": True}

    def row(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return what was found, which is a row."""
        return found

    def _parts(self, place: Folder, first: list[StoreEntry]) -> list[Folder]:
        """Divide a place by the letters that follow its head, so that others can list some of it."""
        names = {entry.name for entry in first}
        heads = self._folders.heads(place.path, place.head)
        while len(heads) == 1 and heads[0] not in names:  # all share a letter, and no file ends with it
            heads = self._folders.heads(place.path, heads[0])
        return [dataclasses.replace(place, head=head) for head in heads]

    def _of_file(self, place: Folder, below: str, file: RemoteFile) -> Iterator[dict[str, Any]]:
        folder, _, base = below.rpartition("/")
        is_wanted = _wanted_in(folder, place.wanted, place.takes_folders).match(base)
        if is_wanted or base == MARKER:
            name = place.inside + below
            yield _row(name, f"{self._folder}/{name}", file) | {"is_wanted": is_wanted}


@functools.lru_cache(maxsize=1000)
def _wanted_in(folder: str, wanted: Patterns, takes_folders: bool) -> Patterns:
    """Return what is wanted in a folder below another one."""
    if not folder:
        return wanted
    above, _, name = folder.rpartition("/")
    return _wanted_in(above, wanted, takes_folders).inside(name, False, takes_folders)


def _without_ours(staging: Staging, found: DataFrame) -> DataFrame:
    """Leave out what runs of ours wrote: what the markers list that lie among the files."""
    wanted = conform(found.where("is_wanted"), ENTRIES)
    is_marker = F.substring_index("path", "/", -1) == F.lit(MARKER)
    markers = found.where(is_marker & (F.col("size") <= F.lit(_MARKER_BYTES))).select("uri")
    if markers.isEmpty():
        return wanted
    listed = staging.write("ours", markers.mapInArrow(_of_ours, _OURS))
    files = listed.where(F.col("uri").isNotNull()).select("uri")
    folders = listed.where(F.col("below").isNotNull()).select("below", "is_mark")
    is_mark = F.substring_index("uri", "/", -1).isin(*SPARKS_MARKS)
    lies_below = F.col("uri").startswith(F.col("below")) & (~F.col("is_mark") | is_mark)
    kept = wanted.join(F.broadcast(files), on="uri", how="left_anti")
    kept = kept.join(F.broadcast(folders), on=lies_below, how="left_anti")
    return staging.write("entries", conform(kept, ENTRIES))


def _of_ours(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read markers, and yield what they list, and the folders below which things are ours."""
    for batch in batches:
        rows: list[dict[str, Any]] = []
        for uri in batch.column(0).to_pylist():
            text = read_uri(uri, _MARKER_BYTES)
            ledger = None if isinstance(text, Failure) else parsed(text)
            if ledger is not None:
                folder = uri.removesuffix(MARKER)
                rows += [{"uri": folder + name} for name in ours(ledger)]
                rows.append({"below": f"{folder}{STAGING}/", "is_mark": False})
                rows += [{"below": f"{folder}{place}/", "is_mark": True} for place in PLACES]
        yield pa.RecordBatch.from_pylist(rows, schema=_OURS_ARROW)


def _row(name: str, url: str, known: RemoteFile) -> dict[str, Any]:
    return entry_row(ImageFile(name, url, known.size, known.modified_at, known.identity), url)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
