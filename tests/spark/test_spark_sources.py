import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import forbid

from dedup_core.errors import InputError
from dedup_core.filesystems import read_uri
from dedup_core.images.picture import Failure
from dedup_core.ledger import MARKER, Ledger
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.checkpoints import BUCKETS, Part
from dedup_core.spark.encode.listing import list_images
from dedup_core.spark.encode.sources import open_source
from dedup_core.spark.encode.spelling import spelt


def settings_for(location, **others):
    return EncodeSettings(input=str(location), output="unused", **others)


def listed(staging, location, **others):
    source = open_source(staging.spark, settings_for(location, **others))
    return {row["path"]: row for row in list_images(source, staging).images.collect()}


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
    with pytest.raises(InputError, match=r"no column 'path' \(--path-column\): it has id, file"):
        listed(staging, manifest)


def test_a_table_that_carries_the_bytes(staging, spark, tmp_path):
    table = str(tmp_path / "table.parquet")
    spark.createDataFrame([("x", b"1"), ("y", None)], "id STRING, content BINARY").write.parquet(table)
    source = open_source(spark, settings_for(table, path_column="id"))
    assert contents_of(source, list_images(source, staging).images) == {"x": b"1", "y": None}


def contents_of(source, images):
    """Return what a source reads of listed images: {path: bytes}."""
    return {spelt(row["path"]): row["content"] for row in source.contents(images, EVERYTHING).collect()}


def content_table(folder, names, contents):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"path": names, "content": contents}), folder / "table.parquet")
    return folder / "table.parquet"


def carried(staging, location, **others):
    source = open_source(staging.spark, settings_for(location, **others))
    return contents_of(source, list_images(source, staging).images)


BYTE_NAMES = pa.array([b"caf\xe9.png", rb"caf\xe9.png", "ü.png".encode()])
AS_TEXT = pa.Array.from_buffers(pa.string(), 3, BYTE_NAMES.buffers())


@pytest.mark.parametrize("names", [BYTE_NAMES, AS_TEXT], ids=["bytes", "text"])
def test_paths_that_are_no_utf8_are_spelt_as_everywhere(staging, tmp_path, names):
    table = content_table(tmp_path, names, [b"1", b"2", b"3"])
    assert carried(staging, table) == {"caf\\xe9.png": b"1", "caf\\x5cxe9.png": b"2", "ü.png": b"3"}


@pytest.mark.skipif(sys.platform == "darwin", reason="this filesystem takes UTF-8 names only")
@pytest.mark.parametrize("names", [BYTE_NAMES, AS_TEXT], ids=["bytes", "text"])
def test_a_table_of_paths_that_are_no_utf8_names_their_files(staging, tmp_path, names):
    for name in BYTE_NAMES.to_pylist():
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    pq.write_table(pa.table({"path": names}), tmp_path / "list.parquet")
    found = listed(staging, tmp_path / "list.parquet")
    assert {path: read_uri(row["uri"], 100) for path, row in found.items()} == dict(
        zip(["caf\\xe9.png", "caf\\x5cxe9.png", "ü.png"], BYTE_NAMES.to_pylist(), strict=True)
    )


def test_numbers_are_names_and_text_carries_bytes(staging, tmp_path):
    raw = pa.array([b"\xff\xd8", b"2"])
    table = content_table(tmp_path, [7, 8], pa.Array.from_buffers(pa.string(), 2, raw.buffers()))
    assert carried(staging, table) == {"7": b"\xff\xd8", "8": b"2"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            "'a' AS path, array(1Y, 2Y) AS content",
            r"'content' \(--content-column\) as ARRAY<TINYINT>: save it as BINARY",
        ),
        ("'a' AS path, 5 AS content", r"'content' \(--content-column\) as INT: save it as BINARY"),
        ("array('a') AS path, X'00' AS content", r"'path' \(--path-column\) as ARRAY<STRING>: save it as STRING"),
    ],
)
def test_a_column_of_another_type_is_refused(staging, spark, tmp_path, columns, message):
    spark.sql(f"SELECT {columns}").write.parquet(str(tmp_path / "table.parquet"))
    with pytest.raises(InputError, match=message):
        listed(staging, tmp_path / "table.parquet")


EVERYTHING = Part(0, BUCKETS - 1, images=1, largest=1000, tasks=2)


def plan_of(frame, capsys):
    """Return the plan as Spark first makes it: a line an operator, what it reads from below it."""
    capsys.readouterr()
    frame.explain()
    return capsys.readouterr().out.split("Initial Plan")[-1].splitlines()


