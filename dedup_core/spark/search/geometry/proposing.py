"""Pairs of files that geometry is to judge: what the searches of one or several methods propose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import LOCAL_METHOD, metric_of, proposers_of
from dedup_core.errors import LimitError
from dedup_core.settings.layers import option
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.copies import pairs_of
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.geometry.files import DistinctFiles
from dedup_core.spark.search.proposal import Recall, Watch, proposed
from dedup_core.spark.search.ways import search_of
from dedup_core.spark.staging import Staging

_SECONDS_A_PAIR = 0.002  # of a core
_ALL = 2**62  # copies: of files no two are copies of each other


@dataclass(frozen=True)
class Candidates:
    """Pairs of files to judge.

    Attributes:
        pairs: ``CODE_PAIRS`` of files, each pair once; its score is what proposed it, where one method did.
        count: how many there are.
        counts: how many each method proposed, and what else is known of its search, by method.
        recall: of a search that may miss some; None where all are exact.
    """

    pairs: DataFrame
    count: int
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    recall: Recall | None = None


def candidates(
    settings: SearchSettings, method: str, files: DistinctFiles, features: DataFrame, steps: Staging, watch: Watch
) -> Candidates:
    """Return what the proposers of a method propose.

    Args:
        settings: of the search.
        method: its name.
        files: what is searched.
        features: the ``features`` table of all methods, of the images that are searched.
        steps: where the steps are written.
        watch: who watches the run.

    Raises:
        LimitError: if there are more than ``max_judged_pairs``, or a method expects more than ``max_pairs``.
    """
    counts: dict[str, dict[str, Any]] = {}
    every, recall = [], None
    for proposer in proposers_of(method, settings.method):
        own = steps.inside(f"by_{proposer}")
        proposing = features.where(F.col("method") == F.lit(proposer))
        search = replace(search_of(settings, proposer, proposing), most_copies=_ALL)  # type: ignore[type-var]
        codes = search.distinct(files.firsts(proposing), own)
        said = method if proposer == method else f"{method}, by {proposer}"
        proposal = proposed(settings, said, search, codes, own, watch)
        recall = proposal.recall or recall
        pairs = proposal.pairs
        if proposer != LOCAL_METHOD:  # whose codes are files
            _check(settings, said, _expected(codes, pairs), [proposer])
            pairs = _of_files(codes, pairs, metric_of(proposer).closest)
        every.append(own.write("candidates", pairs))
        counts[proposer] = {"candidates": every[-1].count(), **codes.counts}
    pairs, count = every[0], counts[next(iter(counts))]["candidates"]
    if len(every) > 1:
        both = reduce(DataFrame.unionByName, every)
        once = both.groupBy("code_a", "code_b").agg(F.lit(0.0).alias("score"))
        pairs = steps.write("candidates", once)
        count = pairs.count()
    _check(settings, method, count, list(counts))
    return Candidates(pairs, count, counts, recall)


def _check(settings: SearchSettings, said: str, count: float, proposers: Sequence[str]) -> None:
    """Refuse more candidates than geometry is to judge, with the options of those who propose them."""
    if count > settings.max_judged_pairs:
        stricter = dict.fromkeys("min_votes" if name == LOCAL_METHOD else metric_of(name).option for name in proposers)
        raise LimitError(
            f"{said}: {count:,.0f} pairs for geometry to judge take about {count * _SECONDS_A_PAIR / 3600:,.1f} hours "
            f"of a core and are more than the {settings.max_judged_pairs:,} that max_judged_pairs allows: make "
            f"{' or '.join(map(option, stricter))} stricter, or raise --max-judged-pairs"
        )


def _expected(codes: DistinctCodes, pairs: DataFrame) -> float:
    """Return how many pairs of files the pairs of codes stand for, before they are written out."""
    if codes.count == codes.n_images:
        return float(pairs.count())
    sizes = codes.table.select("code", F.col("images").cast("double").alias("images"))
    for end in "ab":
        of_end = sizes.select(F.col("code").alias(f"code_{end}"), F.col("images").alias(f"images_{end}"))
        pairs = pairs.join(of_end, on=f"code_{end}", how="inner")
    across = pairs.agg(F.sum(F.col("images_a") * F.col("images_b"))).collect()[0][0]
    return float(across or 0.0) + float(codes.table.agg(F.sum(pairs_of(F.col("images")))).collect()[0][0] or 0.0)


def _of_files(codes: DistinctCodes, pairs: DataFrame, closest: float) -> DataFrame:
    """Return the pairs of files that pairs of codes stand for, and those of one code.

    Args:
        codes: of files: each has one.
        pairs: ``CODE_PAIRS``.
        closest: the score of two equal codes.
    """
    of_code = codes.images.select("id", "code")
    of_ends = {end: of_code.select(F.col("id").alias(f"id_{end}"), F.col("code").alias(f"code_{end}")) for end in "ab"}
    across = pairs
    for end, files in of_ends.items():
        across = across.join(files, on=f"code_{end}", how="inner")
    several = codes.table.where(F.col("images") > F.lit(1)).select("code")
    alike = of_code.join(several, on="code", how="inner")
    within = alike.select("code", F.col("id").alias("id_a")).join(
        alike.select("code", F.col("id").alias("id_b")), on="code", how="inner"
    )
    within = within.where(F.col("id_a") < F.col("id_b")).withColumn("score", F.lit(closest).cast("double"))
    ends = F.least("id_a", "id_b").alias("code_a"), F.greatest("id_a", "id_b").alias("code_b")
    return across.select(*ends, "score").unionByName(within.select(*ends, "score"))
