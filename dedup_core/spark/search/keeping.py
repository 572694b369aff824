"""Which images of a group stay and which can be removed, in the order that the policy declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.policy import Criterion, reason
from dedup_core.spark.search import greedy
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import REMOVALS, conform

_TOLD = "method STRING, path STRING, kept_path STRING, other_names ARRAY<STRING>, reason STRING"
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_PARTS = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)  # of a glob: stars, a set of characters, any other character
_BRACKET = re.compile(r"(?<!\\)\[")  # inside a set it would begin another one
_FEW_NAMES = 1 << 20  # about so many further names are looked up: of more, more paths travel
_OF_MANIFEST = "of the manifest: "  # before the names of its columns, which may be those of ours


def with_manifest(members: DataFrame, manifest: DataFrame | None) -> DataFrame:
    """Return the members with the columns of the manifest that the order looks at.

    Args:
        members: with their ``path``.
        manifest: path and the columns that only the manifest has; None where none is named.
    """
    if manifest is None:
        return members
    named = [F.col(f"`{name}`").alias(f"{_OF_MANIFEST}{name}") for name in manifest.columns if name != "path"]
    return members.join(manifest.select("path", *named), on="path", how="left")


def ranked(members: DataFrame, enlarged: DataFrame, keep: Sequence[Criterion]) -> DataFrame:
    """Return the members with their ``rank`` in their group, 1 for the first to be kept, and the ``group_id``.

    ``content_rank`` is the rank of the first image of the same content.

    Args:
        members: path, content, root, and what the order looks at; and derived_as where pictures that were made from
            others may go: these come last, whatever the order says.
        enlarged: content, source_pixels: of pictures that show no more than so many pixels.
        keep: the order.
    """
    every = members.join(enlarged, on="content", how="left")
    pixels = F.col("width").cast("double") * F.col("height")
    # One that was only made larger comes after what it was made from.
    shown = F.coalesce(F.col("source_pixels") - F.lit(0.5), pixels)
    every = every.withColumns({"resolution": shown, "is_enlarged": F.col("source_pixels").isNotNull()})
    group, content = Window.partitionBy("root"), Window.partitionBy("root", "content")
    last = [F.col("derived_as").isNotNull()] if "derived_as" in members.columns else []
    order = group.orderBy(*last, *(step for criterion in keep for step in _ordered(criterion)))
    every = every.withColumns(
        {"rank": F.row_number().over(order).cast("bigint"), "group_id": F.min("path").over(group)}
    )
    return every.withColumn("content_rank", F.min("rank").over(content))


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


def fates(
    members: DataFrame, edges: DataFrame, steps: Staging, copies_go: bool = True, most_edges: int | None = None
) -> DataFrame:
    """Return the members with ``kept_path``, of what stays instead, null for those that stay; and its ``kept_rank``.

    The greedy pass, group by group: the first image by rank stays and what has an edge with it goes, and so on. Images
    of one content go with its first one, or for it. No image goes that could not be seen, and none for one: perhaps it
    is no longer there.

    Args:
        members: as `ranked` returns them.
        edges: root, code_a, code_b: contents of which one can be removed for the other.
        steps: where the steps are written.
        copies_go: whether images go for the first one of their content, which stays.
        most_edges: how many edges there are at most, where that is known.
    """
    firsts = members.where(F.col("rank") == F.col("content_rank"))
    gone = greedy.removed(firsts.select("root", "content", "rank"), edges, steps, at_most=most_edges)
    gone = gone.select("root", F.col("rank").alias("content_rank"), F.col("kept_rank").alias("kept_by"))
    every = members.join(gone, on=["root", "content_rank"], how="left")
    copy_goes = F.when(F.lit(copies_go) & (F.col("rank") != F.col("content_rank")), F.col("content_rank"))
    every = every.withColumn("kept_rank", F.coalesce("kept_by", copy_goes)).drop("kept_by")
    seen = ~F.coalesce("is_unseen", F.lit(False))
    kept = firsts.where(seen).select("root", F.col("rank").alias("kept_rank"), F.col("path").alias("kept_path"))
    every = every.join(kept, on=["root", "kept_rank"], how="left")
    return every.withColumn("kept_path", F.when(seen, F.col("kept_path")))


def removal_table(method: str, members: DataFrame, features: DataFrame, keep: Sequence[Criterion]) -> DataFrame:
    """Return the ``removals`` table: an image goes with all names of its file, so that no link is left to nothing.

    A name that is an image's own is never another one's further name, whatever a table says.

    Args:
        method: its name.
        members: as `fates` returns them.
        features: path, of all images.
        keep: the order, which gives the reasons.
    """
    always_told = "path", "width", "height", "is_enlarged", "derived_as"
    looked_at: dict[str, Column] = {name: F.col(name) for name in always_told if name in members.columns}
    looked_at |= {step.column: _column(step) for step in keep}
    facts = F.struct(*(column.alias(name) for name, column in looked_at.items())).alias("known")
    gone = members.where(F.col("kept_path").isNotNull())
    kept = members.select("root", F.col("rank").alias("kept_rank"), facts.alias("known_kept"))
    columns = F.lit(method).alias("method"), "path", "kept_path", facts, "other_names", "root", "kept_rank"
    both = gone.select(*columns).join(kept, on=["root", "kept_rank"], how="left")
    told = both.mapInArrow(_reasons(keep), _TOLD)
    named = told.where(F.size("other_names") > F.lit(0))
    alone = conform(told, REMOVALS)
    if gone.where(F.size("other_names") > F.lit(0)).isEmpty():
        return alone
    linked = named.withColumn("path", F.explode("other_names")).drop("other_names")
    taken = Sieve.of(linked.select("path"), _FEW_NAMES).sifted(features.select("path"))
    linked = linked.join(taken, on="path", how="left_anti")
    return alone.unionByName(conform(linked.distinct(), REMOVALS))


def _reasons(keep: Sequence[Criterion]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def told(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            text = [
                reason(keep, kept, gone)
                for kept, gone in zip(*(_facts(batch.column(name)) for name in ("known_kept", "known")), strict=True)
            ]
            kept = {name: batch.column(name) for name in ("method", "path", "kept_path", "other_names")}
            yield pa.RecordBatch.from_pydict(kept | {"reason": pa.array(text, pa.string())})

    return told


def _facts(column: pa.StructArray) -> Iterator[dict[str, Any]]:
    """Yield the rows of a struct. Column by column they are Python values in a third of the time."""
    names = [field.name for field in column.type]
    return (
        dict(zip(names, row, strict=True))
        for row in zip(*(field.to_pylist() for field in column.flatten()), strict=True)
    )