def test_the_bytes_of_a_table_are_encoded_where_they_are_read(staging, spark, tmp_path, capsys):
    table = content_table(tmp_path, ["a", "a", "b", "c"], [b"1", b"1", b"2", None])
    source = open_source(spark, settings_for(table))
    listing = list_images(source, staging)
    chosen = listing.images.where("path != 'b'")
    rows = [(spelt(row["path"]), row["content"]) for row in source.contents(chosen, EVERYTHING).collect()]
    assert sorted(rows) == [("a", b"1"), ("c", None)]  # of two equal rows one
    assert listing.repeated == 1
    plan = plan_of(source.contents(listing.images, EVERYTHING), capsys)
    assert [line for line in plan if "Exchange" in line and "content" in line] == []
    moved = [line for line in plan if "Exchange" in line]
    assert len(moved) == 1
    assert "BroadcastExchange" in moved[0]


def test_a_part_of_a_table_is_some_of_its_files_and_the_others_are_not_opened(staging, spark, tmp_path):
    for name in ("a", "b", "c"):
        pq.write_table(pa.table({"path": [name, name * 2], "content": [b"1", b"2"]}), tmp_path / f"{name}.parquet")
    source = open_source(spark, settings_for(tmp_path / "?.parquet", input_format="parquet"))
    images = list_images(source, staging).images
    buckets = {row["path"]: row["file"] % BUCKETS for row in images.collect()}
    assert len(set(buckets.values())) == 3
    (tmp_path / "b.parquet").write_bytes(b"this is read by nobody")
    for name in ("a", "c"):
        part = Part(buckets[name], buckets[name], images=2, largest=1, tasks=1)
        assert buckets[name] == buckets[name * 2]
        found = {spelt(row["path"]): row["content"] for row in source.contents(images, part).collect()}
        assert found == {name: b"1", name * 2: b"2"}


def test_a_table_is_read_again_and_only_the_bytes_of_the_wanted_are_moved_once(staging, spark, tmp_path, capsys):
    table = content_table(tmp_path / "table", ["a", "a", "b", "c"], [b"1", b"1", b"2", None])
    source = open_source(spark, settings_for(table))
    wanted = spark.createDataFrame([("a", 7), ("c", 8)], "path STRING, digest BIGINT")
    read = source.read_again(wanted)
    assert sorted((row["path"], row["digest"], row["content"]) for row in read.collect()) == [
        ("a", 7, b"1"),
        ("c", 8, None),
    ]
    plan = plan_of(read, capsys)
    moved = next(number for number, line in enumerate(plan) if "Exchange hashpartitioning(raw" in line)
    chosen = next(number for number, line in enumerate(plan) if "BroadcastHashJoin [raw_hash" in line)
    assert moved < chosen
    assert "LeftSemi" in plan[chosen]
    assert sum("Exchange hashpartitioning" in line for line in plan) <= 2  # one for each side of the join


def test_an_empty_manifest_is_named(staging, tmp_path):
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="names no images"):
        listed(staging, tmp_path / "list.txt")


def test_a_file_that_is_gone_or_too_large_is_a_failure(folder):
    assert read_uri(f"file://{folder}/gone.jpg", 1000) == Failure("vanished", "the file was listed, but is gone")
    assert read_uri(f"file://{folder}/a.jpg", 2) == Failure("too_large", "5 bytes, over the limit of 2")


# Paths that look like patterns, and patterns


@pytest.mark.parametrize("name", ["[2020] Trip", "a{b,c}", "what?", "star*"])
def test_what_exists_is_a_path_whatever_its_letters(staging, tmp_path, name):
    album = tmp_path / name
    album.mkdir()
    (album / "a.png").write_bytes(b"a")
    assert sorted(listed(staging, album)) == ["a.png"]
    assert sorted(listed(staging, album / "a.png")) == ["a.png"]
    assert sorted(listed(staging, album / "*.png")) == ["a.png"]
    found = listed(staging, f"{album}/*")
    assert read_uri(found["a.png"]["uri"], 10) == b"a"


def test_braces_stand_for_alternatives_and_what_both_name_is_listed_once(staging, folder):
    assert sorted(listed(staging, f"{folder}/{{a,_D*}}.jpg")) == ["_DSC1.jpg", "a.jpg"]
    assert sorted(listed(staging, f"{folder}/{{a,a*}}.jpg")) == ["a.jpg"]


# Tables as people have them


