"""Verdicts on pairs of contents: looks refute nearly all of the wrong ones, and the pixels of the rest decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.filesystems import read_uri
from dedup_core.images.decoding import frames_of
from dedup_core.images.looks import SIDE, is_still
from dedup_core.images.picture import Failure, Picture
from dedup_core.spark.blocks import decided_in_blocks, ends_of
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.group_blocks import Arrays, GroupBlocks
from dedup_core.spark.session import setting
from dedup_core.spark.staging import Staging
from dedup_core.spark.verify.contents import Contents
from dedup_core.verify.held import HeldViews
from dedup_core.verify.looks import Looks, refuted
from dedup_core.verify.verdict import SIMILAR
from dedup_core.verify.views import HELD_SIDE

VERDICTS = (
    "root BIGINT, code_a BIGINT, code_b BIGINT, score DOUBLE, image_pairs BIGINT, verdict STRING, difference DOUBLE, "
    "level INT, tile ARRAY<FLOAT>, enlarged BIGINT, unseen BOOLEAN"
)
"""Of pairs of contents, with the root of their group and how many pairs of images they stand for. ``verdict`` is null
where looks can't tell; ``enlarged`` is the end that shows no more than the other one, made larger; ``unseen`` is
whether an end could not be read again."""

_CHANGED = Failure("vanished", "the image is another one than when it was encoded")
_BLOCK_LOOKS, _BLOCK_IMAGES = 4096, 64
_BATCH_CARRIED, _BATCH_IMAGES = 4, 1_000

_VERDICTS_ARROW = pa.schema(
    [
        ("root", pa.int64()), ("code_a", pa.int64()), ("code_b", pa.int64()), ("score", pa.float64()),
        ("image_pairs", pa.int64()), ("verdict", pa.string()), ("difference", pa.float64()), ("level", pa.int32()),
        ("tile", pa.list_(pa.float32())), ("enlarged", pa.int64()), ("unseen", pa.bool_()),
    ]
)  # fmt: skip


def verdicts(
    code_pairs: DataFrame,
    contents: Contents,
    same_score: float,
    reread: Reread | None,
    steps: Staging,
    decided: DataFrame | None = None,
) -> DataFrame:
    """Return the verdict on every pair of contents, ``VERDICTS``, as read back from where it was written.

    Args:
        code_pairs: code_a, code_b, score, root: of codes, of which each may have several contents.
        contents: what is compared.
        same_score: the score of two contents that share a code.
        reread: how to read images again; None where that can't be done: then nothing is the same by its pixels.
        steps: where the steps are written.
        decided: ``VERDICTS`` by pixels that are known: these images are not decoded again.
    """
    looked = steps.write("looked", _looked(code_pairs, contents, same_score, steps.holds_few))
    undecided = looked.where(F.col("verdict").isNull()).select(*_proposed(looked))
    if reread is None:
        unseen = F.col("verdict").isNull()
        return looked.withColumns({"verdict": F.coalesce("verdict", F.lit(SIMILAR)), "unseen": unseen})
    told = looked.where(F.col("verdict").isNotNull())
    if decided is not None:
        ends = ["code_a", "code_b"]
        by_pixels = decided.select(*ends, *(name for name in looked.columns if name not in undecided.columns))
        told = told.unionByName(undecided.join(by_pixels, on=ends, how="inner"))
        undecided = undecided.join(by_pixels, on=ends, how="left_anti")
    waiting = steps.write("undecided", undecided)
    if not steps.count("undecided"):
        return told
    known = contents.first_members.select(F.col("content").alias("code"), "path", "digest")
    return told.unionByName(decided_by_pixels(waiting, known, reread, steps))


def decided_by_pixels(waiting: DataFrame, known: DataFrame, reread: Reread, steps: Staging) -> DataFrame:
    """Return the verdict by their pixels on pairs of contents, ``VERDICTS``, as read back from where it was written.

    Args:
        waiting: the columns of ``VERDICTS`` that stand before the verdict; read several times, so best from a table.
        known: code (a content), path, digest.
        reread: how to read images again.
        steps: where the steps are written.
    """
    images = reread.contents(ends_of(waiting).distinct().join(known, on="code", how="inner"), "code", "digest")
    rows = _BATCH_CARRIED if reread.by_spark else _BATCH_IMAGES  # what carries its bytes may be large
    with setting(steps.spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(rows)):
        decide = partial(_by_pixels, read=_Reader(reread))
        blocks = replace(steps, holds_few=steps.holds_few and not reread.by_spark)  # few images may be many bytes
        return steps.write("decided", decided_in_blocks(waiting, images, blocks, _BLOCK_IMAGES, decide, VERDICTS))


def tiles_where(is_told: np.ndarray, tiles: np.ndarray) -> pa.ListArray:
    """Return tiles as a column of ``VERDICTS``, null where none is told.

    Args:
        is_told: bool (n,).
        tiles: float32 (m, 4), of those that are told.
    """
    starts = np.concatenate([[0], np.cumsum(4 * is_told)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(starts, mask=np.append(~is_told, False)), pa.array(tiles.ravel()))


def _proposed(looked: DataFrame) -> list[str]:
    return looked.columns[: looked.columns.index("verdict")]


def _looked(code_pairs: DataFrame, contents: Contents, same_score: float, are_few: bool) -> DataFrame:
    """Return the verdicts by looks, of contents whose codes have pairs, or that share a code."""
    compared = contents.compared
    shared = compared.where(F.col("siblings") > F.lit(1)).select("root", "code").distinct()
    within = shared.select("root", F.col("code").alias("key_a"), F.col("code").alias("key_b"))
    across = code_pairs.select("root", F.col("code_a").alias("key_a"), F.col("code_b").alias("key_b"), "score")
    pairs = across.unionByName(within.withColumn("score", F.lit(same_score).cast("double")))
    known = "content", "copies", "look", "width", "height", "frames", "format"
    members = compared.select("root", F.col("code").alias("key"), "id", *known)
    return GroupBlocks.of(members, pairs, _BLOCK_LOOKS, contents.count, are_few).written(_by_looks, VERDICTS)


def _by_looks(known: pa.RecordBatch | pa.Table, pairs: Iterator[Arrays]) -> Iterator[pa.RecordBatch]:
    content, copies = (known.column(name).to_numpy() for name in ("content", "copies"))
    looks, is_known = looks_of(known), ~np.asarray(known.column("look").is_null())
    root = known.column("root").to_numpy()
    for some in pairs:
        left, right = some["left"], some["right"]
        is_refuted, difference, cell = refuted(looks, left, right)
        is_refuted &= is_known[left] & is_known[right]
        told = _told(is_refuted, difference, cell)
        told |= {
            "root": root[left],
            "code_a": np.minimum(content[left], content[right]),
            "code_b": np.maximum(content[left], content[right]),
            "score": some["score"],
            "image_pairs": copies[left] * copies[right],
            "enlarged": pa.nulls(len(left), pa.int64()),
            "unseen": np.zeros(len(left), bool),
        }
        yield pa.RecordBatch.from_pydict(told, schema=_VERDICTS_ARROW)


def _told(is_refuted: np.ndarray, difference: np.ndarray, cell: np.ndarray) -> dict[str, Any]:
    """Return what looks say of pairs; nothing where they refute none."""
    row, column = np.divmod(cell[is_refuted], SIDE)
    tiles = np.stack([column, row, column + 1, row + 1], axis=1).astype(np.float32) / np.float32(SIDE)
    return {
        "verdict": pa.array([SIMILAR]).take(pa.array(np.zeros(len(cell), np.int32), mask=~is_refuted)),
        "difference": pa.array(difference.astype(np.float64), mask=~is_refuted),
        "level": pa.array(np.full(len(cell), SIDE, np.int32), mask=~is_refuted),
        "tile": tiles_where(is_refuted, tiles),
    }


def looks_of(known: pa.RecordBatch | pa.Table) -> Looks:
    """Return what is known of images before they are read again, from look, width, height, frames and format."""
    numbers = [np.asarray(known.column(name).fill_null(0), np.int64) for name in ("width", "height", "frames")]
    looks, formats = (known.column(name).to_pylist() for name in ("look", "format"))
    return Looks.of(looks, np.stack(numbers, axis=1), formats)


@dataclass(frozen=True)
class _Reader:
    """Decodes files in a worker."""

    reread: Reread

    def content(self, row: dict[str, Any]) -> bytes | Failure:
        """Return a file's bytes, or why they can't be had."""
        content = row["bytes"]
        if content is None and self.reread.by_spark:
            return Failure("vanished", "the image can't be read again")
        if content is None:
            content = read_uri(self.reread.locate(row["path"]), self.reread.max_bytes)
        return content if isinstance(content, Failure) or is_still(content, row["digest"]) else _CHANGED

    def frames(self, row: dict[str, Any], side: int | None = HELD_SIDE) -> Iterator[Picture | Failure]:
        """Decode a file's frames."""
        content, decoding = self.content(row), self.reread.decoding
        if isinstance(content, Failure):
            return iter([content])
        return frames_of(content, decoding.max_pixels, decoding.orientation, side)


def _by_pixels(
    known: pa.RecordBatch | pa.Table, pairs: Iterator[pa.RecordBatch], read: _Reader
) -> Iterator[pa.RecordBatch]:
    files = {row["code"]: row for row in known.to_pylist()}
    views: HeldViews[int] = HeldViews(lambda code: read.frames(files[code]))
    for part in pairs:
        rows = []
        for row in part.to_pylist():
            ends = sorted((row["code_a"], row["code_b"]), key=lambda code: files[code]["path"])
            verdict = views.verdict(*ends)
            told = {name: getattr(verdict, name) for name in ("verdict", "difference", "level", "tile")}
            told |= {"enlarged": views.larger(*ends) if verdict.is_enlarged else None, "unseen": verdict.is_unseen}
            rows.append(row | told)
        yield pa.RecordBatch.from_pylist(rows, schema=_VERDICTS_ARROW)
