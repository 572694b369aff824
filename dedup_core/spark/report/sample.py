"""What the report shows of tables of any size: samples no larger than a page.

A draw at random goes by a hash of what is drawn, so that every report of the same tables draws the same.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from dedup_core.relations import RELATIONS
from dedup_core.report.model import Alignment, Evidence, Group, Member, PairExample
from dedup_core.report.verdicts import SAME, SIMILAR
from dedup_core.spark.report.opened import Tables

_PAIR_LEVELS = 8
_PAIRS_A_LEVEL, _PAIRS_DRAWN = 6, 36
_Ends = tuple[str, str, str]


def group_sample(tables: Tables, max_groups: int, max_images: int) -> tuple[Group, ...]:
    """Return the groups to show: half of them the largest, the rest drawn at random.

    Args:
        tables: what was found.
        max_groups: how many to show at most; methods share them.
        max_images: how many images of a group to show at most.
    """
    chosen = _choose(tables, max_groups)
    if not chosen:
        return ()
    spark = tables.groups.sparkSession
    wanted = F.broadcast(spark.createDataFrame(list(chosen), "method STRING, group_id STRING"))
    all_members = tables.groups.join(wanted, on=["method", "group_id"], how="inner")
    removed = all_members.join(tables.removals, on=["method", "path"], how="left")
    shown: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(_first_members(removed, max_images), key=lambda row: row["place"]):
        shown[row["method"], row["group_id"]].append(row)
    pairs = _pairs_of(tables, [ends for rows in shown.values() for row in rows if (ends := _ends(row, rows[0]))])
    spans = {(row["method"], row["group_id"]): row for row in _spans(tables, all_members).collect()}
    return tuple(_group(tables, shown[key], spans[key], pairs, chosen[key]) for key in chosen if key in shown)


def pair_sample(tables: Tables) -> tuple[PairExample, ...]:
    """Return a few pairs of each of the score levels nearest to the threshold, the least alike first.

    Of a level that has pairs of both verdicts, some of each are drawn.
    """
    level_of = tables.pairs.withColumn("at", tables.level())
    drawn = Window.partitionBy("method", "at", "verdict").orderBy(
        F.xxhash64("path_a", "path_b"), "path_a", "path_b"
    )  # fmt: skip
    few = level_of.withColumn("place", F.row_number().over(drawn)).where(F.col("place") <= F.lit(_PAIRS_DRAWN))
    by_level: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in sorted(few.collect(), key=lambda row: row["place"]):
        by_level[row["method"], row["at"]].append(row)
    examples: list[PairExample] = []
    for method, metric in tables.metrics.items():
        levels = sorted((level for name, level in by_level if name == method), key=metric.rank, reverse=True)
        rows = itertools.chain.from_iterable(_of_both(by_level[method, level]) for level in levels[:_PAIR_LEVELS])
        examples += [
            PairExample(method, row["at"], row["path_a"], row["path_b"], row["score"], _evidence(row), _alignment(row))
            for row in rows
        ]
    return tuple(examples)


def _of_both(rows: Sequence[Row]) -> list[Row]:
    """Return some of a level's pairs, by turns of each verdict, those that are the same first."""
    verdicts = (SAME, SIMILAR, None)
    kinds = (_different([row for row in rows if row["verdict"] == verdict]) for verdict in verdicts)
    by_turns = [row for turn in itertools.zip_longest(*kinds) for row in turn if row is not None]
    return sorted(by_turns[:_PAIRS_A_LEVEL], key=lambda row: verdicts.index(row["verdict"]))


def _different(rows: Sequence[Row]) -> list[Row]:
    """Return the pairs, those first that show images which no pair before them shows."""
    shown: set[str] = set()
    fresh: list[Row] = []
    others: list[Row] = []
    for row in rows:
        ends = {row["path_a"], row["path_b"]}
        (others if shown & ends else fresh).append(row)
        shown |= ends
    return [*fresh, *others]


