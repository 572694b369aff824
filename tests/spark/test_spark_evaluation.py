"""Evaluation on Spark: equal to the one-machine `evaluate` and to the oracle, in every form, at every threshold."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import evaluated
import naive
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.evaluation import evaluate
from dedup_core.metric import COSINE, HAMMING
from dedup_core.report.model import MethodResult
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.ground_truth import fitted, read_truth
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.evaluate.json_map import stage_map
from dedup_core.spark.evaluate.predictions import read_map, read_tables
from dedup_core.spark.evaluate.scoring import score
from dedup_core.spark.evaluate.thresholds import with_threshold
from dedup_core.spark.report.quality import evaluations
from dedup_core.spark.session import setting
from dedup_core.spark.store import Store

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "evaluation.json"
GOLDEN_CASES = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else []
PAIR = {"a": ["b"], "b": ["a"]}


def silent(_line):
    """Nobody watches."""


def settings_of(folder, **others):
    return EvaluateSettings(output=str(folder), **others)


def scored(spark, staging, predictions, settings):
    truth = fitted(read_truth(spark, settings, staging), predictions.images, predictions.failures, silent)
    return score(truth, predictions.pairs, predictions.n_images, predictions.thresholds)


def assert_equal_figures(actual, expected):
    assert actual.keys() == expected.keys()
    for name, figure in expected.items():
        np.testing.assert_allclose(actual[name], figure, rtol=0, atol=1e-9, err_msg=name)


def within(duplicates, pairs, threshold):
    """A duplicate map's entries within a distance."""
    return {a: [b for b in duplicates[a] if pairs[min(a, b), max(a, b)] <= threshold] for a in duplicates}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Random tables of a search at distance 13: (folder, labels, pairs, duplicate map)."""
    folder = tmp_path_factory.mktemp("case") / "out [1]"
    names, labels, pairs = evaluated.random_case(1)
    return folder, labels, pairs, evaluated.write_tables(folder, names, pairs, threshold=13)


# The figures


@pytest.mark.parametrize("form", ["map-json", "labels-csv", "pairs-parquet"])
def test_every_form_of_the_truth_gives_the_figures_of_one_machine_at_every_threshold(
    spark, staging, tmp_path, case, form
):
    folder, labels, pairs, retrieved = case
    settings = settings_of(folder, ground_truth=str(evaluated.write_truth(tmp_path, form, labels)))
    tables = read_tables(spark, Store(str(folder)), "phash")
    assert tables.thresholds.tolist() == list(range(14))
    quality = scored(spark, staging, tables, settings)

    truth = evaluated.map_of_labels(labels)
    assert_equal_figures(quality.figures, evaluate(truth, retrieved))
    assert_equal_figures(quality.figures, naive.evaluate(truth, retrieved))
    for position, threshold in enumerate(tables.thresholds):
        expected = naive.evaluate(truth, within(retrieved, pairs, threshold))
        assert quality.map[position] == pytest.approx(expected["map"], abs=1e-9)
        assert quality.sweep.precision[position] == pytest.approx(expected["precision"][1])
        assert quality.sweep.recall[position] == pytest.approx(expected["recall"][1])
        assert quality.sweep.f1[position] == pytest.approx(expected["f1-score"][1])


def test_the_same_truth_is_read_from_tables_of_either_kind(spark, staging, tmp_path, case):
    labels = case[1]
    columns = {"path_column": "image", "label_column": "scene"}
    named = settings_of("out", ground_truth=str(evaluated.write_truth(tmp_path, "labels-parquet", labels)), **columns)
    rows = read_truth(spark, named, staging).labels.collect()
    assert {row["path"]: row["label"] for row in rows} == {name: label and label[1:] for name, label in labels.items()}

    paired = settings_of("out", ground_truth=str(evaluated.write_truth(tmp_path, "pairs-csv", labels)))
    truth = read_truth(spark, paired, staging)
    duplicates = evaluated.map_of_labels(labels)
    expected = [(a, b) for a in duplicates for b in duplicates[a] if a < b]
    assert sorted((row["path_a"], row["path_b"]) for row in truth.pairs.collect()) == sorted(expected)
    assert not truth.is_complete


def maps_scored(spark, staging, tmp_path, truth, retrieved):
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "retrieved.json").write_text(json.dumps(retrieved))
    settings = settings_of(
        tmp_path / "out", ground_truth=str(tmp_path / "truth.json"), duplicates=str(tmp_path / "retrieved.json")
    )
    return scored(spark, staging, read_map(settings, staging), settings).figures


@pytest.mark.skipif(not GOLDEN_CASES, reason="needs ../shared/golden/evaluation.json")
def test_maps_give_imagededups_own_figures(spark, staging, tmp_path):
    golden = next(golden for golden in GOLDEN_CASES if golden["name"] == "noisy")
    figures = maps_scored(spark, staging, tmp_path, golden["ground_truth"], golden["retrieved"])
    for name, expected in golden["expected"].items():
        actual = figures[name.replace("_", "-")]
        if isinstance(expected, list):
            actual = actual[: len(expected)]  # with no duplicates at all imagededup leaves class 1 out
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9)


def test_the_order_of_a_map_is_its_ranking_and_scores_change_nothing(spark, staging, tmp_path):
    truth = {"a": ["b"], "b": ["a"], "c": []}
    retrieved = {"a": [["c", 9], ["b", 2]], "b": [["a", 2]], "c": [["a", 9]]}
    assert_equal_figures(maps_scored(spark, staging, tmp_path, truth, retrieved), evaluate(truth, retrieved))


@pytest.mark.parametrize("told", [[9], ["similar"], [9, "similar"]])
def test_a_map_with_what_geometry_says_is_read(staging, tmp_path, told):
    evidence = {"inliers": 88, "relation": "cropped", "derived": "other"}
    (tmp_path / "map.json").write_text(json.dumps({"a": [["c", *told, evidence], ["b", *told]], "b": []}))
    rows = stage_map(str(tmp_path / "map.json"), staging, "map").collect()
    assert {row["path"]: row["duplicates"] for row in rows} == {"a": ["c", "b"], "b": []}


def test_a_similarity_belongs_to_the_strictest_step_that_it_reaches(spark, tmp_path):
    steps = [step / 100 for step in range(-100, 101)]
    near = [np.nextafter(step, side) for step in steps for side in (-2, 2)]
    scores = [float(score) for score in [*steps, *near] if -0.605 <= score <= 1]
    grid = COSINE.grid(-0.605)
    pq.write_table(pa.table({"score": scores}), tmp_path / "scores.parquet")
    rows = with_threshold(spark.read.parquet(str(tmp_path / "scores.parquet")), -0.605, COSINE).collect()
    assert {row["threshold"] for row in rows} <= set(grid.tolist())
    assert all(row["threshold"] == max(step for step in grid if step <= row["score"]) for row in rows)
    assert all(str(row["threshold"]) != "-0.0" for row in rows)
    assert COSINE.grid(0.9).tolist() == [step / 100 for step in range(100, 89, -1)]


def test_a_distance_belongs_to_itself(spark):
    rows = with_threshold(spark.createDataFrame([(float(score),) for score in range(13)], "score DOUBLE"), 12, HAMMING)
    assert all(row["threshold"] == row["score"] for row in rows.collect())


# Maps and truths that can't be used


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON object of lists: found '' where '{' must be"),
        ("[1]", "found '\\[' where '{' must be"),
        ('{"a": ["b"', "Expecting ',' delimiter"),
        ('{"a": []} x', "found 'x' where 'the end' must be"),
        ('{"a" []}', "found '\\[' where ':' must be"),
        ('{"a": null}', "'a' must be a name with a list"),
        ('{"a": "b"}', "'a' must be a name with a list"),
        ('{"a": [3]}', "the list of 'a' holds 3, which is neither a name nor \\[name, score\\]"),
        (b"\xff\xff", "can't read the duplicate map .*: it is not UTF-8: save it as UTF-8"),
        ('{"a": []}'.encode("utf-16"), "can't read the duplicate map .*: it is not UTF-8: save it as UTF-8"),
        ('{"a": ' + "[" * 50_000, "is no JSON object of lists: it is nested too deep"),
        ('{"a": [["b", ' + "9" * 5_000 + "]]}", "is no JSON object of lists: .*digits"),
        (None, "can't read the duplicate map .*No such file"),
    ],
)
def test_a_file_that_is_no_duplicate_map_is_refused(staging, tmp_path, text, message):
    path = tmp_path / "map.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        stage_map(str(path), staging, "map")


def test_a_map_is_read_in_pieces_however_they_are_cut(spark, staging, tmp_path, monkeypatch):
    from dedup_core.spark.evaluate import json_map

    entries = {f'{index} "é{{}}[]': [f"{other}\\\n" for other in range(index)] for index in range(30)}
    (tmp_path / "map.json").write_text(json.dumps(entries, ensure_ascii=False, indent=2), encoding="utf-8")
    for size in (1, 7, 100_000):
        monkeypatch.setattr(json_map, "_CHUNK_BYTES", size)
        rows = stage_map(str(tmp_path / "map.json"), staging, f"map{size}").collect()
        assert {row["path"]: row["duplicates"] for row in rows} == entries


def test_names_that_no_table_can_hold_are_spelt_as_in_the_tables(staging, tmp_path):
    undecodable, half = os.fsdecode(b"caf\xe9.jpg"), "\ud83d.jpg"
    entries = {undecodable: [[half, 3]], half: [undecodable], "caf\\xe8.jpg": ["😀"], "😀": ["caf\\xe8.jpg"]}
    (tmp_path / "map.json").write_text(json.dumps(entries))
    rows = {row["path"]: row["duplicates"] for row in stage_map(str(tmp_path / "map.json"), staging, "map").collect()}
    assert rows == {
        "caf\\xe9.jpg": ["\\xed\\xa0\\xbd.jpg"], "\\xed\\xa0\\xbd.jpg": ["caf\\xe9.jpg"],
        "caf\\xe8.jpg": ["😀"], "😀": ["caf\\xe8.jpg"],
    }  # fmt: skip


def test_an_error_while_writing_is_not_laid_to_the_map(staging, tmp_path):
    (tmp_path / "map.json").write_text(json.dumps(PAIR))
    staging.store.write_text("/".join(staging.place()), "a file where the folder must be")
    with pytest.raises(OSError, match=r"_staging/work") as caught:
        stage_map(str(tmp_path / "map.json"), staging, "map")
    assert "duplicate map" not in str(caught.value)


@pytest.mark.parametrize(
    ("truth", "retrieved", "message"),
    [
        ({}, PAIR, "ground truth is empty: there is nothing to evaluate"),
        (PAIR, {"a": [], "c": [], "d": []},
         "1 only in the ground truth, such as 'b'; 2 only among the images compared, such as 'c', 'd'"),
        (PAIR, {"a": ["x", "y"], "b": ["x"]}, r"duplicate map lists .* no keys \(2 in all\), such as 'x', 'y'"),
        (PAIR, {"a": ["a"], "b": []}, r"duplicate map lists images as their own .* \(1 in all\), such as 'a' -> 'a'"),
        (PAIR, {"a": ["b", "b"], "b": ["a"]}, r"duplicate map repeats entries \(1 in all\), such as 'a' -> 'b'"),
        ({"a": [], "b": ["a"]}, PAIR, r"ground truth isn't symmetric: .* \(1 in all\), such as 'b' -> 'a'"),
    ],
)  # fmt: skip
def test_maps_that_can_not_be_compared_are_refused_with_examples(spark, staging, tmp_path, truth, retrieved, message):
    with pytest.raises(InputError, match=message):
        maps_scored(spark, staging, tmp_path, truth, retrieved)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"path": ["a", "a"], "label": ["1", "2"]}, InputError, r"labels .* more than once \(1 in all\), such as 'a'"),
        ({"path": ["a", None], "label": ["1", "2"]}, InputError, "has 1 rows without a path"),
        ({"path_a": ["a"], "path_b": ["a"]}, InputError, "lists images as their own duplicates"),
        ({"path_a": ["a", "a"], "path_b": ["b", "b"]}, InputError, "repeats entries"),
        ({"name": ["a"], "group": ["1"]}, SettingsError, "needs columns path_a and path_b, .*it has name, group"),
    ],
)  # fmt: skip
def test_a_truth_in_a_table_is_checked_too(spark, staging, tmp_path, columns, error, message):
    pq.write_table(pa.table(columns), tmp_path / "truth.parquet")
    with pytest.raises(error, match=message):
        read_truth(spark, settings_of(tmp_path, ground_truth=str(tmp_path / "truth.parquet")), staging)


LABELS = [("Küche, 1.jpg", "a"), ("b;2.jpg", "a"), ("caf\\xe9.jpg", None)]


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        ('path,label\n"Küche, 1.jpg",a\nb;2.jpg,a\ncaf\\xe9.jpg,\n', ".csv"),
        ('\ufeffpath;label\r\nKüche, 1.jpg;a\r\n"b;2.jpg";a\r\ncaf\\xe9.jpg;\r\n', ".CSV"),
        ("label\tpath\na\tKüche, 1.jpg\na\tb;2.jpg\n\tcaf\udce9.jpg\n", ".tsv"),
    ],
    ids=["plain", "windows", "tabs-and-bytes"],
)
def test_a_truth_is_read_as_people_save_it(spark, staging, tmp_path, content, ending):
    path = tmp_path / f"[2020] Trip {{a,b}}{ending}"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with setting(spark, "fs.defaultFS", "hdfs://nowhere"):
        labels = read_truth(spark, settings_of(tmp_path, ground_truth=str(path)), staging).labels
        assert [(row["path"], row["label"]) for row in labels.collect()] == LABELS


def test_a_truth_in_parts_is_named_by_a_glob_or_its_folder(spark, staging, tmp_path, monkeypatch):
    for number in range(2):
        (tmp_path / "parts.csv").mkdir(exist_ok=True)
        (tmp_path / "parts.csv" / f"{number}.csv").write_text(f"path,label\n{number}.jpg,a\n")
    monkeypatch.chdir(tmp_path)
    for location in ("parts.csv", "parts.csv/*.csv", "parts.csv/[01].csv"):
        labels = read_truth(spark, settings_of("out", ground_truth=location), staging).labels
        assert sorted(row["path"] for row in labels.collect()) == ["0.jpg", "1.jpg"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("path,label\na,1\n".encode("utf-16"), InputError, "holds NUL characters, as UTF-16 and UTF-32 do: save it"),
        ("path,label\na,b,1\n", InputError, "1 rows have not the 2 fields of the header"),
        ("", InputError, "is empty: a line that names the columns must come first"),
        ("path,labels\na,1\n", InputError,
         r"has no column 'label' \(--label-column\): did you mean 'labels'\? It has path, labels"),
        ("path,label\na,1\na,2\n", InputError, "labels images more than once"),
    ],
)  # fmt: skip
def test_a_truth_that_can_not_be_read_rightly_is_refused(spark, staging, tmp_path, content, error, message):
    path = tmp_path / "truth.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=message):
        read_truth(spark, settings_of(tmp_path, ground_truth=str(path)), staging)


def test_labels_stand_under_any_name_and_in_structs(spark, staging, tmp_path):
    rows = [{"file.name": "a", "meta": {"label": 1}}, {"file.name": "b", "meta": {"label": None}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "truth.parquet")
    named = {"path_column": "file.name", "label_column": "meta.label"}
    settings = settings_of(tmp_path, ground_truth=str(tmp_path / "truth.parquet"), **named)
    labels = read_truth(spark, settings, staging).labels
    assert [tuple(row) for row in labels.collect()] == [("a", "1"), ("b", None)]


def test_pairs_of_ids_are_pairs_of_their_text(spark, staging, tmp_path):
    pq.write_table(pa.table({"path_a": [2, 7], "path_b": [10, 3]}), tmp_path / "truth.parquet")
    truth = read_truth(spark, settings_of(tmp_path, ground_truth=str(tmp_path / "truth.parquet")), staging)
    assert sorted(tuple(row) for row in truth.pairs.collect()) == [("10", "2"), ("3", "7")]


@pytest.mark.parametrize("content", [b"no table at all, but some text", b""])
def test_a_truth_that_is_no_table_is_named(spark, staging, tmp_path, content):
    (tmp_path / "truth.parquet").write_bytes(content)
    with pytest.raises(
        InputError, match=r"can't read the ground truth \(\.json, \.csv or Parquet\) .*truth\.parquet: \S"
    ):
        read_truth(spark, settings_of(tmp_path, ground_truth=str(tmp_path / "truth.parquet")), staging)


def test_a_truth_that_is_not_there_is_named(spark, staging, tmp_path):
    for ending in ("json", "csv", "parquet"):
        with pytest.raises(InputError, match=rf"can't read the .*nowhere\.{ending}"):
            read_truth(spark, settings_of(tmp_path, ground_truth=f"{tmp_path}/nowhere.{ending}"), staging)


def test_a_gate_needs_a_truth(tmp_path):
    with pytest.raises(ValidationError, match="needs --ground-truth"):
        settings_of(tmp_path, min_f1=0.5)


# The job


@pytest.fixture(scope="module")
def job(spark, tmp_path_factory):
    """What the job left of two methods before its gate failed, and what it worked on."""
    names, labels, distances = evaluated.random_case(2, count=24)
    similarities = {pair: 1 - distance / 40 for pair, distance in distances.items()}
    folder, lines = tmp_path_factory.mktemp("job"), []
    out = folder / "out"
    evaluated.write_tables(out, names, similarities, method="cnn", threshold=0.7)
    retrieved = evaluated.write_tables(out, names, distances, threshold=12, failures=["broken.jpg"])
    truth = evaluated.write_truth(folder, "labels-csv", labels | {"broken.jpg": "g5"})
    settings = settings_of(
        out, ground_truth=str(truth), method="phash,cnn", samples_per_threshold=2, max_sweep_pairs=10, min_recall=0.999
    )
    with pytest.raises(
        LimitError,
        match=r"quality gate is not met: phash recall 0\.\d+ is below the 0\.999 of --min-recall.*/evaluation/\)",
    ):
        run_evaluate(spark, settings, lines.append)
    expected = evaluate(evaluated.map_of_labels(labels), retrieved)
    sweep = pq.read_table(out / "evaluation" / "sweep.parquet").to_pylist()
    chosen = json.loads((out / "evaluation" / "thresholds.json").read_text())["phash"]
    return SimpleNamespace(
        names=names, labels=labels, distances=distances, out=out, done=out / "evaluation", lines=lines,
        expected=expected, sweep=sweep, chosen=chosen,
    )  # fmt: skip


def test_the_job_leaves_the_metrics_of_one_machine(job):
    assert_equal_figures(json.loads((job.done / "metrics.json").read_text())["phash"], job.expected)


def test_the_job_leaves_a_sweep_from_strict_to_loose(job):
    last = {row["method"]: row for row in job.sweep}
    assert last["phash"]["threshold"] == 12
    assert last["cnn"]["threshold"] == 0.7
    assert last["cnn"]["pairs"] == last["phash"]["pairs"] == len(job.distances)
    assert last["cnn"]["groups"] == last["phash"]["groups"] == len(set(naive.connected(job.distances).values()))
    assert last["cnn"]["removals"] == len(naive.greedy_removals(job.names, job.distances))
    assert job.sweep[0]["groups"] is None, "more pairs than max_sweep_pairs"


def test_the_job_names_the_best_threshold(job):
    assert job.chosen["best_f1"]["f1"] == max(row["f1"] for row in job.sweep if row["method"] == "phash")
    assert "max_sweep_pairs" in job.chosen["notes"][0]
    assert any("1 images of the ground truth could not be encoded" in line for line in job.lines)
    assert any("best F1: at distance ≤" in line for line in job.lines)


def test_the_job_leaves_samples_and_figures_and_nothing_else(job):
    samples = pq.read_table(job.done / "samples.parquet").to_pylist()
    assert all(
        row["is_true"] == (job.labels[row["path_a"]] == job.labels[row["path_b"]] is not None) for row in samples
    )
    of_phash = [row for row in samples if row["method"] == "phash"]
    assert all(job.distances[row["path_a"], row["path_b"]] == row["score"] for row in of_phash)
    assert {path.name for path in job.done.glob("*.svg")} == {
        "precision_recall.svg", "sweep_cnn.svg", "sweep_phash.svg", "scores_cnn.svg", "scores_phash.svg",
        "group_sizes_cnn.svg", "group_sizes_phash.svg",
    }  # fmt: skip
    assert not (job.out / "_staging").exists()


def test_the_report_reads_what_the_job_left(spark, job):
    n_pairs = len(job.distances)
    results = [MethodResult("phash", HAMMING, 12, len(job.names), n_pairs), MethodResult("cnn", COSINE, 0.7, 24, 1)]
    shown = {entry.method: entry for entry in evaluations(spark, Store(str(job.out)), results, [])}
    assert shown["phash"].metrics["f1-score"] == job.expected["f1-score"][1]
    assert shown["phash"].chosen == job.chosen
    assert [row.threshold for row in shown["phash"].rows] == list(range(13))
    assert [row.threshold for row in shown["cnn"].rows] == [step / 100 for step in range(100, 69, -1)]
    assert (shown["phash"].is_current, shown["cnn"].is_current) == (True, False)


def test_without_a_truth_thresholds_can_be_chosen_by_looking(spark, tmp_path):
    names, _, pairs = evaluated.random_case(3, count=20)
    evaluated.write_tables(tmp_path, names, pairs)
    run = run_evaluate(spark, settings_of(tmp_path, samples_per_threshold=1), silent)
    done = tmp_path / "evaluation"
    sweep = pq.read_table(done / "sweep.parquet").to_pylist()
    assert [row["threshold"] for row in sweep] == list(range(int(max(pairs.values())) + 1))
    for row in sweep:
        close = [pair for pair, distance in pairs.items() if distance <= row["threshold"]]
        assert (row["pairs"], row["groups"]) == (len(close), len(set(naive.connected(close).values())))
        assert row["removals"] == len(naive.greedy_removals(names, close))
        assert row["removed_share"] == row["removals"] / len(names)
        assert row["precision"] is row["map"] is row["true_pairs"] is None
    samples = pq.read_table(done / "samples.parquet").to_pylist()
    assert sorted(row["threshold"] for row in samples) == sorted(set(pairs.values()))
    assert not (done / "metrics.json").exists()
    assert (done / "removed_phash.png").read_bytes().startswith(b"\x89PNG")
    assert run.counts["evaluated"] == {"phash": {"images": 20, "pairs": len(pairs)}}


def test_what_is_not_there_to_evaluate_is_named(spark, tmp_path, case):
    with pytest.raises(InputError, match="no duplicates table"):
        run_evaluate(spark, settings_of(tmp_path), silent)
    with pytest.raises(SettingsError, match=r"no dhash rows in the duplicates table of .*: it has phash"):
        run_evaluate(spark, settings_of(case[0], method="dhash"), silent)
    with pytest.raises(InputError, match="--duplicates: there is nothing at"):
        run_evaluate(spark, settings_of(tmp_path, duplicates=str(tmp_path / "nowhere")), silent)
    with pytest.raises(SettingsError, match="holds what one method found: name that one by --method"):
        run_evaluate(spark, settings_of(tmp_path, duplicates="retrieved.json", method="phash,dhash"), silent)
