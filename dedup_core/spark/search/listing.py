"""Verdicts on contents written out as the duplicates of images: both directions of a pair by the task that has it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.metric import Metric
from dedup_core.spark import evidence
from dedup_core.spark.copies import are_many
from dedup_core.spark.group_blocks import Arrays, GroupBlocks
from dedup_core.spark.search.found import Found
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.tables import DUPLICATES, EVIDENCE, EVIDENCE_OF_OTHER, PAIRS, as_fields, columns_of, conform
from dedup_core.spark.verify.verdicts import tiles_where
from dedup_core.turns import INVERSE, TURNS
from dedup_core.verify.verdict import SAME, SIMILAR

_BLOCK_IMAGES = 1024  # a million pairs of a block are held at a time
_ENTRIES_A_BATCH = 1 << 16
MOST_LISTED = 100_000  # equal images in one row of duplicates: some 15 MB
_TOLD = "score DOUBLE, verdict STRING, difference DOUBLE, level INT, tile ARRAY<FLOAT>, turn STRING"
_ENTRY = pa.struct(
    [
        ("rank", pa.float64()), ("path", pa.string()), ("score", pa.float64()), ("verdict", pa.string()),
        ("difference", pa.float64()), ("level", pa.int32()), ("tile", pa.list_(pa.float32())),
        ("turn", pa.string()),
    ]
)  # fmt: skip
_JUDGED_ENTRY = pa.struct([*_ENTRY, *evidence.FIELDS])
_TILE = ("tile_0", "tile_1", "tile_2", "tile_3")
_ENDS = ("key_a", "key_b", "left", "right")
_INVERSE = np.array(INVERSE)


def listed(found: Found, metric: Metric, most_copies: int) -> DataFrame:
    """Return the images that have duplicates with these, best first, ties by path: path, is_part, duplicates.

    Each two of equal images are duplicates of each other, if they are up to so many; of more, each is one of the first
    of them, which alone is a duplicate of others. What the entries tell is what ``pairs`` tells.

    Args:
        found: what was found.
        metric: of its scores.
        most_copies: of how many equal images each is listed with each.
    """
    images = found.contents.members.select("root", "content", "copies", "id", "path")
    is_star = are_many(F.col("copies"), most_copies)
    stars = images.where(is_star).withColumn("first_path", F.min("path").over(Window.partitionBy("content")))
    is_first = F.col("path") == F.col("first_path")
    members = images.where(~is_star).unionByName(stars.where(is_first).drop("first_path"))
    known = members.select("root", F.col("content").alias("key"), "id", "path", is_star.alias("is_part"))
    pairs = _pairs(found, metric, most_copies)
    blocks = GroupBlocks.of(known, pairs, _BLOCK_IMAGES, found.contents.images, are_few=True)  # where one block has all
    write = partial(_lists, metric=metric, cut={root for root, _ in blocks.places.crowded})
    entry = f"STRUCT<{as_fields(f'rank DOUBLE, path STRING, {_told(found)}')}>"
    in_blocks = blocks.written(write, f"path STRING, is_part BOOLEAN, duplicates ARRAY<{entry}>")
    if not blocks.places.crowded and found.contents.most_copies <= most_copies:
        return in_blocks
    return in_blocks.unionByName(_stars(stars.where(~is_first), metric, found.is_judged))


def merged(listed: DataFrame) -> DataFrame:
    """Return what `listed` does with one row an image: in parts come those of crowded groups and of many copies."""
    whole = listed.where(~F.col("is_part"))
    parts = listed.where("is_part").groupBy("path").agg(F.array_sort(F.flatten(F.collect_list("duplicates"))))
    return whole.select("path", "duplicates").unionByName(parts.toDF("path", "duplicates"))


def duplicate_table(found: Found, listed: DataFrame) -> DataFrame:
    """Return the ``duplicates`` table: every encoded image with what `merged` returned, or with nothing.

    Args:
        found: what was found.
        listed: path, duplicates.
    """
    entries = F.transform("duplicates", lambda each: _entry(each, found.is_judged))
    ids = found.contents.slim.select("id")
    others = Sieve.of(ids, found.contents.images, found.n_images).others(found.features.select("id", "path"), ids)
    alone = others.select("path", F.array().alias("duplicates"))
    method = F.lit(found.method).alias("method")
    some = listed.select(method, "path", entries.alias("duplicates"))
    return conform(some, DUPLICATES).unionByName(conform(alone.withColumn("method", method), DUPLICATES))


def pair_table(found: Found, listed: DataFrame) -> DataFrame:
    """Return the ``pairs`` table: each pair as the list of its later path has it.

    Args:
        found: what was found.
        listed: as `listed` returns it.
    """
    both = listed.select(F.col("path").alias("path_b"), F.explode("duplicates").alias("other"))
    ordered = both.where(F.col("path_b") > F.col("other.path"))
    told = [F.col(f"other.{name}") for name in columns_of(_told(found))]
    pairs = ordered.select(F.col("other.path").alias("path_a"), "path_b", *told)
    return conform(pairs.withColumn("method", F.lit(found.method)), PAIRS)


def _told(found: Found) -> str:
    """Return the columns of what is told of a pair."""
    return f"{_TOLD}, {EVIDENCE}" if found.is_judged else _TOLD


def _entry(each: Column, is_judged: bool) -> Column:
    """Return what the ``duplicates`` table tells of one of an image's duplicates."""
    told = [each[name].alias(name) for name in ("path", *columns_of(_TOLD)) if name != "tile"]
    if is_judged:
        return F.struct(*told, *evidence.of_other(each, F.col("path") < each["path"]))
    unasked = columns_of(EVIDENCE_OF_OTHER).items()
    return F.struct(*told, *(F.lit(None).cast(kind).alias(name) for name, kind in unasked))


