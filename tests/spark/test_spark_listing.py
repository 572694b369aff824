"""From pairs of codes to listed pairs of images: what is cut into blocks, what travels, and what many copies become."""

import itertools
import re
from collections import Counter

import naive
import numpy as np
import pytest
from pyspark.sql import functions as F
from tables import contents_of, features_of, numbered, pairs_of

from dedup_core.errors import LimitError, SettingsError
from dedup_core.metric import HAMMING
from dedup_core.settings.settings import EvaluateSettings, FindSettings, ReportSettings
from dedup_core.spark import ids
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.pipeline import run_find
from dedup_core.spark.report.page import write_report
from dedup_core.spark.search import chunks, greedy, listing
from dedup_core.spark.search.found import Found
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.verify.verdicts import verdicts

CLOSE = 4


def silent(_line):
    """Nobody watches."""


def crowded_codes(images, seed=2):
    """{path: code}: two codes of many images near each other, a chain, and some alone."""
    random = np.random.default_rng(seed)
    codes = {}
    for number in random.permutation(images).tolist():
        kind = number % 4
        code = {0: 0b11, 1: 0b1111, 2: (1 << (number // 4 % 20)) - 1 << 30}.get(kind, number << 44)
        codes[f"{number:03d}.jpg"] = code
    return codes


def found_in(spark, staging, codes, digest_of):
    features = features_of(spark, codes, digest_of=digest_of)
    search = HammingSearch(CLOSE, 1000)
    distinct = search.distinct(features, staging)
    contents, rooted = contents_of(distinct, search.propose(distinct, staging).pairs, features, staging)
    return Found("phash", features, contents, verdicts(rooted, contents, 0.0, None, staging))


@pytest.mark.parametrize(("looks", "images", "most_copies"), [(4096, 1024, 1000), (7, 5, 1000), (7, 5, 3)])
def test_crowded_groups_are_cut_into_blocks_and_nothing_changes(
    spark, staging, monkeypatch, looks, images, most_copies
):
    monkeypatch.setitem(verdicts.__globals__, "_BLOCK_LOOKS", looks)
    monkeypatch.setattr(listing, "_BLOCK_IMAGES", images)
    monkeypatch.setattr(listing, "_ENTRIES_A_BATCH", images)
    codes = crowded_codes(120)

    def digest_of(path):
        """Some files are equal, if their codes are."""
        return f"file:{codes[path]}:{int(path[:3]) // 16}"

    found = found_in(spark, staging, codes, digest_of)
    listed = staging.write("listed", listing.listed(found, HAMMING, most_copies))
    expected = starred(naive.path_pairs(codes, CLOSE), digest_of, most_copies)
    rows = listing.pair_table(found, listed).collect()
    assert {(row["path_a"], row["path_b"]): row["score"] for row in rows} == expected
    assert len(rows) == len(expected)
    equal = {pair for pair in expected if len({digest_of(path) for path in pair}) == 1}
    assert {(row["path_a"], row["path_b"]) for row in rows if row["verdict"] == "same"} == equal
    lists = {row["path"]: [each["path"] for each in row["duplicates"]]
             for row in listing.duplicate_table(found, listing.merged(listed)).collect()}  # fmt: skip
    names = sorted(codes)
    scored = [(names.index(a), names.index(b), score) for (a, b), score in expected.items()]
    best_first = naive.map_of_pairs(names, scored, lambda score: score)
    assert lists == {name: [other for other, _ in found] for name, found in best_first.items()}


def starred(pairs, digest_of, most_copies):
    """Leave of {(path, path): score} what is listed where files of many copies are listed by the first of them."""
    copies = Counter(digest_of(path) for path in sorted({path for pair in pairs for path in pair}))
    first = {}
    for path in sorted({path for pair in pairs for path in pair}):
        first.setdefault(digest_of(path), path)

    def is_listed(a, b):
        is_of_one = digest_of(a) == digest_of(b)
        stand_in = [copies[digest_of(path)] <= most_copies or first[digest_of(path)] == path for path in (a, b)]
        return all(stand_in) or (is_of_one and any(stand_in))

    return {pair: score for pair, score in pairs.items() if is_listed(*pair)}


@pytest.mark.parametrize("most_listed", [12, 11])
def test_of_many_equal_images_each_is_listed_with_the_first(spark, staging, monkeypatch, most_listed):
    monkeypatch.setattr(listing, "MOST_LISTED", most_listed)
    codes = {f"{number:03d}": 7 for number in range(12)} | {"a": 6, "b": 6, "alone": 0xFFFF << 40}
    found = found_in(spark, staging, codes, lambda path: {"a": "one", "b": "one"}.get(path, "file:many"))
    all_listed = staging.write("listed", listing.listed(found, HAMMING, 11))
    merged, listed = listing.merged(all_listed), pairs_of(listing.pair_table(found, all_listed))
    stars = {("000", f"{number:03d}"): 0.0 for number in range(1, 12)}
    assert listed == stars | {("a", "b"): 0.0, ("000", "a"): 1.0, ("000", "b"): 1.0}
    lists = {row["path"]: [each["path"] for each in row["duplicates"]]
             for row in listing.duplicate_table(found, merged).collect()}  # fmt: skip
    assert lists["000"] == [*(f"{number:03d}" for number in range(1, 12) if most_listed == 12), "a", "b"]
    assert lists["005"] == ["000"]
    assert (lists["b"], lists["alone"]) == (["a", "000"], [])
    assert len(lists) == len(codes)


def test_a_search_says_that_copies_are_not_all_listed_and_an_evaluation_asks_for_them(spark, tmp_path):
    codes = {f"{number:03d}.jpg": 7 for number in range(30)}
    features_of(spark, codes, digest_of=lambda _path: "file:one").write.parquet(str(tmp_path / "given"))
    said = []
    settings = FindSettings(features=str(tmp_path / "given"), output=str(tmp_path / "out"), most_copies=20)
    counts = run_find(spark, settings, said.append).counts["found"]["phash"]
    assert (counts["pairs"], counts["listed"], counts["same"], counts["removals"]) == (435, 29, 435, 29)
    assert "  of up to 30 equal images each is listed with the first of them alone (--most-copies)" in said
    write_report(spark, ReportSettings(output=str(tmp_path / "out")), say=silent)
    page = (tmp_path / "out/report/index.html").read_text()
    assert re.search(r"\b435\b", page)  # all pairs are told of, and all that can be removed
    (tmp_path / "truth.json").write_text('{"000.jpg": ["001.jpg"], "001.jpg": ["000.jpg"]}')
    judged = EvaluateSettings(output=str(tmp_path / "out"), ground_truth=str(tmp_path / "truth.json"))
    with pytest.raises(SettingsError, match=r"406 phash pairs .* are not listed.* with --most-copies 30$"):
        run_evaluate(spark, judged, silent)


def bytes_shuffled(spark):
    """What this session's tasks have written for shuffles so far."""
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return sum(executors.apply(at).totalShuffleWrite() for at in range(executors.size()))


def test_a_pair_takes_forty_bytes_at_most_on_its_way_to_its_verdict(spark, staging, monkeypatch):
    random = np.random.default_rng(8)
    centres = np.repeat(random.integers(0, 2**63, 20, dtype=np.uint64), 120)
    flips = np.bitwise_xor.reduce(np.uint64(1) << random.integers(0, 63, (3, len(centres)), dtype=np.uint64), axis=0)
    codes = {f"some/folder/with-a-long-name/{number:05d}.jpg": int(code) for number, code in enumerate(centres ^ flips)}
    for name in ("spark.sql.autoBroadcastJoinThreshold", "spark.sql.adaptive.autoBroadcastJoinThreshold"):
        spark.conf.set(name, "-1")
    try:
        features = staging.write("features", features_of(spark, codes))
        search = HammingSearch(6, 1000)
        distinct = search.distinct(features, staging)
        code_pairs = search.propose(distinct, staging).pairs
        before = bytes_shuffled(spark)
        contents, rooted = contents_of(distinct, code_pairs, features, staging)
        pairs = verdicts(rooted, contents, 0.0, None, staging).count()
        travelled = bytes_shuffled(spark) - before
    finally:
        for name in ("spark.sql.autoBroadcastJoinThreshold", "spark.sql.adaptive.autoBroadcastJoinThreshold"):
            spark.conf.unset(name)
    assert pairs > 20 * len(codes)
    assert 17 * pairs / 4 < travelled < 40 * pairs


def test_a_sieve_lets_all_that_is_wanted_pass_and_little_else(spark):
    wanted = spark.range(0, 4000, 2).select(F.xxhash64("id").alias("number"))
    sieve = Sieve.of(wanted, 2000)
    rows = spark.range(20_000).select("id", F.xxhash64("id").alias("number"))
    passed = {row["id"] for row in sieve.sifted(rows).collect()}
    assert passed >= set(range(0, 4000, 2))
    assert len(passed) < 2000 + 18_000 / 8
    assert sieve.sifted(rows).columns == ["id", "number"]


def test_paths_whose_hashes_meet_get_another_hash(spark, monkeypatch):
    def narrow(path, seed=0):
        return F.pmod(F.xxhash64(path, F.lit(seed)), F.lit(30))

    features = features_of(spark, {f"{number}.jpg": number for number in range(8)}).drop("id")
    monkeypatch.setattr(ids, "id_of", narrow)
    told = ids.with_ids(features).select("path", "id").collect()
    assert len({row["id"] for row in told}) == 8
    again = ids.with_ids(features.repartition(3)).select("path", "id").collect()
    assert set(again) == set(told)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rounds", [1, 20])
def test_the_pass_over_all_tasks_is_the_pass_in_order(spark, staging, monkeypatch, seed, rounds):
    monkeypatch.setattr(greedy, "_MOST_ROUNDS", rounds)
    random = np.random.default_rng(seed)
    of_group = {10: random.permutation(60), 20: random.permutation(25)}
    edges = {(0, number + 1) for number in range(20)} | {(n, n + 1) for n in range(20, 40)}
    edges |= {tuple(sorted(pair)) for pair in random.integers(0, 60, (60, 2)).tolist() if pair[0] != pair[1]}
    small = set(itertools.combinations(range(5), 2)) | {(5, 6), (6, 7)}
    rows, expected = [], set()
    for (root, ranks), of_root in zip(of_group.items(), (edges, small), strict=True):
        rank = {content: int(at) for content, at in enumerate(ranks)}
        ranked = {tuple(sorted((rank[a], rank[b]))) for a, b in of_root}
        gone = naive.greedy_removals(range(len(ranks)), ranked)
        expected |= {(root, other, kept) for other, kept in gone.items()}
        rows += [(root, root * 1000 + a, root * 1000 + b) for a, b in of_root]
    units = [(root * 1000 + one, root, int(at)) for root, ranks in of_group.items() for one, at in enumerate(ranks)]
    removed = greedy.removed(
        spark.createDataFrame(units, "content BIGINT, root BIGINT, rank BIGINT"),
        spark.createDataFrame(rows, "root BIGINT, code_a BIGINT, code_b BIGINT"),
        staging,
        edges_a_task=30,
    )
    assert {(row["root"], row["rank"], row["kept_rank"]) for row in removed.collect()} == expected


def test_more_tasks_than_a_driver_plans_are_refused_with_what_would_do():
    with pytest.raises(
        LimitError, match=r"1,165,\d+ tasks, more than 100,000: --chunk-vectors (\d+) would fit"
    ) as told:
        chunks.chunks_of(100_000_000, 65_536, "--chunk-vectors")
    fits = int(str(told.value).split("--chunk-vectors ")[1].split()[0])
    assert chunks.chunks_of(100_000_000, fits, "--chunk-vectors") > 400


def test_a_path_that_a_table_has_twice_is_refused_whatever_ids_it_gives(spark, tmp_path):
    rows = features_of(spark, {"a": 1, "b": 1})
    numbered(rows.unionByName(rows)).withColumn("id", F.monotonically_increasing_id()).write.parquet(
        str(tmp_path / "given")
    )
    settings = FindSettings(features=str(tmp_path / "given"), output=str(tmp_path / "out"))
    with pytest.raises(Exception, match=r"2 images stand in the features .* more than once, such as 'a', 'b'"):
        run_find(spark, settings, silent)


def test_a_lake_of_flat_pictures_alone_has_groups_of_equal_ones(spark, tmp_path):
    features = features_of(spark, {f"{number:02d}.png": 7 for number in range(9)})
    digest = F.when(F.col("path") < F.lit("06.png"), F.lit("pixels:1:a")).otherwise(F.col("path"))
    flat = features.withColumns({"caution": F.array(F.lit("flat")), "digest": digest})
    flat.write.parquet(str(tmp_path / "given"))
    settings = FindSettings(features=str(tmp_path / "given"), output=str(tmp_path / "out"), most_copies=4)
    counts = run_find(spark, settings, silent).counts["found"]["phash"]
    assert (counts["pairs"], counts["listed"], counts["codes"], counts["removals"]) == (15, 5, 0, 5)
    rows = spark.read.parquet(str(tmp_path / "out/duplicates")).collect()
    assert {row["path"]: len(row["duplicates"]) for row in rows} == {
        f"{number:02d}.png": 5 if number == 0 else int(number < 6) for number in range(9)
    }
    assert not (tmp_path / "out" / "duplicates.json").exists()
    assert (tmp_path / "out" / "to_remove.json").exists()
