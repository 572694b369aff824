"""Features of one method to pairs, duplicates, groups and removals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import COMBINED, LOCAL_METHOD, metric_of
from dedup_core.errors import SettingsError
from dedup_core.relations import DIRECTED
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark import evidence
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.search import allowed, exports, groups, keeping, listing
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.estimates import check_pairs
from dedup_core.spark.search.exports import export_duplicates, export_removals, small_exports
from dedup_core.spark.search.found import Found
from dedup_core.spark.search.geometry.search import judged_pairs, with_evidence
from dedup_core.spark.search.hubs import hubs_of, most_alike
from dedup_core.spark.search.proposal import Proposal, Watch, proposed
from dedup_core.spark.search.turned import with_turns
from dedup_core.spark.search.ways import search_of
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import GROUPS, conform
from dedup_core.spark.verify.contents import Contents
from dedup_core.spark.verify.verdicts import verdicts


def check_features(features: DataFrame, methods: Sequence[str], together: Sequence[str] = ()) -> int:
    """Check that each method has features, and of one fingerprint: others can't be compared.

    Args:
        features: the ``features`` table.
        methods: those that are needed.
        together: those of them that must have features of the same images, as many at least.

    Returns:
        How many rows there are, of all methods.

    Raises:
        SettingsError: says what there is, or how to make them alike.
    """
    ends = F.min("fingerprint").alias("first"), F.max("fingerprint").alias("last"), F.count("*").alias("images")
    rows = features.groupBy("method").agg(*ends).collect()
    present = {row["method"]: (row["first"], row["last"]) for row in rows}
    for method in methods:
        if method not in present:
            raise SettingsError(f"no {method} features: the table has {', '.join(sorted(present)) or 'none'}")
        first, last = present[method]
        if first != last:
            raise SettingsError(
                f"the {method} features were made in different ways ({first}, {last}) and can't be compared: encode "
                "them again with one setting (--no-reuse)"
            )
    images = {row["method"]: row["images"] for row in rows if row["method"] in together}
    if len(set(images.values())) > 1:
        told = ", ".join(f"{count:,} of {name}" for name, count in sorted(images.items()))
        raise SettingsError(
            f"the methods have features of different numbers of images ({told}), and geometry needs those of every "
            "image: encode all images by these methods together"
        )
    return sum(row["images"] for row in rows)


@dataclass(frozen=True)
class Again:
    """What can be had of images that were encoded, besides their features.

    Attributes:
        reread: how to read them again; None where that can't be done.
        manifest: path, and the columns of the manifest that the order names; None where it names none.
    """

    reread: Reread | None
    manifest: DataFrame | None = None


def find_method(
    settings: SearchSettings, method: str, features: DataFrame, staging: Staging, watch: Watch, again: Again
) -> dict[str, Any]:
    """Make one method's tables ready in the staging place, and return the counts of what was found.

    Args:
        settings: of the search.
        method: its name.
        features: the ``features`` table, of all methods that the search needs.
        staging: where the tables are made ready.
        watch: who watches the run.
        again: what else can be had of the images.

    Raises:
        LimitError: if there are more pairs than ``max_pairs``.
    """
    metric = metric_of(method)
    steps = staging.inside(method)
    is_flat = F.coalesce(F.array_contains("caution", "flat"), F.lit(False))
    codes, proposal = _searched(settings, method, features.where(~is_flat), steps, watch, again)
    features = features.where(F.col("method") == F.lit(LOCAL_METHOD if method == COMBINED else method))
    with watch.stage("search"):
        grouped = _grouped(codes, proposal, steps)
        coded = groups.group_members(codes.images, grouped, codes.count, codes.n_images)
        contents = Contents.of(coded, features.where(is_flat).select("id", "digest"), features, steps)
        _tell_of_copies(settings, contents.most_copies, watch.say)
        expected = check_pairs(settings, method, contents, proposal.pairs)
    watch.say(f"  {expected['pairs']:,} pairs found; verifying them")
    with watch.stage("verify"):
        rooted = groups.rooted_pairs(proposal.pairs, grouped, contents.count)
        judged = _judged(rooted, proposal, contents, metric.closest, again, steps)
    with watch.stage("group"):
        told = features.agg(F.count("*").alias("images"), F.count_if(is_flat).alias("flat")).collect()[0]
        found = Found(method, features, contents, judged, settings.is_judged(method), told["images"])
        counts: dict[str, Any] = {"images": told["images"], "codes": codes.count} | expected
        counts |= {"flat": told["flat"], "most_copies": contents.most_copies, **proposal.counts}
        most = most_alike(counts["images"])
        table = _fates(settings, found, again, most, steps, expected["content_pairs"])
        loosest = groups.loosest_scores(found.verdicts, metric)
        table = steps.write("groups", groups.group_table(table, loosest, metric.closest, settings.group_by == "star"))
        counts |= found.count_verdicts() | _counts(table, proposal)
        counts |= {"relations": found.count_relations()} if found.is_judged else {}
        counts["hubs"] = hubs_of(table, most, found.is_judged) if counts.pop("largest") > most else []
    watch.say("  writing the tables")
    with watch.stage("write"):
        _write(settings, found, table, counts, staging, watch)
    return counts


def _searched(
    settings: SearchSettings, method: str, features: DataFrame, steps: Staging, watch: Watch, again: Again
) -> tuple[DistinctCodes, Proposal]:
    """Return the distinct codes of one method, and the pairs of them; flat pictures have been left out."""
    if settings.is_judged(method):
        return judged_pairs(settings, method, features, again.reread, steps, watch)
    own = features.where(F.col("method") == F.lit(method))
    search = search_of(settings, method, own)
    with watch.stage("search"):
        codes = search.distinct(own, steps)
        return codes, proposed(settings, method, search, codes, steps, watch)


def _judged(
    rooted: DataFrame, proposal: Proposal, contents: Contents, same_score: float, again: Again, steps: Staging
) -> DataFrame:
    """Return the verdicts on all pairs, with what geometry says of them and how one is turned, where it was asked."""
    found = verdicts(rooted, contents, same_score, again.reread, steps, proposal.decided)
    if set(evidence.COLUMNS).issubset(proposal.pairs.columns):
        return steps.write("evident", with_evidence(found, proposal.pairs, contents))
    if "turn" in proposal.pairs.columns:
        return steps.write("turned", with_turns(found, contents, proposal.pairs))
    return found


def _grouped(codes: DistinctCodes, proposal: Proposal, steps: Staging) -> DataFrame:
    """Return the codes that share a group with others, or have several images."""
    labels = steps.write("labels", groups.components(proposal.pairs, steps, count=proposal.count))
    return steps.write("grouped", groups.code_groups(codes.table, labels, codes.count))


def _tell_of_copies(settings: SearchSettings, most: int, say: Callable[[str], None]) -> None:
    """Say that not every two of equal images are listed, where that is so."""
    if settings.list_pairs and most > settings.most_copies:
        say(f"  of up to {most:,} equal images each is listed with the first of them alone (--most-copies)")
    if settings.list_pairs and most > max(listing.MOST_LISTED, settings.most_copies):
        say(f"  beyond {listing.MOST_LISTED:,} the first one's own row of duplicates leaves them out")


def _fates(
    settings: SearchSettings, found: Found, again: Again, most: int, steps: Staging, most_edges: int
) -> DataFrame:
    """Return the images in groups, each with the image that stays in its place."""
    members = keeping.with_manifest(found.contents.members.drop("look"), again.manifest)
    if found.is_judged and (directed := [name for name in settings.removed_relations if name in DIRECTED]):
        members = members.join(found.derived(directed), on="content", how="left")
    ranked = steps.write("ranked", keeping.ranked(members, found.enlarged, settings.order))
    edges = allowed.edges(settings, found, ranked, most)
    return keeping.fates(ranked, edges, steps, allowed.copies_go(settings), most_edges)


def _write(
    settings: SearchSettings, found: Found, table: DataFrame, counts: dict[str, Any], staging: Staging, watch: Watch
) -> None:
    """Make all tables and exports ready."""
    method = found.method
    with ThreadPoolExecutor(1) as beside:
        # Small tables leave cores idle: these two are written while the other two are.
        grouping = beside.submit(_write_groups, staging, found, table, settings)
        exported = small_exports(settings, counts, watch.say)
        if settings.list_pairs:
            duplicates = _write_pairs(settings, found, staging, grouping)
            if exports.DUPLICATES in exported:
                export_duplicates(duplicates, settings, method, staging)
        removals = grouping.result()
        if exports.REMOVALS in exported:
            export_removals(removals, settings, method, staging)


def _write_pairs(settings: SearchSettings, found: Found, staging: Staging, grouping: Future[DataFrame]) -> DataFrame:
    """Make the ``pairs`` and ``duplicates`` tables ready, and return the latter."""
    steps = staging.inside(found.method)
    listed = steps.write("listed", listing.listed(found, metric_of(found.method), settings.most_copies))
    if grouping.done():
        grouping.result()  # an error of theirs ends the run now, not after the longest table
    staging.finish("pairs", found.method, listing.pair_table(found, listed))
    return staging.finish("duplicates", found.method, listing.duplicate_table(found, listing.merged(listed)))


def _write_groups(staging: Staging, found: Found, table: DataFrame, settings: SearchSettings) -> DataFrame:
    """Make the ``groups`` and ``removals`` tables ready, and return the latter."""
    named = table.withColumn("method", F.lit(found.method))
    staging.finish("groups", found.method, conform(named, GROUPS))
    removals = keeping.removal_table(found.method, table, found.features, settings.order)
    return staging.finish("removals", found.method, removals)


def _counts(table: DataFrame, proposal: Proposal) -> dict[str, Any]:
    in_groups, removals = F.count("path").alias("in_groups"), F.count("kept_path").alias("removals")
    largest = F.coalesce(F.max("group_size"), F.lit(0)).alias("largest")
    counts = table.agg(F.countDistinct("group_id").alias("groups"), in_groups, removals, largest).collect()[0].asDict()
    if proposal.recall is not None:
        counts |= {"recall": proposal.recall.share, "recall_pairs": proposal.recall.pairs}
    return counts
