"""Files on an object store, looked at and read one by one: a real server on this machine answers."""

import io
import time

import boto3
import pytest
from album import scene
from moto.server import ThreadedMotoServer

from dedup_core import filesystems
from dedup_core.encoders.hashes import to_hex
from dedup_core.filesystems import canonical, look_at_uri, place_of, read_uri
from dedup_core.images.picture import Failure
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.pipeline import run_encode


def png(name):
    file = io.BytesIO()
    scene(name).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def s3(spark):
    """A client of a server that has an empty bucket, which Arrow finds by the environment, in workers too."""
    of_workers = spark.sparkContext.environment
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():  # fmt: skip
            patch.setenv(name, value)
            patch.setitem(of_workers, name, value)
        filesystems._filesystem.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        yield client
        server.stop()
    filesystems._filesystem.cache_clear()


def put(s3, key, content):
    s3.put_object(Bucket="lake", Key=key, Body=content)


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
    assert time.monotonic() - started < 1
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
