"""The tables are the same in whatever session a user has, and a rerun in it finds everything done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from submitting import QUICK_JAVA

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline

ROOT = Path(__file__).parents[2]
TABLES = ("features", "failures", "pairs", "duplicates", "groups", "removals")

ODD = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "Asia/Kolkata",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS",
    "spark.speculation": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}
QUICK = {  # as the suite's own session has them
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.sql.codegen.cache.maxEntries": "5000",
    "spark.sql.ui.explainMode": "simple",
}

PARTITIONS = {"images": "61", "list.csv": "1"}
"""The inputs, a folder and a manifest, and in how many partitions an odd session shuffles what comes of them."""

PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.pipeline import run_encode, run_pipeline

process = SparkSession.builder.getOrCreate()
for settings, partitions in json.loads(sys.argv[1]):
    spark = process.newSession()
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    first = run_pipeline(spark, PipelineSettings(**settings, report=False), lambda line: None)
    again = run_encode(spark, EncodeSettings(**settings), lambda line: None)
    print(json.dumps([first.counts, again.counts]))
"""


def settings_of(folder, name, output):
    """What the runs over an input have in common."""
    return {"input": str(folder / name), "output": str(output / name), "method": "phash"}


def rows_of(output):
    """The rows of all tables as text, sorted; without the run that made them, and times as exact as both keep them."""
    return {name: sorted(map(told, pq.read_table(output / name).to_pylist())) for name in TABLES}


def told(row):
    kept = {name: value for name, value in row.items() if name != "run_id"}
    if "modified_at" in kept:
        kept["modified_at"] = kept["modified_at"].strftime("%F %T.%f")[:-3]
    return json.dumps(kept, sort_keys=True, default=bytes.hex)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of images, two of them broken, and a manifest that names some of them."""
    folder = tmp_path_factory.mktemp("odd")
    make_corpus(installed_photographs()[:3], [EDITS["half_size"], EDITS["gray"]], folder / "images")
    add_broken_files(folder / "images")
    files = sorted(path for path in (folder / "images").rglob("*") if path.is_file())
    lines = [f"{number};{path.relative_to(folder)}\n" for number, path in enumerate(files) if number % 3]
    (folder / "list.csv").write_text("id;path\n" + "".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def odd_runs(folder):
    """A process with the odd sessions, one after the other. It goes on while the ordinary one is at work."""
    submitted = " ".join(f"--conf {setting}={value}" for setting, value in (ODD | QUICK).items())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SPARK_CONF_DIR": str(ROOT / "conf")}
    environment |= {
        "PYSPARK_SUBMIT_ARGS": f'{submitted} --driver-java-options "{QUICK_JAVA}" pyspark-shell',
        "PYSPARK_PYTHON": sys.executable,
    }
    runs = [(settings_of(folder, name, folder / "odd"), partitions) for name, partitions in PARTITIONS.items()]
    command = [sys.executable, "-c", PROGRAM, json.dumps(runs)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_an_odd_session_gives_the_tables_of_an_ordinary_one_and_reuses_its_own(spark, folder, odd_runs):
    ordinary = [
        run_pipeline(
            spark, PipelineSettings(**settings_of(folder, name, folder / "ordinary"), report=False), lambda line: None
        )
        for name in PARTITIONS
    ]
    said, complained = odd_runs.communicate(timeout=300)
    assert odd_runs.returncode == 0, complained
    for name, run, line in zip(PARTITIONS, ordinary, said.splitlines(), strict=True):
        first, again = json.loads(line)
        assert (first["encoded"], first["reused"]) == (run.counts["encoded"], 0)
        assert (again["encoded"], again["reused"]) == (first["encoded"], first["encoded"])
        assert rows_of(folder / "odd" / name) == rows_of(folder / "ordinary" / name)
