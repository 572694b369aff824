"""From tables with verdicts to the page's data: counts, evidence, reasons, large groups; and tables that have none."""

import json
from pathlib import Path

import evaluated
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import NAMES as HOSTILE
from page import Page
from PIL import Image
from reported import KINDS, tables_of

from dedup_core.metric import COSINE, HAMMING, Metric
from dedup_core.report.model import Alignment, Evidence, Hub
from dedup_core.settings.settings import ReportSettings
from dedup_core.spark.report.counts import method_results
from dedup_core.spark.report.page import gather, write_report
from dedup_core.spark.report.sample import group_sample, pair_sample
from dedup_core.spark.report.searches import SearchFacts, search_facts
from dedup_core.spark.store import Store

TILE = [0.25, 0.5, 0.265625, 0.515625]
METRICS = {"phash": HAMMING}
# In the group of a: c stays for a and b; d and e stay alone, d is similar to c and e to d; x stays for y.
PAIRS = [
    ("phash", "a", "b", 2.0, "same", 1.5, 512, TILE),
    ("phash", "a", "c", 0.0, "same", 0.0, None, None),
    ("phash", "b", "c", 4.0, "same", 2.5, 512, TILE),
    ("phash", "c", "d", 10.0, "similar", 134.0, 32, TILE),
    ("phash", "d", "e", 8.0, "similar", None, None, None),
    ("phash", "x", "y", 2.0, "same", 0.0, None, None),
]
GROUPS = [*(("phash", "a", path, 5, path in "cde", 10.0) for path in "abcde"),
          *(("phash", "x", path, 2, path == "x", 2.0) for path in "xy")]  # fmt: skip
REASON = "4,000 x 3,000 instead of 800 x 600"
REMOVALS = [("phash", "a", "c", REASON), ("phash", "b", "c", REASON), ("phash", "y", "x", "its path comes first"),
            ("phash", "another name of y", "x", "its path comes first")]  # fmt: skip


@pytest.fixture(scope="module")
def judged(spark, tmp_path_factory):
    return tables_of(spark, tmp_path_factory.mktemp("judged"), PAIRS, GROUPS, REMOVALS, METRICS)


def results(tables, **facts):
    (result,) = method_results(tables, {"phash": 100}, {"phash": SearchFacts(10, **facts)})
    return result


def test_pairs_are_counted_by_their_verdict(judged):
    result = results(judged, same=99)
    assert (result.pairs, result.same, result.similar) == (6, 4, 2), "the tables decide, not the record"
    assert result.same_scores == {0.0: 1, 2.0: 2, 4.0: 1}
    assert sum(result.scores.values()) == 6


def test_what_could_go_is_counted_by_its_score_with_the_one_that_stays(judged):
    result = results(judged)
    assert result.going == {0.0: 1, 2.0: 1, 4.0: 1}
    assert result.earlier == {}


def test_members_are_told_with_their_evidence(judged):
    group, _ = sorted(group_sample(judged, 10, 10), key=lambda group: -group.size)
    assert [member.path for member in group.members] == ["c", "a", "b", "d", "e"], "who stays alone comes last"
    first, equal, resized, similar, alone = group.members
    assert (first.other, first.evidence, first.reason) == (None, None, "")
    assert (equal.other, equal.evidence, equal.reason) == ("c", Evidence("same", 0.0), REASON)
    assert resized.evidence == Evidence("same", 2.5, 512, tuple(TILE))
    assert (similar.keep, similar.other, similar.score, similar.reason) == (True, "c", 10.0, "")
    assert similar.evidence == Evidence("similar", 134.0, 32, tuple(TILE))
    assert (alone.keep, alone.score, alone.evidence) == (True, None, None)
    assert (group.same, group.removals, group.closest, group.loosest) == (3, 2, 0.0, 10.0)


def test_of_many_images_those_with_something_to_remove_are_shown(judged):
    group = max(group_sample(judged, 10, 3), key=lambda group: group.size)
    assert [member.path for member in group.members] == ["c", "a", "b"]


def test_a_star_knows_of_the_pairs_inside_it_alone(spark, tmp_path):
    stars = [("phash", "a", path, 3, path == "c", None) for path in "abc"]
    stars += [("phash", "d", path, 2, path == "d", None) for path in "de"]
    tables = tables_of(spark, tmp_path, PAIRS[:5], stars, REMOVALS[:2], METRICS)
    found = {group.members[0].path: group for group in group_sample(tables, 10, 10)}
    assert (found["c"].same, found["c"].closest, found["c"].loosest) == (3, 0.0, 4.0)
    assert (found["d"].same, found["d"].loosest) == (0, 8.0)