def shards(folder, nested=False):
    """Two files of a table; nested is how Hugging Face saves images."""
    folder.mkdir()
    for number, names in enumerate((["1.png", "2.png"], ["3.png", "4.png"])):
        contents = [name.encode() for name in names]
        images = [{"bytes": content, "path": name} for name, content in zip(names, contents, strict=True)]
        columns = {"image": images, "label": [number] * 2} if nested else {"path": names, "content": contents}
        pq.write_table(pa.table(columns), folder / f"train-{number:05d}-of-00002.parquet")
    return folder


@pytest.mark.parametrize("spelt", ["{0}", "{0}/", "{0}/train-*.parquet", "file://{0}/*-of-00002.parquet"])
def test_shards_of_a_table_are_read_by_their_folder_or_a_glob(staging, tmp_path, spelt):
    found = listed(staging, spelt.format(shards(tmp_path / "[flat] table")))
    assert sorted(found) == ["1.png", "2.png", "3.png", "4.png"]


def test_fields_of_a_struct_are_reached_by_their_path(staging, tmp_path):
    table = shards(tmp_path / "nested", nested=True)
    columns = {"path_column": "image.path", "content_column": "image.bytes"}
    assert sorted(listed(staging, table, **columns)) == ["1.png", "2.png", "3.png", "4.png"]
    with pytest.raises(InputError, match=r"no column 'path' .*: it has image\.bytes, image\.path, label"):
        listed(staging, table)


def test_a_content_column_that_is_asked_for_must_be_there(staging, tmp_path):
    with pytest.raises(InputError, match=r"no column 'bytes' \(--content-column\)"):
        listed(staging, shards(tmp_path / "flat"), content_column="bytes")


@pytest.mark.parametrize("log", ["_delta_log/0.json", ".hoodie/hoodie.properties", "metadata/v1.metadata.json"])
@pytest.mark.parametrize("part", ["", "/date=1", "/*.parquet"])
def test_a_table_with_a_log_of_its_own_is_refused(staging, tmp_path, log, part):
    table = shards(tmp_path / "table")
    shards(table / "date=1")
    (table / log).parent.mkdir()
    (table / log).write_text("{}")
    with pytest.raises(InputError, match=r"belongs to a (Delta|Hudi|Iceberg) table, whose folder holds files"):
        listed(staging, f"{table}{part}", input_format="parquet")


def test_one_file_of_such_a_table_is_what_it_is(staging, tmp_path):
    table = shards(tmp_path / "table")
    (table / "_delta_log").mkdir()
    assert sorted(listed(staging, table / "train-00000-of-00002.parquet")) == ["1.png", "2.png"]


def test_a_folder_of_images_beside_one_table_is_a_folder_of_images(staging, tmp_path):
    table = shards(tmp_path / "mixed")
    (table / "a.png").write_bytes(b"a")
    assert len(listed(staging, table)) == 3


# Manifests as people have them


def test_a_manifest_from_windows_names_the_same_files(staging, folder):
    manifest = folder.parent / "list.txt"
    manifest.write_bytes("\ufeffimages\\a.jpg\r\nimages\\in\\deeper\\ü.gif\r\n".encode())
    found = listed(staging, manifest)
    assert sorted(found) == ["images\\a.jpg", "images\\in\\deeper\\ü.gif"]
    assert {read_uri(row["uri"], 100) for row in found.values()} == {b"a.jpg", "in/deeper/ü.gif".encode()}


@pytest.mark.skipif(sys.platform == "darwin", reason="this filesystem takes UTF-8 names only")
def test_a_manifest_of_bytes_names_files_of_bytes_and_those_that_look_like_them(staging, folder):
    names = [b"caf\xe9.jpg", b"caf\\xe9.jpg"]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    manifest = folder / "list.txt"
    manifest.write_bytes(b"\n".join([*names, b"gone\xe9.jpg"]))
    found = listed(staging, manifest)
    contents = {path: read_uri(row["uri"], 100) for path, row in found.items()}
    assert contents.pop("gone\\xe9.jpg") == Failure("vanished", "the file was listed, but is gone")
    assert contents == {"caf\\xe9.jpg": names[0], "caf\\x5cxe9.jpg": names[1]}


