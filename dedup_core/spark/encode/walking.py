"""Folders listed by many: the driver looks at the first of them, tasks go on from there.

What the driver finishes in a few seconds needs no Spark job. Otherwise the folders that wait go to tasks, as rows of
text. A task that has taken its time hands back the folders that it has not come to, and the next round spreads them
again, so that no deep folder keeps one task busy while the others have nothing left.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.filesystems import literal
from dedup_core.images.files import Folder
from dedup_core.spark.batches import are_few
from dedup_core.spark.encode.checkpoints import cores_of
from dedup_core.spark.encode.entries import ENTRIES_ARROW
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import ENTRIES
from dedup_core.workers import map_in_threads

WALKED = f"{ENTRIES}, is_wanted BOOLEAN, place STRING"
"""What a walk finds: files, and folders that it has not come to (``place``), as a `Folder` in JSON."""

_WALKED_ARROW = pa.schema([*ENTRIES_ARROW, ("is_wanted", pa.bool_()), ("place", pa.string())])
_ROWS_WRITTEN = 100_000
_DRIVERS_SECONDS = 5.0
_DRIVERS_ENTRIES = 50_000  # of one folder
_TASKS_A_CORE = 4
_TASK_SECONDS = 60.0
_LOOKS_AHEAD = 16  # threads that look at files: a look at a network's disk is a wait
_FILES_A_LOOK = 32


class Walker(Protocol):
    """Looks into folders, in one process."""

    def enter(self, place: Folder) -> None:
        """Take note of what lies on the way to a place that another walker came upon."""

    def look_into(self, place: Folder, deep: bool) -> Iterator[Any]:
        """Yield what lies in a folder, not yet looked at, and the folders in it as places.

        Args:
            place: the folder.
            deep: whether what lies deeper may come with it, in place of those folders.
        """

    def row(self, found: Any) -> dict[str, Any]:
        """Return a row of ``WALKED`` for what `look_into` yielded and what is no place."""


def walk(staging: Staging, first: Folder, walker: Callable[[], Walker]) -> DataFrame:
    """List a folder, and return ``WALKED`` rows of the files as read back.

    Args:
        staging: where the rows are written.
        first: the folder.
        walker: makes one in each process; it travels there.
    """
    staging.clear("walked")
    rounds, n_waiting = 0, _walk_here(staging, first, walker())
    most = _TASKS_A_CORE * cores_of(staging.spark) if n_waiting else 0
    while n_waiting:
        places = _round(staging, rounds).where(F.col("place").isNotNull()).select("place")
        rounds += 1
        found = places.repartition(min(n_waiting, most)).mapInArrow(_goes_on(walker), WALKED)
        found = staging.write(f"walked/{rounds}", found)
        n_waiting = found.where(F.col("place").isNotNull()).count()
    every = [literal(staging.path("walked", str(number))) for number in range(rounds + 1)]
    found = staging.spark.read.schema(WALKED).parquet(*every)
    is_short = not rounds and are_few(staging.count("walked/0"))
    return (found.coalesce(1) if is_short else found).where(F.col("place").isNull())


def write_rows(staging: Staging, name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of ``WALKED`` that the driver made, some 100,000 at a time."""
    rows = iter(rows)
    with staging.open_output(name, "part-0.parquet") as file, pq.ParquetWriter(file, _WALKED_ARROW) as writer:
        while batch := list(itertools.islice(rows, _ROWS_WRITTEN)):
            writer.write_table(pa.Table.from_pylist(batch, schema=_WALKED_ARROW))


def _round(staging: Staging, number: int) -> DataFrame:
    return staging.read(f"walked/{number}", WALKED)


def _walk_here(staging: Staging, first: Folder, walker: Walker) -> int:
    """List folders on the driver for some seconds, and return how many are left for tasks."""
    waiting: deque[Folder] = deque([first])
    large: list[Folder] = []
    until = time.monotonic() + _DRIVERS_SECONDS

    def rows() -> Iterator[dict[str, Any]]:
        while waiting and time.monotonic() < until:
            place = waiting.popleft()  # the first levels first: what waits is of one size, as far as that is known
            found = _few(walker.look_into(place, deep=False), until)
            if found is None:
                large.append(place)
                continue
            waiting.extend(item for item in found if isinstance(item, Folder))
            yield from (walker.row(item) for item in found if not isinstance(item, Folder))
        yield from map(_of_place, (*large, *waiting))

    write_rows(staging, "walked/0", rows())
    return len(waiting) + len(large)


def _few(found: Iterator[Any], until: float) -> list[Any] | None:
    """Return what lies in a folder; None if that is too much for the driver, or takes it too long."""
    few: list[Any] = []
    while some := list(itertools.islice(found, 1000)):
        few += some
        if len(few) > _DRIVERS_ENTRIES or time.monotonic() >= until:
            return None
    return few


def _goes_on(
    walker: Callable[[], Walker],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def go_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        until, walks = time.monotonic() + _TASK_SECONDS, walker()
        places = [Folder.from_json(text) for batch in batches for text in batch.column(0).to_pylist()]
        for place in places:
            walks.enter(place)
        found = _found(walks, places, until)
        together = iter(lambda: list(itertools.islice(found, _FILES_A_LOOK)), [])
        looked_at = map_in_threads(lambda some: [_row(walks, each) for each in some], together, _LOOKS_AHEAD)
        rows = itertools.chain.from_iterable(looked_at)
        while batch := list(itertools.islice(rows, _ROWS_WRITTEN)):
            yield pa.RecordBatch.from_pylist(batch, schema=_WALKED_ARROW)

    return go_on


def _found(walker: Walker, places: list[Folder], until: float) -> Iterator[Any]:
    """Yield what lies in the places and below them, and when time is up the folders that still wait."""
    waiting = list(places)
    while waiting:
        for found in walker.look_into(waiting.pop(), deep=True):
            if isinstance(found, Folder):
                waiting.append(found)
            else:
                yield found
        if time.monotonic() >= until:  # asked after a folder, as every round has to come further
            break
    yield from waiting


def _row(walker: Walker, found: Any) -> dict[str, Any]:
    return _of_place(found) if isinstance(found, Folder) else walker.row(found)


def _of_place(place: Folder) -> dict[str, Any]:
    return {"place": place.to_json()}
