"""What a file is: one image under all its names, and another one as soon as its content may have changed."""

import io
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from album import scene
from hostile import forbid
from tables import rows_of

from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.hashes import to_hex
from dedup_core.encoders.registry import ENCODERS
from dedup_core.errors import InputError
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.encode import checkpoints, features
from dedup_core.spark.pipeline import run_encode, run_pipeline
from dedup_core.spark.summary import summary

TO_REMOVE = "removals/method=phash"


def silent(_line):
    """Nobody watches."""


def save(path, name="beach", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(name).save(path, **options)
    return path


def png(name):
    file = io.BytesIO()
    scene(name).save(file, "PNG")
    return file.getvalue()


def encode(spark, tmp_path, source="images", **others):
    settings = {"input": str(tmp_path / source), "output": str(tmp_path / "out")}
    return run_encode(spark, EncodeSettings(**settings | others), silent)


def removed(spark, tmp_path, source="images", **others):
    """Run the pipeline, and return what can be removed with what stays in its place."""
    settings = {"input": str(tmp_path / source), "output": str(tmp_path / "out"), "report": False}
    run = run_pipeline(spark, PipelineSettings(**settings | others), silent)
    rows = spark.read.parquet(str(tmp_path / "out" / TO_REMOVE)).collect()
    return run, {row["path"]: row["kept_path"] for row in rows}


def hashes(spark, tmp_path):
    rows = spark.read.parquet(str(tmp_path / "out" / "features")).collect()
    return {row["path"]: to_hex(row["hash"]) for row in rows}


def phash_of(name):
    (encoded,) = encode_batch([png(name)], [ENCODERS["phash"].encoder()])
    return to_hex(encoded.features["phash"])


def replace_unseen(path, name):
    """Put other pixels into a bitmap and leave its size and its time as they are, as rsync -t does."""
    before = path.stat()
    scene(name).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


class TestSeveralNames:
    def test_neither_a_link_nor_its_target_goes(self, spark, tmp_path):
        save(tmp_path / "images" / "originals" / "x.png")
        (tmp_path / "images" / "best").mkdir()
        (tmp_path / "images" / "best" / "x.png").symlink_to("../originals/x.png")
        os.link(tmp_path / "images" / "originals" / "x.png", tmp_path / "images" / "a.png")
        run, going = removed(spark, tmp_path)
        assert going == {}
        assert (run.counts["seen"], run.counts["encoded"], run.counts["repeated"]) == (3, 1, 2)
        assert "2  were further names of a file, or the same row again" in summary(run)
        (row,) = spark.read.parquet(str(tmp_path / "out" / "features")).collect()
        assert (row["path"], row["other_names"]) == ("a.png", ["best/x.png", "originals/x.png"])

    def test_an_image_goes_with_all_its_names_and_leaves_no_link_to_nothing(self, spark, tmp_path):
        save(tmp_path / "images" / "a.png", compress_level=1)  # the larger file stays
        save(tmp_path / "images" / "originals" / "x.png")
        (tmp_path / "images" / "best.png").symlink_to("originals/x.png")
        _, going = removed(spark, tmp_path)
        assert going == {"originals/x.png": "a.png", "best.png": "a.png"}
        assert (tmp_path / "out" / "to_remove.json").read_text() == '[\n  "best.png",\n  "originals/x.png"\n]\n'
        (tmp_path / "images" / "best.png").unlink()
        save(tmp_path / "images" / "best.png", "forest")
        run, going = removed(spark, tmp_path)
        assert going == {"originals/x.png": "a.png"}
        assert (run.counts["encoded"], run.counts["reused"]) == (3, 2)

    def test_a_manifest_may_spell_one_file_in_many_ways(self, spark, tmp_path):
        image = save(tmp_path / "a b.png")
        save(tmp_path / "copy.png")
        (tmp_path / "link").symlink_to(tmp_path)
        ways = ["a b.png", "./a b.png", str(image), f"file://{tmp_path}/a%20b.png", f"{tmp_path}//./a b.png"]
        ways += ["link/a b.png", f"file:{image}", "a b.png"]
        (tmp_path / "list.txt").write_text("\n".join([*ways, "copy.png"]))
        run, going = removed(spark, tmp_path, "list.txt")
        assert run.counts["encoded"] == 2
        assert run.counts["repeated"] == len(ways) - 1
        kept = {"copy.png", *ways} - set(going)
        assert kept in ({"copy.png"}, set(ways))
        assert set(going.values()) < kept

    def test_names_that_differ_in_bytes_alone_are_two_files(self, spark, tmp_path):
        (tmp_path / "images").mkdir()
        for name, content in ((b"\xff.png", png("beach")), (b"\\xff.png", png("forest"))):
            with open(os.path.join(os.fsencode(tmp_path / "images"), name), "wb") as file:
                file.write(content)
        encode(spark, tmp_path)
        assert hashes(spark, tmp_path) == {"\\xff.png": phash_of("beach"), "\\x5cxff.png": phash_of("forest")}


class TestReuse:
    def test_other_pixels_of_the_same_size_and_time_are_encoded_again(self, spark, tmp_path):
        path = save(tmp_path / "images" / "a.bmp")
        save(tmp_path / "images" / "b.bmp", "street")
        encode(spark, tmp_path)
        replace_unseen(path, "forest")
        run = encode(spark, tmp_path)
        assert (run.counts["encoded"], run.counts["reused"]) == (2, 1)
        assert hashes(spark, tmp_path)["a.bmp"] == phash_of("forest")

    def test_a_manifest_is_reused_on_the_second_night_but_for_what_changed(self, spark, tmp_path):
        for name in ("beach", "forest", "street"):
            save(tmp_path / f"{name}.png", name)
        (tmp_path / "list.txt").write_text("beach.png\nforest.png\nstreet.png\ngone.png\n")
        encode(spark, tmp_path, "list.txt")
        save(tmp_path / "forest.png", "lake")
        run = encode(spark, tmp_path, "list.txt")
        assert (run.counts["encoded"], run.counts["reused"], run.counts["failed"]) == (3, 2, {"vanished": 1})
        assert hashes(spark, tmp_path)["forest.png"] == phash_of("lake")

    def test_features_of_a_version_that_took_no_look_are_made_again(self, spark, tmp_path):
        save(tmp_path / "images" / "a.png")
        encode(spark, tmp_path)
        for part in (tmp_path / "out" / "features").rglob("*.parquet"):
            before = pq.ParquetFile(part).read().drop_columns(["caution", "look", "digest"])
            pq.write_table(before, part, use_deprecated_int96_timestamps=True)
            part.with_name(f".{part.name}.crc").unlink(missing_ok=True)
        run = encode(spark, tmp_path)
        assert (run.counts["encoded"], run.counts["reused"]) == (1, 0)

    def test_a_table_of_contents_is_reused_by_digest(self, spark, tmp_path):
        def write(**contents):
            columns = {"path": list(contents), "content": [png(name) for name in contents.values()]}
            pq.write_table(pa.table(columns), tmp_path / "images.parquet")

        write(a="beach", b="forest")
        encode(spark, tmp_path, "images.parquet")
        write(a="beach", b="street", c="lake")
        run = encode(spark, tmp_path, "images.parquet")
        assert (run.counts["encoded"], run.counts["reused"]) == (3, 1)
        names = {"a": "beach", "b": "street", "c": "lake"}
        assert hashes(spark, tmp_path) == {path: phash_of(name) for path, name in names.items()}

    def test_rows_of_one_path_and_rows_without_one_are_accounted_for(self, spark, tmp_path):
        paths = ["1.png", "1.png", "2.png", "2.png", None, None, "", "3.png"]
        names = ["beach", "forest", "lake", "lake", "a", "b", "c", "street"]
        columns = {"path": paths, "content": [png(name) for name in names]}
        pq.write_table(pa.table(columns), tmp_path / "images.parquet")
        run = encode(spark, tmp_path, "images.parquet")
        assert run.counts["seen"] == len(paths)
        assert run.counts["failed"] == {"no_path": 3, "ambiguous_path": 2}
        assert (run.counts["encoded"], run.counts["repeated"]) == (2, 1)
        assert sorted(hashes(spark, tmp_path)) == ["2.png", "3.png"]
        failures = spark.read.parquet(str(tmp_path / "out" / "failures")).where("path = '1.png'").collect()
        assert [row["message"] for row in failures] == ["the path stands for different contents in 2 rows"] * 2


class PulledPlugError(Exception):
    """The run stops here."""


@pytest.fixture
def stopped(spark, tmp_path, monkeypatch):
    """A run that was stopped after its first checkpoint, over three images."""
    monkeypatch.setattr(checkpoints, "TASKS_A_CORE", 1)
    monkeypatch.setattr(features, "cores_of", lambda _spark: 1)
    for name in ("beach", "forest", "street"):
        save(tmp_path / "images" / f"{name}.bmp", name)
    (tmp_path / "images" / "odd.png").write_bytes(b"not an image")

    def stop(line):
        if "1 of 4 images" in line:
            raise PulledPlugError

    pace = {"images_per_task": 1, "checkpoint_seconds": 0.001}
    settings = EncodeSettings(input=str(tmp_path / "images"), output=str(tmp_path / "out"), **pace)
    with pytest.raises(PulledPlugError):
        run_encode(spark, settings, stop)
    (part,) = (tmp_path / "out" / "_staging").glob("encode-*/encoded/*/*.parquet")
    return pq.read_table(part)["path"][0].as_py()


class TestStopped:
    def test_what_a_stopped_run_has_done_is_taken_and_told(self, spark, tmp_path, stopped):
        run = encode(spark, tmp_path)
        assert (run.counts["encoded"], run.counts["resumed"]) == (3, int(stopped != "odd.png"))
        assert ("by a run that was stopped" in summary(run)) == (stopped != "odd.png")
        fresh = encode(spark, tmp_path, output=str(tmp_path / "fresh"))
        assert fresh.counts["resumed"] == 0
        assert rows_of(spark, tmp_path / "out", "features") == rows_of(spark, tmp_path / "fresh", "features")

    def test_not_of_images_that_were_replaced_meanwhile(self, spark, tmp_path, stopped):
        for path in (tmp_path / "images").glob("*.bmp"):
            replace_unseen(path, "lake")
        run = encode(spark, tmp_path)
        assert run.counts["resumed"] == 0
        assert set(hashes(spark, tmp_path).values()) == {phash_of("lake")}

    def test_not_where_nothing_is_to_be_reused(self, spark, tmp_path, stopped):
        run = encode(spark, tmp_path, reuse=False)
        assert (run.counts["encoded"], run.counts["resumed"], run.counts["reused"]) == (3, 0, 0)

    def test_a_failure_is_tried_again_and_the_last_one_stays(self, spark, tmp_path, stopped):
        (tmp_path / "images" / "odd.png").write_bytes(b"")
        run = encode(spark, tmp_path)
        assert run.counts["failed"] == {"empty": 1}
        (failure,) = spark.read.parquet(str(tmp_path / "out" / "failures")).collect()
        assert (failure["path"], failure["reason"]) == ("odd.png", "empty")


class TestFoldersThatCanNotBeListed:
    def test_their_images_keep_their_features_and_decide_over_no_others(self, spark, tmp_path, monkeypatch):
        for name in ("a/beach.png", "a/deep/forest.png", "ab/street.png", "lake.png"):
            save(tmp_path / "images" / name, name.split("/")[-1][:-4])
        shutil.copy(tmp_path / "images" / "a" / "beach.png", tmp_path / "images" / "b.png")
        shutil.copy(tmp_path / "images" / "ab" / "street.png", tmp_path / "images" / "a" / "street.png")
        _, going = removed(spark, tmp_path)
        assert going == {"ab/street.png": "a/street.png", "b.png": "a/beach.png"}
        before = hashes(spark, tmp_path)
        with monkeypatch.context() as patch:
            forbid(patch, "/a")
            run, going = removed(spark, tmp_path, reuse=False)
        assert going == {}
        assert all(row["keep"] for row in spark.read.parquet(str(tmp_path / "out" / "groups")).collect())
        assert hashes(spark, tmp_path) == before
        assert (run.counts["seen"], run.counts["encoded"], run.counts["kept"]) == (4, 6, 3)
        assert run.counts["failed"] == {"unreadable": 1}
        assert "3 of folders that can't be listed now, by an earlier run" in summary(run)
        (failure,) = spark.read.parquet(str(tmp_path / "out" / "failures")).collect()
        assert (failure["path"], failure["message"]) == ("a", "the folder can't be listed: no permission")
        assert removed(spark, tmp_path)[1] == {"ab/street.png": "a/street.png", "b.png": "a/beach.png"}
        shutil.rmtree(tmp_path / "images" / "a")
        assert encode(spark, tmp_path).counts["encoded"] == 3

    def test_an_input_that_can_not_be_listed_itself_is_named(self, spark, tmp_path, monkeypatch):
        save(tmp_path / "images" / "a.png")

        def refuse(path):
            raise OSError(5, "Input/output error", str(path))

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(InputError, match=r"images can't be listed: Input/output error"):
            encode(spark, tmp_path)
