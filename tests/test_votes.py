"""Votes of keypoints: the pairs of the slow oracle, in any order, however the images are cut, mirrored or not."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.local import votes
from dedup_core.local.pattern import mirrored
from dedup_core.local.votes import CodedImages, Votes, are_common, cross_votes, self_votes

CODES = st.builds(
    lambda base, bits: base ^ sum({1 << bit for bit in bits}),
    st.sampled_from([0, 0x0123_4567_89AB_CDEF, 0x89AB_CDEF_0123_4567, 0xFFFF_0000_FFFF_0000]),
    st.lists(st.integers(0, 63), max_size=3),
)
IMAGES = st.dictionaries(st.integers(-5, 2**40), st.lists(CODES, max_size=8), min_size=1, max_size=7)


def coded(codes_of):
    """Images and their codes as the kernel takes them."""
    rows = [(image, code) for image in sorted(codes_of) for code in codes_of[image]]
    return CodedImages(
        np.array([code for _, code in rows], np.uint64), np.array([image for image, _ in rows], np.int64)
    )


def as_map(blocks):
    found = Votes.concatenate(blocks)
    columns = (found.left, found.right, found.votes)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert rows == sorted(rows)
    assert len({row[:2] for row in rows}) == len(rows)
    return {(a, b): count for a, b, count in rows}


def without(some, is_left_out):
    return CodedImages(some.codes[~is_left_out], some.images[~is_left_out])


@settings(deadline=None)
@given(IMAGES, st.integers(0, 4), st.integers(1, 3), st.sampled_from([1, 2, 2048]))
def test_the_votes_of_the_oracle_however_images_are_cut(codes_of, max_distance, min_votes, most_images):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(votes, "_MOST_IMAGES", most_images)
        found = as_map(self_votes(coded(codes_of), max_distance, min_votes))
    assert found == naive.local_votes(codes_of, max_distance, min_votes)


@settings(deadline=None)
@given(IMAGES, st.integers(0, 4), st.integers(1, 3), st.integers(-5, 2**40))
def test_two_sets_vote_as_one(codes_of, max_distance, min_votes, cut):
    left, right = ({image: codes for image, codes in codes_of.items() if (image < cut) == is_left}
                   for is_left in (True, False))  # fmt: skip
    found = [*cross_votes(coded(left), coded(right), max_distance, min_votes)]
    for side in (left, right):
        found += self_votes(coded(side), max_distance, min_votes)
    assert as_map(found) == naive.local_votes(codes_of, max_distance, min_votes)


@settings(deadline=None)
@given(IMAGES, st.integers(0, 3), st.randoms())
def test_the_order_of_codes_and_mirroring_both_pictures_change_nothing(codes_of, max_distance, random):
    found = as_map(self_votes(coded(codes_of), max_distance, 1))
    shuffled = {image: random.sample(codes, len(codes)) for image, codes in codes_of.items()}
    assert as_map(self_votes(coded(shuffled), max_distance, 1)) == found
    both = {image: mirrored(np.array(codes, np.uint64)).tolist() for image, codes in codes_of.items()}
    assert as_map(self_votes(coded(both), max_distance, 1)) == found


@settings(deadline=None)
@given(IMAGES, st.integers(1, 3))
def test_codes_that_many_images_hold_say_nothing(codes_of, max_images):
    some = coded(codes_of)
    found = as_map(self_votes(without(some, are_common(some, max_images)), 2, 1))
    assert found == naive.local_votes(codes_of, 2, 1, max_images)


def test_a_mirrored_picture_is_found():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 2**64, 40, dtype=np.uint64)
    found = as_map(self_votes(coded({1: codes.tolist(), 2: mirrored(codes).tolist()}), 0, 3))
    assert found == {(1, 2): 40}


def test_many_keypoints_that_resemble_one_are_one_vote():
    assert as_map(self_votes(coded({1: [5] * 50, 2: [5]}), 4, 1)) == {(1, 2): 1}


def test_codes_that_do_not_fit_images_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        CodedImages(np.zeros(2, np.uint64), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="must ascend"):
        CodedImages(np.zeros(2, np.uint64), np.array([2, 1]))
