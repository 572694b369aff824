"""Every table says what made it and from what; tables that don't belong together are named, and nothing else is."""

import json
import shutil

import pytest

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.current import CURRENT, Current, Provenance
from dedup_core.settings.settings import (
    EncodeSettings,
    EvaluateSettings,
    FindSettings,
    PipelineSettings,
    ReportSettings,
)
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.pipeline import run_encode, run_find, run_pipeline
from dedup_core.spark.report.page import write_report
from dedup_core.spark.store import Store
from dedup_core.spark.summary import summary

SEARCHED = ("pairs", "duplicates", "groups", "removals")


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "images"
    make_corpus(installed_photographs()[:3], [EDITS["half_size"]], folder)
    return folder


@pytest.fixture(scope="module")
def finished(spark, images, tmp_path_factory):
    """What a run by two methods says of its tables."""
    output = tmp_path_factory.mktemp("out")
    settings = PipelineSettings(
        input=str(images), output=str(output), method="phash,dhash", max_distance_threshold=6, report=False
    )
    return run_pipeline(spark, settings, silent), output


@pytest.fixture
def work(finished, images, tmp_path):
    """A copy of the images and of the output, to go on from."""
    shutil.copytree(images, tmp_path / "images")
    shutil.copytree(finished[1], tmp_path / "out")
    return tmp_path


def encode(spark, work, finished, **others):
    """Encode again. A copy has another path: the tables are told where they are from."""
    (record,) = (work / "out" / "runs").glob(f"{finished[0].run_id}.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"source": str(work / "images")}))
    return run_encode(spark, EncodeSettings(input=str(work / "images"), output=str(work / "out"), **others), silent)


def current(work):
    return Store(str(work / "out")).read_current()


def test_every_table_says_what_made_it(finished, images):
    run, output = finished
    told = json.loads((output / CURRENT).read_text())
    assert told["run_id"] == run.run_id
    assert "pending" not in told
    expected = {f"{table}/method={method}" for table in ("features", *SEARCHED) for method in ("phash", "dhash")}
    assert told["tables"].keys() == expected | {"failures"}
    for place, what in told["tables"].items():
        assert (what["run_id"], what["source"]) == (run.run_id, str(images)), place
    pairs, features = (told["tables"][f"{table}/method=phash"] for table in ("pairs", "features"))
    assert (pairs["threshold"], pairs["search"], pairs["fingerprint"]) == (6.0, "exact", "phash-64-v2")
    assert pairs["features"] == features["features"]
    assert features["images"] == told["tables"]["features/method=dhash"]["images"]
    assert Store(str(output)).read_current().stale() == []
    assert "Stale" not in summary(run)


def test_what_is_made_again_from_the_same_images_is_not_doubted(spark, finished, work):
    before = current(work).tables["features/method=phash"]
    for others in ({}, {"reuse": False}):
        run = encode(spark, work, finished, method="phash", **others)
        after = current(work).tables["features/method=phash"]
        assert (after.run_id, before.run_id) == (run.run_id, finished[0].run_id)
        assert (after.features, after.images) == (before.features, before.images)
        assert current(work).stale() == []


def test_tables_of_features_that_have_changed_are_named_everywhere(spark, finished, work, capsys):
    run, _ = finished
    next((work / "images").rglob("*.png")).unlink()
    again = encode(spark, work, finished, method="phash")
    told = current(work).stale()
    assert told == [
        f"the dhash features are of run {run.run_id}, and of other images than those by phash of run {again.run_id}: "
        "encode again by dhash",
        f"duplicates, groups, pairs, removals by phash are of run {run.run_id}, and the phash features have changed "
        f"since, by run {again.run_id}: search again",
    ]
    assert [f"Stale    {sentence}" in summary(again) for sentence in told] == [True, True]

    place = write_report(spark, ReportSettings(output=str(work / "out")), silent)
    with open(place) as page:
        text = page.read()
    assert all(sentence in text for sentence in told)

    lines = []
    run_evaluate(spark, EvaluateSettings(output=str(work / "out"), method="phash"), lines.append)
    assert [f"Stale: {sentence}" in lines for sentence in told] == [True, True]

    lines = []
    run_find(spark, FindSettings(output=str(work / "out"), method="phash"), lines.append)
    assert [line for line in lines if "Stale" in line] == [f"Stale: {told[0]}"]
    assert current(work).stale() == told[:1]
    encode(spark, work, finished, method="phash,dhash")
    assert current(work).stale() == [told[1].replace("phash", "dhash").replace(again.run_id, current(work).run_id)]


def test_an_earlier_version_has_said_nothing_and_is_not_doubted():
    phash = Provenance(run_id="1", source="photos", images="a", features={"phash": "a"})
    pairs = Provenance(run_id="0", source="photos", features={"dhash": "a", "phash": "a"})
    assert Current(tables={"pairs/method=phash": pairs}).stale() == []
    assert Current(tables={"pairs/method=phash": pairs, "features/method=phash": phash}).stale() == []
