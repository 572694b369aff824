"""The session of a job: a borrowed one is left as it was found, one of our own is stopped, whoever else is at work."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException

from dedup_core.spark import session as sessions
from dedup_core.spark.session import (
    joined_where_they_are,
    rows_at_a_time,
    session,
    setting,
    small_table,
    workers_like_this,
)

ROOT = Path(__file__).parents[2]
PARTITIONS, ZONE = "spark.sql.shuffle.partitions", "spark.sql.session.timeZone"
PYTHON = "spark.sql.execution.pyspark.python"

HEAD = """
import json, os, threading
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession
from dedup_core.spark.session import session, setting

ZONE, facts = "spark.sql.session.timeZone", {}


def now(spark):
    logger = PySparkLogger.getLogger("DataFrameQueryContextLogger")
    return [spark.sql("SET").collect(), {**os.environ}, logger.level, [*logger.filters]]


def lives(spark):
    return spark.range(3).count() == 3


def has_session():
    try:
        SparkSession.active()
    except Exception:
        return False
    return True


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class Lingering:
    # A job in a thread, from its beginning until it is told to end.
    def __init__(self):
        self.entered, self.leave = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        self.entered.wait()

    def work(self):
        with session("lingering") as self.spark:
            self.entered.set()
            self.leave.wait()

    def end(self):
        self.leave.set()
        self.thread.join()
"""

BORROWED = """
theirs = SparkSession.builder.appName("theirs").getOrCreate()
before = now(theirs)
with session("ours") as spark:
    facts["the caller's session is borrowed"] = spark is theirs
    facts["it counts in UTC"] = spark.conf.get(ZONE) == "UTC"
    facts["the process's environment is left alone"] = {**os.environ} == before[1]
    with session("inner") as inner:
        facts["a nested use borrows it too"] = inner is theirs
    facts["the outer use goes on in UTC"] = spark.conf.get(ZONE) == "UTC"
facts["what was not set is not set again"] = now(theirs) == before
facts["the caller's session goes on"] = lives(theirs)

theirs.conf.set(ZONE, "Asia/Kolkata")
before = now(theirs)
try:
    with session("ours") as spark, setting(spark, "spark.sql.shuffle.partitions", "1"):
        raise KeyError("a job's error")
except KeyError:
    facts["after an error all is as before"] = now(theirs) == before


def borrow():
    with session("in a thread") as spark:
        facts["a thread borrows the session of the process"] = spark is theirs


in_thread(borrow)
facts["a thread doesn't stop it"] = lives(theirs) and now(theirs) == before

with session("shorter"):
    longer = Lingering()
facts["a job counts in UTC when another one beside it ends"] = theirs.conf.get(ZONE) == "UTC"
longer.end()
facts["after the last of them all is as before"] = now(theirs) == before
try:
    with session("ours") as spark:
        theirs.sparkContext.stop()
        raise KeyError("the error that counts")
except KeyError:
    facts["a session that is gone hides no error"] = True
with session("a session that was stopped by its context is none") as spark:
    facts["a new one is started in its place"] = spark is not theirs and lives(spark)
"""

OWN = """
environment = {**os.environ}
with session("ours") as spark:
    facts["a worker takes one thread"] = os.environ["OMP_NUM_THREADS"] == "1" == os.environ["NUMBA_NUM_THREADS"]
    facts["what the submitter says holds"] = os.environ["MKL_NUM_THREADS"] == "2"
    facts["it counts in UTC"] = spark.conf.get(ZONE) == "UTC"
    in_thread(lambda: Lingering().end())
    facts["a thread doesn't stop it"] = lives(spark)
    longer = Lingering()
facts["a thread that works on keeps it"] = longer.spark is spark and lives(spark)
longer.end()
facts["the last user stops it"] = not has_session()
facts["the environment is what it was"] = {k: v for k, v in os.environ.items() if "SPARK" not in k} == {
    k: v for k, v in environment.items() if "SPARK" not in k
} and "PYSPARK_PYTHON" not in os.environ
try:
    with session("ours"):
        raise KeyError("a job's error")
except KeyError:
    facts["after an error it is stopped too"] = not has_session()
