"""Where things lie, and files on any filesystem: plain local paths, and URLs; looked at and read inside a worker."""

from __future__ import annotations

import functools
import glob
import os
import posixpath
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import pyarrow as pa
from pyarrow import fs

from dedup_core.errors import InputError
from dedup_core.images.picture import Failure, read

_HADOOP_SCHEMES = {"s3a": "s3", "s3n": "s3"}
_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)(.*)", re.DOTALL)
_LOGS = {"Delta": "_delta_log", "Hudi": ".hoodie", "Iceberg": "metadata"}
_LEVELS = 4
_PATIENCE_SECONDS = 30.0
_SLOW_SECONDS = 1.0
_SILENCE_SECONDS = 60.0
_GOOGLE = ("gs:", "gcs:")
_GOOGLE_RETRIES_SECONDS = 10  # of a quarter of an hour that it would take

_ANSWERED: set[str] = set()
"""The filesystems, by scheme and authority, that have answered this process, and not failed since."""

_SILENT: dict[str, tuple[float, str]] = {}
"""Those that haven't: until when they aren't asked, and why."""


def has_scheme(path: str) -> bool:
    """Return whether the path is a URL ("s3a://bucket/images") and not a plain local path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path) is not None


def local_path(location: str) -> str | None:
    """Return the path on a disk that a location names, or None for another filesystem."""
    if location[:5].lower() == "file:":
        return "/" + location[5:].lstrip("/")
    return None if has_scheme(location) else os.path.expanduser(location)


def spark_url(location: str) -> str:
    """Return a location as Spark is to read it: a plain path is on this disk, whatever ``fs.defaultFS`` says."""
    local = local_path(location)
    return location if local is None else f"file://{os.path.abspath(local)}"


def normal(location: str) -> str:
    """Return the one spelling of a location: relative paths, ``file:`` and needless slashes name the same place.

    A URL keeps its scheme, which whoever reads it must know; one with options or a pattern keeps its path.
    """
    local = local_path(location)
    if local is not None:
        return os.path.abspath(local)
    root, path = _divided(location)
    scheme, host = root.split(":", 1)
    path = path if "?" in path else posixpath.normpath("/" + path.lstrip("/"))
    return f"{scheme.lower()}:{host}{path.rstrip('/')}"


def canonical(url: str) -> str:
    """Return the one spelling of a URL: of its scheme, its host, and on HDFS, which has folders, of its path."""
    root, path = _divided(arrow_url(url))
    return root.lower() + (posixpath.normpath(path) if root.lower().startswith(("hdfs:", "viewfs:")) else path)


def same_place(one: str, other: str) -> bool:
    """Return whether two locations differ in spelling alone."""
    return _compared(one) == _compared(other)


def lies_inside(inner: str, outer: str) -> bool:
    """Return whether a location lies in another one or is the same, links followed."""
    one, other = (f"{_compared(place, os.path.realpath).rstrip('/')}/" for place in (inner, outer))
    return one.startswith(other)


def _compared(location: str, on_disk: Callable[[str], str] = os.path.abspath) -> str:
    local = local_path(location)
    return canonical(normal(location)) if local is None else on_disk(local)


def _divided(url: str) -> tuple[str, str]:
    """Return a URL's scheme and host, and the path below them."""
    root, path = _REMOTE.match(url).groups()  # type: ignore[union-attr]  # what has a scheme matches
    return root, path


def is_glob(location: str) -> bool:
    """Return whether a location is a pattern. On a disk, what exists is a path, whatever its letters."""
    local = local_path(location)
    if local is not None and os.path.lexists(local):
        return False
    return glob.has_magic(location) or "{" in location


def fixed_part(pattern: str) -> str:
    """Return the folder that a glob starts from, "/a/b" for "/a/b/*/c.jpg"; all of what is no glob.

    On a disk it is what exists of the path: "/albums/[2020] Trip" for "/albums/[2020] Trip/*.jpg".
    """
    if not is_glob(pattern):
        return pattern
    local = local_path(pattern)
    if local is None:
        return re.split(r"[*?\[{]", pattern, maxsplit=1)[0].rpartition("/")[0]
    folder = os.path.dirname(local)
    while folder and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def literal(path: str) -> str:
    """Escape the characters that Spark would read as a glob."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def alternatives(pattern: str) -> list[str]:
    """Return the patterns that braces stand for: "a.jpg" and "a.png" for "a.{jpg,png}"."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [whole for part in braces[1].split(",") for whole in alternatives(before + part + after)]


def arrow_url(url: str) -> str:
    """Return a path or URL as Arrow's filesystems want it: Hadoop's names of S3 are Hadoop's alone."""
    if not has_scheme(url):
        return url
    scheme, rest = url.split(":", 1)
    scheme = scheme.lower()
    if scheme == "file":
        return "/" + rest.lstrip("/")
    return f"{_HADOOP_SCHEMES.get(scheme, scheme)}:{rest}"


