import itertools

import naive
import numpy as np
import pytest
from tables import contents_of, features_of

from dedup_core.errors import DedupError
from dedup_core.metric import HAMMING
from dedup_core.policy import parse
from dedup_core.spark.search import groups, keeping
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.verify.verdicts import verdicts

BY_PATH = parse(["path"])


def edges_frame(spark, edges):
    return spark.createDataFrame([(a, b, 1.0) for a, b in edges], "code_a BIGINT, code_b BIGINT, score DOUBLE")


def random_edges(seed, codes, count):
    random = np.random.default_rng(seed)
    pairs = random.integers(0, codes, (count, 2)).tolist()
    return [(a, b) for a, b in pairs if a != b]


GRAPHS = {
    "none": [],
    "one edge": [(5, 2)],
    "path": [(n, n + 1) for n in range(200)],
    "shuffled path": list(itertools.pairwise(np.random.default_rng(1).permutation(200).tolist())),
    "short path": list(itertools.pairwise(np.random.default_rng(4).permutation(60).tolist())),
    "star": [(1000, n) for n in range(150)],
    "pairs": [(2 * n, 2 * n + 1) for n in range(100)],
    "sparse": random_edges(2, 300, 200),
    "dense": random_edges(3, 60, 400),
    "stars apart": [(10, 2), (6, -7), (8, -7), (13, 8)],  # the larger end first, and each half a star by itself
    "negative codes": [(-5, 7), (7, -9), (3, 4)],
}


@pytest.mark.parametrize(
    ("name", "edges_a_task"),
    [*((name, 5_000_000) for name in GRAPHS), ("short path", 40), ("dense", 90), ("stars apart", 2)],
)
def test_components_are_those_of_the_oracle_in_one_task_and_over_rounds(spark, staging, name, edges_a_task):
    edges = GRAPHS[name]
    labels = groups.components(edges_frame(spark, edges), staging, edges_a_task)
    rows = labels.collect()
    assert len(rows) == len({row["code"] for row in rows})
    assert {row["code"]: row["root"] for row in rows} == naive.connected(edges)


def test_components_that_do_not_settle_say_so(spark, staging, monkeypatch):
    monkeypatch.setattr(groups, "_MAX_ROUNDS", 1)
    with pytest.raises(DedupError, match="have not settled after 1 rounds"):
        groups.components(edges_frame(spark, GRAPHS["short path"]), staging, edges_a_task=10)


@pytest.mark.parametrize("seed", [0, 1])
def test_groups_and_removals_are_those_of_the_pass_over_the_whole_map(spark, staging, seed):
    random = np.random.default_rng(seed)
    names = [f"{name:03d}" for name in random.permutation(70)]
    codes = {name: int(code) for name, code in zip(names, random.integers(0, 1 << 7, 70), strict=True)}
    pairs = naive.path_pairs(codes, 1)
    features = features_of(spark, codes)
    search = HammingSearch(1, 1000)
    distinct = search.distinct(features, staging)
    code_pairs = search.propose(distinct, staging).pairs
    contents, rooted = contents_of(distinct, code_pairs, features, staging)
    none_enlarged = spark.createDataFrame([], "content BIGINT, source_pixels DOUBLE")
    ranked = staging.write("ranked", keeping.ranked(contents.members, none_enlarged, BY_PATH))
    edges = verdicts(rooted, contents, HAMMING.closest, None, staging).select("root", "code_a", "code_b")
    fates = keeping.fates(ranked, edges, staging)
    loosest = groups.loosest_scores(rooted, HAMMING)
    table = groups.group_table(fates, loosest, HAMMING.closest, is_star=False).collect()

    expected_groups, removed = naive.connected(pairs), naive.greedy_removals(codes, pairs)
    assert {row["path"]: row["group_id"] for row in table} == expected_groups
    assert {row["path"]: row["kept_path"] for row in table if not row["keep"]} == removed
    sizes = {root: list(expected_groups.values()).count(root) for root in expected_groups.values()}
    assert all(row["group_size"] == sizes[row["group_id"]] for row in table)
    scores = {root: max(score for pair, score in pairs.items() if expected_groups[pair[0]] == root) for root in sizes}
    assert {row["group_id"]: row["loosest_score"] for row in table} == scores


def test_a_further_name_that_is_an_image_of_its_own_is_not_removed_with_another(spark):
    fates = spark.createDataFrame(
        [("a", None, 1, 1, False, None, 1, 1, None), ("b", "a", 1, 1, False, ["a", "c", "link"], 1, 2, 1)],
        "path STRING, kept_path STRING, width INT, height INT, is_enlarged BOOLEAN, other_names ARRAY<STRING>, "
        "root BIGINT, rank BIGINT, kept_rank BIGINT",
    )
    features = spark.createDataFrame([("a",), ("b",), ("c",)], "path STRING")
    rows = keeping.removal_table("phash", fates, features, BY_PATH).collect()
    told = {(row["path"], row["kept_path"], row["reason"]) for row in rows}
    assert told == {("b", "a", "its path comes first"), ("link", "a", "its path comes first")}
