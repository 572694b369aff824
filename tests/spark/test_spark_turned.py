"""Turned and mirrored copies in Spark: the pairs of the slow oracle, each with its turn."""

import naive
import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F
from tables import UNNUMBERED, an_image, contents_of, features_of, numbered, signed
from test_turned import close_hashes, drawn

from dedup_core.encoders.hashes import to_hex
from dedup_core.encoders.registry import TURNED
from dedup_core.errors import InputError, SettingsError
from dedup_core.methods import PHash
from dedup_core.metric import HAMMING
from dedup_core.settings import FindSettings, PipelineSettings
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.search import hamming, listing
from dedup_core.spark.search.find import check_features
from dedup_core.spark.search.found import Found
from dedup_core.spark.search.given_features import read_features
from dedup_core.spark.search.turned import TurnedSearch, with_turns
from dedup_core.spark.verify.verdicts import verdicts
from dedup_core.turns import TURNS


def turned_features(spark, hashes):
    """A features table of {path: its eight hashes}."""
    rows = [
        (*an_image(path), "phash", f"phash-64-v2{TURNED}", signed(int(own[0])), None, None,
         [signed(int(code)) for code in own[1:]], "run")
        for path, own in hashes.items()
    ]  # fmt: skip
    names = UNNUMBERED.replace(", turned ARRAY<BIGINT>", "").replace("run_id", "turned ARRAY<BIGINT>, run_id")
    return numbered(spark.createDataFrame(rows, names))


def listed(features, staging, max_distance, chunk_codes):
    search = TurnedSearch(max_distance, chunk_codes)
    codes = search.distinct(features, staging)
    pairs = search.propose(codes, staging).pairs
    contents, rooted = contents_of(codes, pairs, features, staging)
    judged = with_turns(verdicts(rooted, contents, 0.0, None, staging), contents, pairs)
    found = Found("phash", features, contents, judged)
    return found, listing.listed(found, HAMMING, 1000), codes


def turn_of(number):
    return None if number == 0 else TURNS[number]


def test_the_pairs_and_turns_are_those_of_the_oracle(spark, staging, monkeypatch):
    """However the images lie in partitions, and over chunks."""
    hashes = close_hashes(np.random.default_rng(4), 40)
    hashes[30:] = hashes[:10]  # images that agree in all eight
    hashes[20, 0] = hashes[21, 0]  # and two that agree in one
    named = {f"{number:02d}.jpg": own for number, own in enumerate(hashes)}
    features = turned_features(spark, named).repartition(3)
    found, lists, codes = listed(features, staging, 5, 100)
    expected = naive.turned_pairs(hashes, 5)
    rows = listing.pair_table(found, lists).collect()
    assert {(int(row["path_a"][:2]), int(row["path_b"][:2])): row["score"] for row in rows} == {
        ends: distance for ends, (distance, _) in expected.items()
    }
    for row in rows:
        best = {turn_of(turn) for turn in expected[int(row["path_a"][:2]), int(row["path_b"][:2])][1]}
        assert row["turn"] is None if None in best else row["turn"] in best
    assert {row["turn"] for row in rows} == {None, *TURNS[1:]}
    search = TurnedSearch(5, 100)
    assert search.estimate(codes).pairs.low[0] == search.estimate(codes).pairs.high[0] == len(expected)
    monkeypatch.setattr(hamming, "_FEWEST_CODES", 15)  # a sample, compared with all where they lie
    sampled = search.estimate(codes).pairs
    assert 0 < sampled.low[0] <= len(expected) <= sampled.high[0] < 10 * len(expected)
    back = listing.duplicate_table(found, listing.merged(lists)).collect()
    turns = {(row["path"], other["path"]): other["turn"] for row in back for other in row["duplicates"]}
    inverse = {turn_of(turn): turn_of(naive.taken_back(turn)) for turn in range(8)}
    assert turns == {
        **{(row["path_b"], row["path_a"]): row["turn"] for row in rows},
        **{(row["path_a"], row["path_b"]): inverse[row["turn"]] for row in rows},
    }


@pytest.fixture
def album(tmp_path):
    """Three pictures, and turned copies of the first two."""
    rng, folder = np.random.default_rng(11), tmp_path / "album"
    folder.mkdir()
    pictures = [Image.fromarray(drawn(rng, (160, 120))) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
    pictures[0].transpose(Image.Transpose.ROTATE_90).save(folder / "0_rotated.jpg", quality=95)
    pictures[1].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "1_mirrored.jpg", quality=95)
    pictures[1].save(folder / "1_same.png", compress_level=1)
    return folder


def test_a_run_finds_turned_copies_names_the_turn_and_removes_none_of_them(spark, album, tmp_path):
    out = str(tmp_path / "out")
    settings = PipelineSettings(input=str(album), output=out, report=False, orientations=True)
    run = run_pipeline(spark, settings, lambda _line: None)
    assert run.counts["found"]["phash"]["pairs"] == 4
    told = {(row["path_a"], row["path_b"]): (row["turn"], row["verdict"])
            for row in spark.read.parquet(f"{out}/pairs").collect()}  # fmt: skip
    assert told == {
        ("0.png", "0_rotated.jpg"): ("rotated by 90", "similar"),
        ("1.png", "1_mirrored.jpg"): ("mirrored", "similar"),
        ("1_mirrored.jpg", "1_same.png"): ("mirrored", "similar"),
        ("1.png", "1_same.png"): (None, "same"),
    }
    removed = spark.read.parquet(f"{out}/removals").collect()
    assert [row["path"] for row in removed] == ["1.png"]  # of two alike the larger file stays
    features = spark.read.parquet(f"{out}/features")
    upright = PHash(verbose=False).encode_images(album)
    assert {row["path"]: to_hex(row["hash"]) for row in features.collect()} == upright
    assert PHash(orientations=True).load_encodings(f"{out}/features") == upright


def test_a_search_knows_from_the_features_that_they_have_turns(spark, tmp_path):
    """Features of both kinds are never compared."""
    hashes = dict(zip("abc", np.random.default_rng(4).integers(0, 2**64, (3, 8), np.uint64), strict=True))
    hashes["c"][[0, 1]] = hashes["a"][[3, 0]]  # the first one rotated by 270
    features = turned_features(spark, hashes)
    location, out = str(tmp_path / "features"), str(tmp_path / "out")
    said = []
    features.write.partitionBy("method").parquet(location)
    run_find(spark, FindSettings(output=out, features=location, max_distance_threshold=0), said.append)
    pairs = {(row["path_a"], row["path_b"]): row["turn"] for row in spark.read.parquet(f"{out}/pairs").collect()}
    assert pairs == {("a", "c"): "rotated by 270"}
    assert "  distances are the least over turned and mirrored pictures (orientations)" in said
    mixed = features.unionByName(features_of(spark, {"d": 1}))
    with pytest.raises(SettingsError, match=r"made in different ways \(phash-64-v2, phash-64-v2\+orientations\)"):
        check_features(mixed, ["phash"])


def test_features_that_lack_their_turns_are_refused(spark, tmp_path):
    hashes = dict(zip("ab", close_hashes(np.random.default_rng(4), 2), strict=True))
    lacking = turned_features(spark, hashes).withColumn("turned", F.when(F.col("path") == F.lit("a"), F.col("turned")))
    lacking.write.partitionBy("method").parquet(str(tmp_path / "features"))
    with pytest.raises(InputError, match=r"1 rows of the features in .* have no turned, such as 'b'"):
        read_features(spark, str(tmp_path / "features"), ["phash"], print)
