"""What the report draws and says of scores, group sizes and evaluations."""

import dataclasses
import re

import pytest
from hostile import evaluation, group, image_file, report
from page import Page, text_of

from dedup_core.metric import COSINE, HAMMING, Metric
from dedup_core.report.charts import bin_text, column_charts, precision_recall_chart, sweep_chart
from dedup_core.report.model import Evaluation, MethodResult, SweepRow
from dedup_core.report.page import render

INLIERS = Metric("inliers", "inliers", "corners", "corners", "min_inliers", closest=12.0, farthest=0.0, steps=1)
DIFFERENCE = Metric("difference", "difference", "mean", "means", "max_difference", closest=0.0, farthest=1.0, steps=100)


def columns(chart):
    return [(column.label, column.value) for column in chart.columns]


def result(**others):
    plain = {"name": "phash", "metric": HAMMING, "threshold": 10.0, "images": 200, "removals": 20}
    return MethodResult(**plain | others)


def test_a_gap_between_scores_is_seen():
    even, odd = result(scores={0.0: 5, 6.0: 1}), result(scores={1.0: 5, 3.0: 1}, threshold=4)
    assert columns(column_charts(even)[0]) == [("0", "5"), ("2", "0"), ("4", "0"), ("6", "1"), ("8", "0"), ("10", "0")]
    assert columns(column_charts(odd)[0]) == [("0", "0"), ("1", "5"), ("2", "0"), ("3", "1"), ("4", "0")]


def test_similarities_are_binned_to_two_decimals():
    near = result(metric=COSINE, threshold=0.9, scores={0.93: 1, 0.95: 4}, earlier={0.95: 30, 0.93: 10})
    assert columns(column_charts(near)[0]) == [("0.93", "1"), ("0.94", "0"), ("0.95", "4")]
    assert columns(column_charts(near)[2]) == [("0.95", "15%"), ("0.94", "15%"), ("0.93", "20%")]


def test_whole_scores_of_which_the_larger_is_the_closer_begin_at_the_closest():
    odd = result(metric=INLIERS, threshold=7, scores={8.0: 3, 11.0: 5}, earlier={11.0: 20, 8.0: 10})
    scores, _, removed = column_charts(odd)
    assert columns(scores) == [("7", "0"), ("8", "3"), ("9", "0"), ("10", "0"), ("11", "5"), ("12", "0")]
    assert columns(removed) == [
        ("12", "0.0%"), ("11", "10%"), ("10", "10%"), ("9", "10%"), ("8", "15%"), ("7", "15%")
    ]  # fmt: skip
    every_second = result(metric=INLIERS, threshold=7, scores={8.0: 3, 10.0: 5})
    assert columns(column_charts(every_second)[0]) == [("8", "3"), ("10", "5"), ("12", "0")]
    unknown = result(metric=INLIERS, threshold=None, scores={11.0: 5})
    assert columns(column_charts(unknown)[0]) == [("11", "5"), ("12", "0")]


def test_scores_with_decimals_of_which_the_smaller_is_the_closer_are_binned_too():
    near = result(metric=DIFFERENCE, threshold=0.1, scores={0.05: 4, 0.07: 1}, earlier={0.05: 30, 0.07: 10})
    assert columns(column_charts(near)[0]) == [("0.05", "4"), ("0.06", "0"), ("0.07", "1")]
    assert columns(column_charts(near)[2]) == [("0.05", "15%"), ("0.06", "15%"), ("0.07", "20%")]


@pytest.mark.parametrize(
    ("metric", "level", "text"),
    [
        (HAMMING, 10.0, "distance 10"),
        (INLIERS, 10.0, "10 inliers"),
        (COSINE, 0.9, "similarity 0.90 and up"),
        (DIFFERENCE, 0.1, "difference 0.10 and down"),
    ],
)
def test_a_bin_says_which_scores_are_in_it(metric, level, text):
    assert bin_text(level, metric) == text


def test_group_sizes_and_shares():
    _, sizes, removed = column_charts(
        result(scores={0.0: 1}, sizes={2: 4, 8: 2, 4096: 1_500}, earlier={0.0: 4, 4.0: 16})
    )
    assert columns(sizes)[:5] == [("2", "4"), ("3", "0"), ("4", "0"), ("5+", "2"), ("9+", "0")]
    assert columns(sizes)[-1] == ("2.05k+", "1.5k")
    assert [value for _, value in columns(removed)] == ["2.0%", "2.0%", "10%", "10%", "10%", "10%"]
    assert max(column.height for column in removed.columns) == 100


