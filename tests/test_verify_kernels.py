"""The verifier's loops against their oracles, and the laws of the tile in which two planes differ most."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dedup_core.verify.kernels import TILE, Limits, chroma_of, luma_of, worst_tile

NONE = np.empty((0, 0), np.float32)
EXACT = Limits(1.5, 0.0, 0.0, 0.0, 0.0)

sides = st.integers(1, 30)
shapes = st.tuples(sides, sides)
limits = st.builds(Limits, st.floats(0.5, 10), *[st.floats(0, 20)] * 2, *[st.floats(0, 1)] * 2)


@st.composite
def planes(draw, count=3):
    """So many planes of one shape: smooth, noisy or of one value, some alike."""
    shape = draw(shapes)
    values = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    base, spread = draw(st.floats(0, 255)), draw(st.sampled_from([0, 1, 40]))
    return [(base + spread * values.standard_normal(shape)).clip(0, 255).astype(np.float32) for _ in range(count)]


@given(arrays.arrays(np.uint8, st.tuples(sides, sides, st.just(3))))
@settings(deadline=None)
def test_brightness_and_colours_are_the_oracles(pixels):
    luma = luma_of(pixels)
    assert luma.dtype == np.float32
    np.testing.assert_allclose(luma, naive.luma_of(pixels), atol=1e-4)
    for ours, theirs in zip(chroma_of(pixels, luma), naive.chroma_of(pixels), strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_grey_has_no_colour(level):
    pixels = np.full((7, 9, 3), level, np.uint8)
    assert np.abs(chroma_of(pixels, luma_of(pixels))).max() < 1e-4


@given(planes(), limits, st.booleans())
@settings(deadline=None)
def test_the_worst_tile_is_the_oracles(three, limits, is_resized):
    one, other, spread = three
    spread = spread if is_resized else NONE
    share, difference, row, column = worst_tile(one, other, spread, limits)
    expected = naive.worst_tile(one, other, spread, limits)
    assert share == pytest.approx(expected[0], rel=1e-6, abs=1e-5)
    assert difference == pytest.approx(expected[1], rel=1e-6, abs=1e-5)
    if (row, column) != expected[2:]:  # two tiles that differ as much
        near = np.s_[row : row + 2 * TILE, column : column + 2 * TILE]
        there = naive.worst_tile(one[near], other[near], spread[near] if is_resized else NONE, limits)
        assert there[0] >= share - 1e-5 or min(one.shape) < TILE


@given(planes(2), limits)
@settings(deadline=None)
def test_which_plane_is_the_first_does_not_matter(two, limits):
    one, other = two
    assert worst_tile(one, other, NONE, limits) == worst_tile(other, one, NONE, limits)
    assert worst_tile(one, one, NONE, limits)[:2] == (0.0, 0.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (8, 8), (11, 12), (12, 11), (64, 48), (100, 37)])
def test_tiles_cover_every_pixel_once(size):
    counts = np.zeros(size, int)
    for top, bottom in naive.tiles(size[0]):
        for left, right in naive.tiles(size[1]):
            counts[top:bottom, left:right] += 1
            assert all(4 <= length <= 11 or length == min(size) for length in (bottom - top, right - left))
    assert (counts == 1).all()


@given(st.data())
@settings(deadline=None)
def test_any_single_tile_that_differs_by_more_than_it_may_refutes(data):
    shape = data.draw(st.tuples(st.integers(4, 40), st.integers(4, 40)))
    plane = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(0, 255, shape).astype(np.float32)
    (top, bottom), (left, right) = (data.draw(st.sampled_from(naive.tiles(side))) for side in shape)
    for by, is_over in ((1.4, False), (1.6, True)):
        changed = plane.copy()
        changed[top:bottom, left:right] += np.float32(by)
        share, difference, row, column = worst_tile(plane, changed, NONE, EXACT)
        assert (share > 1) == is_over
        assert difference == pytest.approx(by, abs=1e-4)
        assert (row, column) == (top, left)


@given(planes(2), limits, st.sampled_from(Limits._fields), st.floats(0.1, 5))
@settings(deadline=None)
def test_looser_limits_refute_no_more(two, limits, name, more):
    looser = limits._replace(**{name: getattr(limits, name) + more})
    one, other = two
    spread = np.abs(one - other)
    assert worst_tile(one, other, spread, looser)[0] <= worst_tile(one, other, spread, limits)[0] + 1e-9


def test_a_tile_loses_no_more_than_it_has():
    """What a table of steps may take from a tile is bounded by what the tile shows: a dot on white is not noise."""
    page = np.full((16, 16), 255, np.float32)
    faint = page.copy()
    faint[4, 4] = 240
    share, _, _, _ = worst_tile(page, faint, NONE, Limits(0.5, 0.0, 12.0, 0.0, 0.0))
    assert share == pytest.approx(naive.worst_tile(page, faint, NONE, (0.5, 0.0, 12.0, 0.0, 0.0))[0])
    assert share == pytest.approx(faint[:8, :8].std() / (0.5 + faint[:8, :8].std()), rel=1e-3)
