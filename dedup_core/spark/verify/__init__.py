"""Proposed pairs to verdicts: looks refute, pixels decide."""

from dedup_core.spark.verify.contents import Contents
from dedup_core.spark.verify.verdicts import VERDICTS, verdicts

__all__ = ["VERDICTS", "Contents", "verdicts"]