@pytest.mark.parametrize("location", ["l-*.csv", "{l-1,l-2}.csv", "l-1.csv", "l-[1].txt", "file://{0}/l-*.csv"])
def test_paths_lie_beside_the_manifest_also_where_a_glob_names_it(staging, folder, location):
    for name in ("l-1.csv", "l-2.csv"):
        (folder / name).write_text("path\nin/deeper/ü.gif\n")
    (folder / "l-1.txt").write_text("in/deeper/ü.gif\n")
    location = location.replace("{0}", str(folder)) if location.startswith("file:") else f"{folder}/{location}"
    kind = "text" if location.endswith("txt") else "csv"
    found = listed(staging, location, input_format=kind)
    assert found["in/deeper/ü.gif"]["size"] == len("in/deeper/ü.gif".encode())


@pytest.mark.parametrize("spelt", ["table", "table/"])
def test_a_table_that_is_a_folder_lies_beside_its_images(staging, folder, spelt):
    (folder / "table").mkdir()
    pq.write_table(pa.table({"path": ["a.jpg"]}), folder / "table" / "part-0.parquet")
    assert listed(staging, f"{folder}/{spelt}")["a.jpg"]["size"] == 5


@pytest.mark.parametrize("scheme", ["FILE:", "File://", "file:"])
def test_a_scheme_may_be_written_in_capitals(staging, folder, scheme):
    (folder / "list.txt").write_text(f"{scheme}{folder}/a.jpg\n")
    (row,) = listed(staging, folder / "list.txt").values()
    assert read_uri(row["uri"], 100) == read_uri(f"{scheme}{folder}/a.jpg", 100) == b"a.jpg"


def test_a_scheme_that_nobody_knows_or_that_is_not_installed_is_a_failure_of_its_row(staging, folder):
    strange = ["hf://datasets/x.jpg", "nowhere://host/x.jpg", "s3://", "hdfs:/x"]
    (folder / "list.txt").write_text("\n".join([*strange, "a.jpg"]))
    found = listed(staging, folder / "list.txt")
    assert set(found) == {*strange, "a.jpg"}
    assert {read_uri(found[path]["uri"], 100).reason for path in strange} == {"unreadable"}


def test_of_a_file_and_its_links_the_file_gives_the_name_also_where_a_link_leads_to_all(staging, tmp_path):
    (tmp_path / "disk" / "originals").mkdir(parents=True)
    (tmp_path / "disk" / "originals" / "x.png").write_bytes(b"x")
    (tmp_path / "disk" / "best").symlink_to("originals")
    (tmp_path / "album").symlink_to("disk")
    album = tmp_path / "album"
    (album / "list.txt").write_text("best/x.png\noriginals/x.png\n")
    (album / "whole.txt").write_text(f"{album}/best/x.png\n{album}/originals/x.png\n")
    found = [listed(staging, album / name) for name in ("list.txt", "whole.txt", "*/x.png")]
    assert [list(rows) for rows in found] == [["originals/x.png"], [f"{album}/originals/x.png"], ["originals/x.png"]]


def test_rows_without_a_path_are_refused_and_not_lost(staging, folder):
    manifest = folder.parent / "list.csv"
    manifest.write_text('id,path\n1,images/a.jpg\n2,\n3,""\n')
    listing = list_images(open_source(staging.spark, settings_for(manifest)), staging)
    assert (listing.seen, listing.images.count()) == (3, 1)
    assert {(row["path"], row["reason"]) for row in listing.refused.collect()} == {(None, "no_path")}


# What our runs wrote


def test_tables_and_pages_of_ours_are_no_input(staging, spark, tmp_path):
    ours = ["report/page.png", "evaluation/x.png", "duplicates_phash.json"]
    theirs = ["a.png", "out/duplicates.json", "out/mine/b.png", "out/report/holiday.png"]
    for name in (*theirs, *(f"out/{name}" for name in ours)):
        path = tmp_path / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    marker = tmp_path / "lake" / "out" / MARKER
    marker.write_text(Ledger(frozenset(ours)).to_json())
    for location in ("lake", "lake/*"):
        assert sorted(listed(staging, tmp_path / location)) == theirs
    assert sorted(listed(staging, tmp_path / "lake/**/*.png")) == [name for name in theirs if name.endswith(".png")]
    assert sorted(listed(staging, tmp_path / "lake/out/r*")) == ["report/holiday.png"]


def test_a_folder_that_a_glob_leads_into_and_that_can_not_be_listed_is_told(staging, folder, monkeypatch):
    forbid(monkeypatch, "/in")
    for pattern in ("*/*.png", "**/*.jpg", "{in,other}*/*.png", "i*"):
        source = open_source(staging.spark, settings_for(f"{folder}/{pattern}"))
        listing = list_images(source, staging)
        assert (listing.unlisted, [row["path"] for row in listing.refused.collect()]) == (1, ["in"])
