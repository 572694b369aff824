"""Jobs on a cluster: they make the tables of local mode, also where executors and workers' Pythons are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import children, packed, standing, until
from tables import rows_of

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.tables import TABLES

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="finds processes in /proc, as Linux has it"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster for the tests of this file."""
    with standing(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with images, two of them broken."""
    folder = tmp_path_factory.mktemp("clustered")
    make_corpus(installed_photographs()[:3], [EDITS["half_size"], EDITS["gray"]], folder / "images")
    add_broken_files(folder / "images")
    return folder


def test_killed_executors_and_pythons_change_no_table(cluster, folder, spark):
    given = {"input": str(folder / "images"), "method": "phash", "images_per_task": 1, "report": False}
    run_pipeline(spark, PipelineSettings(**given, output=str(folder / "local")), lambda _line: None)

    shipped = f"--archives {packed(folder)}#environment --conf spark.executorEnv.PYTHONPATH=environment"
    arguments = ["--input", folder / "images", "--output", folder / "out", "--method", "phash"]
    job = cluster.start(
        "pipeline", *arguments, "--images-per-task", "1", "--no-report", options=shipped, PYSPARK_PYTHON=sys.executable
    )
    _kill_one_that_works(cluster)  # images are encoded by the first Pythons that there are
    before = cluster.n_started()
    lines = iter(job.stdout.readline, "")
    said = [next(line for line in lines if "distinct hashes" in line)]
    for daemon in _pythons(cluster):
        os.kill(daemon, signal.SIGKILL)
    os.kill(until(cluster.executors)[0], signal.SIGKILL)
    said += lines
    complained = job.communicate(timeout=300)[1]
    assert job.returncode == 0, "".join(said) + complained
    assert cluster.n_started() > before >= 2
    for table in TABLES:
        assert rows_of(spark, folder / "out", table) == rows_of(spark, folder / "local", table)


def test_workers_without_the_package_are_told_of_with_what_to_pass(cluster, folder):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "bare")], check=True, timeout=60)
    arguments = ["--input", folder / "images", "--output", folder / "none", "--method", "phash"]
    once = "--conf spark.task.maxFailures=1"
    job = cluster.start("encode", *arguments, options=once, PYSPARK_PYTHON=str(folder / "bare/bin/python"))
    _, complained = job.communicate(timeout=300)
    assert job.returncode == 1
    told = [line for line in complained.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1] for line in told] == [" Spark's workers lack the package dedup_core"]
    assert "--archives env.tar.gz#environment" in told[0]


def _kill_one_that_works(cluster):
    executor = until(lambda: [pid for pid in cluster.executors() if _pythons_of(pid)])[0]
    os.kill(executor, signal.SIGKILL)


def _pythons(cluster):
    """Return the processes that executors start for Python."""
    return [daemon for executor in cluster.executors() for daemon in _pythons_of(executor)]


def _pythons_of(executor):
    """Return what an executor has started for Python; other children of its come and go."""
    return [pid for pid in children(executor) if b"pyspark.daemon" in _command(pid)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it is gone meanwhile
        return b""