def test_both_verdicts_are_drawn_at_each_level_that_has_both(spark, tmp_path):
    kinds = {
        0: ("same", "same"),
        4: ("same", "similar"),
        10: ("similar", "similar"),
    }  # of the first pair, of all others
    pairs = [
        ("phash", f"{level}/{n:03}a", f"{level}/{n:03}b", float(level), verdicts[n > 0], 1.0, 60, TILE)
        for level, verdicts in kinds.items()
        for n in range(200)
    ]
    groups = [("phash", "a", "a", 2, True, None)]
    drawn = pair_sample(tables_of(spark, tmp_path, pairs, groups, [("phash", "b", "a", "")], METRICS))
    of_level = {level: [pair.evidence.verdict for pair in drawn if pair.level == level] for level in kinds}
    assert of_level == {0: ["same"] * 6, 4: ["same"] + ["similar"] * 5, 10: ["similar"] * 6}
    assert [pair.level for pair in drawn] == sorted((pair.level for pair in drawn), reverse=True)


def test_tables_without_verdicts_say_that_nothing_is_known(spark, tmp_path):
    older = [tuple(row[:4]) for row in PAIRS], [row[:5] for row in GROUPS], [row[:3] for row in REMOVALS]
    tables = tables_of(spark, tmp_path, *older, METRICS)
    result = results(tables, same=1, similar=1)
    assert (result.same, result.similar, result.going) == (None, None, {})
    assert result.earlier == {0.0: 1, 2.0: 2, 8.0: 1, 10.0: 1}
    group = max(group_sample(tables, 10, 10), key=lambda group: group.size)
    assert (group.same, group.loosest) == (None, 10.0)
    assert {(member.evidence, member.reason) for member in group.members} == {(None, "")}
    assert {pair.evidence for pair in pair_sample(tables)} == {None}


def test_methods_with_and_without_verdicts_stand_side_by_side(spark, tmp_path):
    pairs = [PAIRS[0], ("cnn", "a", "b", 0.95, None, None, None, None)]
    groups = [(method, "a", path, 2, path == "a", None) for method in ("phash", "cnn") for path in "ab"]
    removals = [(method, "b", "a", None) for method in ("phash", "cnn")]
    tables = tables_of(spark, tmp_path, pairs, groups, removals, {"phash": HAMMING, "cnn": COSINE})
    judged, other = method_results(
        tables, dict.fromkeys(("phash", "cnn"), 9), dict.fromkeys(("phash", "cnn"), SearchFacts())
    )
    assert (judged.same, judged.going, judged.earlier) == (1, {2.0: 1}, {})
    assert (other.same, other.going, other.earlier) == (None, {}, {0.95: 1})


def test_of_pairs_that_are_not_listed_the_record_and_the_groups_know(spark, tmp_path):
    listed = tables_of(spark, tmp_path, PAIRS[:1], GROUPS, REMOVALS, METRICS)
    tables = type(listed)(listed.pairs.where("false"), listed.groups, listed.removals, METRICS)
    result = results(tables, lists_pairs=False, pairs=30, same=10, similar=20)
    assert (result.pairs, result.same, result.similar) == (30, 10, 20)
    group = max(group_sample(tables, 10, 10), key=lambda group: group.size)
    assert (group.same, group.closest, group.loosest) == (None, None, 10.0)
    assert group.members[1].reason == REASON


# An output folder


