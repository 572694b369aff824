"""Rows as they arrive in a task, some at a time; and how many tasks there may be."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

MOST_TASKS = 100_000
"""Of more a driver plans for hours, and a cluster starts them for as long."""

FEW_ROWS = 5_000
"""What is known of so many images is best read by one task. A shuffle costs a Spark job, as does a small table that is
sent to all tasks, and each job costs more than so many rows."""

FEW_STEP_ROWS = 200_000
"""A step may make many rows of few images, such as their pairs: of more than these, several tasks read them."""

Batches = Iterator[pa.RecordBatch]


def are_few(rows: int | None) -> bool:
    """Return whether one task best reads so many rows; not where their number is not known."""
    return rows is not None and rows <= FEW_ROWS


def gathered(batches: Batches, rows: int) -> Iterator[pa.Table]:
    """Yield tables of at least so many rows, or the rest, whatever the size of the batches."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        if count >= rows:
            yield pa.Table.from_batches(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)
