"""Embeddings that were made elsewhere: a method like another, and a failure of whatever can't be compared."""

import json

import naive
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from album import scene
from tables import pairs_of

from dedup_core.errors import InputError, SettingsError
from dedup_core.settings.layers import resolve
from dedup_core.settings.settings import (
    EncodeSettings,
    EvaluateSettings,
    FindSettings,
    PipelineSettings,
    ReportSettings,
)
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.inputs.vectors import read_vectors
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.report.page import write_report

FLOATS = pa.list_(pa.float32())


def silent(_line):
    """Nobody watches."""


def write(place, vectors, kind=FLOATS, **names):
    """Write {path: vector} as a table, or [(path, vector)] where a path stands there twice."""
    rows = list(vectors.items()) if isinstance(vectors, dict) else vectors
    columns = {names.get("path", "path"): [path for path, _ in rows], names.get("column", "embedding"): None}
    arrays = [pa.array(next(iter(columns.values())), pa.string()), pa.array([vector for _, vector in rows], kind)]
    pq.write_table(pa.Table.from_arrays(arrays, list(columns)), place)
    return str(place)


def find(spark, tmp_path, table, say=silent, **others):
    stated = {"output": str(tmp_path / "out"), "embeddings": table} | others
    return run_find(spark, resolve(FindSettings, stated), say)


def rows(spark, tmp_path, table, *columns):
    frame = spark.read.parquet(str(tmp_path / "out" / table))
    return sorted((tuple(row) for row in frame.select(*columns).collect()), key=str)


@pytest.fixture(scope="module")
def planted():
    """60 vectors of 16 numbers by path: of each third path the next two are near copies, nearer and farther."""
    random = np.random.default_rng(7)
    roots = random.normal(size=(20, 16))
    vectors = {}
    for number, root in enumerate(roots):
        for copy, noise in enumerate((0.0, 0.05, 0.3)):
            near = (root + noise * random.normal(size=16)) * random.uniform(0.1, 50)
            vectors[f"{number:02}/{copy}.jpg"] = near.astype(np.float32)
    return vectors


def oracle(vectors, least):
    paths = sorted(vectors)
    scores = naive.cosine_similarities(*2 * (np.stack([vectors[path] for path in paths]),))
    return {(a, b): scores[i, j] for i, a in enumerate(paths) for j, b in enumerate(paths) if i < j
            and scores[i, j] >= least}  # fmt: skip


def test_a_whole_find_evaluate_and_report_equals_the_oracle(spark, tmp_path, planted):
    lines = []
    table = write(tmp_path / "sscd.parquet", planted, column="v")
    named = {"embeddings_name": "sscd", "column": "v", "removals": "similar"}
    run = find(spark, tmp_path, table, lines.append, min_similarity_threshold=0.97, **named)
    expected = oracle(planted, 0.97)
    assert 20 < len(expected) < 60  # the farther copies are in reach here and there
    found = pairs_of(spark.read.parquet(str(tmp_path / "out" / "pairs")))
    assert set(found) == set(expected)
    assert found == pytest.approx(expected, abs=1e-12)
    removed = dict(rows(spark, tmp_path, "removals", "path", "kept_path"))
    assert removed == naive.greedy_removals(sorted(planted), expected)
    assert run.counts["given"]["sscd"] == {
        "rows": 60, "length": 16, "images": 60, "failed": {}, "passed_over": 0
    }  # fmt: skip
    assert "  60 of 60 rows are embeddings of 16 numbers" in lines
    ((fingerprint,),) = set(rows(spark, tmp_path, "features", "fingerprint"))
    assert fingerprint.startswith("given-sscd-16-")

    truth = {path: [other for other in planted if other != path and other[:2] == path[:2]] for path in planted}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    output = {"output": str(tmp_path / "out")}
    stated = output | {"embeddings_name": "sscd", "ground_truth": str(tmp_path / "truth.json")}
    run_evaluate(spark, resolve(EvaluateSettings, stated), silent)
    metrics = json.loads((tmp_path / "out" / "evaluation" / "metrics.json").read_text())["sscd"]
    hits = sum(a[:2] == b[:2] for a, b in expected)
    assert metrics["precision"][1] == pytest.approx(hits / len(expected))
    assert metrics["recall"][1] == pytest.approx(hits / 60)
    write_report(spark, ReportSettings(**output), lines.append)
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "sscd" in page
    assert "similarity" in page


def test_what_is_stored_is_searched_again_without_the_table(spark, tmp_path, planted):
    write(tmp_path / "clip.parquet", planted)
    find(spark, tmp_path, str(tmp_path / "clip.parquet"), embeddings_name="clip")
    (tmp_path / "clip.parquet").unlink()
    stated = {"output": str(tmp_path / "out"), "embeddings_name": "clip", "min_similarity_threshold": 0.999}
    run_find(spark, resolve(FindSettings, stated), silent)
    assert set(pairs_of(spark.read.parquet(str(tmp_path / "out" / "pairs")))) == set(oracle(planted, 0.999))