HUB = {"group_id": HOSTILE[3], "images": 30, "codes": 12, "removals": 18, "reason": HOSTILE[0]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The output folder of a finished run with verdicts, written by hand, and its images."""
    output = tmp_path_factory.mktemp("out")
    for number, name in enumerate("abcdexy"):
        (output.parent / "images").mkdir(exist_ok=True)
        Image.new("RGB", (60, 40), (30 * number, 90, 200)).save(output.parent / "images" / f"{name}.png")
    columns = {
        "pairs": ("path_a", "path_b", "score", "verdict", "difference", "level", "tile"),
        "groups": ("group_id", "path", "group_size", "keep", "loosest_score"),
        "removals": ("path", "kept_path", "reason"),
    }
    for table, rows in {"pairs": PAIRS, "groups": GROUPS, "removals": REMOVALS}.items():
        values = map(list, zip(*(row[1:] for row in rows), strict=True))
        write(output, table, dict(zip(columns[table], values, strict=True)))
    write(output, "duplicates", {"path": list("abcdexy")})
    cautions = pa.array([["flat"], [], None, ["transparent", "several_frames"], [], [], []], pa.list_(pa.string()))
    frames = pa.array([1, 1, 1, 7, 1, 1, 1], pa.int32())
    sides = {"width": pa.array([60] * 7, pa.int32()), "height": pa.array([40] * 7, pa.int32())}
    write(output, "features", {"path": list("abcdexy"), "frames": frames, "caution": cautions, **sides})
    found = {"images": 7, "pairs": 6, "same": 4, "similar": 2, "unseen": 1, "hubs": [HUB]}
    settings = {"input": str(output.parent / "images"), "output": str(output), "removals": "same"}
    record = {
        "run_id": "1", "source": str(output.parent / "images"), "settings": settings,
        "counts": {"caution": {"flat": 25, "deep": 1}, "found": {"phash": found}},
    }  # fmt: skip
    (output / "runs").mkdir()
    (output / "runs" / "1.json").write_text(json.dumps(record))
    evaluated.mark(output)
    return Store(str(output))


def write(output, table, columns):
    place = output / table / "method=phash"
    place.mkdir(parents=True)
    arrays = {
        key: values if isinstance(values, pa.Array) else pa.array(values, KINDS.get(key))
        for key, values in columns.items()
    }
    pq.write_table(pa.table(arrays), place / "part-0.parquet")


def test_a_folder_is_read_with_its_hubs_cautions_and_rule(spark, finished):
    content = gather(spark, finished, ReportSettings(output=finished.url))
    (result,) = content.methods
    assert result.hubs == (Hub(HOSTILE[3], 30, 18, HOSTILE[0]),)
    assert (result.same, result.similar, result.unseen, result.rule) == (4, 2, 1, "same")
    assert content.caution == {"flat": 25, "deep": 1}
    assert content.files["a"].caution == ("flat",)
    assert (content.files["d"].frames, content.files["d"].caution) == (7, ("transparent", "several_frames"))
    assert content.files["c"].caution == ()


def test_the_page_tells_of_them_and_stays_one_that_nothing_harms(spark, finished):
    place = write_report(spark, ReportSettings(output=finished.url), lambda _line: None)
    page = Path(place).read_text(encoding="utf-8")
    assert "<b>30 images</b> are one group around" in page
    assert "25 are of nearly one colour: only equal pixels make them duplicates" in page
    parsed = Page(page)
    assert len(parsed.scripts) == 2
    assert not any(tag == "img" or name.startswith("on") for tag, attributes in parsed.tags for name in attributes)
    assert HUB["group_id"] in "".join(parsed.text)


def test_a_record_of_an_older_run_has_no_verdicts():
    facts = search_facts("phash", HAMMING, [{"settings": {}, "counts": {"found": {"phash": {"pairs": 3}}}}])
    assert (facts.same, facts.similar, facts.hubs, facts.rule) == (None, None, (), None)


# Geometry

TURN = [0.0, 1.0, -60.0, -1.0, 0.0, 480.0]
# In the group of a: c stays alone, a crop of a; b is similar to a, and nobody asked for more.
LAID = [
    ("orb", "a", "b", 40.0, "similar", None, None, None, *[None] * 10),
    ("orb", "a", "c", 37.0, "similar", None, None, None, 37, 0.42, 1.0, 0.98, 6.5, "cropped", "b", 90.0, False, TURN),
    ("orb", "x", "y", 99.0, "similar", None, None, None, 99, 1.0, 0.5, 1.0, 2.0, "framed", "b", None, None, None),
]
INLIERS = Metric("inliers", "inliers", "local", "local features", "min_inliers", closest=400.0, farthest=0.0, steps=1)


@pytest.fixture(scope="module")
def laid(spark, tmp_path_factory):
    groups = [
        *(("orb", "a", path, 3, True, 37.0) for path in "abc"),
        *(("orb", "x", p, 2, p == "y", 99.0) for p in "xy"),
    ]
    removals = [("orb", "x", "y", REASON)]
    return tables_of(spark, tmp_path_factory.mktemp("laid"), LAID, groups, removals, {"orb": INLIERS})


def test_pairs_are_told_with_what_geometry_says(laid):
    pairs = {(pair.path_a, pair.path_b): pair for pair in pair_sample(laid)}
    assert [pair.level for pair in pairs.values()] == [37.0, 40.0, 99.0], "the fewest inliers first"
    assert pairs["a", "b"].alignment is None
    assert pairs["a", "c"].alignment == Alignment("cropped", 37, (0.42, 1.0), 0.98, 6.5, "b", 90.0, False, tuple(TURN))
    framed = pairs["x", "y"].alignment
    assert (framed.relation, framed.degrees, framed.is_mirrored, framed.transform) == ("framed", 0.0, False, None)


def test_members_are_told_it_from_the_other_one_on(laid):
    """Of a pair the earlier path is a, wherever it stands in its group."""
    found = {member.path: member for group in group_sample(laid, 10, 10) for member in group.members}
    assert found["a"].alignment is None
    assert (found["c"].other, found["c"].alignment.derived, found["c"].alignment.degrees) == ("a", "b", 90.0)
    assert found["c"].alignment.transform == tuple(TURN)
    assert (found["x"].other, found["x"].alignment.derived, found["x"].alignment.overlap) == ("y", "a", (0.5, 1.0))
