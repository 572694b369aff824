"""Where the candidates that a bound left get their whole vectors, and float64 verifies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from dedup_core.cosine import join as cosine
from dedup_core.spark.blocks import decided_in_blocks
from dedup_core.spark.search.cosine.vectors import matrix
from dedup_core.spark.search.distinct import CODE_PAIRS
from dedup_core.spark.staging import Staging

CANDIDATES = "code_a BIGINT, code_b BIGINT"


def verify(candidates: DataFrame, vectors: DataFrame, steps: Staging, least: float, block_vectors: int) -> DataFrame:
    """Return those candidates whose similarity reaches the threshold: code_a, code_b, score.

    Args:
        candidates: code_a, code_b; read several times, so better a table than a plan.
        vectors: code, vector.
        steps: where the candidates are written with their places.
        least: the least similarity of a pair.
        block_vectors: how many vectors a task compares with as many others.
    """

    def verified(known: pa.RecordBatch | pa.Table, parts: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        codes, content = known.column("code").to_numpy(), known.column("vector")
        held = matrix(content, len(content[0].as_buffer()) // 4)
        return (_verified(part, codes, held, least) for part in parts)

    return decided_in_blocks(candidates, vectors, steps, block_vectors, verified, CODE_PAIRS)


def _verified(part: pa.RecordBatch, codes: np.ndarray, vectors: np.ndarray, least: float) -> pa.RecordBatch:
    ends = [np.searchsorted(codes, part.column(end).to_numpy()) for end in ("code_a", "code_b")]
    pairs = cosine.verify(vectors, vectors, np.stack(ends), least)
    return pa.RecordBatch.from_pydict({"code_a": codes[pairs.left], "code_b": codes[pairs.right], "score": pairs.score})
