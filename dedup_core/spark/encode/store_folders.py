"""What lies in a folder of a store or a filesystem of many machines, as far as it tells without a look at each file."""

from __future__ import annotations

import importlib.util
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pyarrow import fs

from dedup_core.filesystems import RemoteFile, etag_identity, modified_identity, reached

_LAST_LETTER = "\U0010ffff"


@dataclass(frozen=True)
class StoreEntry:
    """A file or a folder.

    Attributes:
        name: relative to the folder that was listed, with '/' between the parts.
        file: what is known of the file; None for a folder.
    """

    name: str
    file: RemoteFile | None


class StoreFolders(Protocol):
    """The folders of a filesystem.

    Attributes:
        goes_deep: whether all that lies below a folder is listed as fast as what lies in it.
    """

    goes_deep: bool

    def entries(self, place: str, deep: bool, head: str = "") -> Iterator[StoreEntry]:
        """Yield what lies in a folder; if deep, all files below it instead.

        Args:
            place: the folder.
            deep: whether to go below it.
            head: what names have to begin with; only where ``goes_deep``.

        Raises:
            OSError, pyarrow.ArrowException, botocore.exceptions.BotoCoreError, ClientError: if it can't be listed.
        """

    def heads(self, place: str, head: str) -> list[str]:
        """Return what divides the files below a folder that have a head: all longer heads, by one letter.

        None where they can't be divided. A file whose name is the head itself has no longer one.
        """


def folders_of(location: str) -> tuple[StoreFolders, str]:
    """Return the folders of a location's filesystem, and its place among them.

    S3 is asked by boto3 where that is installed: it alone says etags without a request for every file, and pages.

    Raises:
        OSError, pyarrow.ArrowException: if there is no such filesystem, or it doesn't answer.
    """
    filesystem, place = reached(location)
    if filesystem.type_name == "s3" and importlib.util.find_spec("boto3") is not None:
        return S3Folders(), place
    return ArrowFolders(filesystem), place


class ArrowFolders:
    """Folders of any filesystem that Arrow knows: a folder at a time, which is then held in memory."""

    goes_deep = False

    def __init__(self, filesystem: fs.FileSystem) -> None:
        """Take a filesystem."""
        self._filesystem = filesystem

    def entries(self, place: str, deep: bool, head: str = "") -> Iterator[StoreEntry]:  # noqa: ARG002
        """Yield what lies in a folder."""
        for info in self._filesystem.get_file_info(fs.FileSelector(place, recursive=deep)):
            name = posixpath.relpath(info.path, place)
            if info.type == fs.FileType.Directory:
                if not deep:
                    yield StoreEntry(name, None)
            else:
                yield StoreEntry(name, _told(info))

    def heads(self, place: str, head: str) -> list[str]:  # noqa: ARG002
        """Return none."""
        return []


class S3Folders:
    """Folders of S3: keys by the thousand, in their order, with their etags."""

    goes_deep = True

    def __init__(self) -> None:
        """Take credentials, region and endpoint from the environment, as Arrow does."""
        import boto3

        self._client = boto3.client("s3")

    def entries(self, place: str, deep: bool, head: str = "") -> Iterator[StoreEntry]:
        """Yield what lies in a folder, or all keys below it. Keys that end with a slash stand for a folder alone."""
        bucket, prefix = _divided(place)
        asked = {"Bucket": bucket, "Prefix": prefix + head} | ({} if deep else {"Delimiter": "/"})
        for page in self._client.get_paginator("list_objects_v2").paginate(**asked):
            for key in page.get("Contents", ()):
                if not key["Key"].endswith("/"):
                    yield StoreEntry(key["Key"].removeprefix(prefix), _of_key(key))
            for below in page.get("CommonPrefixes", ()):
                yield StoreEntry(below["Prefix"].removeprefix(prefix).rstrip("/"), None)

    def heads(self, place: str, head: str) -> list[str]:
        """Return the head with each letter that follows it in some key, found by a request a letter."""
        bucket, prefix = _divided(place)
        prefix += head
        after, found = prefix, []
        while keys := self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=1).get(
            "Contents"
        ):
            letter = keys[0]["Key"].removeprefix(prefix)[0]
            if head + letter in found:
                return []  # keys in no order of letters
            found.append(head + letter)
            after = prefix + letter + _LAST_LETTER
        return found


def _divided(place: str) -> tuple[str, str]:
    """Return a place's bucket, and what the keys below it begin with."""
    bucket, _, folder = place.partition("/")
    return bucket, f"{folder}/" if folder else ""


def _told(info: fs.FileInfo) -> RemoteFile:
    if info.mtime is None:
        return RemoteFile(info.size)
    moment = round(info.mtime.timestamp() * 1e6)
    return RemoteFile(info.size, moment, modified_identity(info.size, moment))


def _of_key(key: dict[str, Any]) -> RemoteFile:
    moment = round(key["LastModified"].timestamp() * 1e6)
    return RemoteFile(key["Size"], moment, etag_identity(key["Size"], key["ETag"]))
