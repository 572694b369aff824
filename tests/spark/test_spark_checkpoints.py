"""What is to do, written so that a part is read without the rest, and cut into tasks of the size that was asked for."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from album import scene
from pyspark.sql import functions as F

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode import checkpoints, features
from dedup_core.spark.encode.checkpoints import BUCKETS, Pace, Shelves, cores_of, parts
from dedup_core.spark.encode.local_files import LocalImages
from dedup_core.spark.encode.remote_files import RemoteImages
from dedup_core.spark.pipeline import run_encode
from dedup_core.spark.tables import LISTING, conform


def png(name):
    file = io.BytesIO()
    scene(name).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def shelves(staging, monkeypatch):
    """Five shelves of 500 images, a fifth of them in a file of a table."""
    monkeypatch.setattr(checkpoints, "_SHELF_ROWS", 100)
    number = F.col("id")
    images = staging.spark.range(500).select(
        F.concat(F.lit("p"), number).alias("path"),
        number.alias("size"),
        F.when(number < 100, F.lit(-7)).alias("file"),
        number.alias("row"),
    )
    return Shelves.filled(staging, conform(images, LISTING), most=500)


def test_parts_hold_every_image_once_and_read_their_own_shelves(shelves, capsys):
    buckets = shelves.counted()
    assert sum(bucket.images for bucket in buckets.values()) == 500
    assert buckets[-7 % BUCKETS].images >= 100
    assert max(bucket.largest for bucket in buckets.values()) == 499
    found = []
    for part in parts(buckets, Pace(1e-6, 4, 2)):
        rows = shelves.of(part)
        paths = [row["path"] for row in rows.collect()]
        assert len(paths) == part.images
        found += paths
    assert sorted(found) == sorted(f"p{number}" for number in range(500))
    assert part.first > 0
    rows.explain()
    assert "PartitionFilters: [isnotnull(shelf" in capsys.readouterr().out
    assert len({row["shelf"] for row in shelves.rows.select("shelf").distinct().collect()}) == 5


@pytest.mark.parametrize("source", [LocalImages("unused", True), RemoteImages("s3://unused", True)])
def test_a_task_encodes_as_many_images_as_was_asked(shelves, source):
    (part,) = parts(shelves.counted(), Pace(60, 150, 10))
    assert part.tasks == 4
    tasks = source.contents(shelves.of(part), part).groupBy(F.spark_partition_id()).count().collect()
    counts = [row["count"] for row in tasks]
    assert (len(counts), sum(counts)) == (4, 500)
    assert max(counts) <= 150


def test_cores_are_counted_without_a_context(spark):
    assert cores_of(spark) == 2


def test_a_table_is_encoded_file_by_file_and_each_image_once(spark, tmp_path, monkeypatch):
    files = {"1": ["beach", "forest"], "2": ["beach", "street"], "3": ["lake", "torn"], "4": ["torn"]}
    (tmp_path / "table").mkdir()
    for number, names in files.items():
        contents = [b"torn in file " + number.encode() if name == "torn" else png(name) for name in names]
        pq.write_table(pa.table({"path": names, "content": contents}), tmp_path / "table" / f"{number}.parquet")
    monkeypatch.setattr(checkpoints, "TASKS_A_CORE", 1)
    monkeypatch.setattr(features, "cores_of", lambda _spark: 1)
    settings = EncodeSettings(
        input=str(tmp_path / "table"), output=str(tmp_path / "out"), images_per_task=1, checkpoint_seconds=0.001
    )
    lines = []
    run = run_encode(spark, settings, lines.append)
    assert (run.counts["seen"], run.counts["encoded"], run.counts["repeated"]) == (7, 4, 1)
    assert run.counts["failed"] == {"ambiguous_path": 2}
    assert len([line for line in lines if " of 4 images" in line]) > 1
    rows = spark.read.parquet(str(tmp_path / "out" / "features")).collect()
    assert sorted(row["path"] for row in rows) == ["beach", "forest", "lake", "street"]