WRONG = {
    "empty.jpg": [], "infinite.jpg": [1, np.inf, 0], "nan.jpg": [np.nan, 1, 1], "null.jpg": None,
    "null_inside.jpg": [None, 1.0, 2.0], "short.jpg": [1, 2], "zero.jpg": [0, 0, 0],
}  # fmt: skip
CANT = "embeddings: the embedding can't be compared: "


def test_rows_that_can_not_be_compared_are_failures(spark, tmp_path):
    good = {"a.jpg": [1, 2, 3], "b.jpg": [1, 2, 3.01], "c.jpg": [3, -2, 1]}
    twice = [("again.jpg", [5, 5, 5]), ("again.jpg", [5, 5, 5]), ("other.jpg", [1, 0, 0]), ("other.jpg", [0, 0, 1])]
    table = write(tmp_path / "t.parquet", [*good.items(), *WRONG.items(), *twice, (None, [1, 1, 1]), ("", [1, 1, 1])])
    for _ in range(2):  # a second time, they do not stand there twice
        run = find(spark, tmp_path, table)
    assert rows(spark, tmp_path, "failures", "path", "reason", "message") == sorted([
        ("", "no_path", "embeddings: the row names no image"),
        (None, "no_path", "embeddings: the row names no image"),
        ("empty.jpg", "no_embedding", CANT + "it is empty"),
        ("infinite.jpg", "unusable_embedding", CANT + "it holds infinity, or a number beyond single precision"),
        ("nan.jpg", "unusable_embedding", CANT + "it holds NaN or null"),
        ("null.jpg", "no_embedding", CANT + "it is null"),
        ("null_inside.jpg", "unusable_embedding", CANT + "it holds NaN or null"),
        ("other.jpg", "ambiguous_path", "embeddings: the path stands for different embeddings in 2 rows"),
        ("short.jpg", "unusable_embedding", CANT + "it has 2 numbers, and most others 3"),
        ("zero.jpg", "unusable_embedding", CANT + "all its numbers are zero"),
    ], key=str)  # fmt: skip
    assert [path for (path,) in rows(spark, tmp_path, "duplicates", "path")] == ["a.jpg", "again.jpg", "b.jpg", "c.jpg"]
    assert run.counts["given"]["embeddings"]["failed"] == {
        "unusable_embedding": 5, "no_embedding": 2, "no_path": 2, "ambiguous_path": 1
    }  # fmt: skip


@pytest.fixture
def images(tmp_path):
    """A folder of three pictures, two of them equal, and a file that is none."""
    (tmp_path / "images").mkdir()
    for name, scale in (("dark", 0.3), ("dark_too", 0.3), ("light", 1.0)):
        scene("beach").point(lambda value, by=scale: int(value * by)).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images" / "broken.png").write_text("none")
    return str(tmp_path / "images")


OF_IMAGES = {"dark.png": [1, 0], "dark_too.png": [1, 0.01], "light.png": [1, 0.02], "elsewhere.png": [1, 1]}


def test_a_pipeline_compares_them_beside_its_own_methods(spark, tmp_path, images):
    lines = []
    table = write(tmp_path / "t.parquet", OF_IMAGES)
    stated = {"input": images, "output": str(tmp_path / "out"), "method": "phash", "embeddings": table}
    settings = resolve(PipelineSettings, stated | {"embeddings_name": "dino"})
    assert settings.method == ("phash", "dino")
    run = run_pipeline(spark, settings, lines.append)
    assert "  passed over 1 rows of images that are not among those encoded" in lines
    assert run.counts["found"]["dino"]["pairs"] == 3
    assert run.counts["found"]["dino"]["same"] == 1
    removed = rows(spark, tmp_path, "removals", "method", "path", "kept_path")
    assert ("dino", "dark_too.png", "dark.png") in removed
    ids = rows(spark, tmp_path, "features", "path", "id", "digest")
    assert len(ids) == 6
    assert len(set(ids)) == 3  # what is known of an image is the same beside each of its features
    assert [reason for (reason,) in rows(spark, tmp_path, "failures", "reason")] == ["not_an_image"]
    assert "dino" in (tmp_path / "out" / "report" / "index.html").read_text()


def test_alone_they_are_compared_and_the_images_looked_at(spark, tmp_path, images):
    table = write(tmp_path / "t.parquet", {name: OF_IMAGES[name] for name in ("dark.png", "light.png")})
    stated = {"input": images, "output": str(tmp_path / "out"), "embeddings": table, "report": False}
    run = run_pipeline(spark, resolve(PipelineSettings, stated), silent)
    assert list(run.counts["found"]) == ["embeddings"]
    assert rows(spark, tmp_path, "pairs", "path_a", "path_b", "verdict") == [("dark.png", "light.png", "similar")]
    assert ("dark_too.png", "no_embedding", "embeddings: the table has no row of this image") in rows(
        spark, tmp_path, "failures", "path", "reason", "message"
    )


def test_pixels_decide_where_the_images_of_a_table_can_be_read(spark, tmp_path, images):
    table = write(tmp_path / "t.parquet", {name: OF_IMAGES[name] for name in OF_IMAGES if name != "elsewhere.png"})
    find(spark, tmp_path, table, images=images)
    assert rows(spark, tmp_path, "removals", "path", "kept_path") == [("dark_too.png", "dark.png")]