def _pairs(found: Found, metric: Metric, most_copies: int) -> DataFrame:
    """Return the pairs of contents with what is told of them as numbers, a content of several images with itself."""
    copies, is_first = F.col("copies"), F.col("id") == F.col("content")
    several = found.contents.slim.where(is_first & (copies > F.lit(1)) & ~are_many(copies, most_copies))
    none = F.lit(float("nan"))
    equal = {"score": F.lit(metric.closest), "is_same": F.lit(1), "difference": F.lit(0.0), "level": F.lit(0)}
    equal["turn"] = F.lit(0)
    equal |= dict.fromkeys(_TILE, none)
    told = {"score": F.col("score"), "is_same": (F.col("verdict") == F.lit(SAME)).cast("int")}
    told |= {"difference": F.coalesce("difference", none), "level": F.coalesce("level", F.lit(0))}
    told["turn"] = F.coalesce("turn", F.lit(0)) if "turn" in found.verdicts.columns else F.lit(0)
    told |= {name: F.coalesce(F.element_at("tile", at), none) for at, name in enumerate(_TILE, start=1)}
    if found.is_judged:
        equal |= evidence.as_numbers(evidence.of_equal())
        told |= evidence.as_numbers({name: F.col(name) for name in evidence.COLUMNS})
    of_two = found.verdicts.select("root", F.col("code_a").alias("key_a"), F.col("code_b").alias("key_b"), *_cast(told))
    of_one = several.select("root", F.col("content").alias("key_a"), F.col("content").alias("key_b"), *_cast(equal))
    return of_two.unionByName(of_one)


def _cast(told: dict[str, Column]) -> list[Column]:
    kinds = {"score": "double", "is_same": "int", "difference": "double", "level": "int", "turn": "int"}
    kinds |= dict.fromkeys(evidence.NUMBERS, "double")
    return [column.cast(kinds.get(name, "float")).alias(name) for name, column in told.items()]


def _stars(copies: DataFrame, metric: Metric, is_judged: bool) -> DataFrame:
    """Return copies as duplicates of the first of them, and the other way round, a row each.

    The first of very many has no list of them: it would not fit a row.
    """
    closest = F.lit(metric.closest).cast("double")
    entry = F.struct(
        metric.rank(closest).alias("rank"), F.col("other").alias("path"), closest.alias("score"),
        F.lit(SAME).alias("verdict"), F.lit(0.0).alias("difference"),
        F.lit(None).cast("int").alias("level"), F.lit(None).cast("array<float>").alias("tile"),
        F.lit(None).cast("string").alias("turn"),
        *(evidence.of_equal().values() if is_judged else ()),
    )  # fmt: skip
    is_few = F.col("copies") <= F.lit(MOST_LISTED)
    there = copies.select(
        "path", F.col("first_path").alias("other"), F.lit(False).alias("is_part"), F.lit(1).alias("n")
    )
    back = copies.select(
        F.col("first_path").alias("path"),
        F.when(is_few, F.col("path")).alias("other"),
        F.lit(True).alias("is_part"),
        is_few.cast("int").alias("n"),
    ).distinct()
    entries = F.slice(F.array(entry), F.lit(1), F.col("n"))
    return there.unionByName(back).select("path", "is_part", entries.alias("duplicates"))


