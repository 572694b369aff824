"""Which images of a group stay and which could go, in the order that the policy declares."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core import groups as kernels
from dedup_core.policy import Criterion, reason
from dedup_core.spark.tables import REMOVALS, conform

_REMOVED = "group_id STRING, rank BIGINT, kept_rank BIGINT"
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_PARTS = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)  # of a glob: stars, a set of characters, any other character
_BRACKET = re.compile(r"(?<!\\)\[")  # inside a set it would begin another one
_REMOVED_ROWS = 20_000  # in a batch: groups are small, and a batch each would cost more than the pass
_FACTS = {"size": "BIGINT", "width": "INT", "height": "INT", "frames": "INT", "format": "STRING",
          "modified_at": "TIMESTAMP"}  # fmt: skip
_OF_MANIFEST = "of the manifest: "  # before the names of its columns, which may be those of ours


def known_of(features: DataFrame, manifest: DataFrame | None) -> DataFrame:
    """Return what the order looks at: path, the facts of ``features``, and columns of the manifest.

    Args:
        features: of one method.
        manifest: path and the columns that only the manifest has; None where none is named.
    """
    facts = features.select("path", *_FACTS)
    if manifest is None:
        return facts
    named = [F.col(f"`{name}`").alias(f"{_OF_MANIFEST}{name}") for name in manifest.columns if name != "path"]
    return facts.join(manifest.select("path", *named), on="path", how="left")


def ranked(members: DataFrame, known: DataFrame, enlarged: DataFrame, keep: Sequence[Criterion]) -> DataFrame:
    """Return the members with their ``rank`` in their group, 1 for the first to be kept, and what is known of them.

    Args:
        members: path, content, group_id, and more.
        known: as `known_of` returns it.
        enlarged: content, source_pixels: of pictures that show no more than so many pixels.
        keep: the order.
    """
    every = members.drop("first_path").join(known, on="path", how="left").join(enlarged, on="content", how="left")
    pixels = F.col("width").cast("double") * F.col("height")
    # One that was only made larger comes after what it was made from.
    shown = F.coalesce(F.col("source_pixels") - F.lit(0.5), pixels)
    every = every.withColumns({"resolution": shown, "is_enlarged": F.col("source_pixels").isNotNull()})
    order = Window.partitionBy("group_id").orderBy(*(step for criterion in keep for step in _ordered(criterion)))
    return every.withColumn("rank", F.row_number().over(order).cast("bigint"))


def _column(criterion: Criterion) -> Column:
    return F.col(criterion.column if criterion.is_of_features else f"`{_OF_MANIFEST}{criterion.column}`")


def _ordered(criterion: Criterion) -> list[Column]:
    column = _column(criterion)
    if criterion.pattern:
        return [F.when(column.cast("string").rlike(_regex(criterion.pattern)), F.lit(0)).otherwise(F.lit(1)).asc()]
    if criterion.values:
        place: Column = F.lit(len(criterion.values))
        for at, value in reversed(list(enumerate(criterion.values))):
            place = F.when(F.lower(column.cast("string")) == F.lit(value), F.lit(at)).otherwise(place)
        return [place.asc()]
    # A number in CSV is text: it sorts as a number where it is one.
    number = F.when(column.cast("string").rlike(_NUMBER), column.cast("string").cast("double"))
    by = [column] if criterion.is_of_features else [number, column]
    return [each.desc_nulls_last() if criterion.is_descending else each.asc_nulls_last() for each in by]


def _regex(glob: str) -> str:
    """Return a glob as Java reads it: of several stars Python's own translation makes groups that Java lacks."""
    parts = [".*" if part[0] == "*" else _of_one(part) for part in _PARTS.findall(glob)]
    return "(?s)^" + "".join(parts) + r"\z"


def _of_one(part: str) -> str:
    regex = translate(part)[len("(?s:") : -len(r")\Z")]
    return regex[0] + _BRACKET.sub(r"\\[", regex[1:]) if len(part) > 1 else regex


