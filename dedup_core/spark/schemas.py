"""The tables, as they lie in Parquet and as they pass between the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

_IMAGE = "path STRING, size BIGINT, modified_at TIMESTAMP"
_FEATURE = "method STRING, fingerprint STRING, hash BIGINT, embedding ARRAY<FLOAT>"

LISTING = f"{_IMAGE}, uri STRING"
CONTENTS = f"{LISTING}, content BINARY"
ENCODED = f"{_IMAGE}, width INT, height INT, format STRING, {_FEATURE}, reason STRING, message STRING"

FEATURES = f"{_IMAGE}, width INT, height INT, format STRING, {_FEATURE}, run_id STRING"
FAILURES = f"{_IMAGE}, reason STRING, message STRING, run_id STRING"
PAIRS = "method STRING, path_a STRING, path_b STRING, score DOUBLE"
DUPLICATES = "method STRING, path STRING, duplicates ARRAY<STRUCT<path: STRING, score: DOUBLE>>"
GROUPS = "method STRING, group_id STRING, path STRING, group_size BIGINT, keep BOOLEAN"
REMOVALS = "method STRING, path STRING, kept_path STRING"

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
    fields = _struct(schema).fields
    present = set(frame.columns)
    return frame.select(
        *((F.col(f.name) if f.name in present else F.lit(None)).cast(f.dataType).alias(f.name) for f in fields)
    )


def names(schema: str) -> Sequence[str]:
    """Return the column names of ``schema``."""
    return _struct(schema).names


def _struct(schema: str) -> StructType:
    return cast(StructType, StructType.fromDDL(schema))
