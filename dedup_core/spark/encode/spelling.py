"""Columns of names: the one spelling that every table can hold, and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from dedup_core.images.names import on_disk, readable


def texts(names: pa.Array) -> list[str | None]:
    """Return names as text that every table can hold. Bytes come from Parquet; lines and fields are text already."""
    return [spelt(name) for name in names.to_pylist()]


def spelt(name: str | bytes | None) -> str | None:
    """Return a name as `texts` does."""
    return readable(name) if isinstance(name, bytes) else name


def with_readable_path(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Spell the first column; for ``mapInArrow``."""
    for batch in batches:
        columns = [pa.array(texts(batch.column(0)), pa.string()), *batch.columns[1:]]
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def with_raw_path(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add the bytes that stand in the table for a path, the first column, as the last one; for ``mapInArrow``."""
    for batch in batches:
        raw = pa.array(map(on_disk, batch.column(0).to_pylist()), pa.binary())
        yield pa.RecordBatch.from_arrays([*batch.columns, raw], names=[*batch.schema.names, "raw"])
