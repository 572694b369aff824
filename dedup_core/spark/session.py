"""The Spark session of a job: borrowed where somebody made one, else one of our own that works at once."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from dedup_core.errors import DedupError
from dedup_core.spark.explained import explained
from dedup_core.spark.local_mode import workers_environment
from dedup_core.spark.stderr import without_lines

BATCH_BYTES = 64 << 20
"""Of rows that carry images, that Spark hands to Python at once: a worker holds them beside what it makes of them."""

_INCUBATOR = b"WARNING: Using incubator modules"
_WORKERS_PYTHON = "spark.sql.execution.pyspark.python"

_lock = threading.RLock()
_in_use: dict[SparkSession, tuple[int, ExitStack]] = {}
"""How many jobs use a session, and what to do when the last of them ends."""

_held: dict[tuple[SparkSession, str], dict[object, str | None]] = {}
"""What each user of a setting sets, in the order in which they came; first, by None, what there was before them."""


@contextmanager
def session(name: str) -> Iterator[SparkSession]:
    """Yield the session of this thread or process, or start one; the last of its users here stops that at the end.

    Master, memory and all else belong to whoever submits; only what correctness needs is set here, and of a borrowed
    session it is set back.

    Raises:
        DedupError: if Spark can't start, for want of Java for one; and what it raises for a reason that is known.
    """
    with _lock, explained():
        spark = _entered(name)
    try:
        with explained():
            yield spark
    finally:
        with _lock:
            _left(spark)


@contextmanager
def setting(spark: SparkSession, name: str, value: str) -> Iterator[None]:
    """Set a runtime setting of the session for a while. Where several overlap the latest holds, and the last sets back.

    Jobs may share a session and end in any order: what was set before the first of them is there after all of them.
    """
    user = object()
    with _at_the_end(lambda: _take_back(spark, name, user)):
        _set_for(user, spark, name, value)
        yield


@contextmanager
def rows_at_a_time(spark: SparkSession, rows: int) -> Iterator[None]:
    """Have Spark read Parquet and call Python by so many rows for a while: of rows that carry images few fit.

    A Spark that can do so calls Python by no more than `BATCH_BYTES` at a time too, but for a row that alone has more.
    """
    bounds = {
        "spark.sql.execution.arrow.maxRecordsPerBatch": rows,
        "spark.sql.execution.arrow.maxBytesPerBatch": BATCH_BYTES,
        "spark.sql.parquet.columnarReaderBatchSize": rows,
    }
    with ExitStack() as for_a_while:
        for name, bound in bounds.items():
            for_a_while.enter_context(setting(spark, name, str(bound)))
        yield


@contextmanager
def joined_where_they_are(spark: SparkSession) -> Iterator[None]:
    """Have Spark join tables that one task reads in that task, for a while: to send one to all tasks is a job."""
    with setting(spark, "spark.sql.autoBroadcastJoinThreshold", "-1"):
        yield


@contextmanager
def workers_like_this(spark: SparkSession) -> Iterator[None]:
    """Have a Spark that runs in this process call this Python for a while, unless the user has named another.

    Where nobody names one such a session, which we have not started, would call ``python3`` from PATH. That need not be
    the environment of the notebook. What a cluster or a Connect server calls is left to whoever runs it.
    """
    is_here = isinstance(spark, SparkSession) and str(spark.conf.get("spark.master", "")).startswith("local")
    with setting(spark, _WORKERS_PYTHON, sys.executable) if is_here and not _names_python(spark) else nullcontext():
        yield


def small_table(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: str) -> DataFrame:
    """Return some rows of the driver as a DataFrame, by Arrow: else Spark has Python workers read them once more.

    Args:
        spark: the session.
        rows: one or more.
        schema: of the columns, in their order.
    """
    import pandas as pd  # which workers do without

    with setting(spark, "spark.sql.execution.arrow.pyspark.enabled", "true"):
        return spark.createDataFrame(pd.DataFrame(rows), schema)


def _names_python(spark: SparkSession) -> bool:
    """Return whether the user has said which Python workers are; that we have said so for another thread is no such."""
    stated = spark.conf.get(_WORKERS_PYTHON, None), spark.conf.get("spark.pyspark.python", None)
    return "PYSPARK_PYTHON" in os.environ or any(python not in (None, sys.executable) for python in stated)


def _set_for(user: object, spark: SparkSession, name: str, value: str) -> None:
    with _lock:
        if (spark, name) not in _held:
            is_set = any(row["key"] == name for row in spark.sql("SET").collect())  # conf.get would also give a default
            _held[spark, name] = {None: spark.conf.get(name) if is_set else None}
        _held[spark, name][user] = value
        spark.conf.set(name, value)


def _take_back(spark: SparkSession, name: str, user: object) -> None:
    with _lock:
        values = _held[spark, name]
        del values[user]
        if len(values) == 1:
            del _held[spark, name]
        value = list(values.values())[-1]
        if value is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, value)


def _entered(name: str) -> SparkSession:
    running = _running()
    if running in _in_use:
        users, undo = _in_use[running]
        _in_use[running] = users + 1, undo
        return running
    with ExitStack() as entered:
        entered.enter_context(_errors_told_once())
        if running is None:
            spark = entered.enter_context(_started(name))
        else:
            spark = running
            entered.enter_context(setting(spark, "spark.sql.session.timeZone", "UTC"))
        _in_use[spark] = 1, entered.pop_all()
    return spark


def _left(spark: SparkSession) -> None:
    users, undo = _in_use.pop(spark)
    if users > 1:
        _in_use[spark] = users - 1, undo
    else:
        undo.__exit__(*sys.exc_info())


def _running() -> SparkSession | None:
    """Return the session of this thread or else of this process, if there is one."""
    try:
        spark = SparkSession.active()
        spark.range(1)  # fails where the context was stopped and the session was not
    except Exception:  # noqa: BLE001 - a stopped session raises whatever it stumbles over
        return None
    return spark


@contextmanager
def _started(name: str) -> Iterator[SparkSession]:
    with _environment_of_workers():
        try:
            with _without_javas_warning():
                spark = SparkSession.builder.appName(name).getOrCreate()
        except PySparkException as error:
            if "JAVA_GATEWAY_EXITED" not in str(error):
                raise
            raise DedupError(
                "Spark can't start: Java ended at once, for what it has said above. See what PYSPARK_SUBMIT_ARGS and "
                "spark-defaults.conf ask of it"
            ) from error
        with _at_the_end(spark.stop):
            spark.conf.set("spark.sql.session.timeZone", "UTC")
            yield spark


def _without_javas_warning() -> AbstractContextManager[None]:
    """Return how Java is started without the line that it says each time, of which nobody can do anything."""
    is_plain = sys.stderr is not None and sys.stderr is sys.__stderr__  # not a notebook's
    return without_lines(_INCUBATOR) if is_plain else nullcontext()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Make workers use one thread each and, on this machine, this interpreter, unless the submitter said otherwise."""
    wanted = workers_environment(os.environ)
    before = {variable: os.environ.get(variable) for variable in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value


@contextmanager
def _errors_told_once() -> Iterator[None]:
    """Keep Spark from logging its errors beside raising them: they reach the user as one line."""

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    loggers = _context_loggers()
    for logger in loggers:
        logger.addFilter(nothing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)


def _context_loggers() -> list[logging.Logger]:
    try:
        from pyspark.logger import PySparkLogger  # a plain logger of that name would not take what Spark logs
    except ImportError:  # Spark 3.5 logs no errors
        return []
    return [PySparkLogger.getLogger(name) for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger")]


@contextmanager
def _at_the_end(restore: Callable[[], None]) -> Iterator[None]:
    """Call at the end of the block; what that raises hides no error of the block."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            restore()
        raise
    restore()
