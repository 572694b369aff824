"""The exact cosine join: distinct vectors, cut into chunks, every chunk against every other.

What travels to the chunk pairs are sketches, some two hundred bytes a vector, whose bound rules most pairs out. The
pairs that it leaves are candidates, which `verify` compares, where the whole vectors of those alone arrive. Where the
bound rules out too little, whole vectors travel to the chunk pairs and are compared there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from dedup_core.cosine import join as cosine
from dedup_core.cosine.bounds import SAMPLE, Basis
from dedup_core.settings.layers import option
from dedup_core.spark.batches import Batches
from dedup_core.spark.search.chunks import BLOBS, blobs, brought_together, check_tasks, chunk_pairs, chunks_of, sides
from dedup_core.spark.search.cosine.vectors import matrix, sample
from dedup_core.spark.search.cosine.verify import CANDIDATES, verify
from dedup_core.spark.search.distinct import CODE_PAIRS
from dedup_core.spark.staging import Staging

BLOCK_VECTORS = 4096  # whole vectors that a task compares with as many others, where candidates are verified
MAX_WIDTH = 193  # of which a sketch takes 216 bytes
WHOLE_BYTES = 1 << 26  # of whole vectors in a chunk
_FEWEST_CHUNKS, _SMALL_CHUNK = 16, 4096  # so many chunks, where each still has so many vectors: work for a cluster
_CANDIDATE_BYTES = 16
_PACK_BYTES = 1 << 25
_BATCH_PAIRS = 1 << 18


@dataclass(frozen=True)
class CosinePlan:
    """How a search goes: what travels, and in how many chunks. It decides how fast, never what is found.

    Attributes:
        basis: the bound.
        min_similarity: the least similarity of a pair.
        length: numbers of a vector.
        chunks: into how many the vectors are cut.
        sketched: whether sketches travel to the chunk pairs, or whole vectors.
    """

    basis: Basis
    min_similarity: float
    length: int
    chunks: int
    sketched: bool

    @classmethod
    def of(cls, some: np.ndarray, count: int, min_similarity: float, chunk_vectors: int) -> CosinePlan:
        """Choose a plan.

        Args:
            some: float32 (n, d), a sample.
            count: how many vectors there are.
            min_similarity: the least similarity of a pair.
            chunk_vectors: the most vectors in a chunk, give or take what chance does to a hash.
        """
        length = some.shape[1]
        fewest = chunks_of(count, chunk_vectors, option("chunk_vectors"))
        chunks = max(fewest, min(_FEWEST_CHUNKS, math.ceil(count / _SMALL_CHUNK)))
        basis = Basis.fit(some, min_similarity, MAX_WIDTH)
        sketches = basis.project(some)
        left = basis.candidates(sketches, sketches, min_similarity, diagonal=0).shape[1]
        share = left / max(1, len(some) * (len(some) - 1) // 2)
        chunk = count / chunks
        sketched = 2 * chunk * 4 * sketches.shape[1] + share * chunk * chunk * _CANDIDATE_BYTES
        if chunks > 1 and 2 * sketched < 2 * chunk * 4 * length:
            return cls(basis, min_similarity, length, chunks, sketched=True)
        whole = max(fewest, math.ceil(count * 4 * length / WHOLE_BYTES))
        check_tasks(whole * (whole + 1) // 2, f"a stricter {option('min_similarity_threshold')}, or --search clustered")
        return cls.whole(some, min_similarity, whole)

    @classmethod
    def whole(cls, some: np.ndarray, min_similarity: float, chunks: int = 1) -> CosinePlan:
        """Return a plan by which whole vectors travel, with a basis fitted to a sample, float32 (n, d)."""
        basis = Basis.fit(some[:SAMPLE], min_similarity)
        return cls(basis, min_similarity, some.shape[1], chunks, sketched=False)

    @property
    def row_length(self) -> int:
        """Numbers of 32 bits that travel for each vector."""
        return self.basis.words if self.sketched else self.length

    def rows(self, vectors: np.ndarray) -> np.ndarray:
        """Return what travels of the vectors, float32 (n, row_length): of sketches it is the bits, and no number."""
        return self.basis.project(vectors).view(np.float32) if self.sketched else vectors


def code_pairs(
    vectors: DataFrame, count: int, min_similarity: float, steps: Staging, chunk_vectors: int = 65_536
) -> DataFrame:
    """Return every pair of codes whose cosine similarity reaches the threshold: code_a, code_b, score.

    Args:
        vectors: code, vector: each code once, all vectors of one length.
        count: how many there are.
        min_similarity: the least similarity of a pair, -1.0 to 1.0.
        steps: where the pairs that the bound leaves are written.
        chunk_vectors: the most vectors that a task compares with as many others; its memory follows from it.
    """
    cosine.check_threshold(min_similarity)
    _, some = sample(vectors, count, SAMPLE)
    plan = CosinePlan.of(some, count, min_similarity, chunk_vectors)
    packed = vectors.select("code", "vector").mapInArrow(_packer(plan), BLOBS)
    tasks = chunk_pairs(0, plan.chunks)
    if not plan.sketched:
        return brought_together(packed, tasks).mapInArrow(joiner(plan), CODE_PAIRS)
    candidates = steps.write("candidates", brought_together(packed, tasks).mapInArrow(_proposer(plan), CANDIDATES))
    return verify(candidates, vectors, steps, min_similarity, BLOCK_VECTORS)


def _packer(plan: CosinePlan) -> Callable[[Batches], Batches]:
    """Pack what travels into blobs by chunk: a shuffle of blobs costs a fraction of a shuffle of rows."""
    together = max(1, _PACK_BYTES // (4 * plan.row_length))

    def pack(batches: Batches) -> Batches:
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        for batch in batches:
            rows = plan.rows(matrix(batch.column(1), plan.length))
            waiting.append((batch.column(0).to_numpy(), rows))
            if sum(len(codes) for codes, _ in waiting) >= together:
                yield _packed(waiting, plan)
                waiting = []
        if waiting:
            yield _packed(waiting, plan)

    return pack


def _packed(waiting: list[tuple[np.ndarray, np.ndarray]], plan: CosinePlan) -> pa.RecordBatch:
    codes, rows = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
    chunk = codes.view(np.uint64) % np.uint64(plan.chunks)  # bits of a digest: they spread evenly
    return blobs(codes, rows, chunk, plan.chunks)


def _proposer(plan: CosinePlan) -> Callable[[Batches], Batches]:
    """Yield the pairs that the bound can't rule out, block by block: that is what bounds the memory."""

    def propose(batches: Batches) -> Batches:
        left, other = sides(batches, plan.row_length)
        right = left if other is None else other
        left_rows, right_rows = left.rows.view(np.int32), right.rows.view(np.int32)
        for top in range(0, len(left_rows), cosine.BLOCK_ROWS):
            start = top - top % cosine.BLOCK_COLUMNS if other is None else 0
            for first in range(start, len(right_rows), cosine.BLOCK_COLUMNS):
                a, b = left_rows[top : top + cosine.BLOCK_ROWS], right_rows[first : first + cosine.BLOCK_COLUMNS]
                diagonal = top - first if other is None else None
                pairs = plan.basis.candidates(a, b, plan.min_similarity, diagonal)
                for at in range(0, pairs.shape[1], _BATCH_PAIRS):
                    i, j = pairs[0, at : at + _BATCH_PAIRS] + top, pairs[1, at : at + _BATCH_PAIRS] + first
                    yield pa.RecordBatch.from_pydict({"code_a": left.codes[i], "code_b": right.codes[j]})

    return propose


def joiner(plan: CosinePlan) -> Callable[[Batches], Batches]:
    """Return what yields the pairs of a task's whole vectors that are similar enough."""

    def join(batches: Batches) -> Batches:
        left, other = sides(batches, plan.row_length)
        right = left if other is None else other
        blocks = (
            cosine.self_join_blocks(left.rows, plan.min_similarity, basis=plan.basis)
            if other is None
            else cosine.cross_join_blocks(left.rows, right.rows, plan.min_similarity, basis=plan.basis)
        )
        for block in blocks:
            ends = {"code_a": left.codes[block.left], "code_b": right.codes[block.right]}
            yield pa.RecordBatch.from_pydict({**ends, "score": block.score})

    return join