def _choose(tables: Tables, max_groups: int) -> dict[tuple[str, str], bool]:
    """Return (method, group_id) to whether it was drawn at random, the methods' first choices first."""
    share = max(1, max_groups // max(1, len(tables.metrics)))
    columns = []
    for method in tables.metrics:
        heads = tables.heads().where(F.col("method") == method).select("group_id", "group_size")
        largest = _ids(heads.orderBy(F.col("group_size").desc(), "group_id").limit(share - share // 2))
        drawn = _ids(heads.orderBy(F.xxhash64("group_id"), "group_id").limit(share + share // 2))
        rest = [name for name in drawn if name not in set(largest)][: share // 2]
        by_turns = itertools.chain.from_iterable(itertools.zip_longest(largest, rest))
        known = set(rest)
        columns.append([((method, name), name in known) for name in by_turns if name is not None])
    return dict(entry for row in itertools.zip_longest(*columns) for entry in row if entry is not None)


def _ids(heads: DataFrame) -> list[str]:
    return [row["group_id"] for row in heads.collect()]


def _first_members(removed: DataFrame, max_images: int) -> list[Row]:
    """Collect a group's first images: each kept image, and after it those that it stands for; last those kept alone."""
    kept = F.coalesce("kept_path", "path")
    of_kept = Window.partitionBy("method", "group_id", kept)
    stands = removed.withColumn("stands", F.max(F.col("kept_path").isNotNull()).over(of_kept))
    order = Window.partitionBy("method", "group_id").orderBy(
        F.col("stands").desc(), kept, F.col("keep").desc(), "path"
    )  # fmt: skip
    placed = stands.withColumn("place", F.row_number().over(order)).where(F.col("place") <= F.lit(max_images))
    return list(placed.collect())


def _other(row: Row, first: Row) -> str | None:
    """Return what an image is compared with: what stays in its place, or the group's first; None for that one."""
    other: str | None = row["kept_path"] or first["path"]
    return None if other == row["path"] else other


def _ends(row: Row, first: Row) -> _Ends | None:
    """Return method, path_a and path_b of an image and what it is compared with."""
    if (other := _other(row, first)) is None:
        return None
    a, b = sorted((row["path"], other))
    return row["method"], a, b


def _pairs_of(tables: Tables, ends: Sequence[_Ends]) -> dict[_Ends, Row]:
    """Return those of the images and what they are compared with that are pairs."""
    if not ends:
        return {}
    schema = "method STRING, path_a STRING, path_b STRING"
    wanted = F.broadcast(tables.pairs.sparkSession.createDataFrame(ends, schema))
    found = tables.pairs.join(wanted, on=["method", "path_a", "path_b"], how="inner").collect()
    return {(row["method"], row["path_a"], row["path_b"]): row for row in found}


def _spans(tables: Tables, members: DataFrame) -> DataFrame:
    """Return of each group the best and the worst score, and how many pairs are the same and images can be removed."""
    a = members.select("method", F.col("path").alias("path_a"), "group_id")
    b = members.select("method", F.col("path").alias("path_b"), "group_id")
    inside = tables.pairs.join(a, on=["method", "path_a"], how="inner")
    inside = inside.join(b, on=["method", "path_b", "group_id"], how="inner").withColumn("rank", tables.rank())
    spans = inside.groupBy("method", "group_id").agg(
        F.min("rank").alias("best"), F.max("rank").alias("worst"),
        F.count_if(F.col("verdict") == F.lit(SAME)).alias("same"),
        F.count_if(F.col("verdict").isNull()).alias("unknown"),
    )  # fmt: skip
    going = members.groupBy("method", "group_id").agg(
        F.count_if(~F.col("keep")).alias("removals"), F.max("loosest_score").alias("loosest")
    )  # fmt: skip
    return going.join(spans, on=["method", "group_id"], how="left")


def _group(tables: Tables, rows: Sequence[Row], span: Row, pairs: Mapping[_Ends, Row], at_random: bool) -> Group:
    method, size = rows[0]["method"], rows[0]["group_size"]
    members = []
    for row in rows:
        ends = _ends(row, rows[0])
        pair = None if ends is None else pairs.get(ends)
        other, reason = _other(row, rows[0]), row["reason"] or ""
        member = Member(row["path"], row["keep"], None, other, None, reason)
        members.append(member if pair is None else _scored(member, pair))
    closest, worst = tables.score(span["best"], method), tables.score(span["worst"], method)
    loosest = span["loosest"] if worst is None else worst
    same = None if span["unknown"] else span["same"]
    return Group(method, size, span["removals"], closest, loosest, tuple(members), at_random, same)


def _scored(member: Member, pair: Row) -> Member:
    """Return a member with what its pair with the other one says."""
    alignment = _alignment(pair)
    if alignment is not None and member.path == pair["path_a"]:
        alignment = alignment.flipped()
    return replace(member, score=pair["score"], evidence=_evidence(pair), alignment=alignment)


def _alignment(pair: Row) -> Alignment | None:
    """Return how geometry lays one of a pair onto the other; None where it was not asked."""
    if pair["relation"] not in RELATIONS:
        return None
    transform = None if pair["transform"] is None else tuple(pair["transform"])
    overlap = (pair["overlap_a"], pair["overlap_b"])
    measured = (pair["inliers"], overlap, pair["likeness"], pair["worst_tile"])
    return Alignment(
        pair["relation"], *measured, pair["derived"], pair["degrees"] or 0.0, bool(pair["mirrored"]), transform
    )


def _evidence(pair: Row) -> Evidence | None:
    if pair["verdict"] is None:
        return None
    tile = None if pair["tile"] is None else tuple(pair["tile"])
    return Evidence(pair["verdict"], pair["difference"], pair["level"], tile)


def paths_shown(groups: Iterable[Group], pairs: Iterable[PairExample]) -> list[str]:
    """Return the paths of all images on the page, each once."""
    in_groups = (member.path for group in groups for member in group.members)
    in_pairs = (path for pair in pairs for path in (pair.path_a, pair.path_b))
    return list(dict.fromkeys(itertools.chain(in_pairs, in_groups)))
