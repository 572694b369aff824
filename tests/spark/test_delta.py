"""Jobs that publish Delta tables: the same rows as in Parquet, for our readers and for those of others."""

import datetime
import shutil
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from album import make_album
from deltalake import DeltaTable
from pyspark.sql import Row
from tables import rows_of

from dedup_core.errors import InputError, SettingsError
from dedup_core.ledger import TABLES
from dedup_core.methods import PHash
from dedup_core.settings.settings import (
    EncodeSettings,
    EvaluateSettings,
    FindSettings,
    PipelineSettings,
    ReportSettings,
)
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.inputs.parquet import read_parquet
from dedup_core.spark.pipeline import run_encode, run_find, run_pipeline
from dedup_core.spark.published import Published
from dedup_core.spark.report.page import write_report
from dedup_core.spark.runs import Run
from dedup_core.spark.store import Store


def silent(_line):
    """Nobody watches."""


def ours(spark, folder):
    """{table: rows} as our readers find them, without what differs from run to run."""
    published = Published.of(Store(str(folder)))
    return {name: plain(published.read(spark, name).drop("run_id").toPandas().to_dict("records")) for name in TABLES}


def theirs(table):
    """The rows that a reader of Delta tables finds that is none of ours."""
    rows = pa.table(DeltaTable(str(table)).to_pyarrow_table()).to_pandas()
    return plain(rows.drop(columns="run_id", errors="ignore").to_dict("records"))


def plain(rows):
    return sorted(repr([(name, of_any_reader(row[name])) for name in sorted(row)]) for row in rows)


