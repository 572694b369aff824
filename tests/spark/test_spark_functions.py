"""The functions over DataFrames of one's own: the same tables as the jobs', and a session that is left as it was."""

import doctest
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import connected
import pyarrow.parquet as pq
import pyspark
import pytest
from given import names, settings_of, shelve

import dedup_core.spark
from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark import encode, evaluate, find, functions, given_embeddings, groups, removals, without
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.results import EncodedTables
from dedup_core.spark.tables import DUPLICATES, FAILURES, FEATURES, GROUPS, PAIRS, REMOVALS, columns_of

ROOT = Path(__file__).parents[2]
TOLD = {"pairs": ("path_a", "path_b", "score", "verdict"), "groups": connected.GROUPS, "removals": connected.REMOVALS}


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    return shelve(photographs, tmp_path_factory.mktemp("given") / "images")


@pytest.fixture(scope="module")
def connect(folder):
    """A process that does the same on Spark Connect, while the other tests are at work; None where it can't be."""
    if lacking_for_connect():
        yield None
        return
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/spark")])}
    environment |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": "pyspark-shell"}
    command = [sys.executable, str(ROOT / "tests/spark/connected.py"), str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()


def lacking_for_connect():
    if importlib.util.find_spec("grpc_status") is None:
        return "needs pyspark[connect]"
    has_server = any(Path(pyspark.__file__).parent.glob("jars/spark-connect_*"))
    return "" if has_server else "the package of pyspark has a server of Spark Connect since Spark 4"


@dataclass
class Examples:
    """The examples of the functions by name, and what those made that have run."""

    of_names: dict
    made: dict
    runner: doctest.DocTestRunner = field(
        default_factory=lambda: doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    )

    def run(self, name):
        test = self.of_names.pop(name)
        test.globs.update(self.made)
        self.runner.run(test, clear_globs=False)
        self.made |= test.globs


@pytest.fixture(scope="module")
def examples(spark, folder, connect):
    """Those of encode and find have run: what they made is what other examples start from, and the tests here."""
    given = {"spark": spark, "folder": str(folder)} | vars(functions)
    tests = doctest.DocTestFinder().find(functions, globs=given)
    started = Examples({test.name.split(".")[-1]: test for test in tests if test.examples}, {})
    for name in ("encode", "find"):
        started.run(name)
    return started


@pytest.fixture(scope="module")
def images(examples):
    return examples.made["images"]


@pytest.fixture(scope="module")
def encoded(examples):
    return EncodedTables(examples.made["features"], examples.made["failures"])


@pytest.fixture(scope="module")
def searched(examples):
    return examples.made["found"]


@pytest.fixture(scope="module")
def own(images, encoded):
    """Embeddings of the caller's own, one of them missing."""
    told = "CASE WHEN path LIKE '%astronaut%' THEN ARRAY(1, 2, 3) WHEN path LIKE '%coffee%' THEN ARRAY(3, -2, 1) END"
    vectors = images.selectExpr("path AS name", f"{told} AS v")
    return given_embeddings(vectors, "sscd", path="name", embedding="v", features=encoded.features)


def types_of(frame):
    return {name: kind.lower() for name, kind in frame.dtypes}


def declared(schema):
    return {name: kind.lower().replace(": ", ":").replace(", ", ",") for name, kind in columns_of(schema).items()}


# The same as the jobs


def test_tables_are_those_of_the_pipeline(spark, folder, searched, tmp_path):
    settings = PipelineSettings(input=str(folder), output=str(tmp_path / "out"), report=False)
    run_pipeline(spark, settings, lambda line: None)
    for table, columns in TOLD.items():
        assert names(getattr(searched, table).collect(), *columns) == names(
            pq.read_table(tmp_path / "out" / table).to_pylist(), *columns
        )
    assert names(searched.removals.collect(), *connected.REMOVALS) == [("astronaut.jpeg", "astronaut.png")]


@pytest.mark.every_spark
def test_results_have_the_schemas_of_the_tables(encoded, searched):
    frames = [*encoded, *searched]
    schemas = [FEATURES, FAILURES, PAIRS, DUPLICATES, GROUPS, REMOVALS]
    assert [types_of(frame) for frame in frames] == [declared(schema) for schema in schemas]


@pytest.mark.every_spark
def test_failures_are_rows_and_times_are_kept(encoded):
    assert names(encoded.failures.collect(), "path", "reason") == [("notes.jpg", "not_an_image")]
    assert encoded.features.where("modified_at IS NULL OR id IS NULL OR size IS NULL").count() == 0
    assert encoded.features.groupBy("method").count().collect()[0]["count"] == 4


# A session that is left as it was


def test_no_setting_view_or_cache_is_left_and_the_order_may_name_a_column_of_the_callers_table(spark, images):
    rated = images.selectExpr("*", "IF(path LIKE '%.jpeg', 5, 1) AS rating")
    spark.catalog.clearCache()  # of what other tests have left
    before, tables = settings_of(spark), spark.catalog.listTables()
    features, _ = encode(images)
    kept = groups(features, images=rated, keep=["rating:desc"], removals=["similar"])
    with pytest.raises(LimitError, match="max_pairs"):
        groups(features, images=images, max_pairs=0)
    assert kept.count() == 2
    assert names(kept.where("keep").collect(), "path") == [("astronaut.jpeg",)]
    assert settings_of(spark) == before
    assert spark.catalog.listTables() == tables
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()


def test_the_page_names_every_setting_that_changes_meanwhile():
    used = set()
    for path in (ROOT / "dedup_core/spark").rglob("*.py"):
        used |= set(re.findall(r'"(spark\.sql\.[\w.]+)"', path.read_text(encoding="utf-8")))
    page = (ROOT / "docs/spark-functions.md").read_text(encoding="utf-8")
    of_jobs_or_read = {
        "spark.sql.session.timeZone",
        "spark.sql.caseSensitive",
        "spark.sql.parquet.outputTimestampType",  # of jobs that publish Delta tables
    }
    assert {name for name in used - of_jobs_or_read if f"`{name}`" not in page} == set()
    assert len(used) > 5


@pytest.mark.every_spark
def test_they_work_on_spark_connect(connect, searched):
    if connect is None:
        pytest.skip(lacking_for_connect())
    said, complained = connect.communicate(timeout=500)
    assert connect.returncode == 0, complained
    told = json.loads(said.splitlines()[-1])
    assert told.pop("is_connect").startswith("pyspark.sql.connect")
    expected = {name: [list(row) for row in names(getattr(searched, name).collect(), *TOLD[name])]
                for name in ("groups", "removals")}  # fmt: skip
    expected |= {"own": [["astronaut.jpeg", "astronaut.png"]]}
    expected |= {"features": 4, "failures": [["notes.jpg", "not_an_image"]], "left": 4, "f1": 1.0, "is_as_before": True}
    assert told == expected


# What comes in


def test_paths_alone_are_read_where_they_lie_each_file_once(spark, folder, tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    os.link(folder / "astronaut.png", shelf / "a.png")
    os.link(folder / "astronaut.png", shelf / "b.png")
    paths = [(str(shelf / "a.png"),), (f"file:{shelf}/b.png",), (str(shelf / "gone.png"),), (None,)]
    named = spark.createDataFrame([*paths, (str(folder / "astronaut.jpeg"),)], "place STRING")
    features, failures = encode(named, path="place")
    assert names(features.collect(), "path") == [("a.png",), ("astronaut.jpeg",)]
    assert sorted(row["reason"] for row in failures.collect()) == ["no_path", "vanished"]
    gone = removals(features, images=named.withColumnRenamed("place", "path"))
    assert names(gone.collect(), "path") == [("astronaut.jpeg",)]


def test_rows_of_one_path_are_one_image_if_they_carry_one(spark, folder):
    one, other = ((folder / name).read_bytes() for name in ("astronaut.png", "coffee.png"))
    rows = [
        ("same", one),
        ("same", one),
        ("two", one),
        ("two", other),
        (None, one),
        ("", one),
        ("none", None),
        ("none", None),
        ("7", one),
    ]
    features, failures = encode(spark.createDataFrame(rows, "path STRING, content BINARY"), ["phash", "ahash"])
    assert sorted((row["path"], row["method"]) for row in features.collect()) == [
        (path, method) for path in ("7", "same") for method in ("ahash", "phash")
    ]
    assert sorted((row["path"] or "", row["reason"]) for row in failures.collect()) == [
        ("", "no_path"), ("", "no_path"), ("none", "empty"), ("two", "ambiguous_path"),
    ]  # fmt: skip


def test_an_order_by_a_column_needs_the_images(encoded):
    with pytest.raises(SettingsError, match="give these by images="):
        groups(encoded.features, keep=["rating:desc"])


def test_without_the_images_equal_files_alone_are_the_same(encoded, own):
    both = encoded.features.unionByName(own.features)
    found = find(both, ["phash", "sscd"], embeddings_name="sscd", min_similarity_threshold=0.99)
    verdicts = [(row["method"], row["verdict"]) for row in found.pairs.collect()]
    assert sorted(verdicts) == [("phash", "similar"), ("sscd", "similar")]
    assert found.removals.isEmpty()


def test_embeddings_of_ones_own_are_a_method_like_another(images, own, searched):
    assert [types_of(frame) for frame in own] == [declared(FEATURES), declared(FAILURES)]
    assert names(own.failures.collect(), "path", "reason") == [("chelsea.png", "no_embedding")]
    assert own.features.where("look IS NULL OR digest IS NULL OR run_id IS NOT NULL").isEmpty()
    found = find(own.features, "sscd", embeddings_name="sscd", images=images, min_similarity_threshold=0.99)
    for table, columns in TOLD.items():
        of_each = [names(getattr(tables, table).collect(), *columns) for tables in (searched, found)]
        without_scores = [[row[:2] + row[3:] for row in rows] if table == "pairs" else rows for rows in of_each]
        assert without_scores[0] == without_scores[1] != []


def test_vectors_alone_are_compared_and_by_their_pixels_too(images):
    vectors = images.where("path LIKE '%astronaut%'").selectExpr("path", "ARRAY(1.5D, 2) AS embedding")
    features, failures = given_embeddings(vectors)
    assert failures.isEmpty()
    assert find(features, "embeddings").pairs.first()["verdict"] == "similar"
    found = find(features, "embeddings", images=images)
    assert names(found.removals.collect(), "path") == [("astronaut.png",)]  # of no known size: by its path


def test_vectors_of_spark_ml_are_taken_and_nothing_that_is_none(spark):
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    rows = spark.createDataFrame([(1, [1.0, 0.0]), (2, [2.0, 0.1]), (3, None)], "name BIGINT, numbers ARRAY<DOUBLE>")
    vectors = rows.select("name", F.when(F.col("numbers").isNotNull(), array_to_vector("numbers")).alias("vector"))
    features, failures = given_embeddings(vectors, path="name", embedding="vector")
    assert sorted((row["path"], len(row["embedding"])) for row in features.collect()) == [("1", 2), ("2", 2)]
    assert names(failures.collect(), "path", "reason") == [("3", "no_embedding")]
    with pytest.raises(InputError, match=r"as STRUCT<.*>: save it as ARRAY<FLOAT>|has fields"):
        given_embeddings(rows.selectExpr("name", "STRUCT(numbers) AS s"), path="name", embedding="s")
    with pytest.raises(InputError, match="no row of the embeddings in the DataFrame can be used"):
        given_embeddings(rows.where("name = 3"), path="name", embedding="numbers")


@pytest.mark.every_spark
def test_steps_may_lie_in_a_folder(encoded, images, searched, tmp_path):
    told = groups(encoded.features, images=images, folder=str(tmp_path))
    assert sorted(map(tuple, told.collect())) == sorted(map(tuple, searched.groups.collect()))
    assert list(tmp_path.rglob("*.parquet"))


# What comes out


@pytest.mark.every_spark
def test_without_keeps_the_shape_of_the_table(spark, images, searched):
    left = without(images, searched.removals)
    assert left.schema == images.schema
    assert names(left.collect(), "path") == [("astronaut.png",), ("chelsea.png",), ("coffee.png",), ("notes.jpg",)]
    table = spark.createDataFrame([(1, "x"), (2, "y"), (3, None)], "number INT, key STRING")
    gone = spark.createDataFrame([("phash", "x")], "method STRING, path STRING")
    assert sorted(row["number"] for row in without(table, gone, path="key").collect()) == [2, 3]
    with pytest.raises(SettingsError, match="several methods"):
        without(table, gone.union(gone.selectExpr("'dhash'", "'y'")), path="key")


@pytest.mark.every_spark
def test_evaluate_takes_labels_or_pairs(spark, searched, encoded):
    labels = encoded.features.selectExpr("path", "regexp_extract(path, '([a-z]+)[.]', 1) AS label").distinct()
    told = evaluate(searched.duplicates, labels, failures=encoded.failures, threshold=10).collect()
    assert [row["threshold"] for row in told] == [float(distance) for distance in range(11)]
    last = told[-1].asDict()
    assert (last["pairs"], last["true_pairs"], last["f1"], last["ndcg"]) == (1, 1, 1.0, 1.0)
    nothing = searched.pairs.where("false").select("path_a", "path_b")
    assert evaluate(searched.duplicates, nothing).collect()[-1]["precision"] == 0.0
    for threshold, error in (("strict", TypeError), (65, ValueError), (float("nan"), ValueError)):
        with pytest.raises(error, match=r"^threshold must be "):
            evaluate(searched.duplicates, nothing, threshold=threshold)
    with pytest.raises(TypeError, match=r"^truth must be a DataFrame of Spark, not 'truth'"):
        evaluate(searched.duplicates, "truth")
    with pytest.raises(TypeError, match=r"^failures must be a DataFrame of Spark"):
        evaluate(searched.duplicates, nothing, failures=5)
    with pytest.raises(InputError, match="no column 'label'"):
        evaluate(searched.duplicates, labels.select("path"))
    with pytest.raises(InputError, match="only among the images compared"):
        evaluate(searched.duplicates, labels.limit(1))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda images, features: encode(images, "phashh"), SettingsError, "did you mean 'phash'"),
        (lambda images, features: encode(images, max_pixel=3), TypeError, "did you mean 'max_pixels'"),
        (lambda images, features: encode(images, max_pixels=0), SettingsError, "^max_pixels: "),
        (lambda images, features: encode(images, path="pfad"), InputError, "has no column 'pfad'"),
        (lambda images, features: encode(images, content="length"), InputError, "as BIGINT: save it as BINARY"),
        (lambda images, features: find(images), InputError, "the DataFrame is no features table"),
        (lambda images, features: find(features, "cnn"), SettingsError, "no cnn features"),
        (lambda images, features: find(features, "ahash"), SettingsError, "no ahash features"),
        (lambda images, features: find(features, output="x"), TypeError, "unexpected argument 'output'"),
        (lambda images, features: find(features, max_distance_threshold=65), SettingsError, "^max_distance_thresh"),
        (lambda images, features: evaluate(images, features), InputError, "no column 'method'"),
        (lambda images, features: encode("folder"), TypeError, "^images must be a DataFrame of Spark, not 'folder'"),
        (lambda images, features: encode(images, 5), TypeError, "^methods must be a name or a list .* not 5$"),
        (lambda images, features: encode(images, [5]), TypeError, r"^methods must be .* not \[5\]$"),
        (lambda images, features: encode(images, []), SettingsError, "^methods: name at least one of: phash"),
        (lambda images, features: encode(images, path=5), TypeError, "^path must be a column's name, not 5"),
        (lambda images, features: encode(images, content=""), ValueError, "^content must be a column's name"),
        (lambda images, features: encode(images, folder=5), TypeError, "^folder must be a path, not 5"),
        (lambda images, features: encode(images, "embeddings"), SettingsError, "given_embeddings"),
        (lambda images, features: encode(images, embeddings_name="x"), TypeError, "argument 'embeddings_name'"),
        (lambda images, features: find("folder"), TypeError, "^features must be a DataFrame of Spark, not 'folder'"),
        (lambda images, features: find((features, None)), TypeError, "^features must be a DataFrame of Spark"),
        (lambda images, features: find(EncodedTables(features, images)), TypeError, "give its .features$"),
        (lambda images, features: find(features, images="x"), TypeError, "^images must be a DataFrame of Spark"),
        (lambda images, features: find(features, max_pixels=-1), SettingsError, "^max_pixels: .*got -1"),
        (lambda images, features: find(features, embeddings="x"), TypeError, "'embeddings': given_embeddings makes"),
        (lambda images, features: groups(features, folder=5), TypeError, "^folder must be a path, not 5"),
        (lambda images, features: without("a", "b"), TypeError, "^images must be a DataFrame of Spark, not 'a'"),
        (lambda images, features: without(images, "b"), TypeError, "^removals must be a DataFrame of Spark, not 'b'"),
        (lambda images, features: without(images, features, path=5), TypeError, "^path must be a column's name"),
        (lambda images, features: evaluate("a", images), TypeError, "^duplicates must be a DataFrame of Spark"),
        (lambda images, features: given_embeddings("a"), TypeError, "^vectors must be a DataFrame of Spark, not 'a'"),
        (lambda images, features: given_embeddings(images, "phash"), SettingsError, "^name: 'phash' is a method"),
        (lambda images, features: given_embeddings(images, 5), TypeError, "^name must be a name, such as 'sscd'"),
        (lambda images, features: given_embeddings(images, features=5), TypeError, "^features must be a DataFrame"),
        (lambda images, features: given_embeddings(images), InputError, "no column 'embedding'"),
        (lambda images, features: given_embeddings(images, embedding="content"), InputError, "as BINARY: save it as"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(images, encoded, call, error, told):
    with pytest.raises(error, match=told) as raised:
        call(images, encoded.features)
    assert "\n" not in str(raised.value)


def test_the_examples_run(examples):
    public = {name for name in dedup_core.spark.__all__ if inspect.isfunction(getattr(functions, name))}
    assert {"encode", "find", *examples.of_names} == public
    for name in list(examples.of_names):
        examples.run(name)
    assert examples.runner.summarize(verbose=False).failed == 0
