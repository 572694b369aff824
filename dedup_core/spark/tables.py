"""The tables, as they lie in Parquet and as they pass between the steps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import DataFrame


def as_fields(schema: str) -> str:
    """Return columns as the fields of a STRUCT: ``name: KIND``."""
    return re.sub(r"(\w+) (\w+)", r"\1: \2", schema)


_FILE = "path STRING, size BIGINT, modified_at TIMESTAMP"
_IMAGE = f"{_FILE}, identity STRING"
LOCAL = "STRUCT<keypoints: ARRAY<SMALLINT>, descriptors: BINARY, picture: BINARY>"
_FEATURE = (
    f"method STRING, fingerprint STRING, hash BIGINT, turned ARRAY<BIGINT>, embedding ARRAY<FLOAT>, local {LOCAL}"
)
_FAILURE = "reason STRING, message STRING"

_PLACE = "uri STRING, file BIGINT, row BIGINT"  # a URL; or a hash of a table's file, and the number of the row in it
ENTRIES = f"{_IMAGE}, {_PLACE}, file_id STRING, links INT, is_folder BOOLEAN, {_FAILURE}"
LISTING = f"{_IMAGE}, {_PLACE}"
REFUSED = f"{_FILE}, is_folder BOOLEAN, {_FAILURE}"
OTHER_NAMES = "path STRING, other_names ARRAY<STRING>"
CONTENTS = f"{LISTING}, content BINARY"
_PICTURE = "width INT, height INT, format STRING, frames INT, caution ARRAY<STRING>, look BINARY, digest STRING"
ENCODED = f"{_IMAGE}, {_PICTURE}, {_FEATURE}, {_FAILURE}"
STAGED = f"{ENCODED}, run_id STRING"

_NAMES = "other_names ARRAY<STRING>, is_unseen BOOLEAN"
FEATURES = f"id BIGINT, {_IMAGE}, {_NAMES}, {_PICTURE}, {_FEATURE}, run_id STRING"
FAILURES = f"{_FILE}, {_FAILURE}, run_id STRING"
_VERDICT = "score DOUBLE, verdict STRING, difference DOUBLE, level INT"
EVIDENCE = (
    "inliers INT, overlap_a DOUBLE, overlap_b DOUBLE, likeness DOUBLE, worst_tile DOUBLE, relation STRING, "
    "derived STRING, degrees DOUBLE, mirrored BOOLEAN, transform ARRAY<DOUBLE>"
)
"""What geometry says of a pair, null where it was not asked: ``derived`` is 'a' or 'b'.

``transform`` takes pixels of a to pixels of b, of the pictures that were encoded: by default as they are stored.
"""
PAIRS = f"method STRING, path_a STRING, path_b STRING, {_VERDICT}, tile ARRAY<FLOAT>, {EVIDENCE}, turn STRING"
EVIDENCE_OF_OTHER = (
    "inliers INT, overlap_this DOUBLE, overlap_other DOUBLE, likeness DOUBLE, worst_tile DOUBLE, relation STRING, "
    "derived STRING, degrees DOUBLE, mirrored BOOLEAN"
)
"""The same of one of an image's duplicates: ``derived`` is 'this', the image whose row it is, or 'other'."""
DUPLICATES = (
    "method STRING, path STRING, "
    f"duplicates ARRAY<STRUCT<{as_fields(f'path STRING, {_VERDICT}, turn STRING, {EVIDENCE_OF_OTHER}')}>>"
)
GROUPS = "method STRING, group_id STRING, path STRING, group_size BIGINT, keep BOOLEAN, loosest_score DOUBLE"
REMOVALS = "method STRING, path STRING, kept_path STRING, reason STRING"

TABLES = {
    "features": FEATURES,
    "failures": FAILURES,
    "pairs": PAIRS,
    "duplicates": DUPLICATES,
    "groups": GROUPS,
    "removals": REMOVALS,
}


def conform(frame: DataFrame, schema: str) -> DataFrame:
    """Select the columns of ``schema``, in its order and with its types; a column that is missing becomes null."""
    present = set(frame.columns)  # as text, which Spark reads at once: columns made one by one take a call each
    values = ((f"`{name}`" if name in present else "NULL", name, kind) for name, kind in columns_of(schema).items())
    return frame.selectExpr(*(f"CAST({value} AS {kind}) AS `{name}`" for value, name, kind in values))


def names(schema: str) -> Sequence[str]:
    """Return the column names of ``schema``."""
    return list(columns_of(schema))


def columns_of(schema: str) -> dict[str, str]:
    """Split a schema at the commas between columns, not at those inside a STRUCT."""
    return dict(column.split(" ", 1) for column in re.split(r", (?![^<]*>)", schema))
