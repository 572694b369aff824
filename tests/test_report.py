"""The page: nothing that a stranger writes harms it, it loads nothing, and it never grows too large."""

import base64
import builtins
import html.parser
import json
import re

import pytest
from hostile import NAMES, group, hostile_report, image_file, picture, report

from dedup_core.errors import DedupError
from dedup_core.picture import Failure
from dedup_core.report import MAX_PAGE_BYTES, readable, render
from dedup_core.report_charts import charts
from dedup_core.report_data import ImageFile, MethodResult, PairExample, ReportData
from dedup_core.report_thumbnails import small_file


class Page(html.parser.HTMLParser):
    """The elements of a page, and the content of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.text, self._script = [], [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._script = tag == "script"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._script = False

    def handle_data(self, data):
        if self._script:
            self.scripts[-1] += data
        else:
            self.text.append(data)

    @property
    def data(self):
        return json.loads(self.scripts[0])


@pytest.fixture(scope="module")
def hostile():
    return Page(render(hostile_report()))


# Strangers' names


def test_no_name_becomes_an_element(hostile):
    harmless = Page(render(report([group(["a.jpg", "b.jpg"])])))
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
    with pytest.raises(DedupError, match=r"pip install 'dedup-core\[report\]'"):
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


def test_pictures_are_inside_and_their_kind_is_named():
    jpeg = {"a.jpg": ImageFile(thumbnail=picture(kind="JPEG")), "b.jpg": ImageFile(missing="vanished")}
    first, second = Page(render(report([group(["a.jpg", "b.jpg"])], files=jpeg))).data["files"]
    assert base64.b64decode(first[-1].removeprefix("data:image/jpeg;base64,")) == jpeg["a.jpg"].thumbnail
    assert second[-1] == "vanished"


def test_the_page_says_what_is_a_sample():
    shown = [group(["a.jpg", "b.jpg"]), group(["c.jpg", "d.jpg"], size=70, at_random=True)]
    few = report(shown)
    result = MethodResult("phash", True, 10.0, images=9_000_000, pairs=1, groups=1_000_000, scores={0.0: 1})
    text = " ".join("".join(Page(render(ReportData("s", (result,), few.groups, few.files))).text).split())
    assert "A sample of 2 of 1,000,000 groups: the 1 largest, and 1 drawn at random" in text
    assert "In 1 of them only some images are shown." in text
    assert "All 2 groups are here." in " ".join("".join(Page(render(few)).text).split())


def test_an_empty_result_is_a_page_too():
    nothing = ReportData("s", (MethodResult("phash", True, None, 0),))
    text = " ".join("".join(Page(render(nothing)).text).split())
    assert "All 0 groups are here." in text
    assert "Every image could be encoded." in text
    assert "No pairs were found" in text


# Size


def test_what_does_not_fit_is_left_out_and_said():
    heavy = ImageFile(thumbnail=b"RIFF0000WEBP" + bytes(50_000))
    groups = [group([f"{number}a.jpg", f"{number}b.jpg"]) for number in range(300)]
    files = {member.path: heavy for g in groups for member in g.members}
    page = render(report(groups, files=files))
    assert MAX_PAGE_BYTES - 1_000_000 < len(page.encode()) < MAX_PAGE_BYTES
    shown = len(Page(page).data["groups"])
    assert 0 < shown < 300
    assert f"A sample of {shown} of 300 groups" in page


def test_long_hostile_names_do_not_make_the_page_too_large():
    groups = [group([f"{i}{'<' * 4000}", *(f"{i}-{k}{'🐈' * 4000}" for k in range(9))]) for i in range(1_000)]
    assert len(render(report(groups, files={})).encode()) < MAX_PAGE_BYTES


@pytest.mark.parametrize("max_bytes", [24_000, 3_000, 900])
def test_a_picture_is_as_small_as_asked_for(photographs, max_bytes):
    made = small_file(photographs[0].read_bytes(), 176, max_bytes)
    assert not isinstance(made, Failure)
    assert len(made) <= max_bytes


def test_a_picture_that_can_not_be_made_says_why():
    assert small_file(b"no image", 176, 9_000).reason == "not_an_image"
    assert small_file(Failure("vanished", "gone"), 176, 9_000).reason == "vanished"
    assert small_file(picture(), 176, 10).reason == "too_large"


# Figures


def columns(chart):
    return [(column.label, column.value) for column in chart.columns]


def result(**others):
    plain = {"name": "phash", "ascending": True, "threshold": 10.0, "images": 200, "removals": 20}
    return MethodResult(**plain | others)


def test_a_gap_between_scores_is_seen():
    even, odd = result(scores={0.0: 5, 6.0: 1}), result(scores={1.0: 5, 3.0: 1}, threshold=4)
    assert columns(charts(even)[0]) == [("0", "5"), ("2", "0"), ("4", "0"), ("6", "1"), ("8", "0"), ("10", "0")]
    assert columns(charts(odd)[0]) == [("0", "0"), ("1", "5"), ("2", "0"), ("3", "1"), ("4", "0")]


def test_similarities_are_binned_to_two_decimals():
    near = result(ascending=False, threshold=0.9, scores={0.93: 1, 0.95: 4}, earlier={0.95: 30, 0.93: 10})
    assert columns(charts(near)[0]) == [("0.93", "1"), ("0.94", "0"), ("0.95", "4")]
    assert columns(charts(near)[2]) == [("0.95", "15%"), ("0.94", "15%"), ("0.93", "20%")]


def test_group_sizes_and_shares():
    _, sizes, removed = charts(result(scores={0.0: 1}, sizes={2: 4, 8: 2, 4096: 1_500}, earlier={0.0: 4, 4.0: 16}))
    assert columns(sizes)[:5] == [("2", "4"), ("3", "0"), ("4", "0"), ("5+", "2"), ("9+", "0")]
    assert columns(sizes)[-1] == ("2.05k+", "1.5k")
    assert [value for _, value in columns(removed)] == ["2.0%", "2.0%", "10%", "10%", "10%", "10%"]
    assert max(column.height for column in removed.columns) == 100


def test_no_pairs_no_figures():
    assert charts(result()) == []
    assert image_file().thumbnail
