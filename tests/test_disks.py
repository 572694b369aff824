"""The key of a file: one for all its names, whichever machine looks, and no other file's."""

import os

import pytest

from dedup_core.images import disks
from dedup_core.images.disks import Disks, links_in

ROOT = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"
SHARE = "40 27 {device} / /data rw - nfs4 server:/images rw"


def status(inode=7, device=(0, 45), links=1, size=10):
    return os.stat_result((0o100644, inode, os.makedev(*device), links, 0, 0, size, 0, 0, 0))


def machine(*mounts):
    return Disks("\n".join([ROOT, *mounts]))


def test_machines_that_number_a_shared_disk_differently_agree():
    one, other = machine(SHARE.format(device="0:45")), machine(SHARE.format(device="0:52"))
    for links in (1, 2):
        found = {
            one.file_id("/data/a.jpg", status(links=links)),
            other.file_id("/data/a.jpg", status(device=(0, 52), links=links, size=11)),
        }
        assert len(found) == 1


def test_equal_numbers_on_two_disks_are_two_files():
    both = machine(SHARE.format(device="0:45"), "41 27 0:46 / /more rw - nfs4 server:/more rw")
    for links in (1, 2):
        one, other = status(links=links), status(device=(0, 46), links=links)
        assert both.file_id("/data/a.jpg", one) != both.file_id("/more/a.jpg", other)


def test_hard_links_are_one_file_and_other_inodes_are_others():
    disk = machine(SHARE.format(device="0:45"))
    assert disk.file_id("/data/a.jpg", status(links=2)) == disk.file_id("/data/in/b.jpg", status(links=2))
    assert disk.file_id("/data/a.jpg", status(links=2)) != disk.file_id("/data/a.jpg", status(8, links=2))


@pytest.mark.parametrize("point", ["/mnt/again", "/mnt/with\\040blank"])
def test_a_disk_that_is_mounted_twice_shows_one_file_at_two_places(point):
    disk = machine(SHARE.format(device="0:45"), f"41 27 0:45 /sub {point} rw - nfs4 server:/images rw")
    place = point.replace("\\040", " ")
    assert disk.file_id("/data/sub/a.jpg", status()) == disk.file_id(f"{place}/a.jpg", status())
    assert disk.file_id("/data/a.jpg", status(8)) != disk.file_id(f"{place}/a.jpg", status())


def test_a_single_file_may_be_mounted():
    disk = machine(SHARE.format(device="0:45"), "41 27 0:45 /a.jpg /etc/a.jpg rw - nfs4 server:/images rw")
    assert disk.file_id("/data/a.jpg", status()) == disk.file_id("/etc/a.jpg", status())


def test_parts_of_a_disk_with_numbers_of_their_own_have_inodes_of_their_own():
    disk = machine("41 27 0:30 /@home /home rw - btrfs /dev/sda rw", "42 27 0:30 /@srv /srv rw - btrfs /dev/sda rw")
    home, srv = status(device=(0, 31)), status(device=(0, 32))
    assert disk.file_id("/home/a.jpg", home) != disk.file_id("/srv/a.jpg", srv)
    assert disk.file_id("/srv/a.jpg", home) == disk.file_id("/home/a.jpg", home)


def test_where_the_mounts_are_not_known_the_inode_tells():
    unknown = Disks("")
    assert unknown.file_id("/data/a.jpg", status()) == unknown.file_id("/DATA/A.jpg", status())
    assert unknown.file_id("/data/a.jpg", status()) != unknown.file_id("/data/a.jpg", status(device=(0, 46)))
    assert unknown.file_id("/data/a.jpg", status(0)) != unknown.file_id("/data/b.jpg", status(0))


@pytest.mark.parametrize("free", ["/data/Photos", "/data/Photos/a.jpg"])
def test_spellings_of_a_folder_that_passes_over_upper_and_lower_case_are_one_file(monkeypatch, free):
    disk = machine(SHARE.format(device="0:45"))
    swapped = {"/data/Photos": "/data/pHOTOS/a.jpg", "/data/Photos/a.jpg": "/data/Photos/A.JPG"}[free]
    monkeypatch.setattr(disks, "_is_same", lambda one, other: {one, other} <= spellings_of(free))
    assert disk.file_id("/data/Photos/a.jpg", status()) == disk.file_id(swapped, status())


def spellings_of(path):
    folder, name = os.path.split(path)
    return {path, f"{folder}/{name.swapcase()}"}


def test_names_that_differ_in_case_alone_are_two_files_on_this_disk(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "A.PNG").write_bytes(b"x")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this disk passes over upper and lower case")
    one, other = (Disks().file_id(str(path), path.stat()) for path in tmp_path.iterdir())
    assert one != other


def test_links_are_counted_wherever_they_stand_in_a_path(tmp_path):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.png").write_bytes(b"x")
    (tmp_path / "album" / "b.png").symlink_to("a.png")
    (tmp_path / "best").symlink_to("album")
    base = os.path.realpath(tmp_path)
    found = [links_in(f"{base}/{name}") for name in ("album/a.png", "album/b.png", "best/a.png", "best/b.png", "none")]
    assert found == [0, 1, 1, 2, 0]
