"""How many pairs a cosine search will find, told before it starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from dedup_core.cosine.bounds import SAMPLE, Basis
from dedup_core.cosine.estimate import partners
from dedup_core.cosine.join import self_join_blocks
from dedup_core.hamming.estimate import enough, partners_of_one, within
from dedup_core.metric import COSINE
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.search.cosine.vectors import matrix, sample
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, estimate_of

_SAMPLE_VECTORS = 1000
_MOST_PARTNERS = 5_000_000  # of all sampled vectors: each is a row that is sent and counted; of more, a part
_BLOCK_VECTORS = 4096  # compared with the sample at a time
_PARTNERS = "member INT, code BIGINT, reached INT"


def estimate_pairs_of(codes: DistinctCodes, min_similarity: float) -> SearchEstimate:
    """Estimate the pairs of a search: some hundred vectors are compared with all, which are read once and not sent.

    Args:
        codes: the distinct codes, with their vectors.
        min_similarity: the least similarity of a pair.
    """
    thresholds, vectors = COSINE.stricter(min_similarity), codes.compared
    drawn, some = sample(vectors, codes.count, _SAMPLE_VECTORS)
    basis = Basis.fit(some[:SAMPLE], min_similarity)
    seen = sum(len(block) for block in self_join_blocks(some, min_similarity, basis=basis))
    size = enough(len(drawn), codes.count, seen, _MOST_PARTNERS)
    one_in = max(1, round(size * partners_of_one(len(drawn), codes.count, seen) / _MOST_PARTNERS))
    drawn, some = drawn[:size], some[:size]
    several = codes.table.where(F.col("listed") > F.lit(1)).select("code", F.col("listed").alias("images"))
    compare = _comparer(drawn, some, np.array(thresholds), basis, one_in)
    partner = vectors.select("code", "vector").mapInArrow(compare, _PARTNERS).join(several, on="code", how="left")
    counts = F.count("*").alias("codes"), F.sum(F.coalesce("images", F.lit(1)).cast("double")).alias("images")
    reached = np.zeros((2, size, len(thresholds)))
    for row in partner.groupBy("member", "reached").agg(*counts).collect():
        reached[:, row["member"], row["reached"] - 1] = row["codes"], row["images"]
    copied = several.where(F.col("code").isin(drawn.tolist())).collect()
    copies = {row["code"]: row["images"] for row in copied}
    of_each = np.stack([within(counted * one_in) for counted in reached])
    own = np.array([copies.get(code, 1) for code in drawn.tolist()], np.int64)
    return estimate_of(of_each, own, codes, thresholds, COSINE)


def _comparer(
    drawn: np.ndarray, some: np.ndarray, thresholds: np.ndarray, basis: Basis, one_in: int
) -> Callable[[Batches], Batches]:
    """Yield the partners of each sampled vector among a task's vectors, itself left out; of many, one in so many."""

    def compare(batches: Batches) -> Batches:
        for table in gathered(batches, _BLOCK_VECTORS):
            codes = table.column("code").to_numpy()
            vectors = matrix(table.column("vector").combine_chunks(), some.shape[1])
            for block in partners(some, vectors, thresholds, basis):
                # A code is 64 bits of a digest, and its remainder as good as drawn by lot.
                other = (drawn[block.left] != codes[block.right]) & (codes[block.right] % one_in == 0)
                member, reached = (values[other].astype(np.int32) for values in (block.left, block.score))
                yield pa.RecordBatch.from_pydict(
                    {"member": member, "code": codes[block.right[other]], "reached": reached}
                )

    return compare
