"""What stands of two pictures whose pixels are the same: the pixels say it, whatever geometry did."""

import pytest

from dedup_core.spark import evidence
from dedup_core.spark.search.geometry.search import with_evidence
from dedup_core.spark.tables import EVIDENCE
from dedup_core.spark.verify.contents import Contents
from dedup_core.spark.verify.verdicts import VERDICTS

FILES = [(1, 1, 60, 40, "PNG"), (2, 2, 60, 40, "BMP"), (3, 3, 60, 40, "JPEG"), (4, 4, 30, 20, "PNG"),
         (5, 5, 20, 30, "JPEG")]  # fmt: skip
MIRRORED = (20, 0.9, 0.8, 1.0, 2.0, "cropped", "b", 3.0, True, [-1.0, 0.0, 60.0, 0.0, 1.0, 0.0])
NOTHING = (None,) * 10
WHOLE = {"overlap_a": 1.0, "overlap_b": 1.0, "derived": None, "degrees": 0.0, "mirrored": False}


@pytest.fixture(scope="module")
def told(spark):
    members = spark.createDataFrame(FILES, "id BIGINT, content BIGINT, width INT, height INT, format STRING")
    contents = Contents(members, members, 5, 5, 1, 0)
    pairs = [(1, 2, "same", 0.0), (1, 3, "same", 0.0), (1, 4, "same", 0.0), (3, 5, "same", 1.0), (2, 3, "similar", 9.0)]
    verdicts = [(1, a, b, 7.0, 1, verdict, difference, None, None, None, False) for a, b, verdict, difference in pairs]
    geometry = [(a, b, *(NOTHING if (a, b) == (1, 2) else MIRRORED)) for a, b, *_ in pairs]
    frames = (
        spark.createDataFrame(verdicts, VERDICTS),
        spark.createDataFrame(geometry, f"code_a BIGINT, code_b BIGINT, {EVIDENCE}"),
    )
    found = with_evidence(*frames, contents)
    assert found.columns[-len(evidence.COLUMNS) :] == list(evidence.COLUMNS)
    return {(row["code_a"], row["code_b"]): row.asDict() for row in found.collect()}


@pytest.mark.parametrize(
    ("pair", "relation", "scales"),
    [
        ((1, 2), "same_pixels", (1.0, 1.0)),
        ((1, 3), "re_encoded", (1.0, 1.0)),  # no difference is no proof where one is lossy
        ((1, 4), "resized", (0.5, 0.5)),
        ((3, 5), "resized", (0.5, 0.5)),  # the camera's note turns one of the two
    ],
)
def test_the_pixels_say_it(told, pair, relation, scales):
    row = told[pair]
    assert {name: row[name] for name in WHOLE} == WHOLE
    assert row["relation"] == relation
    assert row["transform"] == [scales[0], 0, 0, 0, scales[1], 0]
    assert row["inliers"] == (None if pair == (1, 2) else 20)


def test_of_others_geometry_says_it(told):
    assert tuple(told[2, 3][name] for name in evidence.COLUMNS) == MIRRORED
