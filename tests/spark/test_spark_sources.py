import os
import sys

import pytest

from dedup_core.config import EncodeSettings
from dedup_core.errors import InputError
from dedup_core.picture import Failure
from dedup_core.spark.local_files import place_of, read_uri
from dedup_core.spark.schemas import LISTING
from dedup_core.spark.sources import SparkImages, open_source


def settings_for(location, **others):
    return EncodeSettings(input=str(location), output="unused", **others)


def listed(staging, location, **others):
    source = open_source(staging.spark, settings_for(location, **others))
    source.list_into(staging)
    return {row["path"]: row for row in staging.read("listing", LISTING).collect()}


@pytest.fixture
def folder(tmp_path):
    names = ["a.jpg", "_DSC1.jpg", "in/b 100%.png", "in/[x]{y}.png", "in/deeper/ü.gif", ".hidden.jpg", ".cache/c.jpg"]
    for name in names:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


def test_a_folder_is_searched_to_its_depth_and_hidden_names_are_passed_over(staging, folder):
    found = listed(staging, folder)
    assert sorted(found) == ["_DSC1.jpg", "a.jpg", "in/[x]{y}.png", "in/b 100%.png", "in/deeper/ü.gif"]
    assert {row["size"] for row in found.values()} == {len(name.encode()) for name in found}


def test_every_listed_uri_can_be_read_back(staging, folder):
    for path, row in listed(staging, folder).items():
        assert read_uri(row["uri"], 1000) == path.encode()


def test_the_top_of_a_folder_alone(staging, folder):
    assert sorted(listed(staging, folder, recursive=False)) == ["_DSC1.jpg", "a.jpg"]


def test_a_glob_names_paths_from_its_fixed_part(staging, folder):
    assert sorted(listed(staging, f"{folder}/in/*/*.gif")) == ["deeper/ü.gif"]
    assert sorted(listed(staging, f"{folder}/**/*.png")) == ["in/[x]{y}.png", "in/b 100%.png"]


def test_a_single_image(staging, folder):
    assert sorted(listed(staging, folder / "a.jpg")) == ["a.jpg"]


def test_a_glob_of_folders_lists_what_is_in_them_once(staging, folder):
    assert sorted(listed(staging, f"{folder}/i*")) == ["in/[x]{y}.png", "in/b 100%.png", "in/deeper/ü.gif"]
    assert len(listed(staging, f"{folder}/**/**/*.png")) == 2


def test_a_link_to_the_folder_above_does_not_lead_round_in_a_circle(staging, folder):
    (folder / "in" / "up").symlink_to(folder, target_is_directory=True)
    assert len(listed(staging, folder)) == 5


@pytest.mark.skipif(sys.platform == "darwin", reason="this filesystem takes UTF-8 names only")
def test_a_name_that_is_not_utf8_is_listed_and_read(staging, folder):
    with open(os.fsencode(folder) + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"content")
    assert read_uri(listed(staging, folder)["caf\\xe9.jpg"]["uri"], 1000) == b"content"


@pytest.mark.parametrize("location", ["nowhere", "nowhere/*.jpg"])
def test_a_missing_input_is_named(staging, tmp_path, location):
    with pytest.raises(InputError, match="nowhere"):
        listed(staging, tmp_path / location)


