"""Folders listed by tasks: the same files as one walk on one machine finds, wherever the driver stops."""

import dataclasses
import os

import pytest

from dedup_core.images.files import Folder, walk
from dedup_core.ledger import MARKER, Ledger
from dedup_core.spark.encode import walking
from dedup_core.spark.encode.local_files import LocalImages, _LocalWalker


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A folder with links, hard links, hidden names, names of bytes, a locked folder and what runs of ours wrote."""
    lake = tmp_path_factory.mktemp("lake")
    for name in (
        "a.jpg", "_b.jpg", ".hidden.jpg", ".cache/c.jpg", "in/b 100%.png", "in/deep/er/d.png", "in/deep/e.jpg",
        "out/report/page.png", "out/report/mine.png", "out/_staging/x.png", "out/features/_SUCCESS", "out/deep/y.png",
    ):  # fmt: skip
        path = lake / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (lake / "out" / MARKER).write_text(Ledger(frozenset(["report/page.png", "deep/y.png"])).to_json())
    (lake / "in" / "up").symlink_to(lake, target_is_directory=True)
    (lake / "in" / "link.jpg").symlink_to(lake / "a.jpg")
    (lake / "nowhere.jpg").symlink_to(lake / "gone.jpg")
    os.link(lake / "a.jpg", lake / "in" / "deep" / "hard.jpg")
    os.mkdir(os.fsencode(lake) + b"/in/caf\xe9")
    with open(os.fsencode(lake) + b"/in/caf\xe9/\xff.jpg", "wb") as file:
        file.write(b"bytes")
    return lake


def rows_of(frame):
    return sorted((row.asDict() for row in frame.drop("place", "is_wanted").collect()), key=lambda row: row["path"])


def listed(staging, location):
    return rows_of(LocalImages(str(location), recursive=True).list_into(staging))


def test_the_driver_alone_finds_what_one_walk_finds(staging, lake):
    files = {file.name: file for file in walk(str(lake), recursive=True)}
    found = listed(staging, lake)
    assert staging.entries("walked") == ["0"]
    assert [row["path"] for row in found] == sorted(files)
    for row in found:
        file = files[row["path"]]
        known = (file.size, file.identity, file.file_id, file.links)
        assert (row["size"], row["identity"], row["file_id"], row["links"]) == known


@pytest.mark.parametrize(("here", "entries", "seconds"), [(0.0, 50_000, 60.0), (0.0, 50_000, 0.0), (600.0, 4, 60.0)])
def test_tasks_find_what_the_driver_finds_wherever_it_stops(staging, lake, monkeypatch, here, entries, seconds):
    alone = listed(staging, lake)
    monkeypatch.setattr(walking, "_DRIVERS_SECONDS", here)
    monkeypatch.setattr(walking, "_DRIVERS_ENTRIES", entries)
    monkeypatch.setattr(walking, "_TASK_SECONDS", seconds)
    assert listed(staging, lake) == alone
    assert len(staging.entries("walked")) >= (3 if seconds == 0 else 2)


@pytest.mark.parametrize("pattern", ["{in,out}/d*", "**/*.png", "in/up/in/*.png"])
def test_tasks_find_what_matches_a_pattern(staging, lake, monkeypatch, pattern):
    alone = listed(staging, f"{lake}/{pattern}")
    assert alone
    monkeypatch.setattr(walking, "_DRIVERS_SECONDS", 0.0)
    assert listed(staging, f"{lake}/{pattern}") == alone


def test_a_folder_that_a_task_can_not_list_is_a_row(staging, tmp_path, monkeypatch):
    monkeypatch.setattr(walking, "_DRIVERS_SECONDS", 0.0)
    gone = dataclasses.replace(Folder.first(str(tmp_path / "gone"), ["*"]), inside="gone/")
    (row,) = rows_of(walking.walk(staging, gone, _LocalWalker))
    assert (row["path"], row["is_folder"], row["reason"], row["uri"]) == ("gone", True, "vanished", None)


def test_a_place_travels_as_text(lake):
    place = Folder.first(os.fsdecode(os.fsencode(lake) + b"/in/caf\xe9"), ["**/*.jpg", "b*"], takes_folders=True)
    text = place.to_json()
    assert text.isascii()
    assert Folder.from_json(text) == place
