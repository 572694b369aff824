"""The page: nothing that a stranger writes harms it, it loads nothing, and it never grows too large."""

import base64
import builtins
import configparser
import dataclasses
import inspect
import io
import re
from pathlib import Path

import pytest
from hostile import NAMES, evaluation, group, hostile_report, picture, report
from page import Page, text_of
from PIL import Image

from dedup_core.errors import DedupError
from dedup_core.images.picture import Failure
from dedup_core.metric import COSINE, HAMMING
from dedup_core.report.model import MethodResult, PageImage, PairExample, ReportData
from dedup_core.report.page import MAX_PAGE_BYTES, readable, render
from dedup_core.report.sampling import samples
from dedup_core.report.thumbnails import shape_of, small_file

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hostile():
    return Page(render(hostile_report()))


# Strangers' names


def test_no_name_becomes_an_element(hostile):
    harmless = Page(render(report([group(["a.jpg", "b.jpg"])], evaluations=(evaluation(),))))
    known = {tag for tag, _ in harmless.tags} | {
        "details",
        "summary",
        "ul",
        "li",
        "bdi",
        "div",
        "dl",
        "dt",
        "dd",
        "h3",
        "code",
    }
    assert {tag for tag, _ in hostile.tags} <= known
    assert len(hostile.scripts) == len(harmless.scripts) == 2
    assert hostile.scripts[1] == harmless.scripts[1]


def test_no_attribute_runs_a_script(hostile):
    assert [name for _, attributes in hostile.tags for name in attributes if name.startswith("on")] == []
    assert not any("javascript:" in str(value) for _, attributes in hostile.tags for value in attributes.values())


def test_every_name_is_on_the_page_as_it_is_written(hostile):
    paths = [file[0] for file in hostile.data["files"]]
    assert paths[::2] == [readable(name) for name in NAMES]
    assert NAMES[0] in paths
    assert NAMES[8] in paths
    assert NAMES[9] in paths


def test_the_data_hold_no_letter_with_a_meaning_in_html(hostile):
    assert not set("<>&").intersection(hostile.scripts[0])


def test_the_page_can_be_written(hostile):
    assert "\ud83d" not in render(hostile_report())
    assert render(hostile_report()).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b/ä.jpg", "a b/ä.jpg"),
        ("a\nb\t", r"a\nb\t"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("👩‍👧", "👩‍👧"),
        ("\ud83d", r"\ud83d"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 150 + " … " + "x" * 150),
        ("\u202e" * 301, r"\u202e" * 25 + " … " + r"\u202e" * 25),
        ("\n" * 151, r"\n" * 75 + " … " + r"\n" * 75),
        (None, "None"),
    ],
)
def test_what_is_invisible_is_escaped_and_what_is_long_shortened(text, shown):
    assert readable(text) == shown


# One page that loads nothing


def test_the_page_names_no_other_place(hostile):
    elements = [(tag, a) for tag, a in hostile.tags if tag in {"link", "img", "iframe", "object", "embed", "base"}]
    assert elements == []
    assert [a["href"] for tag, a in hostile.tags if tag == "a" and not a["href"].startswith("#")] == []
    page = render(report([group(["a.jpg", "b.jpg"])]))
    assert re.findall(r"https?://|url\(|@import|//[a-z]+\.[a-z]", page) == []


def test_the_policy_lets_no_other_script_run_and_nothing_be_fetched(hostile):
    policy = next(a["content"] for tag, a in hostile.tags if a.get("http-equiv") == "Content-Security-Policy")
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["img-src"] == "data:"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", parts["script-src"])


def test_without_jinja2_the_error_says_what_to_install(monkeypatch):
    def no_jinja(name, *arguments):
        if name == "jinja2":
            raise ImportError(name)
        return importing(name, *arguments)

    importing = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_jinja)
    advice = r"pip install 'dedup-core\[report\]', or DEDUP_EXTRAS=spark,report,demo \./spark-submit.sh"
    with pytest.raises(DedupError, match=advice):
        render(report([group(["a.jpg", "b.jpg"])]))


# What is on it


