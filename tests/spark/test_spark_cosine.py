"""The cosine join in Spark against its oracle: no chunk, partition, bucket or order of rows changes its answer."""

import json
import struct

import naive
import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from tables import UNNUMBERED, an_image, numbered, proposed_pairs

from dedup_core.cosine.bounds import Basis
from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.metric import COSINE
from dedup_core.settings.settings import FindSettings
from dedup_core.spark.pipeline import run_find
from dedup_core.spark.runs import Run
from dedup_core.spark.search import chunks
from dedup_core.spark.search.cosine import cells, join, vectors
from dedup_core.spark.search.cosine.cells import ClusteredSearch
from dedup_core.spark.search.cosine.join import CosinePlan
from dedup_core.spark.search.cosine.search import CosineSearch
from dedup_core.spark.search.proposal import Recall
from dedup_core.spark.store import Store
from dedup_core.spark.summary import summary

WIDE = 1024


def clustered(rows, dimension, seed=0, spread=0.25):
    """Vectors about a few centres, of any lengths; some copies, some multiples, some all zero."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, rows // 6), dimension))
    found = centres[random.integers(0, len(centres), rows)] + spread * random.standard_normal((rows, dimension))
    found = (found * random.uniform(0.01, 100, (rows, 1))).astype(np.float32)
    found[rows // 2 : rows // 2 + 3] = found[:3]
    found[-3:-1] = 2 * found[3:5]
    found[[5, rows // 3]] = 0.0
    return found


def names_of(rows):
    return [f"{number:04d}.jpg" for number in range(rows)]


def features_of(spark, embeddings):
    """Return a features table of {path: vector}."""
    vectors = {path: None if vector is None else [float(x) for x in vector] for path, vector in embeddings.items()}
    rows = [(*an_image(path), "cnn", "cnn-v1", None, None, vector, None, "run") for path, vector in vectors.items()]
    return numbered(spark.createDataFrame(rows, UNNUMBERED))


def vectors_of(spark, array):
    """Return a vectors table with the row numbers as codes."""
    content = [(number, row.tobytes()) for number, row in enumerate(array)]
    return spark.createDataFrame(content, vectors.VECTORS)


def matches(rows, array, min_similarity):
    """The oracle's pairs of row numbers, each once; one within rounding of the threshold may go either way."""
    expected = naive.cosine_similarities(array, array)
    found = {(min(row[0], row[1]), max(row[0], row[1])): row[2] for row in rows}
    assert len(found) == len(rows), "a pair came out twice"
    i, j = np.nonzero(np.triu(expected >= min_similarity, 1))
    wrong = found.keys() ^ set(zip(i.tolist(), j.tolist(), strict=True))
    assert all(abs(expected[pair] - min_similarity) < 1e-13 for pair in wrong)
    assert all(abs(expected[pair] - score) < 1e-13 for pair, score in found.items())


@pytest.mark.parametrize(
    ("rows", "chunk", "partitions", "min_similarity", "dimension"),
    [
        (25, 7, 5, 0.9, WIDE),
        (90, 40, 1, 0.3, WIDE),
        (90, 40, 5, 1.0 - 1e-6, WIDE),
        (90, 1_000_000, 5, 0.9, WIDE),
        (90, 40, 1, -1.0, WIDE),
        (90, 40, 5, 0.9, 5),
        (90, 40, 1, 0.9, 1),
    ],
)
def test_the_join_finds_the_pairs_of_the_oracle(spark, staging, rows, chunk, partitions, min_similarity, dimension):
    array = clustered(rows, dimension)
    shuffled = vectors_of(spark, array).orderBy(F.xxhash64("code")).repartition(partitions)
    found = join.code_pairs(shuffled, len(array), min_similarity, staging, chunk)
    matches(found.collect(), array, min_similarity)


def test_crowded_places_are_split_and_change_nothing(spark, staging, monkeypatch):
    """Blocks of four vectors, and a plan that has sketches travel where it would not pay."""
    array = clustered(120, WIDE, seed=3)
    basis = Basis.fit(array, 0.6, 63)
    plan = CosinePlan(basis, 0.6, WIDE, 3, sketched=True)
    monkeypatch.setattr(CosinePlan, "of", classmethod(lambda cls, *_: plan))
    monkeypatch.setattr(join, "BLOCK_VECTORS", 4)
    found = join.code_pairs(vectors_of(spark, array), len(array), 0.6, staging, 40)
    matches(found.collect(), array, 0.6)
    placed = staging.read("placed", "place BIGINT, code_a BIGINT, code_b BIGINT")
    assert placed.groupBy("place").agg(F.count_distinct("code_a").alias("codes")).where("codes > 8").count()


