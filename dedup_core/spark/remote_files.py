"""Single files on any filesystem, looked at and read inside a worker."""

from __future__ import annotations

import functools
import os
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import pyarrow as pa
from pyarrow import fs

from dedup_core.errors import InputError
from dedup_core.locations import arrow_url, fixed_part, is_glob, literal, local_path, normal, spark_url
from dedup_core.picture import Failure, read

_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)(.*)", re.DOTALL)
_LOGS = {"Delta": "_delta_log", "Hudi": ".hoodie", "Iceberg": "metadata"}
_LEVELS = 4


@dataclass(frozen=True)
class RemoteFile:
    """What a filesystem says of a file: bytes, microseconds since 1970, and what changes whenever the content does."""

    size: int | None = None
    modified_at: int | None = None
    identity: str | None = None


def read_uri(uri: str, max_bytes: int) -> bytes | Failure:
    """Read one file in a worker: from a disk, or through Arrow's filesystems."""
    local = local_path(uri)
    if local is not None:
        return read(os.fsdecode(unquote_to_bytes(local)) if uri.startswith("file:") else local, max_bytes)
    try:
        filesystem, place = opened(uri)
        with filesystem.open_input_file(place) as file:
            if file.size() > max_bytes:
                return Failure("too_large", f"{file.size():,} bytes, over the limit of {max_bytes:,}")
            return bytes(file.readall())
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except (OSError, pa.ArrowException) as error:
        return Failure("unreadable", f"the file can't be read: {' '.join(str(error).split())}")


def look_at_uri(uri: str) -> RemoteFile:
    """Return what a filesystem says of a file; nothing where it says nothing, which reading the file will explain.

    An object store names a content by its etag. Where there is none, as on HDFS, size and time of modification have to
    do: that time is the system's own, unless somebody sets another one.
    """
    try:
        filesystem, place = opened(uri)
        info = filesystem.get_file_info(place)
        etag = _etag(filesystem, place) if info.type == fs.FileType.File else None
    except (OSError, pa.ArrowException):
        return RemoteFile()
    if info.type != fs.FileType.File:
        return RemoteFile()
    moment = None if info.mtime is None else round(info.mtime.timestamp() * 1e6)
    if etag is not None:
        return RemoteFile(info.size, moment, f"etag:{info.size:x}.{etag}")
    return RemoteFile(info.size, moment, None if moment is None else modified_identity(info.size, moment))


def modified_identity(size: int, modified_at: int) -> str:
    """Return the identity of a file of which size and time of modification are known, and nothing better."""
    return f"modified:{size:x}.{modified_at:x}"


def place_of(filesystem: str, base: str, key: str) -> str:
    """Return where a key lies for a kind of filesystem: below its bucket, or on HDFS, which has none, from the root."""
    place = "/".join(part for part in (base.strip("/"), key.lstrip("/")) if part)
    return f"/{place}" if filesystem == "hdfs" else place


def opened(location: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a location, and its place in it, which may hold what a URL may not.

    Raises:
        pyarrow.ArrowException, OSError: if there is no such filesystem.
    """
    local = local_path(location)
    if local is not None:
        return fs.LocalFileSystem(), os.path.abspath(local)
    root, path = _REMOTE.match(location).groups()  # type: ignore[union-attr]  # what has a scheme matches
    filesystem, base = _filesystem(root)
    return filesystem, place_of(filesystem.type_name, base, path)


@functools.lru_cache(maxsize=16)
def _filesystem(root: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a URL's scheme and authority, and what of the latter belongs to a place in it."""
    return fs.FileSystem.from_uri(arrow_url(root))


def _etag(filesystem: fs.FileSystem, place: str) -> str | None:
    if filesystem.type_name == "hdfs":
        return None
    with filesystem.open_input_file(place) as file:
        found = {name.lower(): value for name, value in (file.metadata() or {}).items()}.get("etag")
    return None if found is None else found.decode("utf-8", "replace").strip('"')


def for_spark(location: str) -> str:
    """Return a location as Spark is to read it: a glob where it is one. What exists is a path, whatever its letters."""
    url = spark_url(location)
    if not is_glob(location) or _has(location):
        return literal(url)
    folder = spark_url(fixed_part(location))
    return literal(folder) + url[len(folder) :]


def refuse_table_log(location: str) -> None:
    """Refuse a table whose folder holds files of former versions, which only its own log tells from the current ones.

    Raises:
        InputError: names the kind of table, and says what to do.
    """
    folder = normal(fixed_part(location))
    if _type_of(folder) == fs.FileType.File:
        return  # a file is what it is
    for _ in range(_LEVELS):  # a part of a table is no better than the whole
        for kind, log in _LOGS.items():
            if _has(f"{folder}/{log}") and (kind != "Iceberg" or _holds_iceberg_metadata(f"{folder}/{log}")):
                raise InputError(
                    f"{location} belongs to a {kind} table, whose folder holds files of former versions too: save the "
                    f"current one as Parquet (spark.read.format({kind.lower()!r}).load(...).write.parquet(...)) and "
                    "give that"
                )
        folder = posixpath.dirname(folder)


def _holds_iceberg_metadata(folder: str) -> bool:
    filesystem, place = opened(folder)
    found = filesystem.get_file_info(fs.FileSelector(place))
    return any(entry.path.endswith((".metadata.json", "version-hint.text")) for entry in found)


def _has(location: str) -> bool:
    return _type_of(location) != fs.FileType.NotFound


def _type_of(location: str) -> fs.FileType:
    try:
        filesystem, place = opened(location)
        return filesystem.get_file_info(place).type
    except (OSError, pa.ArrowException):
        return fs.FileType.NotFound
