"""What the page says and draws of two pictures that geometry has laid on each other."""

import dataclasses

import numpy as np
import pytest
from hostile import LOOKS, SAME, group, picture, report
from laid import INLIERS, laid_report
from page import Page, text_of

from dedup_core.metric import COSINE, HAMMING
from dedup_core.relations import RELATIONS, said
from dedup_core.report.alignment import alignment_row
from dedup_core.report.charts import bin_text, column_charts
from dedup_core.report.model import Alignment, Evidence, MethodResult, PageImage
from dedup_core.report.page import render
from dedup_core.report.verdicts import KINDS, evidence_row

CROP = Alignment("cropped", 212, (0.42, 1.0), 0.9988, 6.44, "b", 90.0, False, (0.0, 1.0, -60.0, -1.0, 0.0, 480.0))
WIDE = PageImage(600, 400, thumbnail=picture())
TALL = PageImage(280, 360, thumbnail=picture(size=(70, 90)))


def matrix(transform):
    return np.vstack([np.reshape(transform, (2, 3)), (0, 0, 1)])


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_other_way_round_says_the_same(is_mirrored):
    transform = (0.6, -0.8, 3.0, -0.8, -0.6, 5.0) if is_mirrored else (0.6, 0.8, 3.0, -0.8, 0.6, 5.0)
    one = dataclasses.replace(CROP, degrees=53.13, is_mirrored=is_mirrored, transform=transform)
    other = one.flipped()
    assert (other.overlap, other.derived) == ((1.0, 0.42), "a")
    assert np.allclose(matrix(one.transform) @ matrix(other.transform), np.eye(3))
    words = [said(each.relation, each.derived, each.degrees, is_mirrored, names)
             for each, names in ((one, ("x", "y")), (other, ("y", "x")))]  # fmt: skip
    assert words[0] == words[1]
    assert other.flipped().degrees == one.degrees


@pytest.mark.parametrize("transform", [(0.0,) * 6, (float("nan"),) * 6, (1.0, 2.0, 0.0, 2.0, 4.0, 0.0), None])
def test_what_can_not_be_undone_is_told_and_not_drawn(transform):
    row = alignment_row(dataclasses.replace(CROP, transform=transform), WIDE, TALL)
    assert row[0] == "{b} is a crop of {a}, turned left by 90 degrees"
    assert row[3] is None


def test_the_page_has_the_way_back_to_the_first_picture():
    *_, transform = alignment_row(CROP, WIDE, TALL)
    assert np.allclose(matrix(transform) @ matrix(CROP.transform), np.eye(3))


@pytest.mark.parametrize(
    "image",
    [PageImage(280, 360), PageImage(thumbnail=picture()), PageImage(360, 280, thumbnail=picture(size=(70, 90)))],
)
def test_a_picture_without_size_or_turned_by_its_camera_is_not_laid(image):
    assert alignment_row(CROP, WIDE, image)[3] is None
    assert alignment_row(CROP, image, TALL)[3] is None


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_a_picture_that_a_camera_turns_without_another_shape_is_not_laid(turn):
    row = alignment_row(CROP, dataclasses.replace(WIDE, turn=turn), TALL)
    assert row[3] is None
    assert row[:3] == alignment_row(CROP, WIDE, TALL)[:3]
    assert alignment_row(CROP, WIDE, dataclasses.replace(TALL, turn=turn))[3] is None


@pytest.mark.parametrize(
    ("overlap", "words"),
    [
        ((1.0, 1.0), "each covers the other"),
        ((0.42, 1.0), "all of {b} lies on {a} and covers 42% of it"),
        ((1.0, 0.5), "all of {a} lies on {b} and covers 50% of it"),
        ((0.62, 0.41), "41% of {b} lies on {a}, 62% of {a} on {b}"),
        ((0.42, 0.997), "all of {b} lies on {a} and covers 42% of it"),
        ((0.994, 0.001), "under 1% of {b} lies on {a}, 99% of {a} on {b}"),
        ((None, float("nan")), "?% of {b} lies on {a}, ?% of {a} on {b}"),
    ],
)
def test_an_overlap_reads_with_its_direction(overlap, words):
    _, numbers, *_ = alignment_row(dataclasses.replace(CROP, overlap=overlap), WIDE, TALL)
    assert numbers == f"212 inliers · {words} · 99%\u00a0alike"


