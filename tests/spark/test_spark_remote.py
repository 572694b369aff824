"""Files on an object store, looked at and read one by one: a real server on this machine answers."""

import io
import os
import sys
import time

import pytest
from album import scene

from dedup_core import filesystems
from dedup_core.encoders.hashes import to_hex
from dedup_core.errors import InputError
from dedup_core.filesystems import canonical, look_at_uri, place_of, read_uri
from dedup_core.images.files import Folder
from dedup_core.images.patterns import Patterns
from dedup_core.images.picture import Failure
from dedup_core.ledger import MARKER, Ledger
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.encode import remote_files, walking
from dedup_core.spark.encode.listing import list_images
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.encode.sources import open_source
from dedup_core.spark.pipeline import run_encode, run_pipeline


def png(name):
    file = io.BytesIO()
    scene(name).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def s3(s3, spark):
    """The client of a server that workers find too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AWS_"):
                patch.setitem(spark.sparkContext.environment, name, os.environ[name])
        yield s3


def put(s3, key, content, bucket="lake"):
    s3.put_object(Bucket=bucket, Key=key, Body=content)


def test_an_etag_names_the_content(s3):
    put(s3, "a b?.png", b"one")
    before = look_at_uri("s3://lake/a b?.png")
    assert (before.size, read_uri("s3a://lake/a b?.png", 10)) == (3, b"one")
    assert look_at_uri("s3a://lake/a b?.png") == before
    put(s3, "a b?.png", b"two")
    assert look_at_uri("s3://lake/a b?.png").identity != before.identity
    assert before.identity.startswith("etag:3.")


def test_what_is_not_there_says_nothing_and_is_a_failure_when_it_is_read(s3):
    assert look_at_uri("s3://lake/nowhere.png") == filesystems.RemoteFile()
    assert read_uri("s3://lake/nowhere.png", 10) == Failure("vanished", "the file was listed, but is gone")
    assert look_at_uri("s3://no-such-bucket/a.png") == filesystems.RemoteFile()
    put(s3, "large.png", b"123")
    assert read_uri("s3://lake/large.png", 2).reason == "too_large"


def test_a_manifest_of_a_store_is_reused_but_for_what_changed_and_knows_one_object_by_all_its_urls(s3, spark, tmp_path):
    for name in ("beach", "forest", "street"):
        put(s3, f"{name}.png", png(name))
    lines = ["s3://lake/beach.png", "s3a://lake/beach.png", "s3://lake/forest.png", "s3://lake/street.png"]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "s3://lake/gone.png"]))
    settings = EncodeSettings(input=str(tmp_path / "list.txt"), output=str(tmp_path / "out"))
    first = run_encode(spark, settings, lambda _line: None)
    assert (first.counts["encoded"], first.counts["repeated"], first.counts["failed"]) == (3, 1, {"vanished": 1})
    put(s3, "forest.png", png("lake"))
    second = run_encode(spark, settings, lambda _line: None)
    assert (second.counts["encoded"], second.counts["reused"]) == (3, 2)
    hashes = {row["path"]: to_hex(row["hash"]) for row in spark.read.parquet(str(tmp_path / "out/features")).collect()}
    assert len(set(hashes.values())) == 3
    (tmp_path / "local.png").write_bytes(png("lake"))
    local = settings.model_copy(update={"input": str(tmp_path / "local.png"), "output": str(tmp_path / "other")})
    run_encode(spark, local, lambda _line: None)
    (row,) = spark.read.parquet(str(tmp_path / "other/features")).collect()
    assert hashes["s3://lake/forest.png"] == to_hex(row["hash"])


# Folders of a store


@pytest.fixture(scope="module")
def photos(s3):
    """A bucket with folders and hidden names in it; every object holds its own name."""
    s3.create_bucket(Bucket="photos")
    names = ["a.jpg", "_DSC1.jpg", "in/b 100%.png", "in/deeper/ü.gif", "in/2020/x.jpg", "out/2020/x.png", "what?.jpg"]
    for name in (*names, ".hidden.jpg", ".cache/c.jpg", "in/.d/e.jpg", "album/[2020] Trip/a.jpg"):
        put(s3, f"holiday/{name}", name.encode(), "photos")
    put(s3, "holiday/folder/", b"", "photos")  # what consoles leave for an empty folder
    put(s3, "holiday.jpg", b"beside it", "photos")
    return [*names, "album/[2020] Trip/a.jpg"]


@pytest.fixture(params=["boto3", "arrow", "tasks", "rounds"])
def lister(request, monkeypatch):
    """Who lists: the driver by boto3, or by Arrow where that is missing; tasks; or tasks that have no time."""
    if request.param == "arrow":
        monkeypatch.setitem(sys.modules, "boto3", None)
    if request.param in ("tasks", "rounds"):
        monkeypatch.setattr(walking, "_DRIVERS_SECONDS", 0.0)
    if request.param == "rounds":
        monkeypatch.setattr(walking, "_TASK_SECONDS", 0.0)
    return request.param


def listed(staging, location, **others):
    source = open_source(staging.spark, EncodeSettings(input=location, output="unused", **others))
    return {row["path"]: row for row in list_images(source, staging).images.collect()}


def test_a_folder_of_a_store_is_listed_as_one_on_a_disk(staging, photos, lister):
    found = listed(staging, "s3a://photos/holiday/")
    assert sorted(found) == sorted(photos)
    for path, row in found.items():
        assert read_uri(row["uri"], 1000) == path.encode()
        there = look_at_uri(row["uri"])
        assert (row["size"], row["modified_at"].timestamp() * 1e6) == (there.size, there.modified_at)
        assert (row["identity"] == there.identity) == (lister != "arrow")


def test_globs_of_a_store_are_those_of_a_disk(staging, photos, lister):
    assert sorted(listed(staging, "s3a://photos/holiday/*/2020/*.{jpg,png}")) == ["in/2020/x.jpg", "out/2020/x.png"]


@pytest.mark.parametrize(
    ("location", "names"),
    [
        ("s3://photos/holiday/in/**/*.gif", ["deeper/ü.gif"]),
        ("s3://photos/holiday/i*", ["in/2020/x.jpg", "in/b 100%.png", "in/deeper/ü.gif"]),
        ("s3://photos/hol*/_*.jpg", ["holiday/_DSC1.jpg"]),
        ("s3://photos/holiday/a.jpg", ["a.jpg"]),
        ("s3://photos/holiday/what?.jpg", ["what?.jpg"]),
        ("s3://photos/holiday/album/[2020] Trip", ["a.jpg"]),
        ("s3://photos/holiday/.cache", ["c.jpg"]),
        ("s3://photos/holiday/in/.*/*", [".d/e.jpg"]),
    ],
)
def test_what_exists_is_a_path_and_else_it_is_a_pattern(staging, photos, location, names):
    assert sorted(listed(staging, location)) == names


def test_the_top_of_a_folder_of_a_store_alone(staging, photos):
    assert sorted(listed(staging, "s3://photos/holiday", recursive=False)) == ["_DSC1.jpg", "a.jpg", "what?.jpg"]


NAMES = ["IMG_1", "IMG_10", "IMG_100/a.jpg", "IMG_2.jpg", "IMG_2é", "IMG_2\U0001f308", "IMG_", ".x/b.jpg"]


@pytest.mark.parametrize("names", [NAMES, NAMES[1:6], [f"IMG_{n:05d}.jpg" for n in range(40)], NAMES[:1]])
def test_a_flat_folder_of_a_store_is_divided_by_the_letters_of_its_names(s3, monkeypatch, names):
    bucket = f"flat-{len(names)}"
    s3.create_bucket(Bucket=bucket)
    for name in names:
        put(s3, f"in/{name}", b"x", bucket)
    monkeypatch.setattr(remote_files, "_MOST_AT_ONCE", 1)
    walker, rows, most = remote_files._RemoteWalker(f"s3://{bucket}/in"), [], 0
    waiting = [Folder(f"{bucket}/in", "", Patterns.of(["**"]))]
    while waiting:
        found = list(walker.look_into(Folder.from_json(waiting.pop().to_json()), deep=True))
        waiting += [item for item in found if isinstance(item, Folder)]
        of_place = [item for item in found if not isinstance(item, Folder)]
        most = max(most, len(of_place))
        rows += of_place
    assert sorted(row["path"] for row in rows) == sorted(name for name in names if not name.startswith("."))
    assert most == 1
    assert {read_uri(row["uri"], 9) for row in rows} == {b"x"}


def test_a_folder_of_a_store_that_can_not_be_listed_is_a_row_but_for_the_first_one(s3):
    walker = remote_files._RemoteWalker("s3://lake")
    (row,) = walker.look_into(Folder("no-such-bucket/in", "in/", Patterns.of(["**"])), deep=True)
    assert (row["path"], row["is_folder"], row["reason"], row["is_wanted"]) == ("in", True, "unreadable", True)
    assert "does not exist" in row["message"]
    with pytest.raises(Exception, match="does not exist"):
        list(walker.look_into(Folder("no-such-bucket", "", Patterns.of(["**"])), deep=True))


def test_images_of_a_store_are_found_again_by_their_names(spark, photos):
    for location in ("s3a://photos/holiday/*/2020/*.jpg", "s3a://photos/holiday/in/2020/x.jpg"):
        reread = Reread.of(spark, EncodeSettings(input=location, output="unused"))
        assert not reread.by_spark
        path = "in/2020/x.jpg" if "*" in location else "x.jpg"
        assert read_uri(reread.locate(path), 100) == b"in/2020/x.jpg"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3a://photos/nowhere", "the input does not exist: s3a://photos/nowhere"),
        ("s3a://photos/nowhere/*.jpg", r"(no files in|can't be listed).*nowhere|nowhere.*can't be listed"),
        ("s3a://photos/holiday/*.tif", r"no files in s3a://photos/holiday/\*\.tif \(names that begin with '\.'"),
        (
            "s3a://no-such-bucket/a*",
            "the input s3a://no-such-bucket/a\\* can't be listed: .*the bucket does not exist: check its name",
        ),
        ("nowhere://host/a", r"can't be reached \(.*nowhere.*\): the filesystems known are hdfs, viewfs, s3"),
    ],
)
def test_a_store_that_has_nothing_is_told_in_one_line(staging, photos, location, message):
    with pytest.raises(InputError, match=message) as told:
        listed(staging, location)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("lister", ["boto3", "rounds"], indirect=True)
def test_what_our_runs_wrote_to_a_store_is_no_input(staging, s3, lister):
    ours = ["report/page.png", "evaluation/x.png", "duplicates_phash.json"]
    theirs = ["a.png", "out/duplicates.json", "out/mine/b.png", "out/report/holiday.png", "strange/dedup-core.json"]
    bucket = f"ours-{lister}"
    s3.create_bucket(Bucket=bucket)
    for name in (*theirs, *(f"out/{name}" for name in (*ours, "_staging/x.png", "features/_SUCCESS"))):
        put(s3, name, b"{}", bucket)
    put(s3, f"out/{MARKER}", Ledger(frozenset(ours)).to_json().encode(), bucket)
    assert sorted(listed(staging, f"s3://{bucket}")) == theirs
    assert sorted(listed(staging, f"s3://{bucket}/**/*.png")) == [name for name in theirs if name.endswith(".png")]
    assert sorted(listed(staging, f"s3://{bucket}/out/r*")) == ["report/holiday.png"]


def test_a_folder_of_a_store_goes_all_the_way(s3, spark, tmp_path):
    s3.create_bucket(Bucket="album")
    for name, content in {"beach": png("beach"), "copy": png("beach"), "odd": b"no image"}.items():
        put(s3, f"in/{name}.png", content, "album")
    settings = PipelineSettings(input="s3a://album/in", output=str(tmp_path / "out"), report=False)
    run = run_pipeline(spark, settings, lambda _line: None)
    assert (run.counts["encoded"], run.counts["failed"]) == (2, {"not_an_image": 1})
    (removed,) = spark.read.parquet(str(tmp_path / "out" / "removals")).collect()
    assert (removed["path"], removed["kept_path"]) == ("copy.png", "beach.png")


class Fails:
    """A filesystem that fails, at once or after a while."""

    type_name = "slow"

    def __init__(self, seconds):
        self.seconds, self.asked = seconds, 0

    def get_file_info(self, _place):
        self.asked += 1
        time.sleep(self.seconds)
        raise OSError("no route to host")


@pytest.mark.parametrize(
    ("seconds", "asked", "message"),
    [
        (0, 2, "the file can't be read: no route to host"),
        (0.2, 1, "the file can't be read: no route to host"),
        (3, 1, "the file can't be read: slow://host did not answer within 0.5 seconds"),
    ],
)
def test_a_filesystem_that_does_not_answer_is_not_asked_for_every_row(monkeypatch, seconds, asked, message):
    filesystem = Fails(seconds)
    monkeypatch.setattr(filesystems, "_filesystem", lambda _root: (filesystem, ""))
    monkeypatch.setattr(filesystems, "_SILENT", {})
    monkeypatch.setattr(filesystems, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(filesystems, "_SLOW_SECONDS", 0.1)
    started = time.monotonic()
    assert look_at_uri("slow://host/a.png") == filesystems.RemoteFile()
    assert read_uri("slow://host/b.png", 10) == Failure("unreadable", message)
    assert time.monotonic() - started < 2.5  # and not the three that it takes to answer
    assert filesystem.asked == asked


def test_a_filesystem_that_answered_and_then_falls_silent_is_asked_once_more(monkeypatch):
    filesystem = Fails(0.2)
    monkeypatch.setattr(filesystems, "_filesystem", lambda _root: (filesystem, ""))
    monkeypatch.setattr(filesystems, "_ANSWERED", {"slow://host"})
    monkeypatch.setattr(filesystems, "_SILENT", {})
    monkeypatch.setattr(filesystems, "_SLOW_SECONDS", 0.1)
    for name in "abcd":
        assert look_at_uri(f"slow://host/{name}.png") == filesystems.RemoteFile()
    assert filesystem.asked == 2


def test_a_filesystem_that_failed_is_asked_again_later(monkeypatch):
    filesystem = Fails(0.2)
    monkeypatch.setattr(filesystems, "_filesystem", lambda _root: (filesystem, ""))
    monkeypatch.setattr(filesystems, "_SILENT", {})
    monkeypatch.setattr(filesystems, "_SLOW_SECONDS", 0.1)
    monkeypatch.setattr(filesystems, "_SILENCE_SECONDS", 0)
    read_uri("slow://host/a.png", 10)
    read_uri("slow://host/a.png", 10)
    assert filesystem.asked == 2


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("s3://lake/a.png", "s3a://lake/a.png", True),
        ("S3A://lake/a.png", "s3n://lake/a.png", True),
        ("s3://lake/a/./b.png", "s3://lake/a/b.png", False),  # a store knows no folders: these are two keys
        ("hdfs://Name/a/./b.png", "hdfs://name/a//b.png", True),
        ("hdfs:///a/../b.png", "hdfs:///b.png", True),
        ("gs://lake/A.png", "gs://lake/a.png", False),
    ],
)
def test_urls_that_differ_in_spelling_alone_are_one(one, other, are_one):
    assert (canonical(one) == canonical(other)) is are_one


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
