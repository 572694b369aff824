"""What Java, the workers and the stores say when something is amiss ends in one line that says what to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from album import make_album
from pyspark.cloudpickle import register_pickle_by_value
from pyspark.errors import AnalysisException, SparkRuntimeException
from pyspark.sql import functions as F
from submitting import QUICK_JAVA

from dedup_core.errors import DedupError, InputError
from dedup_core.spark import encode
from dedup_core.spark.explained import explained, hadoop_version
from dedup_core.spark.inputs.parquet import READING_ERRORS, reason_of

ROOT = Path(__file__).parents[2]

register_pickle_by_value(sys.modules[__name__])  # workers don't have this file


@pytest.fixture(scope="module")
def images(spark, tmp_path_factory):
    folder = make_album(tmp_path_factory.mktemp("explained") / "album")
    return spark.read.format("binaryFile").load(f"{folder}/beach*.png")


# What goes wrong in a worker


def dies(batches):
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches


def takes_too_much(batches):
    pa.allocate_buffer(1 << 60)
    yield from batches


def lacks_a_package(batches):
    import numpy_of_nowhere.inside  # noqa: F401

    yield from batches


def is_of_another_version(batches):
    from dedup_core.errors import ErrorOfTomorrow  # noqa: F401

    yield from batches


def fills_the_disk(batches):
    Path("/dev/full").write_bytes(b"x")
    yield from batches


@pytest.mark.parametrize(
    ("work", "line"),
    [
        (dies, r"a worker's Python ended unasked.*want of memory.*spark\.executor\.memoryOverhead"),
        (takes_too_much, r"a worker's Python ran out of memory.*spark\.executor\.memoryOverhead"),
        (lacks_a_package,
         r"workers lack the package numpy_of_nowhere: install it in their Python, or ship it \(--py-files"),
        (is_of_another_version, "workers have another version of dedup-core than the driver"),
        (fills_the_disk, r"a disk is full.*spark\.local\.dir"),
    ],
)  # fmt: skip
def test_what_ends_a_worker_is_one_line_with_what_to_do(images, work, line):
    with pytest.raises(DedupError, match=line) as raised:
        encode(images.mapInArrow(work, images.schema))
    assert "\n" not in str(raised.value)


def test_a_python_that_is_not_there_is_named(spark, images):
    spark.conf.set("spark.sql.execution.pyspark.python", "./environment/bin/python")
    try:
        with pytest.raises(DedupError, match=r"workers have no \./environment/bin/python to run.*PYSPARK_PYTHON"):
            encode(images)
    finally:
        spark.conf.unset("spark.sql.execution.pyspark.python")


def test_a_python_of_another_version_is_named_with_the_drivers(spark, images):
    other = sorted(Path("~/.pyenv/versions").expanduser().glob("3.1[0234].*/bin/python"))
    if not other:
        pytest.skip("needs a Python of another version, of which pyenv has none here")
    ours, theirs = (".".join(version.split(".")[:2]) for version in (sys.version, other[0].parts[-3]))
    spark.conf.set("spark.sql.execution.pyspark.python", str(other[0]))
    try:
        with pytest.raises(
            DedupError, match=f"workers run Python {theirs}, and the driver {ours}: name a Python {ours}"
        ):
            encode(images)
    finally:
        spark.conf.unset("spark.sql.execution.pyspark.python")


# What goes wrong with files


def test_a_file_that_is_gone_is_named(spark, tmp_path):
    folder = make_album(tmp_path / "album")
    images = spark.read.format("binaryFile").load(f"{folder}/forest.png")
    (folder / "forest.png").unlink()
    with pytest.raises(
        DedupError, match=r"forest\.png is gone, or not where a worker looks: .*driver and workers share"
    ):
        encode(images)


def test_an_output_that_the_workers_may_not_write_is_named(images):
    with pytest.raises(DedupError, match=r"can't make the folder file:/proc/1/steps/.*let the user of Spark's workers"):
        encode(images, folder="/proc/1/steps")


# Filesystems that Spark lacks, and those that don't answer


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3a://lake/x", r"S3: start it with --packages org\.apache\.hadoop:hadoop-aws:{version}\. Credentials: AWS_"),
        ("s3://lake/x", r"org\.apache\.hadoop:hadoop-aws:{version}; Spark knows it as s3a://"),
        ("gs://lake/x", r"Google Cloud Storage: start it with --packages \S+:\S+:\S+\. Credentials: GOOGLE_APPL"),
        ("abfss://c@a.dfs.core.windows.net/x", r"\.hadoop:hadoop-azure:{version}\. Credentials: spark\.hadoop"),
        ("oss://lake/x", "Spark knows no filesystem oss://: give it the package that does, by --packages"),
        ("hdfs://nowhere.invalid/x", r"no host nowhere\.invalid is known here: check the location"),
    ],
)  # fmt: skip
def test_a_filesystem_that_spark_can_not_read_is_told_with_what_to_pass(spark, url, line):
    with pytest.raises(READING_ERRORS) as raised:
        spark.read.parquet(url)
    reason = reason_of(raised.value)
    with pytest.raises(DedupError, match=line.format(version=r"\d+\.\d+\.\d+")):
        raise InputError(reason)
    assert "\n" not in reason


def test_the_version_is_that_of_the_hadoop_that_is_loaded(spark):
    assert hadoop_version() == spark._jvm.org.apache.hadoop.util.VersionInfo.getVersion()


# What is left as it is


def test_what_nobody_knows_better_goes_through_as_it_is(images):
    with pytest.raises(SparkRuntimeException, match="is not true"):
        encode(images.withColumn("path", F.expr("CAST(assert_true(false) AS STRING)")))
    with pytest.raises(AnalysisException), explained():
        images.select("nothing")
    with pytest.raises(KeyError), explained():
        raise KeyError


def test_a_driver_that_lacks_a_package_blames_no_worker():
    with pytest.raises(ModuleNotFoundError), explained():
        import numpy_of_nowhere  # noqa: F401


# Sessions that end

PROGRAM = """
import os, signal, sys
from pyspark import SparkContext
from dedup_core.errors import DedupError
from dedup_core.spark import encode
from dedup_core.spark.session import session


def told(work):
    try:
        work()
    except DedupError as error:
        print(error)


def without_java():
    with session("without Java") as spark:
        images = spark.range(1).selectExpr("'a' AS path", "CAST('b' AS BINARY) AS content")
        SparkContext._gateway.proc.send_signal(signal.SIGKILL)
        SparkContext._gateway.proc.wait()
        images.count()


with session("stopped") as spark:
    images = spark.range(1).selectExpr("'a' AS path", "CAST('b' AS BINARY) AS content")
told(lambda: encode(images))
told(without_java)
"""


def test_a_session_that_was_stopped_and_a_java_that_was_killed_are_told_apart(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SPARK_CONF_DIR": str(ROOT / "conf")}
    environment |= {"PYSPARK_SUBMIT_ARGS": f'--master local[1] --driver-java-options "{QUICK_JAVA}" pyspark-shell'}
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    stopped, ended = done.stdout.splitlines()
    assert stopped.startswith("the Spark session was stopped while it was needed: start one")
    assert ended.startswith("Spark's Java has ended: it ran out of memory, or was killed.")
