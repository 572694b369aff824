"""evaluate and sweep: against imagededup's own figures, and against the slow count of every pair."""

import doctest
import json
import time
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup_core import evaluation
from dedup_core.evaluation import Rankings, Sweep, average_precision, classification_report, evaluate, sweep
from dedup_core.metric import COSINE, HAMMING

GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "evaluation.json"
GOLDEN_CASES = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else []
ALL_KEYS = {"map", "ndcg", "jaccard", "precision", "recall", "f1-score", "support"}

needs_golden = pytest.mark.skipif(not GOLDEN_CASES, reason="needs ../shared/golden/evaluation.json")


def duplicate_map(files, pairs):
    """The symmetric map of some unordered pairs, lists in the order of the pairs."""
    lists = {file: [] for file in files}
    for a, b in pairs:
        lists[a].append(b)
        lists[b].append(a)
    return lists


@st.composite
def truth_and_retrieved(draw):
    files = [f"{index}.jpg" for index in range(draw(st.integers(1, 9)))]
    all_pairs = [(a, b) for a in files for b in files if a < b]
    pairs = st.lists(st.sampled_from(all_pairs), unique=True) if all_pairs else st.just([])
    return duplicate_map(files, draw(pairs)), duplicate_map(files, draw(pairs))


@needs_golden
@pytest.mark.parametrize("case", GOLDEN_CASES, ids=[case["name"] for case in GOLDEN_CASES])
def test_equals_imagededup(case):
    figures = evaluate(case["ground_truth"], case["retrieved"])
    for name, expected in case["expected"].items():
        actual = figures[name.replace("_", "-")]
        if name in ("precision", "recall", "f1_score", "support"):
            assert actual.shape == (2,)
            actual = actual[: len(expected)]  # with no duplicates at all imagededup leaves class 1 out
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9)


@given(truth_and_retrieved())
def test_equals_the_count_of_every_pair(maps):
    figures = evaluate(*maps)
    assert figures.keys() == ALL_KEYS
    for name, expected in naive.evaluate(*maps).items():
        np.testing.assert_allclose(figures[name], expected, rtol=0, atol=1e-12, err_msg=name)


