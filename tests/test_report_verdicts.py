"""What the page says of verdicts: in words, in counts, of large groups and of images of which a hash says little."""

import dataclasses
import re

import pytest
from hostile import LOOKS, NAMES, SAME, evaluation, group, hostile_report, image_file, judged, report, with_verdicts
from page import Page, text_of

from dedup_core.images.looks import CAUTIONS
from dedup_core.metric import HAMMING
from dedup_core.report.charts import column_charts
from dedup_core.report.model import Evidence, Hub, MethodResult, PageImage, PairExample, ReportData
from dedup_core.report.page import readable, render
from dedup_core.report.verdicts import KINDS, caution_texts, evidence_row, image_notes

TILE = (0.25, 0.5, 0.265625, 0.515625)
FLAT, MOVING = PageImage(60, 40, caution=("flat",)), PageImage(60, 40, frames=7)
PNG, JPEG, SMALL = (PageImage(side, 400, form) for side, form in ((600, "PNG"), (600, "JPEG"), (300, "PNG")))
PLAIN, WIDER = PageImage(600, 400, frames=1), PageImage(900, 400, frames=1)


def in_words(evidence, left=PLAIN, right=PLAIN):
    kind, difference, level, _ = evidence_row(evidence, left, right)
    words = KINDS[kind]
    return f"{words.verdict}: {words.short}".format(difference=difference, level=level)


# Words


@pytest.mark.parametrize(
    ("evidence", "left", "right", "words"),
    [
        (Evidence("same", 0.0), PLAIN, PLAIN, "same: equal files"),
        (Evidence("same", 0.0), FLAT, FLAT, "same: one colour, with equal pixels"),
        (Evidence("same", 0.0, 512, TILE), PNG, PNG, "same: no difference at 512 pixels"),
        (Evidence("same", 0.0, 512, TILE), PNG, JPEG, "same: no difference at 512 pixels, but what saving loses"),
        (Evidence("same", 0.0, 512, TILE), PNG, SMALL, "same: no difference at 512 pixels, but what saving loses"),
        (SAME, PLAIN, PLAIN, "same: largest tile difference 1.9 levels at 512 pixels"),
        (SAME, MOVING, MOVING, "same: largest tile difference 1.9 levels at 512 pixels, over all frames"),
        (Evidence("same", 0.043, 60, TILE), PLAIN, PLAIN, "same: largest tile difference 0.043 levels at 60 pixels"),
        (LOOKS, PLAIN, PLAIN, "similar: differ by 134 levels at 32 pixels already"),
        (LOOKS, PLAIN, WIDER, "similar: of another shape"),
        (LOOKS, PLAIN, MOVING, "similar: another number of frames"),
        (Evidence("similar", 24.0, 99, TILE), PLAIN, PLAIN, "similar: largest tile difference 24 levels at 99 pixels"),
        (Evidence("similar", 2.0, 9, TILE), MOVING, MOVING,
         "similar: a tile of a frame differs by 2 levels at 9 pixels"),
        (Evidence("similar"), PLAIN, PLAIN, "similar: not compared by pixels"),
        (Evidence("similar"), PageImage(), PageImage(), "similar: not compared by pixels"),
    ],
)  # fmt: skip
def test_a_verdict_is_told_with_what_it_rests_on(evidence, left, right, words):
    assert in_words(evidence, left, right) == words
    assert "{" not in in_words(evidence, left, right)


def test_what_differs_most_is_outlined_where_it_is_a_place_in_the_picture():
    assert evidence_row(SAME, PLAIN, PLAIN)[3] == [0.25, 0.5, 0.2656, 0.5156]
    assert evidence_row(LOOKS, PLAIN, WIDER)[3] is None
    assert evidence_row(SAME, MOVING, MOVING)[3] is None
    assert evidence_row(Evidence("same", 0.0), PLAIN, PLAIN)[3] is None
    for tile in ((0.1, 0.2), (float("nan"),) * 4):
        assert evidence_row(dataclasses.replace(SAME, tile=tile), PLAIN, PLAIN)[3] is None
    assert evidence_row(dataclasses.replace(SAME, tile=(-1.0, 0.0, 2.0, 1.0)), PLAIN, PLAIN)[3] == [0, 0, 1, 1]