def test_groups_pairs_and_files_refer_to_each_other():
    pairs = (PairExample("phash", 10.0, "b.jpg", "c.jpg", 10.0),)
    page = Page(render(report([group(["a.jpg", "b.jpg", "c.jpg"], scores=[2.0, 8.0])], pairs=pairs)))
    names = [file[0] for file in page.data["files"]]
    assert sorted(names) == ["a.jpg", "b.jpg", "c.jpg"]
    (only,) = page.data["groups"]
    assert [[names[place], keep, score] for place, keep, score in only["images"]] == [
        ["a.jpg", True, None], ["b.jpg", False, 2.0], ["c.jpg", False, 8.0],
    ]  # fmt: skip
    assert [names[place] for place in page.data["pairs"][0]["images"]] == ["b.jpg", "c.jpg"]


def test_groups_are_ranked_so_that_the_script_knows_no_direction():
    groups = [group(["a.jpg", "b.jpg"], scores=[4.0]), group(["c.jpg", "d.jpg"], "cnn", [0.97])]
    unlisted = dataclasses.replace(groups[0], closest=None, loosest=None)
    pairs = (PairExample("phash", 4.0, "a.jpg", "b.jpg", 4.0), PairExample("cnn", 0.97, "c.jpg", "d.jpg", 0.975))
    data = Page(render(report([*groups, unlisted], pairs=pairs))).data
    assert [entry["rank"] for entry in data["groups"]] == [4.0, -0.97, None]
    assert [pair["level"] for pair in data["pairs"]] == ["distance 4", "similarity 0.97 and up"]
    assert data["methods"] == [
        {"name": "phash", "label": "distance", "isWhole": True, "isCount": False},
        {"name": "cnn", "label": "similarity", "isWhole": False, "isCount": False},
    ]


def test_methods_that_are_left_out_are_named():
    text = text_of(report([group(["a.jpg", "b.jpg"])], left_out=("brightness", "<b>")))
    assert "Not shown: brightness, <b>. The tables hold them; no such method is registered." in text
    assert "Not shown" not in text_of(report([group(["a.jpg", "b.jpg"])]))


def test_pictures_are_inside_and_their_kind_is_named():
    jpeg = {"a.jpg": PageImage(thumbnail=picture(kind="JPEG")), "b.jpg": PageImage(missing="vanished")}
    first, second = Page(render(report([group(["a.jpg", "b.jpg"])], files=jpeg))).data["files"]
    assert base64.b64decode(first[-1].removeprefix("data:image/jpeg;base64,")) == jpeg["a.jpg"].thumbnail
    assert second[-1] == "vanished"


def test_the_page_says_what_is_a_sample():
    shown = [group(["a.jpg", "b.jpg"]), group(["c.jpg", "d.jpg"], size=70, at_random=True)]
    few = report(shown)
    result = MethodResult("phash", HAMMING, 10.0, images=9_000_000, pairs=1, groups=1_000_000, scores={0.0: 1})
    text = text_of(ReportData("s", (result,), few.groups, few.files))
    assert "A sample of 2 of 1,000,000 groups: the largest, and one drawn at random" in text
    assert "In one of them only some images are shown." in text
    assert "This page shows all 2 groups." in text_of(few)


@pytest.mark.parametrize(("recall", "told"), [(0.9876, "recall 0.9876 on a sample"), (None, "recall unknown")])
def test_a_search_that_may_miss_pairs_is_never_shown_as_an_exact_one(recall, told):
    result = MethodResult("cnn", COSINE, 0.9, images=9, is_exact=False, recall=recall)
    text = text_of(ReportData("s", (result,)))
    assert "similarity ≥ 0.9, clustered search, which is not exact" in text
    assert told in text


def test_an_empty_result_is_a_page_too():
    nothing = ReportData("s", (MethodResult("phash", HAMMING, None, 0),))
    text = text_of(nothing)
    assert "There are no groups." in text
    assert "Every image could be encoded." in text
    assert "No pairs were found" in text


# Size


def test_what_does_not_fit_is_left_out_and_said():
    heavy = PageImage(thumbnail=b"RIFF0000WEBP" + bytes(50_000))
    groups = [group([f"{number}a.jpg", f"{number}b.jpg"]) for number in range(30)]
    files = {member.path: heavy for g in groups for member in g.members}
    page = render(report(groups, files=files), max_bytes=2_000_000)
    assert 1_000_000 < len(page.encode()) < 2_000_000
    shown = len(Page(page).data["groups"])
    assert 0 < shown < 30
    assert f"A sample of {shown} of 30 groups" in page


