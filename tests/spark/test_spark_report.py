"""From tables to the page's data: counts of whole tables, samples that say what they are, pictures that are found."""

import base64
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from dedup_core.attacks import ATTACKS
from dedup_core.config import EncodeSettings, PipelineSettings, ReportSettings
from dedup_core.corpus import add_broken_files, make_corpus
from dedup_core.errors import SettingsError
from dedup_core.spark import report as reporting
from dedup_core.spark.pipeline import run_encode, run_pipeline
from dedup_core.spark.report import gather, write_report
from dedup_core.spark.report_sample import Tables, group_sample, method_results, pair_sample
from dedup_core.spark.schemas import GROUPS, PAIRS, REMOVALS
from dedup_core.spark.store import Store


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def images(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "images"
    make_corpus(photographs[:4], [ATTACKS[name] for name in ("half_size", "gray")], folder)
    add_broken_files(folder)
    return folder


@pytest.fixture(scope="module")
def finished(spark, images, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    return run_pipeline(spark, PipelineSettings(input=str(images), output=str(output), method="phash,dhash"), silent)


def settings_of(run, **others):
    return ReportSettings(output=run.store.url, **others)


@pytest.fixture(scope="module")
def gathered(spark, finished):
    return gather(spark, finished.store, settings_of(finished))


def test_counts_are_those_of_the_run(finished, gathered):
    found = finished.counts["found"]
    assert gathered.encoded == finished.counts["encoded"]
    assert gathered.failed == 2
    assert {kind.reason: kind.count for kind in gathered.failures} == finished.counts["failed"]
    for result in gathered.methods:
        mine = found[result.name]
        assert (result.pairs, result.groups, result.removals) == (mine["pairs"], mine["groups"], mine["removals"])
        assert result.in_groups == mine["in_groups"]
        assert result.threshold == 10
        assert sum(result.earlier.values()) >= result.removals


def test_every_group_and_image_is_there_with_its_picture(spark, finished, gathered):
    table = spark.read.parquet(f"{finished.store.url}/groups")
    rows = {(row["method"], row["path"]): row["keep"] for row in table.collect()}
    shown = {(g.method, member.path): member.keep for g in gathered.groups for member in g.members}
    assert shown == rows
    assert all(file.thumbnail and file.width and file.size and file.format for file in gathered.files.values())


def test_scores_are_those_with_the_kept_image(spark, finished, gathered):
    pairs = {(row["method"], frozenset((row["path_a"], row["path_b"]))): row["score"]
             for row in spark.read.parquet(f"{finished.store.url}/pairs").collect()}  # fmt: skip
    kept = {(row["method"], row["path"]): row["kept_path"]
            for row in spark.read.parquet(f"{finished.store.url}/removals").collect()}  # fmt: skip
    for group in gathered.groups:
        for member in group.members:
            expected = kept.get((group.method, member.path))
            score = pairs[group.method, frozenset((member.path, expected))] if expected else None
            assert member.score == score
        assert group.removals == sum(not member.keep for member in group.members)
        mine = [s for (m, ends), s in pairs.items() if m == group.method and ends <= {p.path for p in group.members}]
        assert (group.closest, group.loosest) == (min(mine), max(mine))


def test_the_page_is_written_where_it_belongs(spark, finished):
    lines = []
    place = write_report(
        spark, settings_of(finished, report_method="dhash", report_name="dhash only.html"), lines.append
    )
    assert place == f"{finished.store.url}/report/dhash only.html"
    page = Path(place).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert [method["name"] for method in data["methods"]] == ["dhash"]
    assert {group["method"] for group in data["groups"]} == {"dhash"}
    assert base64.b64decode(data["files"][0][-1].split(",")[1])[8:12] == b"WEBP"
    assert len(lines) == 2


def test_images_that_moved_are_found_where_they_are_said_to_be(spark, finished, images, tmp_path, monkeypatch):
    (tmp_path / "moved").symlink_to(images)
    record = reporting._records(finished.store)[0] | {"source": "/nowhere"}
    monkeypatch.setattr(reporting, "_records", lambda store: [record])
    gone = gather(spark, finished.store, settings_of(finished, report_method="phash"))
    assert {(file.thumbnail, file.missing) for file in gone.files.values()} == {(None, "vanished")}
    assert all(file.width for file in gone.files.values())
    moved = gather(spark, finished.store, settings_of(finished, report_method="phash", images=str(tmp_path / "moved")))
    assert all(file.thumbnail for file in moved.files.values())


def test_a_method_that_is_not_there_is_refused(spark, finished):
    with pytest.raises(SettingsError, match="no duplicates by whash; the tables hold dhash, phash"):
        gather(spark, finished.store, settings_of(finished, report_method="whash"))


def test_without_tables_the_error_names_the_job_to_run(spark, images, tmp_path):
    run_encode(spark, EncodeSettings(input=str(images), output=str(tmp_path)), silent)
    with pytest.raises(SettingsError, match="no duplicates table"):
        gather(spark, Store(str(tmp_path)), ReportSettings(output=str(tmp_path)))


@pytest.mark.parametrize("kind", ["csv", "parquet", "glob", "file"])
def test_pictures_come_from_wherever_the_images_did(spark, tmp_path, kind):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, colour in {"a b%.png": "red", "c#.png": "blue"}.items():
        Image.new("RGB", (40, 30), colour).save(folder / name)
    names = ["a b%.png"] if kind == "file" else ["a b%.png", "c#.png"]
    source = {"glob": f"{folder}/*.png", "file": f"{folder}/a b%.png"}.get(kind, f"{folder}/list.{kind}")
    if kind == "csv":
        (folder / "list.csv").write_text("path\na b%.png\nc#.png\n")
    elif kind == "parquet":
        rows = [(name, bytearray((folder / name).read_bytes())) for name in names]
        spark.createDataFrame(rows, "path STRING, content BINARY").write.parquet(source)
        for name in names:
            (folder / name).unlink()
    run = run_pipeline(spark, PipelineSettings(input=source, output=str(tmp_path / "out")), silent)
    record = reporting._records(run.store)[0]
    made = reporting.pictures(spark, settings_of(run), record, dict.fromkeys(names))
    assert {name: bool(picture) for name, (picture, _) in made.items()} == dict.fromkeys(names, True)


# Samples


@pytest.fixture(scope="module")
def many(spark):
    """Tables of 300 groups by hand: group n has n + 2 images up to 10, one has 40; each keeps its first."""
    groups, removals, pairs = [], [], []
    for n in range(300):
        size = 40 if n == 150 else 2 + n % 9
        names = [f"{n:03}/{k:02}.jpg" for k in range(size)]
        groups += [("phash", names[0], name, size, name == names[0]) for name in names]
        removals += [("phash", name, names[0]) for name in names[1:]]
        pairs += [("phash", names[0], name, float(2 * (k % 6))) for k, name in enumerate(names[1:])]
    frames = [spark.createDataFrame(*table) for table in ((pairs, PAIRS), (groups, GROUPS), (removals, REMOVALS))]
    return Tables(*frames, ascending={"phash": True})


def test_the_sample_holds_the_largest_and_a_draw_that_repeats(many):
    sample = group_sample(many, max_groups=41, max_images=5)
    assert len(sample) == 41
    largest = [group for group in sample if not group.at_random]
    assert [group.size for group in largest] == [40] + [10] * 20
    assert len({group.members[0].path for group in sample}) == 41
    assert {len(group.members) for group in sample} <= {2, 3, 4, 5}
    assert sample == group_sample(many, max_groups=41, max_images=5)
    assert group_sample(many, 10_000, 5)[0].removals == 39
    assert len(group_sample(many, 10_000, 5)) == 300


def test_counts_by_size_and_score(many):
    (result,) = method_results(many, {"phash": 5_000}, {"phash": 10})
    assert sum(result.sizes.values()) == result.groups == 300
    assert set(result.sizes) == {2, 3, 4, 8, 16, 64}
    assert sum(result.scores.values()) == result.pairs == result.removals
    assert result.earlier == result.scores


def test_pairs_begin_at_the_threshold_and_show_different_images(many):
    pairs = pair_sample(many)
    assert [pair.level for pair in pairs] == sorted((pair.level for pair in pairs), reverse=True)
    assert pairs[0].level == 10
    at_threshold = [pair for pair in pairs if pair.level == 10]
    assert len({pair.path_a for pair in at_threshold}) == len(at_threshold) == 6


def test_similarities_count_downwards(spark):
    rows = [("cnn", "a", "b", 0.912), ("cnn", "a", "c", 0.999), ("cnn", "b", "c", 1.0)]
    groups = [("cnn", "a", name, 3, name == "a") for name in "abc"]
    removals = [("cnn", "b", "a"), ("cnn", "c", "a")]
    frames = [spark.createDataFrame(*table) for table in ((rows, PAIRS), (groups, GROUPS), (removals, REMOVALS))]
    tables = Tables(*frames, ascending={"cnn": False})
    (result,) = method_results(tables, {"cnn": 3}, {"cnn": 0.9})
    assert result.scores == {0.91: 1, 0.99: 1, 1.0: 1}
    assert result.earlier == {0.91: 1, 1.0: 1}
    assert [pair.score for pair in pair_sample(tables)] == [0.912, 0.999, 1.0]
    (group,) = group_sample(tables, 5, 5)
    assert (group.closest, group.loosest) == (1.0, 0.912)