def test_what_is_no_verdict_is_none():
    assert evidence_row(None, PLAIN, PLAIN) is None
    assert evidence_row(Evidence("<b>perhaps</b>", 1.0, 32), PLAIN, PLAIN) is None


def test_sides_that_were_rounded_are_no_other_shape():
    assert evidence_row(LOOKS, PageImage(1000, 667), PageImage(100, 67))[0] == "looks"
    assert evidence_row(LOOKS, PageImage(1000, 667), PageImage(100, 70))[0] == "shape"
    assert evidence_row(LOOKS, PageImage(640, 480), PageImage(642, 480))[0] == "shape", "one pixel is rounded, not two"


def test_every_caution_has_words():
    counts = dict.fromkeys(CAUTIONS, 25)
    assert len(caution_texts(counts)) == len(CAUTIONS)
    assert caution_texts({"flat": 25})[0] == (25, "are of nearly one colour: only equal pixels make them duplicates")
    assert caution_texts({"flat": 1})[0] == (1, "is of nearly one colour: only equal pixels make it a duplicate")
    assert caution_texts({"flat": 0, "<b>": 3}) == []
    notes = {name: image_notes(PageImage(frames=3, caution=(name,))) for name in CAUTIONS}
    assert notes["flat"] == "one colour, 3 frames"
    assert notes["several_frames"] == "3 frames"


# The page


@pytest.fixture(scope="module")
def content():
    groups = [
        judged(["a.jpg", "b.jpg", "c.jpg"], [SAME, LOOKS], reason="640 x 480 instead of 64 x 48"),
        judged(["d.jpg", "e.jpg"], [LOOKS]),
    ]
    pairs = (PairExample("phash", 10.0, "a.jpg", "b.jpg", 10.0, SAME),
             PairExample("phash", 10.0, "a.jpg", "c.jpg", 10.0, LOOKS))  # fmt: skip
    hub = Hub("forms/0.png", 6000, 18, "most have few details: pages with little on them")
    return with_verdicts(report(groups, pairs=pairs, caution={"flat": 25, "deep": 1}), hubs=(hub,))


def test_the_summary_tells_verdicts_hubs_and_cautions(content):
    text = text_of(content)
    assert "Of the pairs, 60 are the same picture, by their pixels, and 60 are only similar" in text
    assert (
        "6,000 images are one group around forms/0.png: most have few details: pages with little on them "
        "(18 could be removed)"
    ) in text
    assert (
        "Of 1,000 images, 25 are of nearly one colour: only equal pixels make them duplicates 1 holds more than 8 bits"
        in text
    )
    assert "What could be removed shows the same picture as the one that stays in its place" in text
    assert "be it the same picture or only similar" in text_of(with_verdicts(content, rule="similar"))


def test_several_methods_have_their_verdicts_in_the_table(content):
    more = MethodResult(
        "dhash", HAMMING, 10.0, 1_000, pairs=7, groups=1, same=5, similar=2, hubs=content.methods[0].hubs
    )
    old = MethodResult("ahash", HAMMING, 10.0, 1_000, pairs=7, groups=1)
    page = render(dataclasses.replace(content, methods=(*content.methods, more, old)))
    head = page.split("<thead><tr>")[1].split("</tr>")[0]
    assert head.index("Pairs<") < head.index("The same<") < head.index("Only similar<") < head.index("Groups<")
    assert '<td class="number" data-label="The same">5</td><td class="number" data-label="Only similar">2</td>' in page
    assert len(re.findall('<td class="number" data-label="(?:The same|Only similar)">not known</td>', page)) == 2
    assert "Large group to look at first" not in page
    assert page.count("A large group to look at first, by") == 2


def test_the_counts_need_no_script(content):
    parsed = Page(render(content))
    static = " ".join("".join(parsed.text).split())
    assert "60 are the same picture" in static
    assert "forms/0.png" in static
    assert "allow scripts to see them" in static


