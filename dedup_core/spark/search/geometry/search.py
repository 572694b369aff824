"""A search whose pairs geometry judges: propose, judge, and let the pixels speak for what geometry can't tell."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import LOCAL_METHOD, metric_of
from dedup_core.local.features import opencv
from dedup_core.metric import INLIERS
from dedup_core.relations import SAME_PIXELS
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark import evidence
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.geometry.files import DistinctFiles
from dedup_core.spark.search.geometry.judging import Rule, judged
from dedup_core.spark.search.geometry.proposing import Candidates, candidates
from dedup_core.spark.search.proposal import Proposal, Watch
from dedup_core.spark.staging import Staging
from dedup_core.spark.verify.verdicts import decided_by_pixels
from dedup_core.verify.verdict import SAME


def judged_pairs(
    settings: SearchSettings, method: str, features: DataFrame, reread: Reread | None, steps: Staging, watch: Watch
) -> tuple[DistinctCodes, Proposal]:
    """Return the distinct files, each its own code, and the pairs of them that geometry or the pixels confirm.

    Args:
        settings: of the search.
        method: its name.
        features: the ``features`` table of all methods, flat pictures left out.
        reread: how to read images again; None where that can't be done.
        steps: where the steps are written.
        watch: who watches the run.

    Returns:
        The codes; and the pairs with the columns of ``tables.EVIDENCE``.

    Raises:
        SettingsError: if OpenCV is not installed.
        LimitError: if there are more candidates than ``max_pairs``.
    """
    opencv()
    local = features.where(F.col("method") == F.lit(LOCAL_METHOD))
    with watch.stage("search"):
        files = DistinctFiles.of(local.select("id", "digest"), steps)
        codes = DistinctCodes.of(files.images, steps, settings.most_copies)
        found = candidates(settings, method, files, features, steps, watch)
    watch.say(f"  {found.count:,} pairs proposed; laying the pictures on each other")
    with watch.stage("judge"):
        rule = Rule.of(settings, metric_of(method) == INLIERS)
        told = judged(found.pairs, files.firsts(local), rule, steps)
        pairs = _confirmed(told, local, reread, steps)
        written = steps.write("code_pairs", pairs)
    return codes, Proposal(written, found.recall, _counts(found))


def with_evidence(verdicts: DataFrame, pairs: DataFrame) -> DataFrame:
    """Return verdicts on pairs of contents with what geometry says of them.

    Args:
        verdicts: ``VERDICTS``.
        pairs: code_a, code_b and the columns of ``tables.EVIDENCE``: of contents too.
    """
    told = pairs.select("code_a", "code_b", *evidence.COLUMNS)
    both = verdicts.join(told, on=["code_a", "code_b"], how="left")
    return both.withColumn("relation", F.when(_has_equal_pixels(), F.lit(SAME_PIXELS)).otherwise(F.col("relation")))


def _has_equal_pixels() -> Column:
    return F.col("relation").isNotNull() & (F.col("verdict") == F.lit(SAME)) & (F.col("difference") == F.lit(0.0))


def _confirmed(told: DataFrame, local: DataFrame, reread: Reread | None, steps: Staging) -> DataFrame:
    """Return the pairs that are reported, and of the others those whose pixels are the same."""
    reported, unsure = (told.where(is_so).drop("is_reported") for is_so in ("is_reported", "NOT is_reported"))
    if reread is None or unsure.isEmpty():
        return reported
    alone = {"root": F.lit(0).cast("bigint"), "image_pairs": F.lit(1).cast("bigint")}
    waiting = steps.write(
        "unsure", unsure.withColumns(alone).select("root", "code_a", "code_b", "score", "image_pairs")
    )
    known = local.select(F.col("id").alias("code"), "path", "digest")
    decided = decided_by_pixels(waiting, known, reread, steps)
    same = decided.where(F.col("verdict") == F.lit(SAME)).select("code_a", "code_b")
    return reported.unionByName(unsure.join(same, on=["code_a", "code_b"], how="inner").select(reported.columns))


def _counts(found: Candidates) -> dict[str, object]:
    return {"candidates": found.count, "proposed": found.counts}