def fates(members: DataFrame, edges: DataFrame, tasks: int) -> DataFrame:
    """Return each member's ``kept_path``: the image that stays in its place; null for those that stay themselves.

    The greedy pass, group by group: the first image by rank stays and what has an edge with it goes, and so on. Images
    of one content go with its first one, or for it.

    Args:
        members: as `ranked` returns them.
        edges: code_a, code_b: contents of which one could go for the other.
        tasks: how many tasks share the groups.
    """
    first = F.min(F.struct("rank", "path")).alias("first")
    units = members.groupBy("content", "group_id").agg(first).select(
        "content", "group_id", F.col("first.rank").alias("rank"), F.col("first.path").alias("first_path")
    )  # fmt: skip
    a = units.select(F.col("content").alias("code_a"), F.col("rank").alias("one"), "group_id")
    b = units.select(F.col("content").alias("code_b"), F.col("rank").alias("other"))
    ends = edges.join(a, on="code_a", how="inner").join(b, on="code_b", how="inner")
    ordered = ends.select("group_id", F.least("one", "other").alias("a"), F.greatest("one", "other").alias("b"))
    whole_groups = ordered.repartition(tasks, "group_id").sortWithinPartitions("group_id", "a", "b")
    removed = whole_groups.mapInArrow(_greedy, _REMOVED)
    kept = units.select("group_id", F.col("rank").alias("kept_rank"), F.col("first_path").alias("kept_by"))
    gone = removed.join(kept, on=["group_id", "kept_rank"], how="inner")
    fate = units.join(gone.select("group_id", "rank", "kept_by"), on=["group_id", "rank"], how="left")
    every = members.join(fate.select("content", "first_path", "kept_by"), on="content", how="left")
    stays = F.col("kept_by").isNull() & (F.col("path") == F.col("first_path"))
    return _seen_alone(every.withColumn("kept_path", F.when(~stays, F.coalesce("kept_by", "first_path"))))


def _seen_alone(every: DataFrame) -> DataFrame:
    """Let no image go that could not be seen, and none for one: perhaps it is no longer there."""
    unseen = every.where("is_unseen").select(F.col("path").alias("kept_path"), F.lit(True).alias("for_unseen"))
    if unseen.isEmpty():
        return every
    goes = F.col("for_unseen").isNull() & ~F.coalesce("is_unseen", F.lit(False))
    every = every.join(unseen, on="kept_path", how="left")
    return every.withColumn("kept_path", F.when(goes, F.col("kept_path"))).drop("for_unseen")


def removal_table(members: DataFrame, features: DataFrame, keep: Sequence[Criterion]) -> DataFrame:
    """Return the ``removals`` table: an image goes with all names of its file, so that no link is left to nothing.

    A name that is an image's own is never another one's further name, whatever a table says.

    Args:
        members: as `fates` returns them.
        features: path, other_names.
        keep: the order, which gives the reasons.
    """
    looked_at = {name: F.col(name) for name in ("path", "width", "height", "is_enlarged")}
    looked_at |= {step.column: _column(step) for step in keep}
    facts = F.struct(*(column.alias(name) for name, column in looked_at.items())).alias("known")
    gone = members.where(F.col("kept_path").isNotNull()).select("method", "path", "kept_path", facts)
    kept = members.select(F.col("path").alias("kept_path"), facts.alias("known_kept"))
    told = gone.join(kept, on="kept_path", how="left").mapInArrow(_reasons(keep), REMOVALS)
    named = features.where(F.size("other_names") > F.lit(0)).select("path", "other_names")
    if named.isEmpty():
        return told
    others = told.join(named, on="path", how="inner")
    linked = others.withColumn("path", F.explode("other_names")).drop("other_names")
    linked = linked.join(features.select("path"), on="path", how="left_anti")
    return told.unionByName(conform(linked.distinct(), REMOVALS))


def _reasons(keep: Sequence[Criterion]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def told(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.select(["known_kept", "known"]).to_pylist()
            text = [reason(keep, row["known_kept"] or {}, row["known"]) for row in rows]
            columns = [*(batch.column(name) for name in ("method", "path", "kept_path")), pa.array(text, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, ["method", "path", "kept_path", "reason"])

    return told


def _greedy(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    of_groups = ((name, edges) for name, edges in itertools.groupby(rows, key=lambda row: row[0]))
    removed = (
        (name, gone, stays)
        for name, edges in of_groups
        for gone, stays in kernels.removals((a, b) for _, a, b in edges)
    )
    while block := list(itertools.islice(removed, _REMOVED_ROWS)):
        names, gone, stays = zip(*block, strict=True)
        columns = [pa.array(names, pa.string()), pa.array(gone, pa.int64()), pa.array(stays, pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, ["group_id", "rank", "kept_rank"])
