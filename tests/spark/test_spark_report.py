"""From tables to the page's data: counts of whole tables, samples that say what they are, pictures of any origin."""

import base64
import json
import re
from pathlib import Path

import evaluated
import naive
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from reported import tables_of

from dedup_core.errors import InputError, SettingsError
from dedup_core.metric import COSINE, HAMMING
from dedup_core.settings.settings import PipelineSettings, ReportSettings
from dedup_core.spark.published import read_table
from dedup_core.spark.report.counts import method_results
from dedup_core.spark.report.images import page_images, pictures
from dedup_core.spark.report.page import gather, write_report
from dedup_core.spark.report.quality import evaluations
from dedup_core.spark.report.sample import group_sample, pair_sample
from dedup_core.spark.report.searches import SearchFacts, runs_shown, search_facts
from dedup_core.spark.store import Store

NAMES = ["a/0.png", "a/1.png", "a/2 %#.png", "a/3.png", "b/0.png", "b/1.png", "c.png"]
SCORES = {
    "phash": {(0, 1): 0.0, (0, 2): 4.0, (2, 3): 10.0, (4, 5): 2.0},  # a chain: 0 stays for 1 and 2, and 3 stays too
    "dhash": {(0, 1): 3.0, (4, 5): 5.0, (4, 6): 9.0},
}
PAIRS = {
    method: {(NAMES[a], NAMES[b]): distance for (a, b), distance in scores.items()} for method, scores in SCORES.items()
}


def record_of(source, output):
    """What a run of the pipeline over such an input leaves to be read."""
    settings = PipelineSettings(input=str(source), output=str(output), method="phash,dhash").model_dump(mode="json")
    counts = {"found": {method: {} for method in SCORES}}
    return {"run_id": "1", "source": str(source), "settings": settings, "counts": counts}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "images"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60 + number, 40), (30 * number, 90, 200)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    """The output folder of a finished run, written by hand."""
    output = tmp_path_factory.mktemp("out")
    for method, pairs in PAIRS.items():
        evaluated.write_tables(output, NAMES, pairs, method=method)
        place = output / "features" / f"method={method}"
        place.mkdir(parents=True)
        sizes = [(images / name).stat().st_size for name in NAMES]
        columns = {"path": NAMES, "size": sizes, "width": range(60, 67), "height": [40] * 7, "format": ["PNG"] * 7}
        kinds = {"width": pa.int32(), "height": pa.int32()}
        table = pa.table({name: pa.array(list(values), kinds.get(name)) for name, values in columns.items()})
        pq.write_table(table, place / "part-0.parquet")
    (output / "failures").mkdir()
    broken = {"path": ["x.jpg", "y.jpg", "z"], "reason": ["empty", "empty", "truncated"], "message": ["", None, "cut"]}
    pq.write_table(pa.table(broken), output / "failures" / "part-0.parquet")
    (output / "runs").mkdir()
    (output / "runs" / "1.json").write_text(json.dumps(record_of(images, output)))
    evaluated.mark(output)
    return Store(str(output))


def settings_of(store, **others):
    return ReportSettings(output=store.url, **others)


@pytest.fixture(scope="module")
def gathered(spark, finished):
    return gather(spark, finished, settings_of(finished))


def test_counts_are_those_of_the_tables(gathered):
    assert gathered.encoded == len(NAMES)
    assert [(kind.reason, kind.count) for kind in gathered.failures] == [("empty", 2), ("truncated", 1)]
    assert gathered.failed == 3
    assert gathered.evaluations == ()
    assert [result.name for result in gathered.methods] == ["dhash", "phash"]
    for result in gathered.methods:
        pairs = PAIRS[result.name]
        roots, removed = naive.connected(pairs), naive.greedy_removals(NAMES, pairs)
        assert (result.pairs, result.groups) == (len(pairs), len(set(roots.values())))
        assert (result.in_groups, result.removals) == (len(roots), len(removed))
        assert result.threshold == 10
        assert sum(result.earlier.values()) >= result.removals


def test_every_group_and_image_is_there_with_its_picture(gathered):
    for method, pairs in PAIRS.items():
        removed = naive.greedy_removals(NAMES, pairs)
        shown = {member.path: member.keep for g in gathered.groups if g.method == method for member in g.members}
        assert shown == {path: path not in removed for path in naive.connected(pairs)}
    assert set(gathered.files) == set(NAMES)
    assert all(file.thumbnail and file.width and file.size and file.format for file in gathered.files.values())