def test_long_hostile_names_do_not_make_the_page_too_large():
    groups = [group([f"{i}{'<' * 4000}", *(f"{i}-{k}{'🐈' * 4000}" for k in range(9))]) for i in range(100)]
    page = render(report(groups, files={}), max_bytes=1_000_000)
    assert 0 < len(Page(page).data["groups"]) < 100
    assert len(page.encode()) < 1_000_000


def test_a_page_is_small_enough_to_send_unless_another_size_is_asked_for():
    assert inspect.signature(render).parameters["max_bytes"].default == MAX_PAGE_BYTES < 15_000_000


@pytest.mark.parametrize("max_bytes", [24_000, 3_000, 900])
def test_a_picture_is_as_small_as_asked_for(photographs, max_bytes):
    made = small_file(photographs[0].read_bytes(), 176, max_bytes)
    assert not isinstance(made, Failure)
    assert len(made.content) <= max_bytes


@pytest.mark.parametrize("turn", [1, 2, 3, 4, 6])
def test_a_picture_tells_how_it_was_turned(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    Image.open(io.BytesIO(picture(kind="PNG"))).save(file, "JPEG", exif=exif)
    made = small_file(file.getvalue(), 60, 9_000)
    assert (made.turn, shape_of(made.content)) == (turn, (40, 60) if turn == 6 else (60, 40))


def test_a_picture_that_can_not_be_made_says_why():
    assert small_file(b"no image", 176, 9_000).reason == "not_an_image"
    assert small_file(Failure("vanished", "gone"), 176, 9_000).reason == "vanished"
    assert small_file(picture(), 176, 10).reason == "too_large"


# The package


def test_all_that_the_page_is_made_of_is_packed():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    patterns = settings["options.package_data"]["dedup_core"].split()
    packed = {path for pattern in patterns for path in (ROOT / "dedup_core").glob(pattern)}
    templates = set((ROOT / "dedup_core" / "report" / "templates").iterdir())
    assert {path.name for path in templates} >= {"report.html", "report.css", "report.js"}
    assert templates <= packed


@pytest.mark.parametrize(
    ("total", "shown", "said"),
    [
        (0, (), "There are no groups."),
        (1, (False,), "There is one group."),
        (2, (False, False), "This page shows all 2 groups."),
        (1_500, (False, False), "A sample of 2 of 1,500 groups: the 2 largest."),
        (5, (False,), "A sample of 1 of 5 groups: the largest."),
        (
            5,
            (True, True),
            "A sample of 2 of 5 groups: 2 drawn at random from the rest (by a hash, so that every report",
        ),
        (3, (), "None of the 3 groups fits on this page."),
    ],
)
def test_what_is_shown_is_said_in_a_sentence(total, shown, said):
    groups = [group([f"{n}-a", f"{n}-b"], at_random=at_random) for n, at_random in enumerate(shown)]
    result = MethodResult("phash", HAMMING, 10.0, images=9, groups=total)
    [sample] = samples(ReportData("s", (result,)), groups)
    assert sample.text.startswith(said)
    assert sample.is_whole == (len(shown) == total)


def test_pairs_that_could_not_be_compared_are_told():
    result = MethodResult("phash", HAMMING, 10.0, images=9, pairs=3, groups=1, same=1, similar=2, unseen=1)
    told = "Of the similar pairs, 1 is not compared by pixels: the images could not be read again, or one was gone"
    assert told in text_of(ReportData("s", (result,)))


@pytest.mark.parametrize(
    ("same", "similar", "said"),
    [
        (1, 0, "Of the pairs, 1 is the same picture, by their pixels, and none is only similar."),
        (
            0,
            1,
            "Of the pairs, none is the same picture, by their pixels, and 1 is only similar: for a person to look at.",
        ),
        (
            2,
            3,
            "Of the pairs, 2 are the same picture, by their pixels, and 3 are only similar: for a person to look at.",
        ),
    ],
)
def test_verdicts_are_counted_in_a_sentence(same, similar, said):
    result = MethodResult("phash", HAMMING, 10.0, images=9, pairs=same + similar, groups=1, same=same, similar=similar)
    assert said in text_of(ReportData("s", (result,)))
