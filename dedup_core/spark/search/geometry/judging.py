"""Geometry over candidates, block by block: the features of an image travel once a block, never once a pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.geometry.judge import Geometry, LocalView, judge, prepared
from dedup_core.local.features import LocalFeatures
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark import evidence
from dedup_core.spark.blocks import decided_in_blocks
from dedup_core.spark.session import rows_at_a_time
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import EVIDENCE
from dedup_core.spark.verify.verdicts import looks_of
from dedup_core.verify.looks import Looks, refuted

JUDGED = f"code_a BIGINT, code_b BIGINT, score DOUBLE, is_reported BOOLEAN, {EVIDENCE}"
"""Of pairs of files. Those that are not reported may still be the same: their looks don't refute it."""

_BLOCK_FILES = 512  # with as many others, and 24 KB each
_ROWS_AT_A_TIME = 1000
_PAIRS_A_BATCH = 4096
_FACTS = ("look", "width", "height", "frames", "format")
_JUDGED_ARROW = pa.schema(
    [
        ("code_a", pa.int64()), ("code_b", pa.int64()), ("score", pa.float64()), ("is_reported", pa.bool_()),
        *((field.name, field.type) for field in evidence.FIELDS),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """Which pairs are reported.

    Attributes:
        min_inliers: the fewest inliers.
        scenes: whether pairs that show one scene are.
        is_score: whether the inliers are the score of a pair, in place of that which proposed it.
    """

    min_inliers: int
    scenes: bool
    is_score: bool

    @classmethod
    def of(cls, settings: SearchSettings, is_score: bool) -> Rule:
        """Return the rule that the settings ask for."""
        return cls(settings.min_inliers, settings.scenes, is_score)

    def reports(self, geometry: Geometry | None) -> bool:
        """Return whether a pair is reported; None for pictures that have nothing in common."""
        if geometry is None:
            return False
        return geometry.is_reported or self.scenes


def judged(candidates: DataFrame, features: DataFrame, rule: Rule, steps: Staging) -> DataFrame:
    """Return what geometry says of candidates, ``JUDGED``, as read back from where it was written.

    Candidates that are not reported and whose looks refute that they are the same are left out.

    Args:
        candidates: code_a, code_b, score: pairs of files.
        features: the ``features`` table of the local method, of these files.
        rule: which pairs are reported.
        steps: where the steps are written.
    """
    known = features.select(F.col("id").alias("code"), "local.keypoints", "local.descriptors", "local.picture", *_FACTS)
    with rows_at_a_time(steps.spark, _ROWS_AT_A_TIME):
        decided = decided_in_blocks(candidates, known, steps, _BLOCK_FILES, partial(_by_geometry, rule=rule), JUDGED)
        return steps.write("judged", decided)


class _Block:
    """The files of a block: each is prepared once, when a pair first needs it."""

    def __init__(self, known: pa.RecordBatch | pa.Table) -> None:
        self._known = known
        self.rows = {code: row for row, code in enumerate(known.column("code").to_pylist())}
        self._views: dict[int, LocalView] = {}

    @cached_property
    def looks(self) -> Looks:
        """The looks of all, as far as they are known."""
        return looks_of(self._known)

    def may_be_same(self, one: int, other: int) -> bool:
        """Return whether the looks of two files don't refute that they are the same."""
        look = self._known.column("look")
        if not (look[one].is_valid and look[other].is_valid):
            return True
        return not refuted(self.looks, np.array([one]), np.array([other]))[0][0]

    def prepared(self, row: int) -> LocalView:
        """Return the local features of a file, ready to be judged."""
        if row not in self._views:
            told = self._known.slice(row, 1).to_pylist()[0]
            self._views[row] = prepared(LocalFeatures.of_row(told), told["width"], told["height"])
        return self._views[row]


def _by_geometry(
    known: pa.RecordBatch | pa.Table, pairs: Iterator[pa.RecordBatch], rule: Rule
) -> Iterator[pa.RecordBatch]:
    block = _Block(known)
    for part in pairs:
        for start in range(0, len(part), _PAIRS_A_BATCH):
            told = (_told(block, pair, rule) for pair in part.slice(start, _PAIRS_A_BATCH).to_pylist())
            yield pa.RecordBatch.from_pylist([row for row in told if row is not None], schema=_JUDGED_ARROW)


def _told(block: _Block, pair: dict[str, Any], rule: Rule) -> dict[str, Any] | None:
    """Return a row of ``JUDGED``, or None for a pair that is none."""
    one, other = block.rows.get(pair["code_a"]), block.rows.get(pair["code_b"])
    if one is None or other is None:  # it has no local features
        return None
    geometry = judge(block.prepared(one), block.prepared(other), rule.min_inliers)
    is_reported = rule.reports(geometry)
    if not is_reported and not block.may_be_same(one, other):
        return None
    row = pair | {"is_reported": is_reported}
    if rule.is_score:
        row["score"] = 0.0 if geometry is None else float(geometry.inliers)
    if geometry is None:
        return row
    told = {name: getattr(geometry, name) for name in evidence.COLUMNS if name not in ("mirrored", "transform")}
    return row | told | {"mirrored": geometry.is_mirrored, "transform": list(geometry.transform)}