def of_any_reader(value):
    """A value without the type that a reader gives it."""
    value = value.asDict() if isinstance(value, Row) else value
    value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(value, dict):
        return {name: of_any_reader(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [of_any_reader(part) for part in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return None if pd.isna(value) else of_any_type(value)


def of_any_type(value):
    """A number or a moment that is there."""
    if isinstance(value, datetime.datetime):
        return pd.Timestamp(value).tz_localize(None).isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value  # where others are null


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    """A folder of images with one broken file, and what two runs make of it: Parquet and Delta tables."""
    lake = tmp_path_factory.mktemp("lake")
    make_album(lake / "images")
    (lake / "images" / "broken.jpg").write_bytes(b"nothing")
    for name in ("parquet", "delta"):
        settings = PipelineSettings(
            input=str(lake / "images"), output=str(lake / name), method="phash,ahash", table_format=name
        )
        run_pipeline(spark, settings, silent)
    return lake


@pytest.fixture
def out(lake, tmp_path):
    """A copy of the folder with Delta tables."""
    return shutil.copytree(lake / "delta", tmp_path / "out")


@pytest.mark.every_spark
def test_delta_tables_hold_the_rows_of_parquet_for_our_readers_and_for_others(spark, lake):
    expected = ours(spark, lake / "parquet")
    assert {name: len(rows) > 0 for name, rows in expected.items()} == dict.fromkeys(TABLES, True)
    assert ours(spark, lake / "delta") == expected
    assert {name: theirs(lake / "delta" / name) for name in TABLES} == expected
    frame = pl.read_delta(str(lake / "delta" / "pairs"))
    assert set(frame["method"]) == {"phash", "ahash"}
    assert len(frame) == len(expected["pairs"])
    features = pl.read_delta(str(lake / "delta" / "features"))
    parquet = spark.read.parquet(str(lake / "parquet" / "features")).toPandas()
    assert features["modified_at"].dtype == pl.Datetime("us", "UTC")
    assert {path: moment.replace(tzinfo=None) for path, moment in features.select("path", "modified_at").rows()} == {
        path: moment.to_pydatetime() for path, moment in zip(parquet["path"], parquet["modified_at"], strict=True)
    }


def test_a_reader_of_plain_parquet_sees_nothing_rather_than_the_rows_of_two_runs(spark, out):
    with pytest.raises(Exception, match=r"(?i)unable to infer schema"):
        spark.read.parquet(str(out / "pairs"))


def test_another_method_stays_and_what_is_not_listed_goes(spark, lake, out):
    before = ours(spark, out)
    find = FindSettings(output=str(out), method="phash", max_distance_threshold=0, list_pairs=False)
    run_find(spark, find, silent)
    published = Published.of(Store(str(out)))
    assert {name: published.methods(name) for name in ("features", "pairs", "duplicates", "groups", "removals")} == {
        "features": ["ahash", "phash"], "pairs": ["ahash"], "duplicates": ["ahash"], "groups": ["ahash", "phash"],
        "removals": ["ahash", "phash"],
    }  # fmt: skip
    current = published.current
    assert current.versions == {"features": 0, "failures": 0, "pairs": 1, "duplicates": 1, "groups": 1, "removals": 1}
    assert set(pl.read_delta(str(out / "pairs"))["method"]) == {"ahash"}
    assert len(pl.read_delta(str(out / "pairs"), version=0)) == len(before["pairs"])
    assert DeltaTable(str(out / "pairs")).history(1)[0]["run_id"] == current.run_id


def test_features_are_reused_and_found_by_who_names_them(spark, lake, out, tmp_path):
    encode = EncodeSettings(input=str(lake / "images"), output=str(out), method="phash")
    run = run_encode(spark, encode, silent)
    assert run.counts["reused"] == run.counts["encoded"] > 0
    find = FindSettings(output=str(tmp_path / "found"), features=str(out / "features"), method="phash,ahash")
    run_find(spark, find, silent)
    expected = ours(spark, lake / "parquet")
    for name in ("pairs", "groups"):
        assert rows_of(spark, tmp_path / "found", name) == rows_of(spark, lake / "parquet", name)
    assert Published.of(Store(str(out))).methods("features") == ["ahash", "phash"]
    assert len(expected["features"]) == len(ours(spark, out)["features"])


def test_one_machine_reads_the_features_and_writes_none(lake, out):
    names, encodings = zip(*PHash().load_encodings(str(out / "features")).items(), strict=True)
    assert dict(zip(names, encodings, strict=True)) == PHash().load_encodings(str(lake / "parquet" / "features"))
    with pytest.raises(SettingsError, match="is a Delta table, into which jobs alone write"):
        PHash().save_encodings(dict(zip(names, encodings, strict=True)), str(out / "features"), overwrite=True)


def test_the_report_and_an_evaluation_read_what_is_published(spark, lake, out):
    write_report(spark, ReportSettings(output=str(out)), silent)
    page = (out / "report" / "index.html").read_text()
    assert "phash" in page
    assert "not an image" in page
    shown = ours(spark, out)
    run_evaluate(spark, EvaluateSettings(output=str(out), duplicates=f"{out}/", method="phash"), silent)
    assert list((out / "evaluation").iterdir())
    assert ours(spark, out) == shown


def test_a_folder_keeps_its_format(spark, lake, out):
    find = {"method": "phash", "output": str(out)}
    with pytest.raises(
        SettingsError, match="holds tables of the format delta: choose another folder for --table-format"
    ):
        run_find(spark, FindSettings(**find, table_format="parquet"), silent)
    run_find(spark, FindSettings(**find), silent)
    assert Published.of(Store(str(out))).current.is_delta
    with pytest.raises(SettingsError, match="of the format parquet"):
        run_find(spark, FindSettings(output=str(lake / "parquet"), method="phash", table_format="delta"), silent)


def test_another_input_empties_what_it_does_not_fill(spark, lake, out, tmp_path):
    make_album(tmp_path / "others")
    settings = PipelineSettings(input=str(tmp_path / "others"), output=str(out), method="phash", report=False)
    with pytest.raises(SettingsError, match="--overwrite"):
        run_pipeline(spark, settings, silent)
    run_pipeline(spark, settings.model_copy(update={"overwrite": True}), silent)
    assert Published.of(Store(str(out))).methods("pairs") == ["phash"]
    assert set(pl.read_delta(str(out / "features"))["method"]) == {"phash"}
    assert "broken.jpg" not in set(pl.read_delta(str(out / "failures"))["path"])


def test_a_run_that_goes_no_further_shows_its_failures(spark, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"nothing")
    settings = PipelineSettings(input=str(tmp_path / "in"), output=str(tmp_path / "out"), table_format="delta")
    with pytest.raises(InputError, match=r"which: the table .*out/failures"):
        run_pipeline(spark, settings, silent)
    assert len(pl.read_delta(str(tmp_path / "out" / "failures"))) == 1
    assert Published.of(Store(str(tmp_path / "out"))).tables() == ["failures"]
    assert not (tmp_path / "out" / "features").exists()


def test_on_a_store_delta_is_the_default_and_without_deltalake_the_way_is_told(spark, lake, tmp_path, monkeypatch):
    store = Store(str(tmp_path / "out"))
    store.renames_folders = False
    run = Run(spark, store, FindSettings(output=store.url), silent, "photos")
    with run.output(["pairs"], ["phash"]):
        assert run.is_delta
        assert spark.conf.get("spark.sql.parquet.outputTimestampType") == "TIMESTAMP_MICROS"
    with run.output([], []):
        assert not run.is_delta
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with (
        pytest.raises(SettingsError, match=r"need deltalake: .*DEDUP_EXTRAS=.*--table-format parquet does without"),
        run.output(["pairs"], ["phash"]),
    ):
        pytest.fail("there is no such library")


def test_the_failures_of_a_run_that_goes_no_further_lie_beside_the_tables_of_another(spark, lake, out):
    shown = ours(spark, out)
    settings = PipelineSettings(
        input=str(lake / "images"), output=str(out), method="phash,ahash", max_failed_share=0.001, reuse=False
    )
    with pytest.raises(InputError, match=r"which: the table .*/runs/.*\.failures"):
        run_pipeline(spark, settings, silent)
    assert ours(spark, out) == shown
    (failures,) = (out / "runs").glob("*.failures")
    assert spark.read.parquet(str(failures)).count() == len(shown["failures"])
    assert {path.name for path in (out / "features").iterdir()} == {"_delta_log", *kept(out, "features")}


def kept(out, table):
    """The folders in a table that hold the rows which are shown."""
    folders = Store(str(out)).read_current().folders.values()
    return {folder.split("/")[1] for folder in folders if folder.startswith(f"{table}/")}


def test_rows_that_somebody_deleted_are_told_with_what_to_do(spark, out):
    current = Store(str(out)).read_current()
    shutil.rmtree(out / current.folders["pairs/method=phash"])
    with pytest.raises(InputError, match=r"pairs/method=phash were deleted from .*: make them again by .*find"):
        write_report(spark, ReportSettings(output=str(out)), silent)


def test_features_that_somebody_deleted_are_made_again(spark, lake, out):
    shown = ours(spark, out)
    shutil.rmtree(out / "features")
    shutil.rmtree(out / "failures")
    settings = PipelineSettings(input=str(lake / "images"), output=str(out), method="phash,ahash", report=False)
    run = run_pipeline(spark, settings, silent)
    assert run.counts["reused"] == 0
    assert ours(spark, out) == shown
    assert len(pl.read_delta(str(out / "features"))) == len(shown["features"])


def test_without_the_file_that_names_the_rows_nothing_is_shown_and_nothing_goes(spark, lake, out):
    (out / "current.json").unlink()
    before = sorted(out.rglob("*"))
    settings = PipelineSettings(input=str(lake / "images"), output=str(out), method="phash,ahash", report=False)
    for job in (lambda: write_report(spark, ReportSettings(output=str(out)), silent),
                lambda: run_pipeline(spark, settings, silent)):  # fmt: skip
        with pytest.raises(SettingsError, match=r"current\.json, which says where rows lie, is gone"):
            job()
    assert sorted(out.rglob("*")) == before


def test_a_table_of_ours_is_given_to_a_job_like_any_parquet(spark, lake, out):
    pairs = read_parquet(spark, str(out / "pairs"), "the ground truth")
    assert plain(pairs.toPandas().to_dict("records")) == ours(spark, lake / "parquet")["pairs"]
    with pytest.raises(InputError, match="belongs to a Delta table"):
        read_parquet(spark, str(out / "pairs" / "method=phash"), "the ground truth")
