"""What looks refute: the kernel against its oracle, and the law that they refute no copy."""

import functools

import naive
import numpy as np
import pytest
from by_hand import saved
from copied import drawn, few, jpeg, png, resized
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.images.decoding import decode
from dedup_core.images.looks import SIDE, look_at
from dedup_core.images.shapes import shapes_agree
from dedup_core.verify.looks import (
    LOOK_LIMITS,
    LOSSLESS,
    LOSSLESS_LIMIT,
    Looks,
    cell_differences,
    look_limit,
    merged_cells,
    refuted,
)

EDITED = {
    "jpeg_40": lambda image: jpeg(image, 40),
    "webp_80": lambda image: saved(image, "WEBP", quality=80),
    "half_jpeg": lambda image: jpeg(resized(image, 0.5)),
    "third": lambda image: png(resized(image, 1 / 3)),
    "larger": lambda image: png(resized(image, 1.3, Image.Resampling.BICUBIC)),
}


def cells(count, seed, spread=255):
    return np.random.default_rng(seed).integers(0, spread + 1, (count, SIDE, SIDE, 4)).astype(np.uint8)


@functools.lru_cache(256)
def looked(content):
    picture = decode(content)
    return look_at(picture), picture.width, picture.height, picture.frames, picture.format in LOSSLESS


def looks_of(contents):
    columns = zip(*map(looked, contents), strict=True)
    kinds = (np.uint8, np.int64, np.int64, np.int64, bool)
    return Looks(*(np.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)))


def are_refuted(one, other):
    told = [refuted(looks_of([one, other]), np.array([a]), np.array([b])) for a, b in ((0, 1), (1, 0))]
    assert [part.tolist() for part in told[0]] == [part.tolist() for part in told[1]]
    return bool(told[0][0][0])


def plain(size, level=90, **others):
    return Looks(
        np.full((1, SIDE, SIDE, 4), level, np.uint8),
        *(np.array([number]) for number in (*size, others.get("frames", 1))),
        np.array([others.get("is_lossless", False)]),
    )


def together(one, other):
    return Looks(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))


def is_refuted(one, other):
    return bool(refuted(together(one, other), np.array([0]), np.array([1]))[0][0])


# The kernel


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 3, 255]), st.sampled_from([1, 2, 4, 8, 32]))
@settings(deadline=None, max_examples=20)
def test_the_largest_difference_is_the_oracles(seed, spread, merged):
    three = cells(3, seed, spread)
    left, right = np.array([0, 1, 2, 2]), np.array([1, 0, 0, 2])
    difference, cell = cell_differences(three, left, right, np.full(4, merged))
    assert difference.dtype == np.uint8
    for number, ends in enumerate(zip(left, right, strict=True)):
        expected = naive.cell_differences(*three[list(ends)], merged)
        assert (difference[number], cell[number]) == expected


def test_each_pair_has_cells_of_its_own_size():
    two = cells(2, 7)
    sizes = np.array([1, 2, 4, 8, 32])
    difference, cell = cell_differences(two, np.zeros(5, np.int64), np.ones(5, np.int64), sizes)
    expected = [naive.cell_differences(*two, size) for size in sizes.tolist()]
    assert list(zip(difference.tolist(), cell.tolist(), strict=True)) == expected


def test_no_pairs_have_no_differences():
    none = np.empty(0, np.int64)
    assert [part.size for part in refuted(plain((9, 9)), none, none)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("shortest", "expected"), [(1, 32), (15, 32), (16, 8), (31, 8), (32, 4), (63, 4), (64, 2), (127, 2), (128, 1)]
)
def test_small_pictures_have_fewer_cells(shortest, expected):
    assert merged_cells(shortest) == expected
    assert merged_cells(np.array([shortest, 9999])).tolist() == [expected, 1]


def test_limits_tighten_with_size():
    levels = look_limit(np.arange(1, 2000))
    assert (np.diff(levels) <= 0).all()
    assert {int(level) for level in levels} == set(LOOK_LIMITS.values())
    assert levels.min() > LOSSLESS_LIMIT


# What is refuted


