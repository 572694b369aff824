"""Where things lie: one place has one spelling, whatever way somebody writes it."""

import os

import pytest

from dedup_core.filesystems import canonical, lies_inside, normal, same_place


@pytest.mark.parametrize(
    ("location", "spelling"),
    [
        ("s3a://lake/a//b/", "s3a://lake/a/b"),
        ("S3://Lake/a/./b/../c", "s3://Lake/a/c"),
        ("s3://lake", "s3://lake"),
        ("s3://lake/", "s3://lake"),
        ("s3://lake//../..", "s3://lake"),
        ("hdfs:///a//b", "hdfs:///a/b"),
        ("S3://lake/a?endpoint_override=http://localhost:9000", "s3://lake/a?endpoint_override=http://localhost:9000"),
        ("file:///a//b/", "/a/b"),
        ("/a/../b/", "/b"),
    ],
)
def test_a_location_is_written_in_one_way(location, spelling):
    assert normal(location) == spelling
    assert normal(spelling) == spelling


@pytest.mark.parametrize(
    ("inner", "outer", "is_inside"),
    [
        ("s3a://b/lake/out", "s3://b/lake", True),
        ("s3n://b/lake", "s3a://b/lake/", True),
        ("s3://b/lake/../out", "s3://b/lake", False),
        ("s3://b/lake//out", "s3://b/lake", True),
        ("hdfs://NN:8020/lake/out", "hdfs://nn:8020/lake", True),
        ("hdfs://nn/x/../lake/out", "hdfs://nn/lake", True),
        ("s3://b/lake2", "s3://b/lake", False),
        ("s3://b/lake", "s3://b/lake/out", False),
        ("s3://b/lake", "s3://b", True),
        ("gs://b/lake", "s3://b/lake", False),
        ("/b/lake", "s3://b/lake", False),
        ("/b/lake/out", "file:///b//lake", True),
        ("/b/lake", "/", True),
    ],
)
def test_a_place_inside_another_is_found_however_both_are_spelled(inner, outer, is_inside):
    assert lies_inside(inner, outer) is is_inside


def test_links_lead_inside(tmp_path):
    os.symlink(tmp_path, tmp_path / "link")
    assert lies_inside(str(tmp_path / "link" / "out"), str(tmp_path))


def test_two_spellings_of_one_place_are_the_same():
    assert same_place("s3a://b/lake/", "s3://b//lake")
    assert same_place("hdfs://NN/a", "hdfs://nn/a")
    assert same_place("file:/a/b", "/a/b/")
    assert not same_place("s3://b/lake", "s3://b/lake2")


def test_a_key_of_a_store_keeps_its_path_letter_by_letter():
    assert canonical("s3a://lake/a//./b.png") == "s3://lake/a//./b.png"