def test_an_empty_folder_is_named(staging, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no files in .*empty"):
        listed(staging, tmp_path / "empty")


def test_a_text_manifest_names_paths_beside_it_and_elsewhere(staging, folder):
    manifest = folder.parent / "list.txt"
    manifest.write_text(f"images/a.jpg\n\n  {folder}/_DSC1.jpg  \nimages/a.jpg\nfile://{folder}/in/deeper/%C3%BC.gif\n")
    found = listed(staging, manifest)
    assert sorted(found) == sorted(["images/a.jpg", f"{folder}/_DSC1.jpg", f"file://{folder}/in/deeper/%C3%BC.gif"])
    assert {read_uri(row["uri"], 1000) for row in found.values()} == {
        b"a.jpg",
        b"_DSC1.jpg",
        "in/deeper/ü.gif".encode(),
    }


def test_a_csv_manifest_with_a_column_of_another_name(staging, folder):
    manifest = folder.parent / "list.csv"
    manifest.write_text("id,file\n1,images/a.jpg\n")
    assert sorted(listed(staging, manifest, path_column="file")) == ["images/a.jpg"]
    with pytest.raises(InputError, match="no column 'path'; it has id, file: name the one with the paths"):
        listed(staging, manifest)


def test_a_table_that_carries_the_bytes(staging, spark, tmp_path):
    table = str(tmp_path / "table.parquet")
    spark.createDataFrame([("x", b"1"), ("y", None)], "id STRING, content BINARY").write.parquet(table)
    source = open_source(spark, settings_for(table, path_column="id"))
    source.list_into(staging)
    contents = source.contents(staging.read("listing", LISTING)).collect()
    assert {row["path"]: row["content"] for row in contents} == {"x": b"1", "y": None}


def test_an_empty_manifest_is_named(staging, tmp_path):
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="names no images"):
        listed(staging, tmp_path / "list.txt")


@pytest.mark.parametrize("location", ["{0}", "{0}/", "{0}//in/..", "{0}/{{in,other}}"])
def test_sparks_own_reader_names_paths_from_the_folder_however_it_is_spelt(staging, spark, folder, location):
    spark_images(spark, location.format(folder)).list_into(staging)
    found = {row["path"] for row in staging.read("listing", LISTING).collect()}
    assert "in/b 100%.png" in found or found == {"in/b 100%.png", "in/[x]{y}.png"}


def spark_images(spark, location):
    return SparkImages(spark, f"file://{location}", recursive=True, max_file_bytes=1000)


def test_sparks_own_reader_lists_and_reads_the_same_paths(staging, spark, folder):
    source = spark_images(spark, folder)
    source.list_into(staging)
    contents = source.contents(staging.read("listing", LISTING)).collect()
    assert {row["path"]: bytes(row["content"]).decode() for row in contents} == {
        name: name for name in ("a.jpg", "in/[x]{y}.png", "in/b 100%.png", "in/deeper/ü.gif")
    }


def test_sparks_own_reader_leaves_what_vanished_to_the_worker(staging, spark, folder):
    source = spark_images(spark, folder)
    source.list_into(staging)
    (folder / "in" / "b 100%.png").unlink()
    contents = {row["path"]: row for row in source.contents(staging.read("listing", LISTING)).collect()}
    assert len(contents) == 4
    assert contents["in/b 100%.png"]["content"] is None
    assert bytes(contents["a.jpg"]["content"]) == b"a.jpg"


@pytest.mark.parametrize("location", ["nowhere", "nowhere/*.jpg"])
def test_sparks_own_reader_names_a_missing_input(staging, spark, tmp_path, location):
    with pytest.raises(InputError, match="nowhere"):
        spark_images(spark, tmp_path / location).list_into(staging)


def test_a_file_that_is_gone_or_too_large_is_a_failure(folder):
    assert read_uri(f"file://{folder}/gone.jpg", 1000) == Failure("vanished", "the file was listed, but is gone")
    assert read_uri(f"file://{folder}/a.jpg", 2) == Failure("too_large", "5 bytes, over the limit of 2")


@pytest.mark.parametrize(
    ("filesystem", "base", "key", "place"),
    [
        ("s3", "bucket", "/a/b.jpg", "bucket/a/b.jpg"),
        ("gcs", "bucket/", "/a//b?.jpg", "bucket/a//b?.jpg"),
        ("hdfs", "/", "/a/b.jpg", "/a/b.jpg"),  # a path without the slash would be below the user's home
        ("hdfs", "", "/a/b.jpg", "/a/b.jpg"),
    ],
)
def test_a_key_is_below_its_bucket_and_an_hdfs_path_below_the_root(filesystem, base, key, place):
    assert place_of(filesystem, base, key) == place