def test_scores_are_those_with_the_kept_image(gathered):
    for group in gathered.groups:
        pairs = {frozenset(ends): score for ends, score in PAIRS[group.method].items()}
        kept = naive.greedy_removals(NAMES, PAIRS[group.method])
        for member in group.members:
            expected = kept.get(member.path)
            assert member.score == (pairs[frozenset((member.path, expected))] if expected else None)
        assert group.removals == sum(not member.keep for member in group.members)
        mine = [score for ends, score in pairs.items() if ends <= {member.path for member in group.members}]
        assert (group.closest, group.loosest) == (min(mine), max(mine))


def test_the_page_is_written_where_it_belongs(spark, finished):
    lines = []
    place = write_report(
        spark, settings_of(finished, report_method="dhash", report_name="dhash only.html"), lines.append
    )
    assert place == f"{finished.url}/report/dhash only.html"
    page = Path(place).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert [method["name"] for method in data["methods"]] == ["dhash"]
    assert {group["method"] for group in data["groups"]} == {"dhash"}
    assert base64.b64decode(data["files"][0][-1].split(",")[1])[8:12] == b"WEBP"
    assert len(lines) == 2


def test_images_that_moved_are_found_where_they_are_said_to_be(spark, finished, images, tmp_path):
    (tmp_path / "moved").symlink_to(images)
    record = record_of(images, finished.url) | {"source": "/nowhere"}
    features = read_table(spark, finished, "features")
    gone = page_images(spark, settings_of(finished), features, record, NAMES)
    told = {(file.thumbnail, file.missing) for file in gone.values()}
    assert told == {(None, "the images are gone: name their folder by --images")}
    assert all(file.width for file in gone.values())
    at_new_place = settings_of(finished, images=str(tmp_path / "moved"))
    moved = page_images(spark, at_new_place, features, record, NAMES)
    assert all(file.thumbnail for file in moved.values())


def test_a_method_that_is_not_there_is_refused(spark, finished):
    with pytest.raises(SettingsError, match="no duplicates by whash; the tables hold dhash, phash"):
        gather(spark, finished, settings_of(finished, report_method="whash"))


def test_a_method_that_is_not_registered_is_left_out_and_told_of(spark, tmp_path):
    for method in ("phash", "brightness"):
        evaluated.write_tables(tmp_path, NAMES, PAIRS["phash"], method=method)
    lines = []
    page = Path(write_report(spark, ReportSettings(output=str(tmp_path)), lines.append)).read_text(encoding="utf-8")
    assert lines[0] == (
        "Left out brightness: no such method is registered: enter it in dedup_core.encoders.registry.ENCODERS first"
    )
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert [method["name"] for method in data["methods"]] == ["phash"]
    assert {group["method"] for group in data["groups"]} == {"phash"}
    assert "Not shown: brightness." in page


def test_nothing_but_methods_that_are_not_registered_is_refused(spark, tmp_path):
    evaluated.write_tables(tmp_path, NAMES, PAIRS["phash"], method="brightness")
    for wanted in (None, "brightness"):
        settings = ReportSettings(output=str(tmp_path), report_method=wanted)
        with pytest.raises(SettingsError, match=r"only duplicates by brightness .* enter it in .*ENCODERS first"):
            gather(spark, Store(str(tmp_path)), settings)


def test_without_tables_the_error_names_the_job_to_run(spark, tmp_path):
    (tmp_path / "features").mkdir()
    with pytest.raises(InputError, match=r"no duplicates table in .*: run jobs/find_duplicates.py first"):
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
        contents = [(folder / name).read_bytes() for name in names]
        pq.write_table(pa.table({"path": names, "content": pa.array(contents, pa.binary())}), source)
        for name in names:
            (folder / name).unlink()
    settings = ReportSettings(output=str(tmp_path))
    made = pictures(spark, settings, record_of(source, tmp_path), names)
    assert {name: bool(image.thumbnail) for name, image in made.items()} == dict.fromkeys(names, True)


