"""The files of a folder: nothing that lies in one ends the listing, and one file is one file under all its names."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dedup_core.files import is_ours, list_images, look, walk
from dedup_core.ledger import MARKER, Ledger
from dedup_core.picture import Failure


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
    assert (file.name, file.is_link, file.other_names) == ("x.png", True, ())


# The same content


def test_other_content_of_the_same_size_and_time_is_another_identity(tmp_path):
    path = write(tmp_path / "a.png", b"one")
    before, status = look(str(path), "a.png", False), path.stat()
    assert look(str(path), "a.png", False) == before
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = look(str(path), "a.png", False)
    assert (after.size, after.modified_at) == (before.size, before.modified_at)
    assert after.identity != before.identity


def test_a_file_put_in_the_place_of_another_is_another_identity(tmp_path):
    path, other = write(tmp_path / "a.png", b"one"), write(tmp_path / "b.png", b"two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    before = look(str(path), "a.png", False)
    other.rename(path)
    assert look(str(path), "a.png", False).identity != before.identity


# What our runs wrote


def test_what_a_run_of_ours_wrote_is_passed_over_and_what_lies_beside_is_not(tmp_path):
    ours = ("report/page.png", "evaluation/sweep.png", "_staging/x.png", "duplicates.json", "to_remove_phash.json")
    for name in ours:
        write(tmp_path / "lake" / "out" / name)
    for name in ("out/mine.png", "out/album/report/a.png", "report/b.png", "duplicates.json"):
        write(tmp_path / "lake" / name)
    assert len(names(tmp_path / "lake")) == 9
    (tmp_path / "lake" / "out" / MARKER).write_text(Ledger().to_json())
    assert names(tmp_path / "lake") == ["duplicates.json", "out/album/report/a.png", "out/mine.png", "report/b.png"]
    assert names(tmp_path / "lake" / "out") == ["album/report/a.png", "mine.png"]


def test_a_path_is_ours_where_a_marker_above_it_says_so(tmp_path):
    write(tmp_path / "out" / MARKER, Ledger().to_json().encode())
    write(tmp_path / "out" / "report" / "deep" / "x.png")
    assert is_ours(str(tmp_path / "out" / "report" / "deep" / "x.png"), str(tmp_path))
    assert is_ours(str(tmp_path / "out" / "report"), str(tmp_path / "out"))
    assert not is_ours(str(tmp_path / "out" / "album" / "x.png"), str(tmp_path))


def test_names_are_relative_to_the_folder_asked_for(tmp_path):
    write(tmp_path / "a" / "b" / "x.png")
    (file,) = walk(str(tmp_path / "a" / "b"), True, str(tmp_path))
    assert file.name == "a/b/x.png"