def test_the_worst_tile_is_told():
    sentence = alignment_row(CROP, WIDE, TALL)[2]
    assert sentence.startswith("The worst tile of the overlap differs by 6.4 of 255 levels.")


def test_of_equal_files_no_inliers_are_told():
    equal = Alignment("same_pixels", None, (1.0, 1.0), 1.0, 0.0, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    relation, numbers, sentence, transform = alignment_row(equal, WIDE, WIDE)
    assert (relation, numbers) == ("{a} and {b} have the same pixels", "each covers the other · 100%\u00a0alike")
    assert sentence == "The worst tile of the overlap differs by 0 of 255 levels."
    assert transform == list(equal.transform)
    assert alignment_row(dataclasses.replace(CROP, inliers=1), WIDE, TALL)[1].startswith("1 inlier ·")


@pytest.mark.parametrize("relation", RELATIONS)
def test_each_relation_is_told(relation):
    words = alignment_row(dataclasses.replace(CROP, relation=relation), WIDE, TALL)[0]
    assert "{a}" in words
    assert "{b}" in words


def test_geometry_says_more_than_that_shapes_differ():
    unseen = Evidence("similar")
    assert evidence_row(unseen, WIDE, TALL)[0] == "shape"
    assert evidence_row(unseen, WIDE, TALL, "cropped") == ["laid", "", None, None]
    assert evidence_row(LOOKS, WIDE, WIDE, "rotated") == ["laid", "", None, None]
    assert evidence_row(LOOKS, WIDE, WIDE, "overlaid") == evidence_row(LOOKS, WIDE, WIDE)
    assert evidence_row(SAME, WIDE, WIDE, "mirrored")[::3] == ["alike", None], "the tile lies elsewhere once it is laid"
    assert KINDS["laid"].verdict == "similar"


def test_the_pages_data_hold_what_the_script_draws():
    data = Page(render(laid_report())).data
    assert {method["name"]: method["isCount"] for method in data["methods"]} == {"orb": True}
    assert [pair["laid"][0] for pair in data["pairs"]][2] == "{b} has a frame around {a}"
    first, quarter, *_ = data["groups"][0]["images"]
    assert len(first) == 3
    assert quarter[6] == data["pairs"][0]["laid"]


def test_tables_without_geometry_have_none_on_the_page():
    data = Page(render(report([group(["a.jpg", "b.jpg"])]))).data
    assert data["groups"][0]["images"][0] == [0, True, None]
    assert "laid" not in str(data["groups"])


@pytest.mark.parametrize(
    ("metric", "words"), [(HAMMING, "distance 12"), (COSINE, "similarity 12.00 and up"), (INLIERS, "12 inliers")]
)
def test_a_score_reads_as_its_metric_has_it(metric, words):
    assert bin_text(12.0, metric) == words


def test_hundreds_of_levels_are_few_columns_that_hold_every_pair():
    scores = {float(score): 1 for score in range(13, 400, 3)}
    result = MethodResult("orb", INLIERS, 12.0, 1000, len(scores), 9, 90, 40, scores, {2: 9}, same=0, similar=1,
                          going=scores)  # fmt: skip
    by_score, _, removed = column_charts(result)
    assert [column.label for column in by_score.columns] == ["12", *map(str, range(20, 401, 20))]
    assert by_score.axis == "inliers, from"
    assert sum(int(column.exact) for column in by_score.columns) == len(scores)
    assert by_score.columns[0].exact == "3", "those of 13, 16 and 19"
    assert [column.label for column in removed.columns][::20] == ["400", "12"]
    assert [column.exact for column in removed.columns][-2:] == ["12.60%", "12.90%"]
    assert "inliers ≥ 12" in text_of(laid_report())
