"""Parquet that somebody gives: read, or refused with the reason in one line."""

from __future__ import annotations

import posixpath

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from dedup_core.errors import InputError, last_cause
from dedup_core.filesystems import for_spark, normal, refuse_table_log
from dedup_core.spark.explained import explanation
from dedup_core.spark.published import Published

try:
    from py4j.protocol import Py4JError
except ImportError:  # Spark Connect alone, which knows no Java
    Py4JError = PySparkException

READING_ERRORS: tuple[type[Exception], ...] = (PySparkException, Py4JError)
"""What Spark raises when it can't read: errors of its own, and bare ones of its Java side."""

_LONGEST_REASON = 300


def read_parquet(spark: SparkSession, location: str, what: str) -> DataFrame:
    """Read a Parquet file, a folder of them, a glob, or a Delta table that a run of ours has published.

    Args:
        spark: the session.
        location: where it is; a plain path is on a disk that driver and workers share.
        what: what to call it in a message: "the manifest".

    Raises:
        InputError: if it can't be read, or belongs to a table with a log of its own.
    """
    if (published := Published.around(location)) is not None:
        return published.read(spark, posixpath.basename(normal(location)))
    refuse_table_log(location)
    try:
        frame = spark.read.parquet(for_spark(location))
        _ = frame.schema  # Spark Connect looks for the files only when it must
    except READING_ERRORS as error:
        raise InputError(f"can't read {what} {location}: {reason_of(error)}") from error
    return frame


def reason_of(error: Exception) -> str:
    """Return what went wrong, in one line: where it is known what to do, and else of Java's errors the last.

    All others of the chain follow from that one.
    """
    if (known := explanation(error)) is not None:
        return known
    text = last_cause(str(error)) or str(error)
    return " ".join(text.split())[:_LONGEST_REASON]
