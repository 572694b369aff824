"""Verdicts on pairs of contents: looks refute nearly all of the wrong ones, and the pixels of the rest decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.filesystems import read_uri
from dedup_core.images.looks import SIDE, is_still
from dedup_core.images.picture import Failure, Picture, frames_of
from dedup_core.spark.blocks import decided_in_blocks, ends_of
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.session import setting
from dedup_core.spark.staging import Staging
from dedup_core.verify.held import HeldViews
from dedup_core.verify.looks import Looks, refuted
from dedup_core.verify.verdict import SIMILAR
from dedup_core.verify.views import HELD_SIDE

VERDICTS = (
    "code_a BIGINT, code_b BIGINT, score DOUBLE, verdict STRING, difference DOUBLE, level INT, tile ARRAY<FLOAT>, "
    "enlarged BIGINT"
)
"""Of pairs of contents. ``verdict`` is null where looks can't tell; ``enlarged`` is the end that shows no more than the
other one, made larger."""

_CHANGED = Failure("vanished", "the image is another one than when it was encoded")
_LOOKS = "code BIGINT, look BINARY, width INT, height INT, frames INT, format STRING"
_BLOCK_LOOKS, _BLOCK_IMAGES = 2_000, 64
_BATCH_CARRIED, _BATCH_IMAGES = 4, 1_000

_VERDICTS_ARROW = pa.schema(
    [
        ("code_a", pa.int64()), ("code_b", pa.int64()), ("score", pa.float64()), ("verdict", pa.string()),
        ("difference", pa.float64()), ("level", pa.int32()), ("tile", pa.list_(pa.float32())),
        ("enlarged", pa.int64()),
    ]
)  # fmt: skip


def verdicts(
    pairs: DataFrame, contents: DataFrame, features: DataFrame, reread: Reread | None, steps: Staging
) -> DataFrame:
    """Return the verdict on every pair of contents, ``VERDICTS``, as read back from where it was written.

    Args:
        pairs: code_a, code_b (two contents), score.
        contents: content, path.
        features: of the images.
        reread: how to read images again; None where that can't be done: then nothing is the same by its pixels.
        steps: where the steps are written.
    """
    known = contents.select(F.col("content").alias("code"), "path", "digest")
    looks = (
        known.drop("digest")
        .join(features, on="path", how="inner")
        .select(*(name.split()[0] for name in _LOOKS.split(", ")))
    )
    proposed = steps.write("content_pairs", pairs)
    looked = decided_in_blocks(proposed, looks, steps, _BLOCK_LOOKS, _by_looks, VERDICTS)
    looked = steps.write("looked", looked)
    undecided = looked.where(F.col("verdict").isNull()).select("code_a", "code_b", "score")
    if reread is None:
        return looked.withColumn("verdict", F.coalesce("verdict", F.lit(SIMILAR)))
    if undecided.isEmpty():
        return looked
    waiting = steps.write("undecided", undecided)
    images = reread.contents(ends_of(waiting).distinct().join(known, on="code", how="inner"), "code", "digest")
    rows = _BATCH_CARRIED if reread.by_spark else _BATCH_IMAGES  # what carries its bytes may be large
    with setting(steps.spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(rows)):
        decide = partial(_by_pixels, read=_Reader(reread))
        decided = decided_in_blocks(waiting, images, steps, _BLOCK_IMAGES, decide, VERDICTS)
        decided = steps.write("decided", decided)
    return looked.where(F.col("verdict").isNotNull()).unionByName(decided)


def _by_looks(known: pa.RecordBatch | pa.Table) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    codes, looks = known.column("code").to_numpy(), _looks(known)
    is_known = ~np.asarray(known.column("look").is_null())

    def decide(part: pa.RecordBatch) -> pa.RecordBatch:
        left, right = (np.searchsorted(codes, part.column(end).to_numpy()) for end in ("code_a", "code_b"))
        is_refuted, difference, cell = refuted(looks, left, right)
        is_refuted &= is_known[left] & is_known[right]
        rows = zip(part.to_pylist(), is_refuted.tolist(), difference.tolist(), cell.tolist(), strict=True)
        refused = [row | (_refuted_by_look(levels, at) if told else {}) for row, told, levels, at in rows]
        return pa.RecordBatch.from_pylist(refused, schema=_VERDICTS_ARROW)

    return decide


def _refuted_by_look(difference: int, cell: int) -> dict[str, Any]:
    row, column = divmod(cell, SIDE)
    tile = [column / SIDE, row / SIDE, (column + 1) / SIDE, (row + 1) / SIDE]
    return {"verdict": SIMILAR, "difference": float(difference), "level": SIDE, "tile": tile}


def _looks(known: pa.RecordBatch | pa.Table) -> Looks:
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


def _by_pixels(known: pa.RecordBatch | pa.Table, read: _Reader) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    files = {row["code"]: row for row in known.to_pylist()}
    views: HeldViews[int] = HeldViews(lambda code: read.frames(files[code]))

    def decide(part: pa.RecordBatch) -> pa.RecordBatch:
        rows = []
        for row in part.to_pylist():
            # By path, and not by content: its number is another one in every run.
            ends = sorted((row["code_a"], row["code_b"]), key=lambda code: files[code]["path"])
            verdict = views.verdict(*ends)
            told = {name: getattr(verdict, name) for name in ("verdict", "difference", "level", "tile")}
            rows.append(row | told | {"enlarged": views.larger(*ends) if verdict.is_enlarged else None})
        return pa.RecordBatch.from_pylist(rows, schema=_VERDICTS_ARROW)

    return decide