def test_members_and_pairs_carry_their_evidence(content):
    data = Page(render(content)).data
    names = [file[0] for file in data["files"]]
    first, second, third = data["groups"][0]["images"]
    assert first[3:] == []
    assert (names[second[3]], second[4][:3], second[5]) == (
        "a.jpg",
        ["alike", "1.9", 512],
        "640 x 480 instead of 64 x 48",
    )
    assert (names[third[3]], third[1], third[4][0], third[5]) == ("a.jpg", True, "looks", "")
    assert [each["same"] for each in data["groups"]] == [1, 0]
    assert [pair["evidence"][0] for pair in data["pairs"]] == ["alike", "looks"]
    assert [pair["counts"] for pair in data["pairs"]] == ["5 same, 5 similar"] * 2
    assert data["kinds"]["equal"][:2] == ["same", "equal files"]


def test_a_comparison_with_an_image_that_is_not_here_is_not_offered():
    lonely = judged(["a.jpg", "b.jpg"], [SAME])
    elsewhere = dataclasses.replace(lonely.members[1], other="gone.jpg")
    data = Page(render(report([dataclasses.replace(lonely, members=(lonely.members[0], elsewhere))]))).data
    assert data["groups"][0]["images"][1][3:] == []


def test_tables_without_verdicts_are_shown_as_they_were():
    old = report([group(["a.jpg", "b.jpg"])], pairs=(PairExample("phash", 10.0, "a.jpg", "b.jpg", 10.0),))
    page = render(old)
    parsed = Page(page)
    assert parsed.data["groups"][0]["images"][1][3:] == []
    assert parsed.data["groups"][0]["same"] is None
    assert (parsed.data["pairs"][0]["evidence"], parsed.data["pairs"][0]["counts"]) == (None, "")
    text = " ".join("".join(parsed.text).split())
    assert not any(words in text for words in ("same picture", "similar", "to look at first", "one colour"))
    assert "something to remove" in text


def test_images_say_what_a_hash_knows_little_of():
    flat = dataclasses.replace(image_file(), caution=("flat", "transparent"))
    files = Page(render(report([group(["a.jpg", "b.jpg"])], files={"a.jpg": flat}))).data["files"]
    assert [file[5] for file in files] == ["one colour, transparent", ""]


# Strangers' words


def test_hostile_paths_and_reasons_stay_text():
    parsed = Page(render(hostile_report()))
    text = "".join(parsed.text)
    for name in NAMES:
        assert text.count(readable(name)) >= 2
    reasons = {member[5] for each in parsed.data["groups"] for member in each["images"][1:]}
    assert reasons == {readable(name) for name in NAMES}
    assert {tag for tag, _ in parsed.tags} & {"img", "iframe", "object"} == set()


def test_numbers_that_are_none_make_no_page_that_can_not_be_read():
    parsed = Page(render(hostile_report()))
    assert all(pair["evidence"] == ["looks", "?", 32, None] for pair in parsed.data["pairs"])
    assert "NaN" not in parsed.scripts[0]
    assert "Infinity" not in parsed.scripts[0]


# What a threshold removes


def test_with_verdicts_the_figure_counts_what_could_go_by_its_own_score():
    plain = MethodResult(
        "phash", HAMMING, 4.0, 100, scores={0.0: 9, 4.0: 3}, same=4, similar=8, going={0.0: 10, 4.0: 2}
    )
    for known in (None, evaluation()):
        removed = column_charts(plain, known)[2]
        assert [column.value for column in removed.columns] == ["10%", "10%", "12%"]
        assert "by their score with the one that stays" in removed.note


def test_verdicts_of_pairs_that_are_not_listed_are_counted_all_the_same():
    counted = MethodResult("phash", HAMMING, 10.0, 9, pairs=30, same=10, similar=20, lists_pairs=False)
    assert "Of the pairs, 10 are the same picture" in text_of(ReportData("s", (counted,)))