@pytest.mark.parametrize(("orientation", "turn"), [("stored", 3), ("exif", 1)])
def test_a_picture_tells_how_it_lies_beside_what_was_encoded(spark, tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.jpg", exif=exif)
    record = record_of(tmp_path, tmp_path / "out")
    record["settings"]["orientation"] = orientation
    made = pictures(spark, ReportSettings(output=str(tmp_path / "out")), record, ["a.jpg"])
    assert made["a.jpg"].turn == turn


# Evaluation


def test_an_evaluation_is_of_the_tables_until_they_are_searched_again(spark, gathered, tmp_path):
    (tmp_path / "evaluation").mkdir()
    rows = {"method": ["phash"] * 2, "threshold": [10.0, 0.0], "pairs": [4, 1], "f1": [0.5, 0.4]}
    rows |= {"precision": [0.5] * 2, "recall": [0.5] * 2, "removed_share": [0.3, 0.1]}
    pq.write_table(pa.table(rows), tmp_path / "evaluation" / "sweep.parquet")
    searched, scored = {"counts": {"found": {"phash": {}}}}, {"counts": {"evaluated": {"phash": {}}}}
    other = {"counts": {"found": {"dhash": {}}}}

    def read(*records):
        (evaluation,) = evaluations(spark, Store(str(tmp_path)), gathered.methods, records)
        return evaluation

    of_now = read(other, scored, searched)
    assert [(row.threshold, row.pairs, row.removed_share) for row in of_now.rows] == [(0.0, 1, 0.1), (10.0, 4, 0.3)]
    assert of_now.is_current
    assert not read(searched, scored).is_current
    rows["pairs"] = [5, 1]
    pq.write_table(pa.table(rows), tmp_path / "evaluation" / "sweep.parquet")
    assert not read().is_current, "the tables hold four pairs"


def test_the_newest_search_decides_whether_the_page_calls_it_exact():
    def search(**counts):
        return {"counts": {"found": {"cnn": counts}}}

    def read(*records):
        return search_facts("cnn", COSINE, records)

    clustered = search(recall=0.5, recall_pairs=4)
    assert read(search(), clustered) == read() == SearchFacts()
    assert read({"counts": {"found": {"phash": {}}}}, clustered, search()).recall == 0.5
    assert not read(search(recall=None, recall_pairs=0)).is_exact


def test_many_evaluations_do_not_hide_the_run_that_made_the_tables():
    evaluations = [{"run_id": n, "counts": {"evaluated": {}}} for n in range(5, 1, -1)]
    made = {"run_id": 1, "counts": {"found": {}}}
    assert [run.run_id for run in runs_shown([*evaluations, made])] == ["5", "1"]


# Samples


@pytest.fixture(scope="module")
def many(spark, tmp_path_factory):
    """Tables of 300 groups by hand: group n has n + 2 images up to 10, one has 40; each keeps its first."""
    groups, removals, pairs = [], [], []
    for n in range(300):
        size = 40 if n == 150 else 2 + n % 9
        names = [f"{n:03}/{k:02}.jpg" for k in range(size)]
        groups += [("phash", names[0], name, size, name == names[0]) for name in names]
        removals += [("phash", name, names[0]) for name in names[1:]]
        pairs += [("phash", names[0], name, float(2 * (k % 6))) for k, name in enumerate(names[1:])]
    return tables_of(spark, tmp_path_factory.mktemp("many"), pairs, groups, removals, metrics={"phash": HAMMING})


def test_the_sample_holds_the_largest_and_a_draw_that_repeats(many):
    sample = group_sample(many, max_groups=41, max_images=5)
    assert len(sample) == 41
    largest = [group for group in sample if not group.at_random]
    assert [group.size for group in largest] == [40] + [10] * 20
    assert len({group.members[0].path for group in sample}) == 41
    assert {len(group.members) for group in sample} <= {2, 3, 4, 5}
    assert sample == group_sample(many, max_groups=41, max_images=5)
    everything = group_sample(many, 10_000, 5)
    assert everything[0].removals == 39
    assert len(everything) == 300


def test_counts_by_size_and_score(many):
    (result,) = method_results(many, {"phash": 5_000}, {"phash": SearchFacts(10)})
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


def test_similarities_count_downwards(spark, tmp_path):
    rows = [("cnn", "a", "b", 0.912), ("cnn", "a", "c", 0.999), ("cnn", "b", "c", 1.0)]
    groups = [("cnn", "a", name, 3, name == "a") for name in "abc"]
    removals = [("cnn", "b", "a"), ("cnn", "c", "a")]
    tables = tables_of(spark, tmp_path, rows, groups, removals, metrics={"cnn": COSINE})
    (result,) = method_results(tables, {"cnn": 3}, {"cnn": SearchFacts(0.9)})
    assert result.scores == {0.91: 1, 0.99: 1, 1.0: 1}
    assert result.earlier == {0.91: 1, 1.0: 1}
    assert [pair.score for pair in pair_sample(tables)] == [0.912, 0.999, 1.0]
    (group,) = group_sample(tables, 5, 5)
    assert (group.closest, group.loosest) == (1.0, 0.912)