# Evaluation


@pytest.fixture(scope="module")
def evaluated_report():
    """A report of two methods that were evaluated."""
    groups = [group(["a.jpg", "b.jpg"]), group(["c.png", "d.png"], "cnn", [0.97])]
    return report(groups, evaluations=(evaluation(), evaluation("cnn", best=0.9)))


def test_an_evaluation_is_told_in_a_sentence_a_table_and_figures(evaluated_report):
    text = text_of(evaluated_report)
    assert "phash: the best F1, 0.889, is at distance ≤ 4, with precision 100.0% and recall 80.0%." in text
    assert "With a precision of 90% or more, distance ≤ 10 finds most: precision 90.0% and recall 90.0%." in text
    assert "cnn: the best F1, 0.900, is at similarity ≥ 0.9" in text
    assert "the loosest threshold that was searched: a looser one may be better still." in text
    quality = render(evaluated_report).split('<section id="quality"')[1]
    row = re.search(
        r'<tr><th scope="row">phash</th><td data-label="Threshold">distance ≤\xa010</td>(.*?)</tr>', quality
    ).group(1)
    assert re.findall(r">([^<]+)<", row) == ["0.9000", "0.9000", "0.9000", "0.8100", "0.9900", "0.7700", "100"]
    assert "Out of date" not in text
    tags = [
        (tag, attributes) for tag, attributes in Page(render(evaluated_report)).tags if tag in ("section", "figure")
    ]
    assert [a["id"] for tag, a in tags if tag == "section" and "id" in a][:3] == ["groups", "pairs", "quality"]
    assert len([tag for tag, _ in tags if tag == "figure"]) == 3 + 2 * 3


def test_without_an_evaluation_the_page_is_as_it_was():
    page = render(report([group(["a.jpg", "b.jpg"])]))
    assert not re.search("quality|evaluat|<svg", page.split("<body>")[1].lower())


def test_an_evaluation_without_a_truth_says_exactly_what_each_threshold_removes():
    rows = tuple(SweepRow(float(distance), 9, None, distance / 100) for distance in range(11))
    page = report([group(["a.jpg", "b.jpg"])], evaluations=(Evaluation("phash", HAMMING, rows),))
    text = text_of(page)
    assert "The share of the images that each threshold would remove." in text
    assert "At most this share" not in text
    assert "Quality" not in text
    removed = column_charts(result(scores={0.0: 1, 4.0: 1}, threshold=4), Evaluation("phash", HAMMING, rows))[2]
    assert columns(removed) == [("0", "0.0%"), ("2", "2.0%"), ("4", "4.0%")]
    near = tuple(SweepRow(s, 9, None, share) for s, share in ((1.0, 0.1), (0.99, 0.2), (0.985, 0.3)))
    similar = result(metric=COSINE, threshold=0.985, scores={0.99: 1, 0.98: 2})
    assert columns(column_charts(similar, Evaluation("cnn", COSINE, near))[2]) == [("0.99", "20%"), ("0.98", "30%")]


def test_what_was_not_counted_or_has_changed_since_is_not_taken_for_exact():
    rows = (SweepRow(0.0, 1, None, None), SweepRow(10.0, 9, None, 0.5))
    assert column_charts(result(scores={0.0: 1}), Evaluation("phash", HAMMING, rows)) == column_charts(
        result(scores={0.0: 1})
    )
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


def test_every_second_threshold_is_left_out_from_whichever_the_closest_is():
    rows = [SweepRow(12.0 - t, 10 + t // 2, (0.5, 0.5, 0.5)) for t in range(8)]
    inliers = dataclasses.replace(evaluation(), metric=INLIERS, rows=tuple(rows))
    chart = sweep_chart(inliers)
    assert [row[0] for row in chart.rows] == ["12", "10", "8", "6"]
    assert chart.ticks[0] == ("12", 0.0)
    rows[3] = SweepRow(9.0, 12, (0.5, 0.5, 0.5))
    assert len(sweep_chart(dataclasses.replace(inliers, rows=tuple(rows))).rows) == 8


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
    assert column_charts(result()) == []
    assert image_file().thumbnail
