"""Too many pairs to list: groups and removals are given all the same, and nothing claims that there are no pairs."""

import json

import pytest
from tables import features_of, rows_of

from dedup_core.errors import LimitError, SettingsError
from dedup_core.settings.settings import EvaluateSettings, FindSettings, ReportSettings
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.pipeline import run_find
from dedup_core.spark.report.page import gather, write_report
from dedup_core.spark.store import Store
from dedup_core.spark.summary import summary

COPIES = {f"{number:03d}.png": 7 for number in range(60)} | {"x.png": 6, "y.png": 2**40 - 1}


def silent(_line):
    """Nobody watches."""


def find(spark, tmp_path, **others):
    settings = {"output": str(tmp_path / "out"), "features": str(tmp_path / "features"), "max_pairs": 100}
    return run_find(spark, FindSettings(**settings | others), silent)


@pytest.fixture(scope="module")
def searched(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlisted")
    save(features_of(spark, COPIES, digest_of=lambda path: path if path[0] in "xy" else "copy"), folder)
    return folder, find(spark, folder, list_pairs=False)


def save(features, folder):
    features.write.partitionBy("method").parquet(str(folder / "features"))


def test_the_limit_names_the_option_that_helps(spark, searched, tmp_path):
    folder, _ = searched
    with pytest.raises(LimitError, match=r"1,830 pairs .* more than the 100 .* or --no-list-pairs, which gives groups"):
        find(spark, folder, output=str(tmp_path))


def test_groups_and_removals_are_those_of_a_search_that_lists_all(spark, searched, tmp_path):
    folder, run = searched
    find(spark, folder, output=str(tmp_path), max_pairs=2000)
    for table in ("groups", "removals"):
        assert rows_of(spark, folder / "out", table) == rows_of(spark, tmp_path, table)
    assert (folder / "out" / "to_remove.json").read_text() == (tmp_path / "to_remove.json").read_text()
    assert (run.counts["found"]["phash"]["pairs"], run.counts["found"]["phash"]["images"]) == (1830, 62)
    assert "1,830  pairs in reach, counted and not listed" in summary(run)


def test_files_that_differ_are_verified_pair_by_pair_and_held_against_the_limit(spark, tmp_path):
    save(features_of(spark, COPIES), tmp_path)
    with pytest.raises(LimitError, match=r"1,830 pairs of different files, more than the 100 that"):
        find(spark, tmp_path, list_pairs=False)


def test_what_an_earlier_search_listed_goes(spark, searched, tmp_path):
    folder, _ = searched
    settings = {"output": str(tmp_path), "max_pairs": 2000}
    find(spark, folder, **settings)
    find(spark, folder, **settings, list_pairs=False)
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"current.json", "dedup-core.json", "groups", "removals", "runs", "to_remove.json"}


def test_the_report_shows_the_groups_and_does_not_say_that_there_are_no_pairs(spark, searched):
    folder, _ = searched
    settings = ReportSettings(output=str(folder / "out"))
    (result,) = gather(spark, Store(settings.output), settings).methods
    assert (result.pairs, result.groups, result.images, result.lists_pairs) == (1830, 1, 62, False)
    write_report(spark, settings, silent)
    page = (folder / "out" / "report" / "index.html").read_text()
    assert "The pairs were counted and not listed" in page
    assert "No pairs were found" not in page


def test_an_evaluation_says_what_it_lacks(spark, searched):
    folder, _ = searched
    with pytest.raises(SettingsError, match=r"counted and not listed .*--list-pairs"):
        run_evaluate(spark, EvaluateSettings(output=str(folder / "out")), silent)


def test_the_record_knows_how_it_was_searched(searched):
    folder, run = searched
    record = json.loads((folder / "out" / "runs" / f"{run.run_id}.json").read_text())
    assert record["settings"]["list_pairs"] is False
    assert record["published"] == ["groups/method=phash", "removals/method=phash", "to_remove.json"]
