"""Images that kill workers, each time: they end in failures, no other is lost, and the run goes on."""

import json
import os
import subprocess
import sys

import deadly
import pytest
from submitting import QUICK_JAVA, ROOT

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.crashes import made_despite_crashes
from dedup_core.spark.encode.tasks import EncodePlan
from dedup_core.spark.pipeline import run_encode

DEADLY = (deadly.SEGFAULT, deadly.EXIT)
LASTING = {"on_connect": deadly.SEGFAULT, "by_trying_again": deadly.HANG}


def test_what_kills_workers_is_told_apart_and_nothing_else_is_lost(spark, tmp_path, monkeypatch):
    """In local mode, where the first death ends Spark's job."""
    monkeypatch.setitem(spark.sparkContext.environment, "PYTHONPATH", deadly.path_with_it(tmp_path / "site"))
    folder = deadly.save(tmp_path / "images", *DEADLY, deadly.ONCE, deadly.SOUND)
    (folder / "note.txt").write_text("no image")
    run_encode(spark, EncodeSettings(input=str(folder), output=str(tmp_path / "out")), lambda line: None)
    features, failures = (spark.read.parquet(str(tmp_path / "out" / name)) for name in ("features", "failures"))
    assert sorted(row["path"] for row in features.collect()) == ["25.pcx", "26.pcx"]
    crashed = {f"{width}.pcx": "crashed_decoder" for width in DEADLY}
    assert {row["path"]: row["reason"] for row in failures.collect()} == crashed | {"note.txt": "not_an_image"}


@pytest.mark.parametrize("how", LASTING)
def test_it_is_so_where_spark_tries_again_and_on_connect(how, tmp_path):
    folder = deadly.save(tmp_path / "images", LASTING[how], deadly.SOUND)
    environment = os.environ | {
        "PYTHONPATH": f"{deadly.path_with_it(tmp_path / 'site')}:{ROOT / 'tests'}",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f'--conf spark.ui.enabled=false --driver-java-options "{QUICK_JAVA}" pyspark-shell',
    }
    command = [sys.executable, str(ROOT / "tests/spark/dying.py"), how, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [{f"{LASTING[how]}.pcx": "crashed_decoder"}, 1]


@pytest.mark.parametrize(("said", "times"), [("Python worker exited unexpectedly (crashed)", 2), ("no space left", 1)])
def test_a_job_is_run_again_once_and_only_where_workers_died(said, times):
    tried = []

    def fails(plan):
        tried.append(plan.is_guarded)
        raise RuntimeError(f"Job aborted: {said}")

    with pytest.raises(RuntimeError, match="Job aborted"):
        made_despite_crashes(EncodePlan.of(EncodeSettings(input="in", output="out")), fails)
    assert tried == [False, True][:times]
