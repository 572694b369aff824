"""The clustered cosine search, for collections too large for the exact one: it misses pairs, and measures how many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.cosine import join as cosine
from dedup_core.cosine.cells import cells_of, fit_cells
from dedup_core.errors import SettingsError
from dedup_core.settings.layers import option
from dedup_core.settings.settings import MAX_CELLS, SearchSettings
from dedup_core.spark.batches import Batches
from dedup_core.spark.search.chunks import BLOBS, blobs, brought_together, check_tasks, chunk_pairs
from dedup_core.spark.search.cosine.join import WHOLE_BYTES, CosinePlan, joiner
from dedup_core.spark.search.cosine.search import EmbeddingSearch
from dedup_core.spark.search.cosine.vectors import matrix, sample
from dedup_core.spark.search.distinct import CODE_PAIRS, DistinctCodes
from dedup_core.spark.search.proposal import Proposal, Recall
from dedup_core.spark.staging import Staging

_SAMPLE_VECTORS = MAX_CELLS
_CHECKED_VECTORS = 500
_PACK_BYTES = 1 << 25
_CENTRE_BYTES = 1 << 26  # they travel with the tasks' code, which Spark Connect limits to 128 MiB
_COUNTED_VECTORS = 256
_MOST_CELLS_A_VECTOR = 64


@dataclass(frozen=True)
class ClusteredSearch(EmbeddingSearch):
    """A search that compares like with like alone.

    Attributes:
        cells: how many cells to fit, at most; None for the square root of the number of embeddings.
        margin: by how much less like it may be, a cell is searched too.
    """

    cells: int | None
    margin: float

    @classmethod
    def of(cls, settings: SearchSettings) -> ClusteredSearch:
        """Return the search that the settings ask for."""
        return cls(settings.min_similarity_threshold, settings.most_copies, settings.cells, settings.margin)

    def note(self, codes: DistinctCodes) -> str:
        """Return how it searches, and that it is not exact."""
        return (
            f"clustered search, {self._cells(codes.count):,} cells, margin {self.margin:g}: it is not exact and may "
            "miss pairs"
        )

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find pairs of distinct embeddings that are similar enough and share a cell."""
        cells = self._cells(codes.count)
        return clustered_pairs(codes.compared, codes.count, self.min_similarity, cells, self.margin, steps)

    def _cells(self, count: int) -> int:
        return min(self.cells or max(1, math.isqrt(count)), count, MAX_CELLS)


