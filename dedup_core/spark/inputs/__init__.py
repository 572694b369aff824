"""What users give, as they have it: text of any encoding, CSV of any dialect, Parquet, and columns of these."""

from dedup_core.spark.inputs.columns import column
from dedup_core.spark.inputs.parquet import read_parquet
from dedup_core.spark.inputs.text import read_csv, read_lines

__all__ = ["column", "read_csv", "read_lines", "read_parquet"]
