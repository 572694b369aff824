"""A search whose pairs geometry judges: propose, judge, and let the pixels speak for what geometry can't tell."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import LOCAL_METHOD, metric_of
from dedup_core.images.losses import LOSSLESS
from dedup_core.local.features import opencv
from dedup_core.metric import INLIERS
from dedup_core.relations import RE_ENCODED, RESIZED, SAME_PIXELS
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark import evidence
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.geometry.files import DistinctFiles
from dedup_core.spark.search.geometry.judging import Rule, judged
from dedup_core.spark.search.geometry.proposing import Candidates, candidates
from dedup_core.spark.search.proposal import Proposal, Watch
from dedup_core.spark.staging import Staging
from dedup_core.spark.verify.contents import Contents
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
        LimitError: if there are more candidates than ``max_pairs`` or ``max_judged_pairs``.
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
        pairs, decided, unseen = _confirmed(told, local, reread, steps.inside("unsure"))
        written = steps.write("code_pairs", pairs)
    return codes, Proposal(written, found.recall, _counts(found) | {"unseen_proposals": unseen}, decided)


def with_evidence(verdicts: DataFrame, pairs: DataFrame, contents: Contents) -> DataFrame:
    """Return verdicts on pairs of contents with what geometry says of them.

    Of pairs whose pixels are the same the pixels say it: each lies on the whole of the other, as it is, whatever
    geometry says, or where it found nothing.

    Args:
        verdicts: ``VERDICTS``.
        pairs: code_a, code_b and the columns of ``tables.EVIDENCE``: of contents too.
        contents: what is known of them.
    """
    told = pairs.select("code_a", "code_b", *evidence.COLUMNS)
    both = verdicts.join(told, on=["code_a", "code_b"], how="left")
    known = contents.first_members
    for end in "ab":
        facts = F.struct("width", "height", "format").alias(f"file_{end}")
        both = both.join(known.select(F.col("content").alias(f"code_{end}"), facts), on=f"code_{end}", how="left")
    is_same = F.col("verdict") == F.lit(SAME)
    known_of = {name: F.when(is_same, said).otherwise(F.col(name)) for name, said in _of_same().items()}
    return both.withColumns(known_of).select(*verdicts.columns, *evidence.COLUMNS)


def _of_same() -> dict[str, Column]:
    """Return what stands of two pictures whose pixels are the same as they lie."""
    a, b = F.col("file_a"), F.col("file_b")
    # Sizes are those in the files: one that the camera's note turns upright has its sides changed over.
    is_turned = (a["width"] > a["height"]) != (b["width"] > b["height"])
    of_b = {
        side: F.when(is_turned, b[other]).otherwise(b[side])
        for side, other in (("width", "height"), ("height", "width"))
    }
    has_one_size = (a["width"] == of_b["width"]) & (a["height"] == of_b["height"])
    are_lossless = a["format"].isin(*LOSSLESS) & b["format"].isin(*LOSSLESS)
    # A lossy file is compared within what its loss explains: no difference is no proof there.
    is_equal = has_one_size & are_lossless & (F.col("difference") == F.lit(0.0))
    relation = F.when(is_equal, F.lit(SAME_PIXELS)).when(has_one_size, F.lit(RE_ENCODED)).otherwise(F.lit(RESIZED))
    none = F.lit(0.0)
    transform = F.array(of_b["width"] / a["width"], none, none, none, of_b["height"] / a["height"], none)
    return {
        "overlap_a": F.lit(1.0), "overlap_b": F.lit(1.0), "relation": relation, "derived": F.lit(None).cast("string"),
        "degrees": none, "mirrored": F.lit(False), "transform": transform,
    }  # fmt: skip


def _confirmed(
    told: DataFrame, local: DataFrame, reread: Reread | None, steps: Staging
) -> tuple[DataFrame, DataFrame | None, int]:
    """Return the pairs that are reported, and of the others those whose pixels are the same.

    With these verdicts, and how many of the others could not be compared.
    """
    reported, unsure = (told.where(is_so).drop("is_reported") for is_so in ("is_reported", "NOT is_reported"))
    if reread is None:
        return reported, None, unsure.count()
    if unsure.isEmpty():
        return reported, None, 0
    alone = {"root": F.lit(0).cast("bigint"), "image_pairs": F.lit(1).cast("bigint")}
    waiting = steps.write(
        "unsure", unsure.withColumns(alone).select("root", "code_a", "code_b", "score", "image_pairs")
    )
    known = local.select(F.col("id").alias("code"), "path", "digest")
    decided = decided_by_pixels(waiting, known, reread, steps)
    same = decided.where(F.col("verdict") == F.lit(SAME))
    confirmed = unsure.join(same.select("code_a", "code_b"), on=["code_a", "code_b"], how="inner")
    unseen = decided.where(F.col("unseen")).count()
    return reported.unionByName(confirmed.select(reported.columns)), same, unseen


def _counts(found: Candidates) -> dict[str, object]:
    return {"candidates": found.count, "proposed": found.counts}
