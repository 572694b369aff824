"""The files of a folder: nothing that lies in one ends the listing, and one file is one file under all its names."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dedup_core.images.files import list_images, look, matching
from dedup_core.images.picture import Failure
from dedup_core.ledger import MARKER, Ledger


def names(folder, recursive=True):
    return [file.name for file in list_images(str(folder), recursive)]


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@contextmanager
def nobody():
    """Whoever runs the tests as root may enter every folder: step down for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def open_to_all(folder):
    """Let the user that the tests step down to come as far as the folder."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.getuid():
            place.chmod(place.stat().st_mode | 0o055)


# One odd entry


def test_a_link_that_leads_to_itself_is_a_file_that_says_nothing(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "ping").symlink_to("pong")
    (tmp_path / "pong").symlink_to("ping")
    assert names(tmp_path) == ["a.png", "loop", "ping", "pong"]
    assert {file.size for file in list_images(str(tmp_path)) if file.name != "a.png"} == {None}


def test_a_folder_that_may_not_be_entered_is_a_failure_and_a_link_into_it_a_file(tmp_path):
    write(tmp_path / "a.png")
    locked = write(tmp_path / "locked" / "in" / "b.png").parents[1]
    (tmp_path / "link").symlink_to(locked / "in")
    open_to_all(tmp_path)
    locked.chmod(0)
    try:
        with nobody():
            files = {file.name: file.failure for file in list_images(str(tmp_path), recursive=True)}
    finally:
        locked.chmod(0o755)
    failure = Failure("unreadable", "the folder can't be listed: no permission")
    assert files == {"a.png": None, "link": None, "locked": failure}


def test_folders_may_lie_in_each_other_by_the_thousand(tmp_path):
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
        Path("deep.png").write_bytes(b"x")
    finally:
        os.chdir(here)
    assert names(tmp_path) == ["d/" * 1100 + "deep.png"]
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_a_path_too_long_for_the_system_is_a_failure_of_its_folder(tmp_path):
    here = os.getcwd()
    os.chdir(tmp_path)
    write(Path("a.png"))
    try:
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(here)
    found = list_images(str(tmp_path), recursive=True)
    assert [file.name for file in found if file.failure is None] == ["a.png"]
    (failed,) = [file for file in found if file.failure is not None]
    assert failed.failure == Failure("unreadable", "the folder can't be listed: File name too long")
    subprocess.run(["rm", "-rf", str(tmp_path / ("d" * 250))], check=True)


@pytest.mark.parametrize("seconds", [-(10**11), 10**12, -1, 0])
def test_a_time_that_no_calendar_knows_is_a_number_like_any_other(tmp_path, seconds):
    path = write(tmp_path / "a.png")
    try:
        os.utime(path, (seconds, seconds))
    except OSError:
        pytest.skip("this filesystem does not keep such a time")
    (file,) = list_images(str(tmp_path))
    assert file.modified_at == path.stat().st_mtime_ns // 1000
    assert file.identity


@pytest.mark.skipif(sys.platform == "darwin", reason="this filesystem takes UTF-8 names only")
def test_names_that_are_no_utf8_differ_from_those_that_look_like_their_escapes(tmp_path):
    for name in (b"\xff.jpg", b"\\xff.jpg"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    assert names(tmp_path) == ["\\x5cxff.jpg", "\\xff.jpg"]
    assert all(Path(file.path).exists() for file in list_images(str(tmp_path)))


def test_what_is_no_plain_file_is_listed_and_left_to_the_reader(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names(tmp_path) == ["pipe.jpg"]


def test_a_folder_that_can_not_be_listed_itself_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        list_images(str(tmp_path / "nowhere"))


# One file, several names


def test_a_link_is_another_name_of_the_file_that_it_points_at(tmp_path):
    write(tmp_path / "originals" / "x.png")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "x.png").symlink_to("../originals/x.png")
    (file,) = list_images(str(tmp_path), recursive=True)
    assert (file.name, file.other_names) == ("originals/x.png", ("best/x.png",))


def test_of_hard_links_the_first_name_counts(tmp_path):
    first = write(tmp_path / "b.png")
    os.link(first, tmp_path / "a.png")
    (tmp_path / "0.png").symlink_to("b.png")
    (file,) = list_images(str(tmp_path))
    assert (file.name, file.other_names) == ("a.png", ("b.png", "0.png"))


def test_equal_content_in_two_files_is_two_files(tmp_path):
    write(tmp_path / "a.png")
    shutil.copy2(tmp_path / "a.png", tmp_path / "b.png")
    assert names(tmp_path) == ["a.png", "b.png"]


def test_a_link_to_a_file_elsewhere_is_a_file_of_its_own(tmp_path):
    write(tmp_path / "elsewhere" / "x.png")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "x.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (file,) = list_images(str(tmp_path / "album"))
    assert (file.name, file.links, file.other_names) == ("x.png", 1, ())


def test_a_link_above_the_folder_makes_no_name_in_it_a_link(tmp_path):
    write(tmp_path / "disk" / "originals" / "x.png")
    (tmp_path / "disk" / "best").mkdir()
    (tmp_path / "disk" / "best" / "x.png").symlink_to("../originals/x.png")
    (tmp_path / "album").symlink_to("disk")
    for found in (list_images(str(tmp_path / "album"), True), matched(tmp_path / "album", "*/*")):
        assert {(file.name, file.links) for file in found} <= {("originals/x.png", 0), ("best/x.png", 1)}
        assert "originals/x.png" in {file.name for file in found}


def test_a_file_that_grows_is_one_file(tmp_path):
    path = write(tmp_path / "a.png")
    before = look(str(path), "a.png")
    path.write_bytes(b"longer")
    after = look(str(path), "a.png")
    assert after.file_id == before.file_id
    assert after.identity != before.identity


# The same content


def test_other_content_of_the_same_size_and_time_is_another_identity(tmp_path):
    path = write(tmp_path / "a.png", b"one")
    before, status = look(str(path), "a.png"), path.stat()
    assert look(str(path), "a.png") == before
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = look(str(path), "a.png")
    assert (after.size, after.modified_at) == (before.size, before.modified_at)
    assert after.identity != before.identity


def test_a_file_put_in_the_place_of_another_is_another_identity(tmp_path):
    path, other = write(tmp_path / "a.png", b"one"), write(tmp_path / "b.png", b"two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    before = look(str(path), "a.png")
    other.rename(path)
    assert look(str(path), "a.png").identity != before.identity


# Patterns


def matched(folder, *patterns, **options):
    return sorted(matching(str(folder), patterns, **options), key=lambda file: file.name)


@pytest.mark.parametrize("pattern", ["*/*.jpg", "**/*.jpg", "[ab]/*.jpg", "b/x.jpg"])
def test_a_folder_that_a_pattern_leads_into_and_that_can_not_be_listed_is_a_failure(tmp_path, pattern):
    write(tmp_path / "a" / "x.jpg")
    locked = write(tmp_path / "b" / "x.jpg").parent
    open_to_all(tmp_path)
    locked.chmod(0)
    try:
        with nobody():
            files = {file.name: file.failure for file in matched(tmp_path, pattern)}
    finally:
        locked.chmod(0o755)
    assert files.pop("a/x.jpg", None) is None
    assert files == {"b": Failure("unreadable", "the folder can't be listed: no permission")}


def test_a_folder_that_may_be_entered_and_not_listed_is_asked_for_names(tmp_path):
    closed = write(tmp_path / "home" / "photos" / "x.jpg").parents[1]
    open_to_all(tmp_path)
    closed.chmod(0o711)
    try:
        with nobody():
            assert [file.name for file in matched(tmp_path, "*/photos/*.jpg", "*/none/*.jpg")] == ["home/photos/x.jpg"]
    finally:
        closed.chmod(0o755)


def test_files_and_folders_that_match_twice_are_listed_once(tmp_path):
    for name in ("a.jpg", "in/b.jpg", "in/deep/c.jpg", ".hidden/d.jpg", "in/.e.jpg"):
        write(tmp_path / name)
    (tmp_path / "in" / "up").symlink_to(tmp_path, target_is_directory=True)
    for patterns in (["**/*.jpg"], ["**/**/*.jpg", "*.jpg"], ["**"], ["a*", "i*", "in/deep/*"]):
        found = [file.name for file in matched(tmp_path, *patterns, takes_folders=True)]
        assert found == ["a.jpg", "in/b.jpg", "in/deep/c.jpg"]
    assert [file.name for file in matched(tmp_path, "i*", "a.jpg")] == ["a.jpg"]
    assert [file.name for file in matched(tmp_path, ".h*/*")] == [".hidden/d.jpg"]


def test_no_folder_is_held_in_memory(tmp_path, monkeypatch):
    for number in range(3):
        write(tmp_path / f"{number}.jpg")
    scandir, seen = os.scandir, []

    @contextmanager
    def watched(folder):
        with scandir(folder) as found:
            yield (seen.append(entry) or entry for entry in found)

    monkeypatch.setattr(os, "scandir", watched)
    for pattern in ("*", "**", "[0-9].jpg"):
        seen.clear()
        next(matching(str(tmp_path), [pattern]))
        assert len(seen) == 1


# What our runs wrote


def mark(folder, *files):
    write(folder / MARKER, Ledger(frozenset(files)).to_json().encode())


def test_what_a_run_of_ours_wrote_is_passed_over_and_what_lies_beside_is_not(tmp_path):
    ours = ("report/page.png", "report/deep/y.png", "evaluation/sweep.png", "to_remove_phash.json")
    for name in (*ours, "_staging/x.png", "features/_SUCCESS"):
        write(tmp_path / "lake" / "out" / name)
    mine = (
        "duplicates.json",
        "out/album/report/a.png",
        "out/duplicates.json",
        "out/mine.png",
        "out/report/holiday.jpg",
    )
    for name in mine:
        write(tmp_path / "lake" / name)
    assert len(names(tmp_path / "lake")) == 11
    mark(tmp_path / "lake" / "out", *ours)
    assert names(tmp_path / "lake") == sorted(mine)
    assert [file.name for file in matched(tmp_path / "lake", "*/*", takes_folders=True)] == sorted(mine)[1:]


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"files": ["../a.png"], "runs": []}', b"[" * 100_000])
def test_a_file_that_is_called_as_our_marker_is_hides_nothing(tmp_path, text):
    write(tmp_path / "report" / "a.png")
    write(tmp_path / MARKER, text)
    assert names(tmp_path) == [MARKER, "report/a.png"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_whatever_else_is_called_so_hides_nothing(tmp_path, make):
    write(tmp_path / "report" / "a.png")
    make(tmp_path / MARKER)
    assert "report/a.png" in names(tmp_path)


def test_names_are_relative_to_the_folder_where_the_patterns_begin(tmp_path):
    write(tmp_path / "a" / "b" / "x.png")
    (file,) = matched(tmp_path, "a/*/x.png")
    assert file.name == "a/b/x.png"