@given(truth_and_retrieved())
def test_scores_and_the_order_of_keys_change_nothing(maps):
    truth, retrieved = maps
    scored = {file: [(name, 3) for name in retrieved[file]] for file in reversed(list(retrieved))}
    from_json = json.loads(json.dumps(scored))
    expected = evaluate(truth, retrieved)
    for variant in (scored, from_json):
        for name, figure in evaluate(truth, variant).items():
            np.testing.assert_allclose(figure, expected[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("metric", "keys"),
    [
        ("map", {"map"}),
        ("ndcg", {"ndcg"}),
        ("jaccard", {"jaccard"}),
        ("classification", {"precision", "recall", "f1-score", "support"}),
        ("all", ALL_KEYS),
    ],
)
def test_each_metric_alone_gives_its_own_figures(metric, keys):
    maps = duplicate_map("abc", [("a", "b")]), duplicate_map("abc", [("a", "b"), ("b", "c")])
    everything = evaluate(*maps)
    figures = evaluate(*maps, metric=metric)
    assert figures.keys() == keys
    for name, figure in figures.items():
        np.testing.assert_array_equal(figure, everything[name])


def test_a_single_image_has_no_pairs():
    figures = evaluate({"a": []}, {"a": []})
    assert (figures["map"], figures["ndcg"], figures["jaccard"]) == (1.0, 1.0, 1.0)
    for name in ("precision", "recall", "f1-score", "support"):
        assert figures[name].tolist() == [0, 0]


PAIR = {"a": ["b"], "b": ["a"]}


@pytest.mark.parametrize(
    ("truth", "retrieved", "message"),
    [
        ({}, {}, "both maps are empty"),
        (PAIR, {"a": [], "c": [], "d": []}, "1 only in ground_truth_map, such as 'b'; 2 only in .*, such as 'c', 'd'"),
        (PAIR, {"a": ["x", "y"], "b": ["x"]}, r"retrieved_map lists files .* no keys \(2 in all\), such as 'x', 'y'"),
        ({"a": ["x"], "b": []}, PAIR, r"ground_truth_map lists files that are no keys \(1 in all\), such as 'x'"),
        (PAIR, {"a": ["a"], "b": []}, r"retrieved_map lists files as their own .* \(1 in all\), such as 'a' -> 'a'"),
        (PAIR, {"a": ["b", "b"], "b": ["a"]}, r"retrieved_map repeats entries .* \(1 in all\), such as 'a' -> 'b'"),
        ({"a": ["b"], "b": []}, PAIR, r"ground_truth_map isn't symmetric: .* \(1 in all\), such as 'a' -> 'b'"),
        (PAIR, {"a": [], "b": ["a"]}, r"retrieved_map isn't symmetric: .* \(1 in all\), such as 'b' -> 'a'"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused_with_examples(truth, retrieved, message):
    with pytest.raises(ValueError, match=message):
        evaluate(truth, retrieved)


@pytest.mark.parametrize(
    "bad", [[("a", ["b"])], None, {"a": "b", "b": "a"}, {"a": None, "b": []}, {"a": {"b"}, "b": []}]
)
def test_a_map_that_is_no_dictionary_of_lists_is_refused(bad):
    with pytest.raises(TypeError, match="retrieved_map"):
        evaluate(PAIR, bad)


@pytest.mark.parametrize("entry", [3, None, ("b",), ("b", 1, 2), (1, "b"), ["b", 1, 2]])
def test_an_entry_that_is_no_name_is_refused(entry):
    with pytest.raises(TypeError, match="neither a name nor"):
        evaluate(PAIR, {"a": [entry], "b": []})


@pytest.mark.parametrize(
    "told",
    [
        [2],
        ["same"],
        [2, "same"],
        [2, "rotated by 90"],
        ["similar", {"relation": "cropped", "derived": "other"}],
        [88, "similar", {"relation": "cropped", "derived": "other"}],
        [88, "similar", None],
        [88, "cropped", "this"],
    ],
)
def test_what_a_map_tells_beside_a_name_changes_nothing(told):
    figures = evaluate(PAIR, {"a": [["b", *told]], "b": [["a", *told]]})
    assert (figures["map"], figures["precision"][1], figures["recall"][1]) == (1.0, 1.0, 1.0)


def test_rankings_need_no_symmetry_of_what_was_retrieved():
    retrieved = {"a": ["b"], "b": []}
    assert evaluate(PAIR, retrieved, metric="map") == {"map": 0.5}
    with pytest.raises(ValueError, match="isn't symmetric"):
        evaluate(PAIR, retrieved, metric="classification")


def test_an_unknown_metric_is_met_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"^metric must be .*, not 'jacard' \(did you mean 'jaccard'\?\)$"):
        evaluate(PAIR, PAIR, metric="jacard")


def test_a_hundred_thousand_images_take_seconds():
    files = [f"{index}.jpg" for index in range(100_000)]
    truth = duplicate_map(files, zip(files, files[1:] + files[:1], strict=True))
    retrieved = duplicate_map(files, zip(files * 2, files[1:] + files[:1] + files[7:] + files[:7], strict=True))
    start = time.process_time()
    figures = evaluate(truth, retrieved)
    assert time.process_time() - start < 5
    assert figures["precision"][1] == 0.5
    assert figures["recall"][1] == 1.0


def test_rankings_whose_counts_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="3 scored entries"):
        Rankings(np.ones(3, bool), np.array([1, 1]), np.array([1, 1]))


def test_average_precision_of_no_images_is_empty():
    none = np.zeros(0, np.int64)
    assert average_precision(Rankings(np.zeros(0, bool), none, none)).shape == (0,)


def test_a_billion_images_do_not_overflow():
    report = classification_report(tp=10**9, fp=10**9, fn=0, n_images=10**9)
    assert report["support"].sum() == 10**9 * (10**9 - 1) // 2
    assert report["precision"][1] == 0.5


@pytest.mark.parametrize("counts", [{"tp": 2, "fp": 1, "fn": 1}, {"tp": -1, "fp": 0, "fn": 0}])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="impossible counts"):
        classification_report(**counts, n_images=3)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=40),
    st.integers(0, 3),
    st.sampled_from([HAMMING, COSINE]),
)
def test_a_sweep_equals_one_count_a_threshold(pairs, n_missed, metric):
    scores = np.array([score for score, _ in pairs], np.int16)
    is_true = np.array([true for _, true in pairs], bool)
    n_true = int(is_true.sum()) + n_missed
    thresholds = np.array([5, 0, 12, 3, 3])
    swept = sweep(scores, is_true, n_true, thresholds, metric=metric)
    for index, threshold in enumerate(thresholds):
        within = scores <= threshold if metric == HAMMING else scores >= threshold
        hits = (within & is_true).sum()
        assert swept.pairs[index] == within.sum()
        assert swept.precision[index] == (hits / within.sum() if within.any() else 0)
        assert swept.recall[index] == (hits / n_true if n_true else 0)
        assert swept.f1[index] == pytest.approx(2 * hits / (within.sum() + n_true) if within.sum() + n_true else 0)


def test_the_best_thresholds_are_named():
    swept = Sweep(np.array([0, 2, 4, 6]), np.array([0, 4, 10, 10]), np.array([0, 4, 6, 6]), n_true=10)
    assert swept.thresholds[swept.best_f1()] == 4  # 6 finds the same: the stricter of equals
    assert swept.best_at_precision(0.9) == 1
    assert swept.best_at_precision(0.5) == 2
    assert Sweep(np.array([0]), np.array([0]), np.array([0]), n_true=1).best_at_precision(0.5) is None


@pytest.mark.parametrize(
    ("scores", "is_true", "n_true", "message"),
    [
        (np.array([1.0, np.nan]), np.array([True, True]), 2, "none of them NaN"),
        (np.array([1.0]), np.array([True, True]), 2, "must fit"),
        (np.array([1.0, 1.0]), np.array([True, True]), 1, "2 true pairs found, but only 1 exist"),
    ],
)
def test_a_sweep_of_what_does_not_fit_is_refused(scores, is_true, n_true, message):
    with pytest.raises(ValueError, match=message):
        sweep(scores, is_true, n_true, np.array([1.0]), metric=HAMMING)


@pytest.mark.parametrize("module", [evaluation.maps, evaluation.metrics])
def test_the_examples_in_the_documentation_run(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
