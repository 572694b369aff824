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
from dedup_core.settings.settings import MAX_CELLS
from dedup_core.spark.search.chunks import BLOBS, Batches, blobs, chunk_pairs, seated
from dedup_core.spark.search.cosine.join import WHOLE_BYTES, Plan, joiner
from dedup_core.spark.search.cosine.vectors import matrix, sample
from dedup_core.spark.search.distinct import CODE_PAIRS
from dedup_core.spark.staging import Staging

_SAMPLE_VECTORS = MAX_CELLS
_CHECKED_VECTORS = 500
_PACK_BYTES = 1 << 25
_CENTRE_BYTES = 1 << 26  # they travel with the tasks' code, which Spark Connect limits to 128 MiB
_COUNTED_VECTORS = 256
_MOST_CELLS_A_VECTOR = 64


@dataclass(frozen=True)
class Recall:
    """How much of a sample's pairs a search found.

    Attributes:
        embeddings: how many are in the sample.
        pairs: how many pairs they have with all embeddings, by the exact kernel.
        found: how many of these the search found.
    """

    embeddings: int
    pairs: int
    found: int

    @property
    def share(self) -> float | None:
        """The recall, rounded down so that 1.0 says that nothing was missed; None if there was nothing to miss."""
        return self.found * 10_000 // self.pairs / 10_000 if self.pairs else None


def clustered_node_pairs(
    vectors: DataFrame, count: int, min_similarity: float, cells: int, margin: float, steps: Staging
) -> tuple[DataFrame, Recall]:
    """Return pairs of nodes that reach the threshold and share a cell, and how much of all pairs these are.

    A vector joins its nearest cell and every one that is as near but for ``margin``. The recall is measured in the
    same run: a sample of vectors is compared with all others by the exact kernel, and their pairs are looked up.

    Args:
        vectors: node, vector: each node once, all vectors of one length.
        count: how many there are.
        min_similarity: the least similarity of a pair, -1.0 to 1.0.
        cells: how many cells to fit, at most ``MAX_CELLS``.
        margin: 0.0 to 2.0; 2.0 puts every vector into every cell.
        steps: where the pairs are written.

    Returns:
        node_a, node_b, score, each pair once, as written; and the recall.

    Raises:
        SettingsError: if the margin is so wide that every vector would travel to more than 64 cells.
    """
    _, some = sample(vectors, count, _SAMPLE_VECTORS)
    plan = Plan.whole(some, min_similarity)
    centres = fit_cells(some, min(cells, max(1, _CENTRE_BYTES // (4 * plan.length))))
    sizes = _cell_sizes(vectors, centres, margin, plan.length)
    if (copies := sum(sizes)) > _MOST_CELLS_A_VECTOR * count:
        raise SettingsError(
            f"--margin {margin:g} puts an embedding into {copies / count:.0f} of the {len(centres):,} cells on "
            f"average, and more than {_MOST_CELLS_A_VECTOR} cost more than the exact search: choose a smaller one"
        )
    parts = [math.ceil(4 * plan.length * size / WHOLE_BYTES) for size in sizes]
    first = np.concatenate([[0], np.cumsum(parts)])
    tasks = [pair for parts_of_cell in itertools.pairwise(first) for pair in chunk_pairs(*parts_of_cell)]
    packed = vectors.select("node", "vector").mapInArrow(_packer(plan, centres, margin, first), BLOBS)
    found = seated(packed, tasks).mapInArrow(joiner(plan), CODE_PAIRS)
    ends = F.least("node_a", "node_b").alias("node_a"), F.greatest("node_a", "node_b").alias("node_b")
    # Two vectors may share several cells, and are found in each of them with the same score.
    written = steps.write("clustered_pairs", found.select(*ends, "score").distinct())
    return written, _recall(written, vectors, count, plan)


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


def _packer(plan: Plan, centres: np.ndarray, margin: float, first: np.ndarray) -> Callable[[Batches], Batches]:
    """Pack the vectors into blobs by cell, a large cell's into several parts."""
    parts = np.maximum(np.diff(first), 1)
    together = max(1, _PACK_BYTES // (4 * plan.length))

    def pack(batches: Batches) -> Batches:
        for batch in batches:
            vectors, nodes = matrix(batch.column(1), plan.length), batch.column(0).to_numpy()
            rows, cells = cells_of(vectors, centres, margin)
            chunk = first[cells] + (nodes[rows].view(np.uint64) % parts[cells].astype(np.uint64)).astype(np.int64)
            # A batch of another shape rounds otherwise: a vector may come to a cell that nobody was counted in.
            chunk = np.minimum(chunk, first[-1] - 1)
            # A wide margin copies a vector into many cells: only so many copies are made at a time.
            for at in range(0, len(rows), together):
                some = slice(at, at + together)
                yield blobs(nodes[rows[some]], vectors[rows[some]], chunk[some], int(first[-1]))

    return pack


def _recall(found: DataFrame, vectors: DataFrame, count: int, plan: Plan) -> Recall:
    nodes, some = sample(vectors, count, _CHECKED_VECTORS, draw=1)

    def compare(batches: Batches) -> Batches:
        for batch in batches:
            others = batch.column(0).to_numpy()
            numbers = matrix(batch.column(1), plan.length)
            for block in cosine.cross_join_blocks(some, numbers, plan.min_similarity, basis=plan.basis):
                ends = np.sort(np.stack([nodes[block.left], others[block.right]]), axis=0)
                smaller, larger = ends[:, ends[0] != ends[1]]
                yield pa.RecordBatch.from_pydict({"node_a": smaller, "node_b": larger})

    truth = vectors.select("node", "vector").mapInArrow(compare, "node_a BIGINT, node_b BIGINT")
    truth = truth.distinct()  # a pair within the sample is seen from both its ends
    is_found = F.count("score").alias("found")
    row = truth.join(found, on=["node_a", "node_b"], how="left").agg(is_found, F.count("*").alias("all")).collect()[0]
    return Recall(len(nodes), row["all"], row["found"])
