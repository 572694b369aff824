"""Rows of what there is, as tasks and the driver write them: one for a file, one for a folder that can't be listed."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from dedup_core.images.files import ImageFile

_CALENDAR = (-2_208_988_800_000_000, 253_402_300_800_000_000)  # 1900 to 9999 in microseconds: what Spark can write
ENTRIES_ARROW = pa.schema(
    [
        ("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")),
        ("identity", pa.string()), ("uri", pa.string()), ("file", pa.int64()), ("row", pa.int64()),
        ("file_id", pa.string()), ("links", pa.int32()), ("is_folder", pa.bool_()), ("reason", pa.string()),
        ("message", pa.string()),
    ]
)  # fmt: skip

NAMELESS = {"links": 0, "is_folder": False, "reason": "no_path", "message": "the row names no image"}
"""What there is to say of a row without a path."""


def entry_row(file: ImageFile, uri: str | None = None) -> dict[str, Any]:
    """Return a file as a row of ``tables.ENTRIES``.

    Args:
        file: what is known of it.
        uri: where a worker reads it; by default that is on a disk.
    """
    reason, message = (None, None) if file.failure is None else (file.failure.reason, file.failure.message)
    return {
        "path": file.name,
        "size": file.size,
        "modified_at": moment(file.modified_at),
        "identity": file.identity,
        "uri": None if file.failure else uri or file_uri(file.path),
        "file_id": file.file_id,
        "links": file.links,
        "is_folder": file.failure is not None,
        "reason": reason,
        "message": message,
    }


def no_files(location: str) -> str:
    """Return what to say of a folder or a pattern that has no files."""
    return f"no files in {location} (names that begin with '.' are passed over, and what a run of ours wrote)"


def file_uri(path: str | bytes) -> str:
    """Return where a worker reads a local file: its bytes, whatever they are, as a URI."""
    return "file://" + quote(os.path.abspath(os.fsencode(path)))


def moment(microseconds: int | None) -> int | None:
    """Return a time that a calendar knows, in microseconds since 1970, and None for one that no calendar does.

    Disks hold any number as a time. For people alone: what tells a file's content is its identity.
    """
    is_known = microseconds is not None and _CALENDAR[0] <= microseconds < _CALENDAR[1]
    return microseconds if is_known else None
