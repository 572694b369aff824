"""The tables of a run don't depend on how Spark cuts the work, nor on the order in which it learns of the images."""

import json
import random
import shutil
from contextlib import ExitStack, contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import functions as F
from tables import rows_of

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.settings.layers import resolve
from dedup_core.settings.settings import FindSettings, PipelineSettings
from dedup_core.spark import batches
from dedup_core.spark import staging as stagings
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.session import setting
from dedup_core.spark.tables import TABLES

SMALL = {"chunk_codes": 7, "chunk_vectors": 5, "chunk_images": 4}
"""Settings of a search: of what so many are compared in one task."""

CLUSTERED = {"search": "clustered", "cells": 3, "margin": 0.02, "min_similarity_threshold": 0.8}
FOUND = ("pairs", "duplicates", "groups", "removals")


def silent(_line):
    """Nobody watches."""


@contextmanager
def cut(spark, partitions, adaptive, bytes_a_slice=128 << 20):
    """Have Spark cut what it shuffles and what it reads into so many parts for a while."""
    stated = {
        "spark.sql.shuffle.partitions": str(partitions),
        "spark.sql.adaptive.enabled": str(adaptive).lower(),
        "spark.sql.files.maxPartitionBytes": str(bytes_a_slice),
        "spark.sql.files.openCostInBytes": str(min(bytes_a_slice, 4 << 20)),
    }
    with ExitStack() as for_a_while:
        for name, value in stated.items():
            for_a_while.enter_context(setting(spark, name, value))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small pictures with edits and equal files, two broken ones, a table of embeddings with close calls."""
    folder = tmp_path_factory.mktemp("determined")
    photographs = [path for path in installed_photographs() if path.name in ("astronaut.png", "coffee.png")]
    make_corpus([small(path, folder) for path in photographs], [EDITS["crop_10"], EDITS["gray"]], folder / "images")
    add_broken_files(folder / "images")
    shutil.copyfile(folder / "images/album/coffee.png", folder / "images/again.png")
    (folder / "other").symlink_to(folder)
    names = sorted(path.relative_to(folder / "images").as_posix() for path in (folder / "images").rglob("*.*"))
    noise = np.random.default_rng(4)
    centres = {name: noise.normal(size=24) for name in ("astronaut", "coffee")}
    vectors = [centres["coffee" if "coffee" in name else "astronaut"] + 0.4 * noise.normal(size=24) for name in names]
    columns = {"path": [f"images/{name}" for name in names], "embedding": [v.astype(np.float32) for v in vectors]}
    pq.write_table(pa.table(columns), folder / "vectors.parquet")
    return folder


def small(photograph, folder):
    with Image.open(photograph) as picture:
        picture.convert("RGB").resize((240, 200)).save(folder / photograph.name)
    return folder / photograph.name


def run(spark, folder, output, order, **others):
    """Run the pipeline over a manifest that names each file, some of them twice, and return what it has counted.

    Args:
        order: the seed of the manifest's order.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in (folder / "images").rglob("*.*"))
    names += [f"other/{name}" for name in names[::3]]
    random.Random(order).shuffle(names)
    (folder / "list.csv").write_text("\n".join(["path", *names]) + "\n", encoding="utf-8")
    stated = {"input": str(folder / "list.csv"), "output": str(output), "method": "combined", "report": False}
    stated |= {"embeddings": str(folder / "vectors.parquet"), "scores": True} | CLUSTERED | others
    return run_pipeline(spark, resolve(PipelineSettings, stated), silent).counts


def find(spark, folder, output, methods):
    """Search what the ordinary run has encoded, its rows in another order, by some of its methods."""
    rows = spark.read.parquet(str(folder / "ordinary/features"))
    rows.orderBy(F.rand(7)).write.partitionBy("method").parquet(f"{output}/rows")
    stated = {"features": f"{output}/rows", "output": str(output / "out"), "images": str(folder), "scores": True}
    return run_find(spark, resolve(FindSettings, stated | {"method": methods} | CLUSTERED | SMALL), silent).counts


@pytest.fixture(scope="module")
def ordinary(spark, folder):
    """A run as few images have it, in one task step by step."""
    with cut(spark, 2, True):
        return run(spark, folder, folder / "ordinary", 0)


@pytest.fixture
def many(monkeypatch):
    """Few images are read by many tasks, as many are."""
    for module, name in ((batches, "FEW_ROWS"), (stagings, "FEW_STEP_ROWS")):
        monkeypatch.setattr(module, name, 0)


def test_what_is_compared_is_not_empty(spark, folder, ordinary):
    counts = {table: len(rows_of(spark, folder / "ordinary", table)) for table in TABLES}
    assert min(counts.values()) > 0, counts
    assert set(ordinary["found"]) == {"combined", "embeddings"}
    assert ordinary["found"]["embeddings"]["recall"] is not None
    assert ordinary["repeated"] > 0


def test_a_whole_run_in_64_partitions_over_a_shuffled_manifest_gives_the_same_tables(
    spark, folder, ordinary, many, tmp_path
):
    with cut(spark, 64, True, 64 << 10):
        counts = run(spark, folder, tmp_path, 1, images_per_task=2, **SMALL)
    for table in TABLES:
        assert rows_of(spark, tmp_path, table) == rows_of(spark, folder / "ordinary", table), table
    assert counts == ordinary
    lists = sorted(path.name for path in (folder / "ordinary").glob("*_*.json"))
    assert len(lists) == 4
    for name in lists:
        assert json.loads((tmp_path / name).read_text()) == json.loads((folder / "ordinary" / name).read_text()), name


@pytest.mark.parametrize(("partitions", "methods"), [(1, ["embeddings"]), (7, ["combined", "embeddings"])])
def test_a_search_without_adaptive_execution_gives_the_same_tables(
    spark, folder, ordinary, many, tmp_path, partitions, methods
):
    with cut(spark, partitions, False, 64 << 10):
        counts = find(spark, folder, tmp_path, methods)
    for table in (f"{name}/method={method}" for name in FOUND for method in methods):
        assert rows_of(spark, tmp_path / "out", table) == rows_of(spark, folder / "ordinary", table), table
    assert counts["found"] == {method: ordinary["found"][method] for method in methods}