"""


def test_a_program_finds_its_spark_as_it_left_it(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    environment |= {"MKL_NUM_THREADS": "2", "SPARK_CONF_DIR": str(ROOT / "conf"), "PYTHONPATH": str(ROOT)}
    environment.pop("PYSPARK_PYTHON", None)
    (tmp_path / "program.py").write_text(f"{HEAD}{BORROWED}{OWN}\nprint(json.dumps(facts))")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert [fact for fact, holds in facts.items() if not holds] == []


def test_a_setting_holds_for_a_while(spark):
    before = spark.sql("SET").collect()
    for name in (PARTITIONS, "spark.sql.some.setting.of.nobody"):
        with setting(spark, name, "7"):
            assert spark.conf.get(name) == "7"
        with pytest.raises(KeyError), setting(spark, name, "7"):
            raise KeyError
        assert spark.sql("SET").collect() == before


@pytest.mark.parametrize("before", [None, "9"])
@pytest.mark.parametrize("last", [0, 1, 2])
def test_settings_that_overlap_leave_what_was_before_them(spark, before, last):
    name = "spark.sql.some.setting.of.nobody"
    if before is not None:
        spark.conf.set(name, before)
    users = [setting(spark, name, value) for value in "567"]
    for user in users:
        user.__enter__()
    longest = users.pop(last)
    for user in users:
        user.__exit__(None, None, None)
    assert spark.conf.get(name) == "567"[last]
    longest.__exit__(None, None, None)
    assert spark.conf.get(name, "nothing") == (before or "nothing")
    spark.conf.unset(name)


def test_jobs_that_overlap_leave_how_tables_are_joined(spark):
    name = "spark.sql.autoBroadcastJoinThreshold"
    before, jobs = spark.conf.get(name), [joined_where_they_are(spark) for _ in range(2)]
    for job in jobs:
        job.__enter__()
    jobs[0].__exit__(None, None, None)
    assert spark.conf.get(name) == "-1"
    jobs[1].__exit__(None, None, None)
    assert spark.conf.get(name) == before


def python_of(spark):
    with workers_like_this(spark):
        return spark.conf.get(PYTHON, None)


def test_workers_are_this_python_where_nobody_names_one(spark, monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    own, first = spark.newSession(), workers_like_this(spark)
    first.__enter__()
    with workers_like_this(spark):  # of another thread, that is at work when the first one ends
        first.__exit__(None, None, None)
        assert spark.conf.get(PYTHON) == sys.executable
    assert spark.conf.get(PYTHON, None) is None
    own.conf.set(PYTHON, "/their/python")
    assert python_of(own) == "/their/python"
    own.conf.unset(PYTHON)
    own.conf.set("spark.master", "yarn")
    assert python_of(own) is None  # a cluster's workers are elsewhere
    monkeypatch.setenv("PYSPARK_PYTHON", "/their/python")
    assert python_of(spark) is None  # Spark goes by the variable


def test_a_small_table_is_what_the_driver_has(spark):
    rows = [(2**62 + 1, 3, 0.1, "ü", None), (-1, -3, None, None, None)]
    table = small_table(spark, rows, "a BIGINT, b INT, c DOUBLE, d STRING, e DOUBLE")
    assert [tuple(row) for row in table.collect()] == rows
    assert table.dtypes == [("a", "bigint"), ("b", "int"), ("c", "double"), ("d", "string"), ("e", "double")]


def test_an_error_is_raised_and_not_logged_beside(spark, capfd):
    with pytest.raises(AnalysisException):
        spark.range(1).select("nothing")
    assert capfd.readouterr().err == ""


def test_a_thread_of_the_suite_borrows_its_session(spark):
    seen = []

    def borrow():
        with session("in a thread") as borrowed:
            seen.append((borrowed, borrowed.conf.get(ZONE)))

    thread = threading.Thread(target=borrow)
    thread.start()
    thread.join()
    assert seen == [(spark, "UTC")]
    assert spark.range(3).count() == 3


def test_rows_that_carry_images_come_by_rows_and_by_bytes(spark, monkeypatch):
    monkeypatch.setattr(sessions, "BATCH_BYTES", 4_000_000)
    rows = spark.range(0, 32, 1, 1).selectExpr("CAST(repeat('x', 1000000) AS BINARY) AS content")

    def counts(batches):
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"rows": [len(batch)]})

    def most_at_once():
        return max(row["rows"] for row in rows.mapInArrow(counts, "rows BIGINT").collect())

    with rows_at_a_time(spark, 8):
        knows_bytes = tuple(map(int, spark.version.split(".")[:2])) >= (4, 1)
        assert most_at_once() <= (5 if knows_bytes else 8)
    assert most_at_once() == 32
