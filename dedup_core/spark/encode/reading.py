"""Files read for whoever decodes them: ahead, in threads, where a store takes longer to answer than is quick."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dedup_core.filesystems import local_path, read_uri
from dedup_core.images.picture import Failure

_READS_AHEAD = 16
_BYTES_AHEAD = 64 << 20
_QUICK_SECONDS = 0.002
_OF_LATE = 16  # files, over which the time of reading one is averaged

Content = bytes | Failure
ImageRow = dict[str, Any]
_Read = Callable[[ImageRow], Content]


def with_contents(rows: Iterable[ImageRow], max_bytes: int) -> Iterator[tuple[ImageRow, Content]]:
    """Yield rows in their order, without ``content``, each with its bytes or why there are none.

    Args:
        rows: ``uri``, ``size``, and ``content``: null where the file is still to be read.
        max_bytes: larger files aren't read.
    """
    return _ahead(rows, lambda row: read_uri(row["uri"], max_bytes))


def _ahead(rows: Iterable[ImageRow], read: _Read) -> Iterator[tuple[ImageRow, Content]]:
    """Read as many files ahead as are few and small enough; one at least, however large."""
    with _FilesAhead(read) as files:
        ahead: deque[tuple[ImageRow, Callable[[], Content]]] = deque()
        size = 0
        for row in rows:
            size += row["size"] or 0
            ahead.append((row, files.begun(row)))
            while ahead and (len(ahead) > _READS_AHEAD or size > _BYTES_AHEAD):
                size -= ahead[0][0]["size"] or 0
                yield _finished(*ahead.popleft())
        while ahead:
            yield _finished(*ahead.popleft())


class _FilesAhead:
    """Reads in threads, but for files of disks that answer quickly: a thread's turn takes longer than such a read.

    Args:
        read: reads the file of a row.
    """

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(_READS_AHEAD)
        self._seconds = 0.0

    def __enter__(self) -> _FilesAhead:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begun(self, row: ImageRow) -> Callable[[], Content]:
        """Take a row's content, and return what gives it: a thread that is at it, or a call that will read it."""
        content = row.pop("content")
        if content is not None:
            return lambda: content
        if row["uri"] is None:
            return lambda: Failure("empty", "the row has no content")
        if self._seconds < _QUICK_SECONDS and local_path(row["uri"]) is not None:
            return partial(self._timed, row)
        return self._pool.submit(self._timed, row).result

    def _timed(self, row: ImageRow) -> Content:
        started = time.monotonic()
        try:
            return self._read(row)
        finally:
            self._seconds += (time.monotonic() - started - self._seconds) / _OF_LATE


def _finished(row: ImageRow, content: Callable[[], Content]) -> tuple[ImageRow, Content]:
    return row, content()
