"""Few images are read by one task, step by step: the tables are those of many tasks, and the Spark jobs are few."""

import json

import pytest
from tables import rows_of

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.settings.settings import FindSettings, PipelineSettings
from dedup_core.spark import batches
from dedup_core.spark import staging as stagings
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store
from dedup_core.spark.tables import TABLES

MOST_JOBS = 70
"""Of a pipeline by one method, without its page. Where each shuffle and each small table sent to all was a job: 130."""


def jobs_so_far(spark):
    """How many jobs this session has started."""
    return max(spark.sparkContext.statusTracker().getJobIdsForGroup(), default=-1) + 1


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "images"
    make_corpus(installed_photographs()[:4], [EDITS[name] for name in ("half_size", "gray")], folder)
    add_broken_files(folder)
    return folder


@pytest.fixture(scope="module")
def few(spark, images, tmp_path_factory):
    """The folder of a run over few images, and how many jobs it made."""
    output, before = tmp_path_factory.mktemp("few"), jobs_so_far(spark)
    pipeline(spark, images, output)
    return output, jobs_so_far(spark) - before


def pipeline(spark, images, output):
    settings = {"input": str(images), "output": str(output), "method": "phash", "report": False, "scores": True}
    return run_pipeline(spark, PipelineSettings(**settings), lambda _line: None)


def test_a_small_pipeline_makes_few_jobs(few):
    assert few[1] <= MOST_JOBS


def test_many_tasks_give_the_tables_of_one(spark, images, few, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "FEW_ROWS", 0)
    pipeline(spark, images, tmp_path)
    for table in TABLES:
        assert rows_of(spark, tmp_path, table) == rows_of(spark, few[0], table), table
    texts = [json.loads((folder / "duplicates.json").read_text()) for folder in (few[0], tmp_path)]
    assert texts[0] == texts[1]


def test_many_pairs_of_few_images_give_the_same_tables(spark, images, few, tmp_path, monkeypatch):
    monkeypatch.setattr(stagings, "FEW_STEP_ROWS", 0)
    pipeline(spark, images, tmp_path)
    for table in TABLES:
        assert rows_of(spark, tmp_path, table) == rows_of(spark, few[0], table), table


def test_stored_features_of_few_images_give_the_same_tables(spark, few, tmp_path):
    output, _ = few
    settings = FindSettings(output=str(tmp_path / "out"), features=str(output / "features"), images=None)
    before = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    run_find(spark, settings, lambda _line: None)
    assert rows_of(spark, tmp_path / "out", "groups") == rows_of(spark, output, "groups")
    assert spark.conf.get("spark.sql.autoBroadcastJoinThreshold") == before


def test_rows_are_counted_by_the_files_that_hold_them(spark, tmp_path):
    staging = Staging(spark, Store(str(tmp_path)), "work")
    staging.write("some", spark.range(1000).repartition(3))
    staging.write("many", spark.range(100).repartition(20))
    assert [staging.count(name) for name in ("some", "many", "none")] == [1000, 100, 0]


def test_one_task_reads_what_few_images_make_but_for_very_many_pairs(spark, tmp_path, monkeypatch):
    staging = Staging(spark, Store(str(tmp_path)), "work", holds_few=True)
    step = spark.range(1000).repartition(3)
    assert staging.write("step", step).rdd.getNumPartitions() == 1
    monkeypatch.setattr(stagings, "FEW_STEP_ROWS", 999)
    assert staging.write("step", step).rdd.getNumPartitions() > 1