def _lists(
    known: pa.RecordBatch | pa.Table, pairs: Iterator[Arrays], metric: Metric, cut: set[int]
) -> Iterator[pa.RecordBatch]:
    """Yield the images of a block with their duplicates there, each with the turn that makes it like the image."""
    gathered = list(pairs)
    if not gathered:
        return
    columns = {name: np.concatenate([some[name] for some in gathered]) for name in gathered[0] if name not in _ENDS[:2]}
    ends = columns.pop("left"), columns.pop("right")
    one, other = np.concatenate(ends), np.concatenate(ends[::-1])
    paths = _combined(known.column("path"))
    root, key = (known.column(name).to_numpy() for name in ("root", "key"))
    is_part = np.asarray(known.column("is_part")) | np.isin(root, list(cut))
    by_path = np.empty(len(paths), np.int64)
    by_path[pc.sort_indices(paths).to_numpy()] = np.arange(len(paths))
    if is_judged := evidence.NUMBERS[0] in columns:
        columns |= _by_path(columns, known.column("key").to_numpy(), by_path, ends)
    schema = pa.schema([("path", pa.string()), ("is_part", pa.bool_()), ("duplicates", pa.list_(_entry_of(is_judged)))])
    rank = np.tile(np.asarray(metric.rank(columns["score"]), np.float64), 2)
    order = np.lexsort((by_path[other], rank, one))
    starts = np.flatnonzero(np.diff(one[order], prepend=-1))
    for some in np.split(starts, np.searchsorted(starts, range(_ENTRIES_A_BATCH, len(order), _ENTRIES_A_BATCH))):
        if not len(some):  # the list before is longer than a batch
            continue
        end = starts[np.searchsorted(starts, some[-1]) + 1] if some[-1] != starts[-1] else len(order)
        rows, images = order[some[0] : end], one[order[some]]
        told = {name: values[rows % len(values)] for name, values in columns.items()}
        is_from_larger = key[other[rows]] > key[one[rows]]
        told["turn"] = np.where(is_from_larger, _INVERSE[told["turn"]], told["turn"])
        entries = _entries(told, rank[rows], paths.take(pa.array(other[rows])))
        lists = pa.ListArray.from_arrays(pa.array(np.append(some, end) - some[0], pa.int32()), entries)
        of_images = [paths.take(pa.array(images)), pa.array(is_part[images]), lists]
        yield pa.RecordBatch.from_arrays(of_images, schema=schema)


def _entries(told: Arrays, rank: np.ndarray, paths: pa.Array) -> pa.StructArray:
    tiles = np.stack([told[name] for name in _TILE], axis=1)
    is_told = ~np.isnan(tiles[:, 0])
    tile = tiles_where(is_told, tiles[is_told])
    verdict = pa.array([SIMILAR, SAME]).take(pa.array(told["is_same"]))
    difference = pa.array(told["difference"], mask=np.isnan(told["difference"]))
    level = pa.array(told["level"], mask=told["level"] == 0)
    turn = pa.array([None, *TURNS[1:]]).take(pa.array(told["turn"]))
    columns = [pa.array(rank), paths, pa.array(told["score"]), verdict, difference, level, tile, turn]
    if is_judged := evidence.NUMBERS[0] in told:
        columns += evidence.as_arrays(told)
    return pa.StructArray.from_arrays(columns, fields=list(_entry_of(is_judged)))


def _entry_of(is_judged: bool) -> pa.StructType:
    return _JUDGED_ENTRY if is_judged else _ENTRY


def _by_path(
    columns: Arrays, content: np.ndarray, by_path: np.ndarray, ends: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what geometry says with the image of the smaller path as a: it was said of the smaller content as a."""
    left, right = ends
    is_left_first = by_path[left] < by_path[right]
    first, second = (np.where(is_left_first, one, other) for one, other in ((left, right), (right, left)))
    return evidence.turned(columns, content[first] > content[second])


def _combined(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
