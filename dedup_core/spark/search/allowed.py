"""Which pairs let one image go for another: those whose verdict or relation was named, and only the right way round."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.relations import DIRECTED, SAME_PIXELS
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.found import Found
from dedup_core.verify.verdict import SAME


def edges(settings: SearchSettings, found: Found, ranked: DataFrame, most: int) -> DataFrame:
    """Return the pairs of contents of which the later one can be removed: root, code_a, code_b.

    Args:
        settings: name what can be removed.
        found: what was found.
        ranked: as `keeping.ranked` returns the members.
        most: of how many images a group is a hub: there `similar` says nothing.
    """
    pairs, may_go = found.verdicts, F.lit(False)
    if not {"same", "similar"}.isdisjoint(settings.removals):
        may_go |= F.col("verdict") == F.lit(SAME)
    if found.is_judged and settings.removed_relations:
        pairs, is_named = _named(settings.removed_relations, pairs, ranked)
        may_go |= is_named
    if "similar" in settings.removals:
        hubs = ranked.where(F.col("group_size") > F.lit(most)).select("root", F.lit(True).alias("is_hub")).distinct()
        pairs = pairs.join(hubs, on="root", how="left")
        may_go |= F.col("is_hub").isNull()
    return pairs.where(may_go).select("root", "code_a", "code_b")


def copies_go(settings: SearchSettings) -> bool:
    """Return whether of several equal files all but one can be removed."""
    return not {"same", "similar"}.isdisjoint(settings.removals) or SAME_PIXELS in settings.removed_relations


def _named(relations: tuple[str, ...], pairs: DataFrame, ranked: DataFrame) -> tuple[DataFrame, Column]:
    """Return the pairs, and whether the relation of one was named and lets its later picture go."""
    either = [name for name in relations if name not in DIRECTED]
    is_named = F.coalesce(F.col("relation").isin(either), F.lit(False))
    if not (directed := [name for name in relations if name in DIRECTED]):
        return pairs, is_named
    firsts = ranked.where(F.col("rank") == F.col("content_rank"))
    for end in "ab":
        of_end = firsts.select("root", F.col("content").alias(f"code_{end}"), F.col("rank").alias(f"rank_{end}"))
        pairs = pairs.join(of_end, on=["root", f"code_{end}"], how="left")
    later = F.when(F.col("rank_a") > F.col("rank_b"), F.lit("a")).otherwise(F.lit("b"))
    is_later = F.col("relation").isin(directed) & (F.col("derived") == later)
    return pairs, is_named | F.coalesce(is_later, F.lit(False))
