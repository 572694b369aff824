"""The Spark session of a job: borrowed where the submitter made one, else a local one that works at once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dedup_core.errors import DedupError

WORKER_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
"""Each Python worker serves one task, and a library that starts a thread a core would starve its neighbours."""


@contextmanager
def session(name: str) -> Iterator[SparkSession]:
    """Yield the session of this process, or start one and stop it at the end.

    Master, memory and all else belong to whoever submits; only what correctness needs is set here.

    Raises:
        DedupError: if Spark can't start, for want of Java for one.
    """
    _let_workers_find_this_python()
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)  # errors reach the user as one line
    borrowed = SparkSession.getActiveSession()
    try:
        spark = SparkSession.builder.appName(name).getOrCreate()
    except PySparkException as error:
        if "JAVA_GATEWAY_EXITED" not in str(error):
            raise
        raise DedupError(
            "Spark can't start: it needs Java 17 or newer. Install it (Debian and Ubuntu: apt-get install "
            "openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME to where it is"
        ) from error
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        yield spark
    finally:
        if borrowed is None:
            spark.stop()


def _let_workers_find_this_python() -> None:
    """Make workers on this machine use this interpreter and one thread each, unless the submitter said otherwise.

    Spark starts ``python3`` from PATH, which need not be the virtual environment that the driver runs in.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for variable in WORKER_THREADS:
        os.environ.setdefault(variable, "1")


@contextmanager
def setting(spark: SparkSession, name: str, value: str) -> Iterator[None]:
    """Set a runtime setting of the session for a while."""
    before = spark.conf.get(name, None)
    spark.conf.set(name, value)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, before)