KINDS = {
    "double": pa.list_(pa.float64()), "half": pa.list_(pa.float16()), "int": pa.list_(pa.int32()),
    "fixed": pa.list_(pa.float32(), 3), "fixed half": pa.list_(pa.float16(), 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_numbers_of_any_kind_are_read(spark, tmp_path, kind):
    vectors = {"a.jpg": [1, 2, 3], "b.jpg": [-7, 0, 5]}
    halves = {path: [np.float16(number) for number in numbers] for path, numbers in vectors.items()}
    (tmp_path / "table").mkdir()
    for name, numbers in (halves if "16" in str(kind) or "half" in str(kind) else vectors).items():
        write(tmp_path / "table" / f"{name}.parquet", {name: numbers}, kind, path="image", column="v")
    read = read_vectors(spark, str(tmp_path / "table"), "image", "v").collect()
    assert {row["path"]: row["embedding"] for row in read} == vectors


def test_vectors_of_spark_ml_are_read(spark, tmp_path):
    from pyspark.ml.linalg import Vectors

    vectors = [("a.jpg", Vectors.dense([1.0, 2.0, 3.0])), ("b.jpg", Vectors.sparse(3, [1], [5.0]))]
    spark.createDataFrame(vectors, ["path", "features"]).write.parquet(str(tmp_path / "table"))
    read = read_vectors(spark, str(tmp_path / "table"), "path", "features").collect()
    assert {row["path"]: row["embedding"] for row in read} == {"a.jpg": [1, 2, 3], "b.jpg": [0, 5, 0]}


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"column": "vector"}, r"has no column 'vector' \(--column\): it has path, embedding"),
        ({"column": "path"}, r"has the column 'path' \(--column\) as STRING: save it as ARRAY<FLOAT>"),
        ({"embeddings_path_column": "file"}, r"has no column 'file' \(--embeddings-path-column\)"),
        ({"embeddings": "nowhere.parquet"}, r"can't read the embeddings nowhere\.parquet: "),
    ],
)
def test_a_table_that_lacks_what_is_compared_is_refused_before_anything_is_written(spark, tmp_path, stated, message):
    table = write(tmp_path / "t.parquet", {"a.jpg": [1, 2]})
    with pytest.raises(InputError, match=message):
        find(spark, tmp_path, table, **stated)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({}, "have no rows"),
        ({"a.jpg": None, "b.jpg": None, "c.jpg": []}, "no row of the embeddings .* in most .* it is null"),
        ({"a.jpg": [1], "b.jpg": [2]}, "have 1 numbers each: 2 to 4,096 are compared"),
        ({"a.jpg": [1] * 4097}, "have 4,097 numbers each: 2 to 4,096"),
    ],
)
def test_a_table_without_vectors_to_compare_is_refused(spark, tmp_path, vectors, message):
    with pytest.raises(InputError, match=message):
        find(spark, tmp_path, write(tmp_path / "t.parquet", vectors))


def test_paths_of_other_images_are_named(spark, tmp_path, images):
    table = write(tmp_path / "t.parquet", {"/data/dark.png": [1, 2], "/data/light.png": [2, 1]})
    stated = {"input": images, "output": str(tmp_path / "out"), "embeddings": table}
    with pytest.raises(InputError, match=r"such as '/data/dark\.png', and the images are called .* 'dark\.png'"):
        run_pipeline(spark, resolve(PipelineSettings, stated), silent)


def test_a_table_inside_the_output_or_above_it_is_refused(spark, tmp_path):
    (tmp_path / "out" / "pairs").mkdir(parents=True)
    table = write(tmp_path / "out" / "pairs" / "t.parquet", {"a.jpg": [1, 2]})
    with pytest.raises(SettingsError, match=r"lies in .*pairs, where a run writes"):
        find(spark, tmp_path, table)


@pytest.mark.parametrize(
    ("kind", "stated", "message"),
    [
        (FindSettings, {"embeddings_name": "cnn"}, "--embeddings-name: 'cnn' is a method already: choose another name"),
        (FindSettings, {"embeddings_name": "a/b"}, "--embeddings-name: 'a/b' must be a lower-case letter, and up to"),
        (FindSettings, {"embeddings": "t", "embeddings_name": "a,b"}, "--embeddings: a table is one method: name one"),
        (EvaluateSettings, {"method": "sscd"}, "--method: unknown method 'sscd': known: "),
    ],
)
def test_names_that_are_none_are_refused(kind, stated, message):
    with pytest.raises(SettingsError) as refused:
        resolve(kind, {"output": "out"} | stated)
    assert str(refused.value).startswith(message)


def test_the_encoding_job_says_where_embeddings_are_given():
    settings = resolve(EncodeSettings, {"input": "in", "output": "out", "method": "sscd", "embeddings_name": "sscd"})
    with pytest.raises(
        SettingsError, match="nothing makes sscd features from images: give their table by --embeddings"
    ):
        _ = settings.made