@dataclass(frozen=True)
class RemoteFile:
    """What a filesystem says of a file: bytes, microseconds since 1970, and what changes whenever the content does."""

    size: int | None = None
    modified_at: int | None = None
    identity: str | None = None


def read_uri(uri: str, max_bytes: int) -> bytes | Failure:
    """Read one file in a worker: from a disk, or through Arrow's filesystems. Whatever goes wrong is a failure."""
    local = local_path(uri)
    if local is not None:
        return read(os.fsdecode(unquote_to_bytes(local)) if uri[:5].lower() == "file:" else local, max_bytes)
    try:
        filesystem, place = reached(uri)
        with filesystem.open_input_file(place) as file:
            if file.size() > max_bytes:
                return Failure("too_large", f"{file.size():,} bytes, over the limit of {max_bytes:,}")
            return bytes(file.readall())
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except Exception as error:  # noqa: BLE001 - a filesystem that is not installed, or a plugin's own errors
        _ANSWERED.discard(_divided(uri)[0])
        return Failure("unreadable", f"the file can't be read: {' '.join(str(error).split())}")


def look_at_uri(uri: str) -> RemoteFile:
    """Return what a filesystem says of a file; nothing where it says nothing, which reading the file will explain.

    An object store names a content by its etag. Where there is none, as on HDFS, size and time of modification have to
    do: that time is the system's own, unless somebody sets another one.
    """
    try:
        filesystem, place = reached(uri)
        info = filesystem.get_file_info(place)
        etag = _etag(filesystem, place) if info.type == fs.FileType.File else None
    except Exception:  # noqa: BLE001 - reading the file will fail in the same way, and say why
        _ANSWERED.discard(_divided(uri)[0])
        return RemoteFile()
    if info.type != fs.FileType.File:
        return RemoteFile()
    moment = None if info.mtime is None else round(info.mtime.timestamp() * 1e6)
    if etag is not None:
        return RemoteFile(info.size, moment, etag_identity(info.size, etag))
    return RemoteFile(info.size, moment, None if moment is None else modified_identity(info.size, moment))


def modified_identity(size: int, modified_at: int) -> str:
    """Return the identity of a file of which size and time of modification are known, and nothing better."""
    return f"modified:{size:x}.{modified_at:x}"


def etag_identity(size: int, etag: str) -> str:
    """Return the identity of an object: its etag, which a store may write in quotes."""
    etag = etag.strip('"')
    return f"etag:{size:x}.{etag}"


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
    root, path = _divided(location)
    filesystem, base = _filesystem(root)
    return filesystem, place_of(filesystem.type_name, base, path)


def reached(location: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a URL that has answered, and its place in it; for a worker.

    One that doesn't answer, or fails slowly, isn't asked again for a while: a manifest may name it in every row.

    Raises:
        OSError: if it doesn't answer; and what `opened` raises.
    """
    root, _ = _divided(location)
    if root not in _ANSWERED:
        until, reason = _SILENT.get(root, (0.0, ""))
        if time.monotonic() < until:
            raise OSError(reason)
        _ask(root, location)
        _ANSWERED.add(root)
    return opened(location)


def _ask(root: str, location: str) -> None:
    """Ask a filesystem for a file, in a thread of its own, which is left behind if there is no answer."""
    answer: Future[None] = Future()
    threading.Thread(target=_answer, args=(answer, location), daemon=True).start()
    started = time.monotonic()
    try:
        answer.result(_PATIENCE_SECONDS)
    except FutureTimeoutError:
        reason = f"{root} did not answer within {_PATIENCE_SECONDS:g} seconds"
        _SILENT[root] = (time.monotonic() + _SILENCE_SECONDS, reason)
        raise OSError(reason) from None
    except Exception as error:
        if time.monotonic() - started > _SLOW_SECONDS:
            _SILENT[root] = (time.monotonic() + _SILENCE_SECONDS, str(error))
        raise


def _answer(answer: Future[None], location: str) -> None:
    try:
        filesystem, place = opened(location)
        filesystem.get_file_info(place)
        answer.set_result(None)
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
        answer.set_exception(error)


@functools.lru_cache(maxsize=16)
def _filesystem(root: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a URL's scheme and authority, and what of the latter belongs to a place in it."""
    url = arrow_url(root)
    return fs.FileSystem.from_uri(
        f"{url}?retry_limit_seconds={_GOOGLE_RETRIES_SECONDS}" if url.startswith(_GOOGLE) else url
    )


def _etag(filesystem: fs.FileSystem, place: str) -> str | None:
    if filesystem.type_name == "hdfs":
        return None
    with filesystem.open_input_file(place) as file:
        found = {name.lower(): value for name, value in (file.metadata() or {}).items()}.get("etag")
    return None if found is None else found.decode("utf-8", "replace")


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
