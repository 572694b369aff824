"""The cosine search's whole numbers: products of bytes, sketches that never promise too little, and every processor."""

import json
import os
import subprocess
import sys

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.cosine import join
from dedup_core.cosine.bounds import SMALLEST, Basis
from dedup_core.cosine.integers import OFFSET, PANEL_ROWS, ROW_WORDS, TILE_COLUMNS, TILE_ROWS
from dedup_core.cosine.kernels import ordered, squared_lengths
from dedup_core.cosine.scores import score_marked, scored
from dedup_core.cosine.sketches import TAIL, mark, marked, narrow, narrow_marks, propose, tile_rows, tile_strips

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings(max_examples=25, deadline=None)
SCRIPT = """
import json, sys
import numpy as np
from dedup_core.cosine import join
from dedup_core.cosine.integers import LANES
rng = np.random.default_rng(3)
centres = rng.standard_normal((6, 70))
vectors = (centres[rng.integers(0, 6, 300)] + 0.5 * rng.standard_normal((300, 70))).astype(np.float32)
pairs = join.self_join(vectors, 0.7)
print(json.dumps([LANES, pairs.left.tolist(), pairs.right.tolist(), pairs.score.view(np.int64).tolist()]))
"""
AVX2 = "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+sse4.2"
PROCESSORS = {"AVX2": ("haswell", AVX2), "AVX-VNNI": ("alderlake", f"{AVX2},+avxvnni"), "none": ("x86-64", "+sse2")}


def sketches_of(rng, rows, words, most=128):
    """Sketches of any bytes, with first coordinates, slack and the sums that belong to them."""
    sketches = np.zeros((rows, words + TAIL), np.int32)
    levels = rng.integers(1 - most, most, (rows, 4 * words)).astype(np.int8)
    sketches[:, :words] = levels.view(np.int32)
    firsts = rng.integers(-2048, 2049, rows), rng.integers(0, 2896, rows)
    tail = sketches[:, words:]
    tail[:, 0] = tail[:, 1] = (firsts[1] << 16) | (firsts[0] & 0xFFFF)
    tail[:, 2] = tail[:, 3] = rng.integers(0, 10_000, rows)
    tail[:, 4] = tail[:, 5] = levels.astype(np.int64).sum(axis=1)
    return sketches, np.hstack([levels.astype(np.int64), np.stack(firsts, axis=1)]), tail[:, 2].astype(np.int64)


@EXAMPLES
@given(st.integers(1, 3 * TILE_ROWS), st.integers(1, 2 * TILE_COLUMNS + 1), st.integers(0, 3), SEEDS)
def test_both_bounds_are_sums_of_whole_numbers(rows, columns, steps, seed):
    rng = np.random.default_rng(seed)
    words = steps * ROW_WORDS
    (left, a, slack_a), (right, b, slack_b) = sketches_of(rng, rows, words), sketches_of(rng, columns, words)
    sums = np.array(naive.byte_sums(a, b)) + slack_a[:, None] + slack_b
    least = int(np.median(sums))
    wanted = set(zip(*(side.tolist() for side in np.nonzero(sums >= least)), strict=True))
    head = 1 + 4 * words
    found = propose(tile_rows(left, head, least), tile_strips(right, head), -rows)
    assert sorted(zip(*found.tolist(), strict=True)) == sorted(wanted)
    every = np.stack(np.nonzero(np.ones((rows, columns)))).astype(np.int32)
    whole = every.copy()
    kept = every[:, : narrow(left, right, least, every)]
    assert list(zip(*kept.tolist(), strict=True)) == sorted(wanted)
    for diagonal in (-rows, -1, 0, 70):
        marks = mark(tile_rows(left, head, least), tile_strips(right, head), diagonal)
        assert pairs_of(marks) == [(i, j) for i, j in sorted(wanted) if j - i > diagonal]
        assert marked(marks) == len(pairs_of(marks))
    marks = marks_of(whole, rows, columns)
    narrow_marks(left, right, least, marks)
    assert pairs_of(marks) == sorted(wanted)


