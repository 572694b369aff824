"""The exact cosine search against its oracle, and that no size, order or block changes a bit of its answer."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.cosine import join
from dedup_core.cosine.bounds import Basis
from dedup_core.pairs import Pairs

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings(max_examples=25, deadline=None)


def clustered(rows, dimension, seed=0, spread=0.3):
    """Vectors of any lengths around a few centres, as embeddings lie: near pairs, far pairs and some copies."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, rows // 8), dimension))
    vectors = centres[rng.integers(0, len(centres), rows)] + spread * rng.standard_normal((rows, dimension))
    vectors[rng.random(rows) < 0.1] = vectors[:1]
    return (vectors * rng.uniform(0.01, 100, (rows, 1))).astype(np.float32)


def same(found: Pairs, other: Pairs) -> None:
    for name in ("left", "right", "score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))


def matches(found: Pairs, expected: np.ndarray, min_similarity: float) -> None:
    """The oracle's pairs, in order; a pair within rounding of the threshold may go either way."""
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    wrong = set(pairs) ^ set(zip(*(side.tolist() for side in np.nonzero(expected >= min_similarity)), strict=True))
    assert all(abs(expected[pair] - min_similarity) < 1e-13 for pair in wrong)
    np.testing.assert_allclose(found.score, expected[found.left, found.right], rtol=0, atol=1e-13)
    assert found.score.dtype == np.float64
    assert (np.abs(found.score) <= 1.0).all()


@EXAMPLES
@given(st.integers(0, 150), st.integers(1, 300), st.floats(-1, 1), SEEDS)
def test_self_join_is_the_oracle(rows, dimension, min_similarity, seed):
    vectors = clustered(rows, dimension, seed)
    expected = np.where(np.triu(np.ones((rows, rows), bool), 1), naive.cosine_similarities(vectors, vectors), -np.inf)
    matches(join.self_join(vectors, min_similarity), expected, min_similarity)


@EXAMPLES
@given(st.integers(0, 120), st.integers(0, 120), st.integers(1, 200), st.floats(-1, 1), SEEDS)
def test_cross_join_is_the_oracle(rows, columns, dimension, min_similarity, seed):
    both = clustered(rows + columns, dimension, seed)
    left, right = both[:rows], both[rows:]
    matches(join.cross_join(left, right, min_similarity), naive.cosine_similarities(left, right), min_similarity)


@pytest.mark.parametrize("dimension", [1, 2, 31, 32, 33, 1024, 4095, 4096])
def test_every_dimension(dimension):
    vectors = clustered(60, dimension)
    expected = np.where(np.triu(np.ones((60, 60), bool), 1), naive.cosine_similarities(vectors, vectors), -np.inf)
    matches(join.self_join(vectors, 0.9), expected, 0.9)


@EXAMPLES
@given(st.sampled_from([-0.1, 0.5, 0.8, 0.95]), st.integers(1, 140), st.integers(1, 140), st.floats(2**-11, 0.1), SEEDS)
def test_no_basis_changes_a_bit(min_similarity, head, width, scale, seed):
    vectors = clustered(100, 130, seed)
    width = min(width, 130)
    head = min(head, width)
    axes = np.linalg.qr(np.random.default_rng(seed).standard_normal((130, width)))[0]
    blocks = join.self_join_blocks(vectors, min_similarity, basis=Basis(axes, head, width, scale))
    same(Pairs.concatenate(blocks, np.float64).sorted(), join.self_join(vectors, min_similarity))


@pytest.mark.parametrize("min_similarity", [-1.0, 0.3, 0.9, 1.0])
def test_no_block_size_or_thread_changes_a_bit(monkeypatch, min_similarity):
    vectors = clustered(150, 40)
    whole = join.self_join(vectors, min_similarity)
    crossed = join.cross_join(vectors, vectors[:70], min_similarity)
    for rows, columns in ((1, 7), (7, 21), (64, 64), (5, 150)):
        monkeypatch.setattr(join, "BLOCK_ROWS", rows)
        monkeypatch.setattr(join, "BLOCK_COLUMNS", columns)
        for threads in (1, 2):
            same(join.self_join(vectors, min_similarity, threads), whole)
            same(join.cross_join(vectors, vectors[:70], min_similarity, threads), crossed)


@EXAMPLES
@given(SEEDS)
def test_no_order_changes_a_bit(seed):
    vectors = clustered(80, 33, seed)
    order = np.random.default_rng(seed).permutation(80)
    shuffled = join.self_join(vectors[order], 0.5)
    ends = np.sort(np.stack([order[shuffled.left], order[shuffled.right]]), axis=0)
    same(Pairs(ends[0], ends[1], shuffled.score).sorted(), join.self_join(vectors, 0.5))


def test_no_number_of_vectors_changes_a_bit():
    """Beyond PLAIN_ROWS a fitted basis takes over: the pairs among the first rows stay what they were."""
    vectors = clustered(join.PLAIN_ROWS + 50, 200)
    assert join._fitted(vectors, 0.9).axes is not None
    many, few = join.self_join(vectors, 0.9), join.self_join(vectors[:500], 0.9)
    kept = many.right < 500
    same(Pairs(many.left[kept], many.right[kept], many.score[kept]), few)


@EXAMPLES
@given(st.floats(0.1, 0.999), SEEDS)
def test_pairs_at_the_threshold(min_similarity, seed):
    """Pairs turned to lie a hair above and below the threshold: a float32 score would mix them up."""
    rng = np.random.default_rng(seed)
    first, second = np.linalg.qr(rng.standard_normal((64, 2)))[0].T
    cosines = min_similarity + np.repeat([-1e-7, 1e-7], 20)
    turned = cosines[:, None] * first + np.sqrt(1 - cosines[:, None] ** 2) * second
    vectors = np.vstack([first, turned]).astype(np.float32)
    expected = naive.cosine_similarities(vectors[:1], vectors[1:])
    matches(join.cross_join(vectors[:1], vectors[1:], min_similarity), expected, min_similarity)
    basis = Basis.fit(vectors, min_similarity, max_width=32)
    blocks = join.cross_join_blocks(vectors[:1], vectors[1:], min_similarity, basis=basis)
    matches(Pairs.concatenate(blocks, np.float64), expected, min_similarity)


def test_a_score_belongs_to_its_two_vectors():
    vectors = clustered(300, 100)
    found = join.self_join(vectors, 0.5)
    for at in range(0, len(found), 17):
        pair = found.left[at], found.right[at]
        assert join.cross_join(vectors[[pair[1]]], vectors[[pair[0]]], -1.0).score[0] == found.score[at]


@pytest.mark.parametrize("dimension", [1, 3, 1024])
def test_identical_vectors_score_one(dimension):
    vectors = np.repeat(clustered(1, dimension), 40, axis=0)
    for scaled in (vectors, vectors * np.float32(1e-30), vectors * np.float32(1e30)):
        found = join.self_join(scaled, 1.0)
        assert len(found) == 40 * 39 // 2
        assert (found.score == 1.0).all()
    scaled = vectors * np.arange(1, 41, dtype=np.float32)[:, None]
    assert len(join.self_join(scaled, 1.0 - 1e-6)) == 40 * 39 // 2


def test_zero_vectors_are_similar_to_nothing():
    vectors = np.vstack([np.zeros((3, 5), np.float32), clustered(4, 5)])
    assert not len(join.self_join(vectors[:4], 1e-9))
    assert (join.self_join(vectors[:4], 0.0).score == 0.0).all()
    assert len(join.self_join(vectors[:4], 0.0)) == 6


def test_opposite_vectors_score_minus_one():
    vectors = clustered(1, 77)
    assert join.cross_join(vectors, -vectors, -1.0).score.tolist() == [-1.0]


@pytest.mark.parametrize("min_similarity", [0.5, 0.9])
def test_candidates_and_verify_are_the_search(min_similarity):
    vectors = clustered(400, 256)
    basis = Basis.fit(vectors, min_similarity, max_width=95)
    sketches = basis.project(vectors)
    assert sketches.dtype == np.int32
    assert sketches.shape == (400, basis.words)
    assert basis.width <= 95
    candidates = basis.candidates(sketches[:150], sketches[150:], min_similarity)
    found = join.verify(vectors[:150], vectors[150:], candidates, min_similarity)
    same(found.sorted(), join.cross_join(vectors[:150], vectors[150:], min_similarity))


def test_the_bound_rules_out_most_pairs():
    vectors = clustered(1000, 256, spread=0.2)
    basis = Basis.fit(vectors, 0.9)
    sketches = basis.project(vectors)
    assert basis.axes is not None
    assert basis.candidates(sketches, sketches, 0.9, diagonal=0).shape[1] < 1.5 * len(join.self_join(vectors, 0.9))


def test_a_sample_of_one_and_of_none_gives_a_basis():
    for rows in (0, 1, 2):
        basis = Basis.fit(clustered(rows, 9), 0.9)
        assert basis.project(clustered(3, 9)).shape == (3, basis.words)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_names_rows_that_are_not_finite(bad):
    vectors = clustered(30, 8)
    vectors[[4, 20], 3] = bad
    with pytest.raises(ValueError, match=r"2 row\(s\): 4, 20"):
        join.self_join(vectors, 0.9)
    with pytest.raises(ValueError, match="4, 20"):
        join.cross_join(clustered(3, 8), vectors, 0.9)


@pytest.mark.parametrize("min_similarity", ["0.9", None, True, 0.9j])
def test_refuses_a_threshold_that_is_no_number(min_similarity):
    with pytest.raises(TypeError, match="min_similarity"):
        join.self_join(clustered(3, 8), min_similarity)


@pytest.mark.parametrize("min_similarity", [1.1, -1.0001, float("nan"), float("inf")])
def test_refuses_a_threshold_out_of_range(min_similarity):
    with pytest.raises(ValueError, match="min_similarity"):
        join.self_join(clustered(3, 8), min_similarity)


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 4097), (2, 2, 2)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="shape"):
        join.self_join(np.zeros(shape, np.float32), 0.9)


def test_refuses_other_types_and_two_dimensions():
    with pytest.raises(TypeError, match="float64"):
        join.self_join(np.zeros((3, 4)), 0.9)
    with pytest.raises(TypeError, match="list"):
        join.self_join([[1.0]], 0.9)
    with pytest.raises(ValueError, match="4 and 5"):
        join.cross_join(clustered(3, 4), clustered(3, 5), 0.9)


def test_takes_numbers_of_any_kind_and_views_of_any_layout():
    vectors = clustered(40, 16)
    expected = join.self_join(vectors, 0.5)
    same(join.self_join(np.asfortranarray(vectors), np.float32(0.5)), expected)
    wide = np.repeat(vectors, 2, axis=1)
    same(join.self_join(wide[:, ::2], 0.5), expected)
    basis = Basis.fit(wide[:, ::2], 0.5, max_width=8)
    sketches = basis.project(wide[:, ::2])
    candidates = basis.candidates(sketches, sketches, 0.5, diagonal=0)
    same(join.verify(wide[:, ::2], wide[:, ::2], candidates, 0.5).sorted(), expected)
    vectors.setflags(write=False)
    same(join.self_join(vectors, 0.5), expected)
