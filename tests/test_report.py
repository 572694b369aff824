"""The page: nothing that a stranger writes harms it, it loads nothing, and it never grows too large."""

import base64
import builtins
import dataclasses
import html.parser
import inspect
import json
import re

import pytest
from hostile import NAMES, evaluation, group, hostile_report, image_file, picture, report

from dedup_core.errors import DedupError
from dedup_core.picture import Failure
from dedup_core.report import MAX_PAGE_BYTES, readable, render
from dedup_core.report_charts import charts
from dedup_core.report_curves import precision_recall_chart, sweep_chart
from dedup_core.report_data import Evaluation, ImageFile, MethodResult, PairExample, ReportData, SweepRow
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


@pytest.mark.parametrize(("recall", "told"), [(0.9876, "recall 0.9876 on a sample"), (None, "recall unknown")])
def test_a_search_that_may_miss_pairs_is_never_shown_as_an_exact_one(recall, told):
    result = MethodResult("cnn", False, 0.9, images=9, is_exact=False, recall=recall)
    text = " ".join("".join(Page(render(ReportData("s", (result,)))).text).split())
    assert "similarity ≥ 0.9, clustered search, which is not exact" in text
    assert told in text


def test_an_empty_result_is_a_page_too():
    nothing = ReportData("s", (MethodResult("phash", True, None, 0),))
    text = " ".join("".join(Page(render(nothing)).text).split())
    assert "All 0 groups are here." in text
    assert "Every image could be encoded." in text
    assert "No pairs were found" in text


# Size


def test_what_does_not_fit_is_left_out_and_said():
    heavy = ImageFile(thumbnail=b"RIFF0000WEBP" + bytes(50_000))
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


# Evaluation


def text_of(content):
    return " ".join("".join(Page(render(content)).text).split())


@pytest.fixture(scope="module")
def judged():
    """A report of two methods that were evaluated."""
    groups = [group(["a.jpg", "b.jpg"]), group(["c.png", "d.png"], "cnn", [0.97])]
    return report(groups, evaluations=(evaluation(), evaluation("cnn", best=0.9)))


def test_an_evaluation_is_told_in_a_sentence_a_table_and_figures(judged):
    text = text_of(judged)
    assert "phash: the best F1, 0.889, is at distance ≤ 4, with precision 100.0% and recall 80.0%." in text
    assert "With a precision of 90% or more, distance ≤ 10 finds most: precision 90.0% and recall 90.0%." in text
    assert "cnn: the best F1, 0.900, is at similarity ≥ 0.9" in text
    assert "the loosest threshold that was searched: a looser one may be better still." in text
    quality = render(judged).split('<section id="quality"')[1]
    row = re.search(r'<tr><th scope="row">phash</th><td>distance ≤\xa010</td>(.*?)</tr>', quality).group(1)
    assert re.findall(r">([^<]+)<", row) == ["0.9000", "0.9000", "0.9000", "0.8100", "0.9900", "0.7700", "100"]
    assert "Out of date" not in text
    tags = [(tag, attributes) for tag, attributes in Page(render(judged)).tags if tag in ("section", "figure")]
    assert [a["id"] for tag, a in tags if tag == "section" and "id" in a][:3] == ["groups", "pairs", "quality"]
    assert len([tag for tag, _ in tags if tag == "figure"]) == 3 + 2 * 3


def test_without_an_evaluation_the_page_is_as_it_was():
    page = render(report([group(["a.jpg", "b.jpg"])]))
    assert not re.search("quality|evaluat|<svg", page.split("<body>")[1].lower())


def test_an_evaluation_without_a_truth_says_exactly_what_each_threshold_removes():
    rows = tuple(SweepRow(float(distance), 9, None, distance / 100) for distance in range(11))
    page = report([group(["a.jpg", "b.jpg"])], evaluations=(Evaluation("phash", True, rows),))
    text = text_of(page)
    assert "The share of the images that each threshold would remove." in text
    assert "At most this share" not in text
    assert "Quality" not in text
    removed = charts(result(scores={0.0: 1, 4.0: 1}, threshold=4), Evaluation("phash", True, rows))[2]
    assert columns(removed) == [("0", "0.0%"), ("2", "2.0%"), ("4", "4.0%")]
    near = tuple(SweepRow(s, 9, None, share) for s, share in ((1.0, 0.1), (0.99, 0.2), (0.985, 0.3)))
    similar = result(ascending=False, threshold=0.985, scores={0.99: 1, 0.98: 2})
    assert columns(charts(similar, Evaluation("cnn", False, near))[2]) == [("0.99", "20%"), ("0.98", "30%")]


