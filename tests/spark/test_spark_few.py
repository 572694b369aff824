"""Few images are read by one task, step by step: the Spark jobs are few.

That the tables are those of many tasks is shown where the ways to cut the work are (test_determinism.py).
"""

import importlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tables import rows_of

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.settings.settings import FindSettings, PipelineSettings
from dedup_core.spark import batches
from dedup_core.spark import staging as stagings
from dedup_core.spark.blocks import decided_in_blocks
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.published import are_few_images
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


def test_what_is_published_is_few_or_many_images(few, tmp_path, monkeypatch):
    store = Store(str(few[0]))
    assert are_few_images(store, "features")
    monkeypatch.setattr(batches, "FEW_ROWS", 1)
    assert not are_few_images(store, "features")
    assert are_few_images(Store(str(tmp_path)), "features")


def test_few_images_of_a_table_are_not_moved_to_be_joined_with_their_blocks(spark, tmp_path, monkeypatch):
    plans = []

    def noted(*arguments):
        decided = decided_in_blocks(*arguments)
        plans.append(decided._jdf.queryExecution().executedPlan().toString())
        return decided

    monkeypatch.setattr(importlib.import_module("dedup_core.spark.verify.verdicts"), "decided_in_blocks", noted)
    (tmp_path / "table").mkdir()
    pq.write_table(twice_each(installed_photographs()[:3]), tmp_path / "table" / "images.parquet")
    pipeline(spark, tmp_path / "table", tmp_path / "out")
    pairs = spark.read.parquet(str(tmp_path / "out" / "pairs"))
    assert [row["verdict"] for row in pairs.collect()] == ["same"] * 3
    assert len(plans) == 1
    assert "BroadcastHashJoin [code" in plans[0]


def twice_each(photographs):
    """A table of photographs, each in two formats that keep its pixels."""
    paths, contents = [], []
    for number, photograph in enumerate(photographs):
        for form in ("PNG", "BMP"):
            with Image.open(photograph) as image, io.BytesIO() as file:
                image.convert("RGB").resize((160, 120)).save(file, form)
                contents.append(file.getvalue())
            paths.append(f"{number}.{form}")
    return pa.table({"path": paths, "content": pa.array(contents, pa.binary())})


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