def test_a_task_yields_what_it_finds_tile_by_tile(monkeypatch):
    monkeypatch.setattr(join.cosine, "BLOCK_ROWS", 16)
    monkeypatch.setattr(join.cosine, "BLOCK_COLUMNS", 32)
    array = clustered(100, WIDE)
    basis = Basis.fit(array, 0.5, 127)
    plan = CosinePlan(basis, 0.5, WIDE, 1, sketched=True)
    batches = list(join._proposer(plan)(iter([_task_of(plan, array)])))
    assert len(batches) > 10
    assert max(batch.num_rows for batch in batches) <= 16 * 32
    pairs = {(a, b) for batch in batches for a, b in zip(*(c.to_pylist() for c in batch.columns[:2]), strict=True)}
    near = naive.cosine_similarities(array, array) >= 0.5
    assert {(i, j) for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True)} <= pairs


def _task_of(plan, array):
    """What a task receives that compares one chunk with itself."""
    import pyarrow as pa

    rows = plan.rows(array)
    parts = [np.arange(len(array)), rows]
    columns = [pa.array([chunks.BOTH])] + [pa.array([part.tobytes()]) for part in parts]
    return pa.RecordBatch.from_arrays(columns, ["side", "codes", "rows"])


def test_pairs_a_hair_from_the_threshold(spark, staging):
    random = np.random.default_rng(7)
    first, second = np.linalg.qr(random.standard_normal((WIDE, 2)))[0].T
    cosines = 0.9 + np.repeat([-1e-7, 1e-7], 30)
    turned = cosines[:, None] * first + np.sqrt(1 - cosines[:, None] ** 2) * second
    array = np.vstack([first, turned, random.standard_normal((40, WIDE))]).astype(np.float32)
    found = join.code_pairs(vectors_of(spark, array), len(array), 0.9, staging, 20)
    matches(found.collect(), array, 0.9)


def test_what_travels(spark):
    """Sketches travel where they rule out most pairs, whole vectors where they don't, and no sketch is over 216 B."""
    array = clustered(1000, WIDE, spread=0.1)
    assert CosinePlan.of(array, 100_000, 0.9, 10_000).row_length * 4 <= 216
    assert CosinePlan.of(array, 100_000, -0.5, 10_000).row_length == WIDE
    assert CosinePlan.of(array[:, :8], 100_000, 0.9, 10_000).row_length == 8
    assert CosinePlan.of(array, 5_000_000, -0.5, 1_000_000).chunks >= 5_000_000 * 4 * WIDE / 2**26
    with pytest.raises(LimitError, match=r"186,966 tasks, .* a stricter --min-similarity-threshold, or --search clus"):
        CosinePlan.of(array, 10_000_000, -0.5, 1_000_000)


def test_identical_vectors_share_a_code(spark, staging):
    array = clustered(60, 33)
    array[7] = -0.0
    array[30] = np.where(np.arange(33) % 2, array[0], 0.0)
    array[31] = np.where(np.arange(33) % 2, array[0], -0.0)
    paths = names_of(60)
    features = features_of(spark, dict(zip(paths, array, strict=True)))
    path_of = {row["id"]: row["path"] for row in features.select("id", "path").collect()}
    named, distinct = vectors.with_codes(features.repartition(3), staging)
    code = {path_of[row["id"]]: row["code"] for row in named.collect()}
    assert code.keys() == set(paths)
    for i, a in enumerate(paths):
        for j, b in enumerate(paths[:i]):
            same = bool((array[i] == array[j]).all() and array[i].any())
            assert (code[a] == code[b]) == same, (i, j)
    rows = distinct.collect()
    content = {row["code"]: bytes(row["vector"]) for row in rows}
    assert len(content) == len(rows) == len(set(code.values()))
    for path, row in zip(paths, array, strict=True):
        assert content[code[path]] == struct.pack("<33f", *(row + np.float32(0.0)))
    again, _ = vectors.with_codes(features, staging)
    assert {path_of[row["id"]]: row["code"] for row in again.collect()} == code


def test_a_shared_word_makes_the_next_one_the_name(spark):
    digested = spark.createDataFrame([(1, 2, 3, 4), (1, 5, 3, 4), (1, 5, 3, 4)], ", ".join(
        f"{word} BIGINT" for word in vectors._WORDS))  # fmt: skip
    assert vectors._telling_word(digested) == "word_1"


def test_from_features_to_pairs_of_paths(spark, staging):
    array = clustered(50, WIDE, seed=2)
    paths = names_of(50)
    search = CosineSearch(0.9, 1000, 20)
    features = features_of(spark, dict(zip(paths, array, strict=True)))
    codes = search.distinct(features, staging)
    rows = proposed_pairs(features, codes, search.propose(codes, staging).pairs, staging, COSINE).collect()
    ends = [(paths.index(row["path_a"]), paths.index(row["path_b"]), row["score"]) for row in rows]
    matches(ends, array, 0.9)


