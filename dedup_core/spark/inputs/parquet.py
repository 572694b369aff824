"""Parquet that somebody gives: read, or refused with the reason in one line."""

from __future__ import annotations

import re

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from dedup_core.errors import InputError
from dedup_core.filesystems import for_spark, refuse_table_log

try:
    from py4j.protocol import Py4JError
except ImportError:  # Spark Connect alone, which knows no Java
    Py4JError = PySparkException

READING_ERRORS: tuple[type[Exception], ...] = (PySparkException, Py4JError)
"""What Spark raises when it can't read: errors of its own, and bare ones of its Java side."""

_LONGEST_REASON = 300


def read_parquet(spark: SparkSession, location: str, what: str) -> DataFrame:
    """Read a Parquet file, a folder of them, or a glob.

    Args:
        spark: the session.
        location: where it is; a plain path is on a disk that driver and workers share.
        what: what to call it in a message: "the manifest".

    Raises:
        InputError: if it can't be read, or belongs to a table with a log of its own.
    """
    refuse_table_log(location)
    try:
        frame = spark.read.parquet(for_spark(location))
        _ = frame.schema  # Spark Connect looks for the files only when it must
    except READING_ERRORS as error:
        raise InputError(f"can't read {what} {location}: {reason_of(error)}") from error
    return frame


def reason_of(error: Exception) -> str:
    """Return what went wrong, in one line: of a chain of Java's errors the last, which all others follow from."""
    causes = re.findall(r"Caused by: [\w.$]+: (.*)", str(error))
    text = causes[-1] if causes else str(error)
    return " ".join(text.split())[:_LONGEST_REASON]
