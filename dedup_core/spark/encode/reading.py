"""Files read ahead of whoever decodes them: a store takes longer to answer than a picture to be decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dedup_core.filesystems import read_uri
from dedup_core.images.picture import Failure

_READS_AHEAD = 16
_BYTES_AHEAD = 64 << 20

Content = bytes | Failure
ImageRow = dict[str, Any]


def with_contents(rows: Iterable[ImageRow], max_bytes: int) -> Iterator[tuple[ImageRow, Content]]:
    """Yield rows in their order, without ``content``, each with its bytes or why there are none.

    Args:
        rows: ``uri``, ``size``, and ``content``: null where the file is still to be read.
        max_bytes: larger files aren't read.
    """
    return _ahead(rows, lambda row: read_uri(row["uri"], max_bytes))


def _ahead(rows: Iterable[ImageRow], read: Callable[[ImageRow], Content]) -> Iterator[tuple[ImageRow, Content]]:
    """Read in threads, as many files ahead as are few and small enough; one at least, however large."""
    pool = ThreadPoolExecutor(_READS_AHEAD)
    ahead: deque[tuple[ImageRow, Content | Future[Content]]] = deque()
    size = 0
    try:
        for row in rows:
            size += row["size"] or 0
            ahead.append((row, _begun(row, read, pool)))
            while ahead and (len(ahead) > _READS_AHEAD or size > _BYTES_AHEAD):
                size -= ahead[0][0]["size"] or 0
                yield _finished(*ahead.popleft())
        while ahead:
            yield _finished(*ahead.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(row: ImageRow, read: Callable[[ImageRow], Content], pool: ThreadPoolExecutor) -> Content | Future[Content]:
    content = row.pop("content")
    if content is not None:
        return content
    if row["uri"] is None:
        return Failure("empty", "the manifest's row has no content")
    return pool.submit(read, row)


def _finished(row: ImageRow, content: Content | Future[Content]) -> tuple[ImageRow, Content]:
    return row, content.result() if isinstance(content, Future) else content