@pytest.mark.parametrize(
    ("embeddings", "error", "message"),
    [
        ({"a": [1.0, 2.0], "b": [1.0]}, SettingsError, r"differ in length.*1: b; 2: a"),
        ({"a": [1.0, 2.0], "b": [1.0, np.nan], "c": [np.inf, 1.0]}, InputError, r"NaN or infinity: b, c"),
        ({"a": [1.0, 2.0], "b": None}, InputError, r"no embedding: b"),
        ({"a": np.ones(4097), "b": np.ones(4097)}, SettingsError, r"4097 numbers"),
    ],
)
def test_bad_embeddings_are_named(spark, staging, embeddings, error, message):
    with pytest.raises(error, match=message):
        vectors.with_codes(features_of(spark, embeddings), staging)


def test_a_margin_that_costs_more_than_the_exact_search_is_refused(spark, staging, monkeypatch):
    monkeypatch.setattr(cells, "_MOST_CELLS_A_VECTOR", 2)
    array = clustered(40, 30)
    with pytest.raises(SettingsError, match=r"--margin 2 puts an embedding into 5 of the 5 cells on average.*smaller"):
        cells.clustered_pairs(vectors_of(spark, array), len(array), 0.9, 5, 2.0, staging)


def test_what_is_measured_by_a_sample_was_not_fitted_to_it(spark):
    frame = spark.range(4000).select(F.col("id").alias("code"), F.lit(bytes(8)).alias("vector"))
    first, second = (set(vectors.sample(frame, 4000, 200, draw)[0].tolist()) for draw in (0, 1))
    assert len(first) == len(second) == 200
    assert len(first & second) < 40, "two draws of a twentieth share a tenth of each at most"


def test_a_recall_says_1_only_where_nothing_was_missed(tmp_path):
    shares = [Recall(500, pairs, found).share for pairs, found in [(99_999, 99_998), (7, 7), (0, 0)]]
    assert shares == [0.9999, 1.0, None]
    run = Run(None, Store(str(tmp_path)), None, print, "")
    names = "pairs", "listed", "same", "similar", "groups", "in_groups", "removals", "recall_pairs"
    counted = dict.fromkeys(names, 0)
    run.counts["found"] = {"cnn": counted | {"recall": None, "hubs": []}}
    assert "unknown  recall (the sample has no pairs): the search was clustered, not exact" in summary(run)


@pytest.mark.parametrize(
    ("cells", "count", "fitted"), [(None, 3000, 54), (None, 10**9, 8192), (None, 1, 1), (60, 3000, 60), (60, 40, 40)]
)
def test_there_are_about_as_many_cells_as_embeddings_in_one_and_never_more_than_embeddings(cells, count, fitted):
    settings = FindSettings(output="out", method="cnn", search="clustered", cells=cells)
    assert ClusteredSearch.of(settings)._cells(count) == fitted


@pytest.mark.every_spark
def test_a_clustered_run_finds_no_wrong_pair_and_tells_what_it_misses(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "WHOLE_BYTES", 30 * 4 * 40)  # cells of over 30 vectors come in parts
    monkeypatch.setattr(cells, "_PACK_BYTES", 50 * 4 * 40)
    array = clustered(123, 40, seed=9, spread=0.5)[3:]  # without copies, so that an image is a code
    features = features_of(spark, dict(zip(names_of(120), array, strict=True)))
    features.coalesce(1).write.parquet(str(tmp_path / "features"))
    settings = FindSettings(
        output=str(tmp_path / "out"), features=str(tmp_path / "features"), method="cnn", min_similarity_threshold=0.6,
        search="clustered", cells=8, margin=0.02, export_json=False,
    )  # fmt: skip
    said = []
    said.append(summary(run_find(spark, settings, said.append)))
    expected = naive.cosine_similarities(array, array)
    every = {(int(i), int(j)) for i, j in zip(*np.nonzero(np.triu(expected >= 0.6, 1)), strict=True)}
    rows = pq.read_table(tmp_path / "out" / "pairs").to_pylist()
    pairs = {(int(row["path_a"][:4]), int(row["path_b"][:4])) for row in rows}
    assert len(pairs) == len(rows)
    assert pairs < every
    record = json.loads(next((tmp_path / "out" / "runs").iterdir()).read_text())
    found, recall = record["counts"]["found"]["cnn"], int(len(pairs) / len(every) * 10_000) / 10_000
    assert (found["recall"], found["recall_pairs"]) == (recall, len(every))
    assert f"recall {recall:.4f}, {len(pairs)} of the {len(every)} pairs that a sample of 120 " in "".join(said)
    assert (
        f"{recall:.4f}  recall (on a sample with {len(every)} pairs): the search was clustered, not exact" in said[-1]
    )
    assert record["settings"]["search"] == "clustered"
