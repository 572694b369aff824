"""No harm done: what a user has is still there after a run, whatever it was told, and one odd entry ends none."""

import json
import os
import struct
import zlib

import pyarrow.parquet as pq
import pytest
from album import scene
from submitting import IS_PREPARED, called, error_of, submit

from dedup_core.spark.session import setting


def snapshot(folder):
    """Every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def save(path, name="beach"):
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(name).save(path)
    return path


def very_wide_png(width=50_000_000):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(width + 1), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_an_input_where_tables_go_is_refused(spark, tmp_path):
    for name in ("beach", "forest"):
        save(tmp_path / "lake" / "failures" / f"{name}.png", name)
    before = snapshot(tmp_path)
    done = called(spark, "pipeline", "--input", tmp_path / "lake" / "failures", "--output", tmp_path / "lake")
    assert done.returncode == 2
    assert f"the input {tmp_path}/lake/failures lies in {tmp_path}/lake/failures, where a run writes" in error_of(done)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "mine",
    [
        ["failures/keep.png", "groups/team.txt", "duplicates.json", "to_remove.json"],
        ["runs/exp1/events.out.tfevents.1", "runs/notes.json"],
        ["report/index.html"],
    ],
    ids=["tables", "TensorBoard", "a page"],
)
def test_somebodys_own_files_are_refused_and_named(spark, tmp_path, mine):
    save(tmp_path / "images" / "a.png")
    for name in mine:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    before = snapshot(tmp_path)
    done = called(spark, "pipeline", "--input", tmp_path / "images", "--output", tmp_path / "out", "--overwrite")
    assert done.returncode == 2
    assert mine[0] in error_of(done)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(not IS_PREPARED, reason="the environment of spark-submit.sh is not prepared: ./tests/run.sh")
def test_odd_entries_are_rows_and_a_plain_path_of_any_letters_is_on_this_disk(spark, tmp_path):
    album, out = tmp_path / "[2020] Größe 写真", tmp_path / "Ausgabe_ö_図"
    save(album / "originals" / "IMG_1.png")
    (album / "best").mkdir()
    (album / "best" / "IMG_1.png").symlink_to("../originals/IMG_1.png")
    (album / "loop.jpg").symlink_to("loop.jpg")
    (album / "wide.png").write_bytes(very_wide_png())
    os.utime(save(album / "ancient.png", "forest"), (-(10**11), -(10**11)))
    with open(os.fsencode(album) + b"/caf\xe9.png", "wb") as file:
        file.write((album / "ancient.png").read_bytes())
    before = snapshot(album / "originals")
    elsewhere = ["--conf", "spark.hadoop.fs.defaultFS=hdfs://nowhere.invalid:9"]
    millis = ["--conf", "spark.sql.parquet.outputTimestampType=TIMESTAMP_MILLIS"]
    done = submit("pipeline", "--input", album, "--output", out, "--scores", options=[*elsewhere, *millis])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "6  seen" in done.stdout
    failures = {row["path"]: row["reason"] for row in pq.read_table(out / "failures").to_pylist()}
    assert failures == {"loop.jpg": "unreadable", "wide.png": "too_many_pixels"}
    duplicates = json.loads((out / "duplicates.json").read_text())
    assert duplicates["ancient.png"] == [["caf\\xe9.png", 0]]
    assert json.loads((out / "to_remove.json").read_text()) == ["caf\\xe9.png"]
    page = (out / "report" / "index.html").read_text()
    assert page.count("data:image") == 2
    assert snapshot(album / "originals") == before

    # Evaluated by a truth that a plain path names, beside somebody's own files.
    (out / "evaluation").mkdir()
    (out / "evaluation" / "notes.ipynb").write_text("mine")
    truth = tmp_path / "truth.csv"
    truth.write_text("path;label.of\nancient.png;1\ncaf\\xe9.png;1\noriginals/IMG_1.png;2\n")
    truth_of = ["--ground-truth", truth, "--label-column", "label.of"]
    with setting(spark, "fs.defaultFS", "hdfs://nowhere.invalid:9"):  # so it lies in a session that is at work
        with pytest.raises(Exception, match=r"nowhere\.invalid"):
            spark.read.text(str(truth)).count()
        evaluated = called(spark, "evaluate", "--output", out, *truth_of)
    assert evaluated.returncode == 0, evaluated.stdout
    assert "precision 1.0000  recall 1.0000" in evaluated.stdout
    assert (out / "evaluation" / "notes.ipynb").read_text() == "mine"


def test_a_table_with_a_log_is_refused(spark, tmp_path):
    (tmp_path / "images_delta" / "_delta_log").mkdir(parents=True)
    (tmp_path / "images_delta" / "part-0.parquet").touch()
    done = called(spark, "pipeline", "--input", tmp_path / "images_delta", "--output", tmp_path / "out")
    assert done.returncode == 3
    assert "images_delta belongs to a Delta table" in error_of(done)