@pytest.mark.parametrize("size", [(60, 40), (200, 130), (300, 400), (800, 600)])
@pytest.mark.parametrize("is_lossless", [False, True])
def test_a_pair_is_refuted_by_a_cell_that_differs_by_more_than_it_may(size, is_lossless):
    limit = LOSSLESS_LIMIT if is_lossless else int(look_limit(np.array([min(size)]))[0])
    one = plain(size, is_lossless=is_lossless)
    for levels in (limit, limit + 1):
        other = plain(size, 90 + levels, is_lossless=is_lossless)
        assert is_refuted(one, other) == (levels > limit)


def test_only_pictures_of_one_size_can_be_held_to_every_pixel():
    other = plain((300, 200), 90 + LOSSLESS_LIMIT + 1, is_lossless=True)
    assert is_refuted(plain((300, 200), is_lossless=True), other)
    assert not is_refuted(plain((600, 400), is_lossless=True), other)
    assert not is_refuted(plain((300, 200), is_lossless=False), other)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (0, 1), (0, 0)])
def test_other_or_unknown_numbers_of_frames_refute(one, other):
    assert is_refuted(plain((300, 200), frames=one), plain((300, 200), frames=other))
    assert not is_refuted(plain((300, 200), frames=3), plain((300, 200), frames=3))


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0.05, 1))
def test_a_picture_made_smaller_keeps_its_shape(width, height, share):
    small = max(1, round(width * share)), max(1, round(height * share))
    assert shapes_agree(width, height, width, height)
    if min(small) > 1:
        assert shapes_agree(width, height, *small)
        assert shapes_agree(*small, width, height)


@given(st.integers(8, 3000), st.integers(8, 3000), st.sampled_from([2, 3, 4, 8]))
def test_halves_rounded_down_or_up_keep_their_shape(width, height, times):
    for way in (int.__floordiv__, lambda side, n: -(-side // n)):
        small = max(1, way(width, times)), max(1, way(height, times))
        assert shapes_agree(width, height, *small)


def test_pictures_that_are_stored_turned_may_have_one_shape():
    assert not shapes_agree(300, 200, 200, 300)
    assert not is_refuted(plain((300, 200)), plain((200, 300)))
    assert not is_refuted(plain((300, 200)), plain((100, 150)))


@pytest.mark.parametrize(
    ("one", "other"),
    [((300, 200), (300, 210)), ((300, 200), (150, 105)), ((300, 200), (105, 150)), ((64, 64), (64, 60))],
)
def test_other_shapes_refute(one, other):
    assert not shapes_agree(*one, *other)
    assert is_refuted(plain(one), plain(other))
    assert not is_refuted(plain(one), plain(one))


# Laws


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PLAIN_COPIES)
def test_no_plain_copy_of_a_drawing_is_refuted(kind, name):
    for original in (drawn(kind, number) for number in range(3)):
        copy = PLAIN_COPIES[name].copy_of(original)
        if copy is not None and name not in KINDS[kind].lossy:
            assert not are_refuted(original.content, copy.content), original.name


@pytest.mark.parametrize("name", EDITED)
def test_no_other_copy_of_a_drawing_is_refuted(name):
    for kind in KINDS:
        original = drawn(kind, 1)
        if original.image.mode == "RGB":
            assert not are_refuted(original.content, EDITED[name](original.image)), kind


@pytest.mark.parametrize("way", list(Image.Resampling), ids=lambda way: way.name)
def test_no_half_is_refuted_whatever_made_it(photographs, way):
    for original in [*few(photographs)[:3], *(drawn(kind, 1) for kind in KINDS)]:
        half = png(resized(original.image, 0.5, way))
        assert not are_refuted(original.content, half), original.name


def test_no_small_half_is_refuted_that_was_made_without_smoothing():
    shirt = drawn("recolours", 0)
    assert not are_refuted(shirt.content, png(resized(shirt.image, 0.5, Image.Resampling.NEAREST)))


@pytest.mark.parametrize("name", [*PLAIN_COPIES, *EDITED])
def test_no_copy_of_a_photograph_is_refuted(photographs, name):
    for original in few(photographs):
        copy = PLAIN_COPIES[name].copy_of(original).content if name in PLAIN_COPIES else EDITED[name](original.image)
        assert not are_refuted(original.content, copy), original.name


@pytest.mark.parametrize("kind", ["icons", "captions", "recolours", "sprites", "flat"])
def test_looks_refute_most_pairs_of_different_drawings(kind):
    looks = looks_of([drawn(kind, number).content for number in range(12)])
    left, right = np.triu_indices(12, 1)
    assert refuted(looks, left, right)[0].mean() > 0.8
