"""The compiled loops of local features and of geometry against their oracles."""

import os
import subprocess
import sys
from pathlib import Path

import naive_geometry as naive
import numpy as np
import pytest

from dedup_core.geometry import kernels, tile_kernels
from dedup_core.geometry.kernels import best_transform, mutual_matches
from dedup_core.geometry.tile_kernels import counts_beyond, tile_sums
from dedup_core.local.describe import described
from dedup_core.local.pattern import TESTS, mirrored

RULE = {
    "near": kernels.NEAR,
    "refined": kernels.REFINED,
    "hypotheses": kernels.HYPOTHESES,
    "heard": kernels.HEARD,
    "turned": kernels.TURNED,
    "scaled": kernels.SCALED,
}
SEEDS = range(2)


def descriptors(random, size, of=None, flips=40):
    """Random ones, or others again with some bits changed."""
    made = random.integers(0, 2**64, (size, 4), dtype=np.uint64) if of is None else of.copy()
    for row in made if of is not None else ():
        for bit in random.choice(256, random.integers(0, flips), replace=False).tolist():
            row[bit // 64] ^= np.uint64(1 << bit % 64)
    return made


def matched(random, size, share, noise=1.0):
    """Matched keypoints, of which a share lies as one transform says, the others anywhere."""
    one = np.column_stack(
        [random.uniform(0, 256, (size, 2)), 1.2 ** random.integers(0, 6, size), random.uniform(0, 360, size)]
    )
    turn, scale = random.uniform(-180, 180), random.uniform(0.5, 2)
    angle = np.radians(turn)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = np.column_stack([one[:, :2] @ matrix.T + random.uniform(-50, 50, 2), one[:, 2] * scale, one[:, 3] + turn])
    other[:, :2] += random.normal(0, noise, (size, 2))
    other[:, 2] *= random.uniform(0.9, 1.1, size)
    other[:, 3] = (other[:, 3] + random.normal(0, 5, size)) % 360
    strays = random.random(size) >= share
    other[strays, :2] = random.uniform(0, 256, (strays.sum(), 2))
    return one, other


def check_matches(random, n, m, most):
    one = descriptors(random, n)
    other = np.concatenate([descriptors(random, min(n, m), one[:m]), descriptors(random, max(0, m - n))])
    random.shuffle(other)
    found = mutual_matches(one, other, most)
    assert found.dtype == np.int64
    assert [tuple(pair) for pair in found.tolist()] == naive.mutual_matches(one, other, most)
    return found


def check_transform(one, other):
    numbers, explained = best_transform(one, other)
    transform, chosen = naive.best_transform(one, other, RULE)
    assert np.flatnonzero(explained).tolist() == chosen
    if transform is None:
        assert np.isnan(numbers).all()
    else:
        np.testing.assert_allclose(numbers.reshape(2, 3), transform, rtol=1e-6, atol=1e-6)
    return chosen


def check_descriptors(random, shape, n):
    level = random.integers(0, 256, shape, dtype=np.uint8)
    places = random.uniform(0, 1, (n, 2)).astype(np.float32) * np.array(shape[::-1], np.float32)
    angles = random.uniform(0, 360, n).astype(np.float32)
    found = described(level, places, angles, TESTS)
    assert found.dtype == np.uint64
    assert found.tolist() == naive.described(level, places, angles, TESTS)


def check_tiles(random, a, b):
    one, other = (random.uniform(0, 255, (*shape, 3)).astype(np.float32) for shape in (a, b))
    transform = np.column_stack([np.eye(2) + random.normal(0, 0.2, (2, 2)), random.normal(0, 4, 2)])
    sums = tile_sums(one, other, transform.ravel())
    expected = np.zeros_like(sums)
    for place, pixels in naive.tile_sums(one, other, transform, tile_kernels.TILE, tile_kernels.MARGIN).items():
        expected[place] = naive.sums_of(pixels)
    np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-2)
    luma = random.uniform(-3, 260, a).astype(np.float32)
    counts = counts_beyond(luma, transform.ravel(), float(b[1]), float(b[0]))
    assert counts.tolist() == naive.counts_beyond(luma, transform, b[1], b[0], tile_kernels.MIXED)
    return sums


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("n", "m", "most"), [(40, 50, 80), (50, 20, 30), (1, 1, 0), (0, 5, 80), (5, 0, 80)])
def test_matches_are_the_oracles(seed, n, m, most):
    check_matches(np.random.default_rng(seed), n, m, most)


def test_of_equal_descriptors_the_first_match():
    one = descriptors(np.random.default_rng(0), 3)
    twice = np.concatenate([one, one])
    assert mutual_matches(twice, twice, 80).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert naive.mutual_matches(twice, twice, 80) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("size", "share"), [(150, 0.9), (150, 0.4), (60, 0.25), (40, 0.0), (3, 1.0), (2, 1.0), (0, 1.0)]
)
def test_the_best_transform_is_the_oracles(seed, size, share):
    chosen = check_transform(*matched(np.random.default_rng(seed), size, share))
    if share * size > 50:
        assert len(chosen) >= 0.9 * share * size


def test_places_on_a_line_say_no_transform():
    one, _ = matched(np.random.default_rng(1), 40, 1.0, noise=0.0)
    on_a_line = one.copy()
    on_a_line[:, 1] = 2 * one[:, 0]
    moved = np.column_stack([on_a_line[:, :2] + 7.0, on_a_line[:, 2:]])
    assert check_transform(on_a_line, moved) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("shape", "n"), [((60, 80), 12), ((9, 50), 5), ((1, 1), 2), ((20, 20), 0)])
def test_descriptors_are_the_oracles(seed, shape, n):
    check_descriptors(np.random.default_rng(seed), shape, n)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_descriptor_of_a_mirrored_level_has_its_halves_changed_over(seed):
    """At right angles nothing is rounded: a keypoint looks right, its mirrored twin left."""
    random = np.random.default_rng(seed)
    level = random.integers(0, 256, (41, 51), dtype=np.uint8)
    places = random.integers(14, 27, (8, 2)).astype(np.float32)
    twins = np.column_stack([50 - places[:, 0], places[:, 1]]).astype(np.float32)
    straight = described(level, places, np.zeros(8, np.float32), TESTS)
    there = described(np.ascontiguousarray(level[:, ::-1]), twins, np.full(8, 180, np.float32), TESTS)
    np.testing.assert_array_equal(there, mirrored(straight))
    np.testing.assert_array_equal(mirrored(mirrored(straight)), straight)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("a", "b"), [((24, 32), (30, 28)), ((17, 9), (40, 40)), ((8, 8), (2, 1)), ((3, 50), (50, 3))])
def test_the_sums_of_tiles_and_the_counts_beyond_are_the_oracles(seed, a, b):
    check_tiles(np.random.default_rng(seed), a, b)


def test_the_kernels_need_no_compiler():
    """NUMBA_DISABLE_JIT is how one steps through them: the plain functions must agree with the compiled ones."""
    script = """
import numpy as np
import test_geometry_kernels as these
random = np.random.default_rng(0)
assert len(these.check_matches(random, 20, 25, 80))
assert len(these.check_transform(*these.matched(random, 40, 0.7))) > 20
these.check_descriptors(random, (30, 40), 3)
assert these.check_tiles(random, (16, 16), (20, 20)).any()
"""
    here = Path(__file__).parent
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