def clustered_pairs(
    vectors: DataFrame, count: int, min_similarity: float, cells: int, margin: float, steps: Staging
) -> Proposal:
    """Return pairs of codes that reach the threshold and share a cell, and how much of all pairs these are.

    A vector joins its nearest cell and every one that is as near but for ``margin``. The recall is measured in the
    same run: a sample of vectors is compared with all others by the exact kernel, and their pairs are looked up.

    Args:
        vectors: code, vector: each code once, all vectors of one length.
        count: how many there are.
        min_similarity: the least similarity of a pair, -1.0 to 1.0.
        cells: how many cells to fit, at most ``MAX_CELLS``.
        margin: 0.0 to 2.0; 2.0 puts every vector into every cell.
        steps: where the pairs are written.

    Returns:
        The pairs, as written, and the recall.

    Raises:
        SettingsError: if the margin is so wide that every vector would travel to more than 64 cells.
    """
    _, some = sample(vectors, count, _SAMPLE_VECTORS)
    plan = CosinePlan.whole(some, min_similarity)
    centres = fit_cells(some, min(cells, max(1, _CENTRE_BYTES // (4 * plan.length))))
    sizes = _cell_sizes(vectors, centres, margin, plan.length)
    if (copies := sum(sizes)) > _MOST_CELLS_A_VECTOR * count:
        raise SettingsError(
            f"--margin {margin:g} puts an embedding into {copies / count:.0f} of the {len(centres):,} cells on "
            f"average, and more than {_MOST_CELLS_A_VECTOR} cost more than the exact search: choose a smaller one"
        )
    parts = [math.ceil(4 * plan.length * size / WHOLE_BYTES) for size in sizes]
    check_tasks(sum(part * (part + 1) // 2 for part in parts), f"raise {option('cells')}, or choose a smaller margin")
    first = np.concatenate([[0], np.cumsum(parts)])
    tasks = [pair for parts_of_cell in itertools.pairwise(first) for pair in chunk_pairs(*parts_of_cell)]
    packed = vectors.select("code", "vector").mapInArrow(_packer(plan, centres, margin, first), BLOBS)
    found = brought_together(packed, tasks).mapInArrow(joiner(plan), CODE_PAIRS)
    ends = F.least("code_a", "code_b").alias("code_a"), F.greatest("code_a", "code_b").alias("code_b")
    # Two vectors may share several cells, and are found in each of them with the same score.
    written = steps.write("clustered_pairs", found.select(*ends, "score").distinct())
    return Proposal(written, _recall(written, vectors, count, plan))


def _cell_sizes(vectors: DataFrame, centres: np.ndarray, margin: float, length: int) -> list[int]:
    def assign(batches: Batches) -> Batches:
        sizes = np.zeros(len(centres), np.int64)
        for batch in batches:
            numbers = matrix(batch.column(0), length)
            for start in range(0, len(numbers), _COUNTED_VECTORS):
                _, cells = cells_of(numbers[start : start + _COUNTED_VECTORS], centres, margin)
                sizes += np.bincount(cells, minlength=len(centres))
        filled = np.flatnonzero(sizes)
        yield pa.RecordBatch.from_pydict({"cell": filled, "size": sizes[filled]})

    counted = vectors.select("vector").mapInArrow(assign, "cell BIGINT, size BIGINT")
    sizes = {row["cell"]: row["size"] for row in counted.groupBy("cell").agg(F.sum("size").alias("size")).collect()}
    return [sizes.get(cell, 0) for cell in range(len(centres))]


def _packer(plan: CosinePlan, centres: np.ndarray, margin: float, first: np.ndarray) -> Callable[[Batches], Batches]:
    """Pack the vectors into blobs by cell, a large cell's into several parts."""
    parts = np.maximum(np.diff(first), 1)
    together = max(1, _PACK_BYTES // (4 * plan.length))

    def pack(batches: Batches) -> Batches:
        for batch in batches:
            vectors, codes = matrix(batch.column(1), plan.length), batch.column(0).to_numpy()
            rows, cells = cells_of(vectors, centres, margin)
            chunk = first[cells] + (codes[rows].view(np.uint64) % parts[cells].astype(np.uint64)).astype(np.int64)
            # A batch of another shape rounds otherwise: a vector may come to a cell that nobody was counted in.
            chunk = np.minimum(chunk, first[-1] - 1)
            # A wide margin copies a vector into many cells: only so many copies are made at a time.
            for at in range(0, len(rows), together):
                some = slice(at, at + together)
                yield blobs(codes[rows[some]], vectors[rows[some]], chunk[some], int(first[-1]))

    return pack


def _recall(proposed: DataFrame, vectors: DataFrame, count: int, plan: CosinePlan) -> Recall:
    codes, some = sample(vectors, count, _CHECKED_VECTORS, draw=1)

    def compare(batches: Batches) -> Batches:
        for batch in batches:
            others = batch.column(0).to_numpy()
            numbers = matrix(batch.column(1), plan.length)
            for block in cosine.cross_join_blocks(some, numbers, plan.min_similarity, basis=plan.basis):
                ends = np.sort(np.stack([codes[block.left], others[block.right]]), axis=0)
                smaller, larger = ends[:, ends[0] != ends[1]]
                yield pa.RecordBatch.from_pydict({"code_a": smaller, "code_b": larger})

    truth = vectors.select("code", "vector").mapInArrow(compare, "code_a BIGINT, code_b BIGINT")
    truth = truth.distinct()  # a pair within the sample is seen from both its ends
    hits = F.count("score").alias("hits")
    row = truth.join(proposed, on=["code_a", "code_b"], how="left").agg(hits, F.count("*").alias("all")).collect()[0]
    return Recall(len(codes), row["all"], row["hits"])