def test_what_was_not_counted_or_has_changed_since_is_not_taken_for_exact():
    rows = (SweepRow(0.0, 1, None, None), SweepRow(10.0, 9, None, 0.5))
    assert charts(result(scores={0.0: 1}), Evaluation("phash", True, rows)) == charts(result(scores={0.0: 1}))
    old = evaluation(is_current=False)
    text = text_of(report([group(["a.jpg", "b.jpg"])], evaluations=(old,)))
    assert "Out of date: the tables have changed since phash was evaluated." in text
    assert "At most this share" in text


def test_lines_run_from_strict_to_loose_and_the_best_stands_out():
    chart = sweep_chart(evaluation())
    assert [line.name for line in chart.lines] == ["Precision", "Recall", "F1"]
    assert chart.lines[1].path == "M0.00 50.00L40.00 20.00L100.00 10.00"
    assert [line.best for line in chart.lines] == ["", "", "M40.00 11.11h0"]
    assert chart.ticks == (("0", 0.0), ("4", 40.0), ("10", 100.0))
    assert chart.rows[1] == ("4", "80", "100.0%", "80.0%", "88.9%")
    near = sweep_chart(evaluation("cnn", best=0.9))
    assert near.ticks == (("1", 0.0), ("0.96", 40.0), ("0.9", 100.0))


def test_odd_distances_are_left_out_where_they_find_nothing_more():
    rows = [SweepRow(float(t), 10 + t // 2, (0.5, 0.5, 0.5)) for t in range(8)]
    even = sweep_chart(dataclasses.replace(evaluation(), rows=tuple(rows)))
    assert [row[0] for row in even.rows] == ["0", "2", "4", "6"]
    rows[3] = SweepRow(3.0, 12, (0.5, 0.5, 0.5))
    assert len(sweep_chart(dataclasses.replace(evaluation(), rows=tuple(rows))).rows) == 8


def test_precision_and_recall_of_all_methods_are_one_figure_without_what_finds_nothing():
    none = SweepRow(0.0, 0, (0.0, 0.0, 0.0), 0.0)
    chart = precision_recall_chart([dataclasses.replace(evaluation(), rows=(none, *evaluation().rows[1:]))] * 2)
    assert [line.path for line in chart.lines] == ["M80.00 0.00L90.00 10.00"] * 2
    assert chart.lines[0].best == "M80.00 0.00h0"
    assert len(chart.rows) == 4


def test_one_threshold_is_a_dot_and_very_many_are_a_line_alone():
    one = sweep_chart(dataclasses.replace(evaluation(), rows=evaluation().rows[1:2]))
    assert (one.lines[0].path, one.lines[0].points) == ("", "M50.00 0.00h0")
    many = tuple(SweepRow(step / 100, 9, (0.5, 0.5, 0.5)) for step in range(100, -101, -1))
    lines = sweep_chart(dataclasses.replace(evaluation("cnn", best=0.9), rows=many))
    assert lines.lines[0].points == ""
    assert 2 <= len(lines.ticks) <= 7


def test_a_truth_that_no_threshold_meets_says_so():
    chosen = {"best_f1": {"threshold": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "pairs": 3}}
    hopeless = dataclasses.replace(evaluation(), chosen=chosen)
    assert "phash: no threshold finds a true pair." in text_of(report([], evaluations=(hopeless,)))
    reached = evaluation().chosen | {"best_at_precision": {"target": 0.99999, "reached": None}}
    assert "No threshold has a precision of 99.999% or more" not in text_of(report([], evaluations=(hopeless,)))
    strict = dataclasses.replace(evaluation(), chosen=reached)
    assert "No threshold has a precision of 99.999% or more." in text_of(report([], evaluations=(strict,)))


def test_no_pairs_no_figures():
    assert charts(result()) == []
    assert image_file().thumbnail