def marks_of(pairs, rows, columns):
    marks = np.zeros((-(-columns // TILE_COLUMNS), -(-rows // PANEL_ROWS) * PANEL_ROWS), np.uint64)
    bits = np.uint64(1) << (pairs[1] % TILE_COLUMNS).astype(np.uint64)
    np.bitwise_or.at(marks, (pairs[1] // TILE_COLUMNS, pairs[0]), bits)
    return marks


def pairs_of(marks):
    bits = (marks[:, :, None] >> np.arange(TILE_COLUMNS, dtype=np.uint64)) & np.uint64(1)
    strip, row, place = np.nonzero(bits)
    return sorted(zip(row.tolist(), (strip * TILE_COLUMNS + place).tolist(), strict=True))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_have_room(sign):
    """4,096 coordinates of 127, unsigned by signed."""
    words = 1024
    sketches = np.zeros((2, words + TAIL), np.int32)
    sketches[:, :words].view(np.int8)[...] = np.array([[127], [sign * 127]])
    sketches[:, words + 4 : words + 6] = 4 * words * np.array([[127], [sign * 127]])
    least = sign * 4 * words * 127 * 127
    for threshold, count in ((least, 1), (least + 1, 0)):
        head = 1 + 4 * words
        rows, strips = tile_rows(sketches[:1], head, threshold), tile_strips(sketches[1:], head)
        assert propose(rows, strips, -1).shape[1] == count
        assert narrow(sketches[:1], sketches[1:], threshold, np.zeros((2, 1), np.int32)) == count
    assert OFFSET == 128


@EXAMPLES
@given(st.integers(2, 90), st.integers(1, 90), st.floats(2**-11, 1.0), st.sampled_from([0, 1, 64, 127]), SEEDS)
def test_no_bound_is_below_a_similarity(dimension, head, scale, zero, seed):
    """Vectors of one coordinate, whose others are cut off, very short and very long ones, and zeros."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, dimension))
    vectors[:8] = np.eye(dimension)[rng.integers(0, dimension, 8)]
    vectors[8:20] *= np.geomspace(1e-30, 1e30, 12)[:, None]
    vectors[20] = 0.0
    vectors = vectors.astype(np.float32)
    expected = naive.cosine_similarities(vectors, vectors)
    axes = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0][:, : max(1, dimension // 2)]
    for basis in (
        Basis(axes, min(head, axes.shape[1]), axes.shape[1], scale, zero=zero),
        Basis(None, min(head, dimension), dimension, scale, zero=zero),
    ):
        for part in (vectors, vectors[21:]):  # with and without lengths that float32 could lose
            sketches, similarities = basis.project(part), expected[-len(part) :, -len(part) :]
            for threshold in (-0.5, 0.0, 0.3, 0.9, 1.0):
                found = np.zeros((len(part), len(part)), bool)
                found[tuple(basis.candidates(sketches, sketches, threshold))] = True
                assert found[similarities >= threshold].all()
                marks = basis.marks(sketches, sketches, basis.strips(sketches), threshold, None)
                assert pairs_of(marks) == sorted(zip(*np.nonzero(found), strict=True))
    assert SMALLEST > 1e-30


@EXAMPLES
@given(st.sampled_from([1, 31, 32, 33, 100, 257]), st.integers(1, 230), st.integers(1, 150), st.floats(0, 1), SEEDS)
def test_a_score_is_the_same_alone_and_among_many(dimension, rows, columns, share, seed):
    rng = np.random.default_rng(seed)
    sides = tuple(rng.standard_normal((count, dimension)).astype(np.float32) for count in (rows, columns))
    squares = tuple(squared_lengths(side) for side in sides)
    ids = rng.permutation(rows), rng.permutation(columns)
    pairs = np.stack(np.nonzero(rng.random((rows, columns)) <= share)).astype(np.int32)
    left, right, scores = scored(sides, squares, ids, pairs, -1.0)
    assert left.tolist() == ids[0][pairs[0]].tolist()
    assert right.tolist() == ids[1][pairs[1]].tolist()
    found = tuple(np.empty(pairs.shape[1], kind) for kind in (np.int64, np.int64, np.float64))
    assert score_marked(sides, squares, ids, marks_of(pairs, rows, columns), (-1.0, False), found) == len(scores)
    order, expected = np.lexsort((found[1], found[0])), np.lexsort((right, left))
    for ours, other in zip(found, (left, right, scores), strict=True):
        assert (ours[order] == other[expected]).all()
    mixed = rng.permutation(pairs.shape[1])
    alone = scored(sides, squares, ids, np.ascontiguousarray(pairs[:, mixed]), -1.0)[2]
    assert (alone == scores[mixed]).all()
    np.testing.assert_allclose(scores, naive.cosine_similarities(*sides)[left, right], rtol=0, atol=1e-13)


@EXAMPLES
@given(st.integers(1, 60), st.integers(1, 6000), st.floats(0, 0.5), SEEDS)
def test_pairs_are_ordered_however_many_a_row_has(rows, columns, share, seed):
    rng = np.random.default_rng(seed)
    left, right = np.nonzero(rng.random((rows, columns)) < share * rng.random((rows, 1)) ** 4)
    scores, mixed = rng.random(len(left)), rng.permutation(len(left))
    shares = np.array_split(mixed, 3)
    found = ordered([(left[share], right[share], scores[share]) for share in shares], (rows, columns))
    assert [part.tolist() for part in found] == [left.tolist(), right.tolist(), scores.tolist()]


def test_vectors_without_negative_coordinates_have_twice_the_steps():
    rng = np.random.default_rng(1)
    vectors = np.maximum(rng.standard_normal((300, 64)), 0.0).astype(np.float32)
    one, other = Basis.whole(vectors), Basis.whole(vectors * rng.choice([-1.0, 1.0], 64).astype(np.float32))
    assert (one.zero, other.zero) == (127, 0)
    assert one.scale < 0.6 * other.scale


def test_an_order_brings_like_vectors_together():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 500)
    vectors = rng.standard_normal((2, 64))[group] + 0.2 * rng.standard_normal((500, 64))
    vectors = vectors.astype(np.float32)
    for basis in (Basis.fit(vectors, 0.99), Basis.fit(vectors, -0.9)):
        order = basis.order(vectors, basis.project(vectors))
        assert sorted(order.tolist()) == list(range(500))
        assert np.count_nonzero(np.diff(group[order])) < 100  # of 499, where by chance it were half


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where all processors keep what they compile, and each finds its own."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def own_bits(cache):
    """What this processor finds."""
    return bits_of(cache)


def bits_of(cache, *processor):
    """What a processor finds: its lanes, then the pairs."""
    chosen = dict(zip(("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"), processor, strict=False))
    surroundings = {**os.environ, **chosen, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=surroundings, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_processor_gives_the_same_bits(name, cache, own_bits):
    if name == "AVX-VNNI" and "avx_vnni" not in _flags():
        pytest.skip("this processor has no AVX-VNNI")
    lanes, *found = bits_of(cache, *PROCESSORS[name])
    assert lanes == 8
    assert found == own_bits[1:]
    assert len(found[0]) > 1000


def _flags():
    """What the processor can do, as Linux says it."""
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return set(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return set()


def test_a_scale_is_fitted_to_few_vectors():
    vectors = np.random.default_rng(0).standard_normal((30, 200)).astype(np.float32)
    assert 2**-11 <= Basis.whole(vectors).scale < Basis.plain(200).scale
    assert len(join.self_join(vectors, -1.0)) == 30 * 29 // 2
