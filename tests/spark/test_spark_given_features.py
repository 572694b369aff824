"""A features table that somebody gives: searched rightly, or refused with the reason."""

import shutil

import pytest
from pyspark.sql import functions as F
from tables import features_of, pairs_of, rows_of

from dedup_core.errors import InputError, SettingsError
from dedup_core.settings.settings import EncodeSettings, FindSettings
from dedup_core.spark.pipeline import run_encode, run_find

CODES = {"a.png": 1, "b.png": 3, "c.png": 2**63 + 2**40 - 1}


def silent(_line):
    """Nobody watches."""


@pytest.fixture
def table(spark):
    return features_of(spark, CODES)


def find(spark, tmp_path, say=silent, **others):
    settings = {"output": str(tmp_path / "out"), "features": str(tmp_path / "features"), "export_json": False}
    return run_find(spark, FindSettings(**settings | others), say)


def search(spark, tmp_path, table, **others):
    table.write.mode("overwrite").partitionBy("method").parquet(str(tmp_path / "features"))
    return find(spark, tmp_path, **others)


def test_a_table_of_any_columns_is_searched_and_what_is_passed_over_is_named(spark, tmp_path, table):
    lines = []
    few = table.select("path", "method", "fingerprint", "hash").withColumns({"label": F.lit("x"), "é.b": F.lit(1)})
    search(spark, tmp_path, few, say=lines.append)
    assert pairs_of(spark.read.parquet(str(tmp_path / "out" / "pairs"))) == {("a.png", "b.png"): 1.0}
    assert lines[0].endswith("features: passed over the columns label, é.b")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("hash", None, r"1 rows of the features in .*features have no hash, such as 'b\.png': encode these"),
        ("path", None, "1 rows of the features in .* have no path: encode"),
        ("path", "", "1 rows of the features in .* have no path, such as ''"),
        ("fingerprint", None, r"have no fingerprint, such as 'b\.png'"),
        ("path", "a.png", r"1 images stand in the features in .* more than once, such as 'a\.png': leave one row"),
        ("fingerprint", "phash-64-v2+exif", r"were made in different ways .* and can't be compared"),
    ],
)  # fmt: skip
def test_a_row_that_would_spoil_the_search_is_counted_and_refused(spark, tmp_path, table, column, value, message):
    spoilt = F.when(F.col("path") == "b.png", F.lit(value)).otherwise(F.col(column))
    with pytest.raises((InputError, SettingsError), match=message):
        search(spark, tmp_path, table.withColumn(column, spoilt))
    assert not (tmp_path / "out" / "pairs").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop("hash"), r"it has no column hash \(columns: "),
        (lambda table: table.withColumn("hash", F.hex("hash")), "it has the column hash as STRING, not BIGINT"),
        (lambda table: table.withColumn("hash", F.col("hash").cast("decimal(20,0)")), r"DECIMAL\(20,0\), not BIGINT"),
        (lambda table: table.withColumnRenamed("path", "file"), "it has no column path"),
        (lambda table: table.drop("fingerprint"), "it has no column fingerprint"),
    ],
)  # fmt: skip
def test_a_table_that_lacks_what_is_searched_is_refused(spark, tmp_path, table, change, message):
    with pytest.raises(InputError, match=f"is no features table that can be searched: .*{message}"):
        search(spark, tmp_path, change(table))


def test_what_one_file_alone_says_counts_whichever_file_is_read_first(spark, tmp_path, table):
    copies = table.withColumn("hash", F.lit(1).cast("bigint")).where(F.col("path") != F.lit("c.png"))
    linked = copies.withColumn("other_names", F.array(F.lit("link.png")))
    few = copies.select("path", "method", "fingerprint", "hash")
    few.where(F.col("path") == F.lit("a.png")).coalesce(1).write.parquet(str(tmp_path / "features"))
    linked.where(F.col("path") == F.lit("b.png")).coalesce(1).write.mode("append").parquet(str(tmp_path / "features"))
    find(spark, tmp_path, removals="similar")
    removals = spark.read.parquet(str(tmp_path / "out" / "removals")).collect()
    assert sorted(row["path"] for row in removals) == ["b.png", "link.png"]


def test_files_of_other_types_and_files_that_break_off_are_named(spark, tmp_path, table):
    table.drop("method").coalesce(1).write.parquet(str(tmp_path / "features" / "method=phash"))
    odd = table.withColumn("hash", F.col("hash").cast("string")).drop("method")
    odd.coalesce(1).write.mode("append").parquet(str(tmp_path / "features" / "method=phash"))
    with pytest.raises(InputError, match=r"(it has the column hash as STRING|can't read the features in .*: .)"):
        find(spark, tmp_path)
    for part in (tmp_path / "features" / "method=phash").glob("*.parquet"):
        part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"can't read the features in .*: ."):
        find(spark, tmp_path)


def test_a_path_that_is_no_utf_8_is_refused(spark, tmp_path, table):
    spoilt = table.withColumn("path", F.concat("path", F.unhex(F.lit("E9")).cast("string")))
    with pytest.raises(InputError, match=r"3 rows of the features in .* have no path in UTF-8, such as 'a\.png"):
        search(spark, tmp_path, spoilt)


def test_a_table_with_a_log_is_refused(spark, tmp_path, table):
    table.write.partitionBy("method").parquet(str(tmp_path / "features"))
    (tmp_path / "features" / "_delta_log").mkdir()
    for place in ("features", "features/method=phash"):
        with pytest.raises(InputError, match=rf"{place} belongs to a Delta table, .*: save the current one as Parquet"):
            find(spark, tmp_path, features=str(tmp_path / place))


def test_what_is_no_parquet_is_named(spark, tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "notes.txt").write_text("text")
    with pytest.raises(InputError, match="can't read the features in"):
        find(spark, tmp_path)


def test_the_output_folders_own_features_are_its_own_however_they_are_spelt(spark, tmp_path, photographs):
    (tmp_path / "images").mkdir()
    shutil.copyfile(photographs[0], tmp_path / "images" / photographs[0].name)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    run_encode(spark, EncodeSettings(input=str(tmp_path / "images"), output=str(tmp_path / "out")), silent)
    before = rows_of(spark, tmp_path / "out", "features")
    for spelt, overwrite in ((f"file://{tmp_path}/out/features", False), (f"{tmp_path}/link/features/", True)):
        find(spark, tmp_path, features=spelt, overwrite=overwrite)
        assert rows_of(spark, tmp_path / "out", "features") == before


def test_a_part_of_the_output_folders_features_is_not_replaced_by_what_is_found_in_it(spark, tmp_path, photographs):
    (tmp_path / "images").mkdir()
    shutil.copyfile(photographs[0], tmp_path / "images" / photographs[0].name)
    run_encode(spark, EncodeSettings(input=str(tmp_path / "images"), output=str(tmp_path / "out")), silent)
    inside = str(tmp_path / "out" / "features")
    shutil.copytree(inside, tmp_path / "features")
    with pytest.raises(SettingsError, match=r"already holds the tables of run .* replace them by --overwrite"):
        find(spark, tmp_path)
    with pytest.raises(InputError, match="has no column method"):
        find(spark, tmp_path, features=f"{inside}/method=phash", overwrite=True)
    assert (tmp_path / "out" / "features").exists()
