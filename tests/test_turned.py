"""Turns of pictures: their hashes from one decode, and the least distance over them, by the slow oracle."""

import doctest
import pickle

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core import turns
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.registry import ENCODERS, TURNED, Standard
from dedup_core.hamming.turned import (
    TurnedCodes,
    closest_turns,
    turned_cross_join_blocks,
    turned_partners,
    turned_self_join_blocks,
)
from dedup_core.images.picture import from_array
from dedup_core.metric import HAMMING
from dedup_core.turns import INVERSE, TURNS, turned

HASHES = [name for name, method in ENCODERS.items() if method.metric is HAMMING]
WITH_TURNS = Standard(orientations=True)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def close_hashes(rng, count):
    """Pictures whose turns are near those of others, often by several turns at once."""
    centres = rng.integers(0, 2**64, (2, 1), dtype=np.uint64)
    hashes = np.broadcast_to(centres[rng.integers(0, 2, (count, 8)), 0], (count, 8)).copy()
    for _ in range(4):
        hashes ^= np.where(rng.random((count, 8)) < 0.7, np.uint64(1) << rng.integers(0, 64, (count, 8), np.uint64), 0)
    return hashes


def found_by(codes, blocks):
    """{(smaller code, larger code): (distance, turn)}, each once."""
    found = {}
    for pairs, turn in blocks:
        for left, right, score, one in zip(pairs.left, pairs.right, pairs.score, turn, strict=True):
            ends = tuple(sorted((int(codes[0][left]), int(codes[1][right]))))
            assert ends not in found
            found[ends] = int(score), int(one)
    return found


def check(found, hashes, max_distance):
    expected = naive.turned_pairs(hashes, max_distance)
    assert {ends: distance for ends, (distance, _) in found.items()} == {
        ends: distance for ends, (distance, _) in expected.items()
    }
    for ends, (_, turn) in found.items():
        assert turn == 0 if 0 in expected[ends][1] else turn in expected[ends][1]


def test_the_examples_hold():
    assert doctest.testmod(turns).failed == 0


@pytest.mark.parametrize("turn", range(8))
def test_a_turn_lays_a_picture_and_its_inverse_takes_it_back(turn):
    picture = np.arange(6).reshape(2, 3)
    assert turned(picture[None], turn)[0].tolist() == naive.laid(picture, turn).tolist()
    assert INVERSE[turn] == naive.taken_back(turn)
    assert len(TURNS) == len(set(TURNS)) == 8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 14))
def test_a_join_finds_each_pair_within_the_least_distance_once(seed, max_distance, count):
    hashes = close_hashes(np.random.default_rng(seed), count)
    side = TurnedCodes(np.arange(count), hashes)
    found = found_by((side.codes, side.codes), turned_self_join_blocks(side, max_distance))
    check(found, hashes, max_distance)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 14), st.integers(0, 14))
def test_pairs_and_turns_are_the_same_however_pictures_are_parted(seed, max_distance, count, cut):
    rng = np.random.default_rng(seed)
    hashes, order = close_hashes(rng, count), rng.permutation(count)
    whole = TurnedCodes(np.arange(count), hashes)
    one, other = (TurnedCodes(part, hashes[part]) for part in (order[:cut], order[cut:]))
    found = {}
    for side in (one, other):
        found |= found_by((side.codes, side.codes), turned_self_join_blocks(side, max_distance))
    found |= found_by((one.codes, other.codes), turned_cross_join_blocks(one, other, max_distance))
    assert found == found_by((whole.codes, whole.codes), turned_self_join_blocks(whole, max_distance))


def test_partners_of_a_sample_are_counted_at_their_least_distance(rng):
    hashes, images = close_hashes(rng, 30), rng.integers(1, 5, 30)
    everyone, sample = TurnedCodes(np.arange(30), hashes), TurnedCodes(np.arange(9), hashes[:9])
    expected = np.zeros((2, 9, 7))
    for (i, j), (distance, _) in naive.turned_pairs(hashes, 6).items():
        for one, other in ((i, j), (j, i)):
            if one < 9:
                expected[:, one, distance] += 1, images[other]
    assert turned_partners(sample, everyone, images, 6).tolist() == expected.tolist()


def test_the_turn_of_a_pair_is_the_inverse_seen_from_the_other_side(rng):
    hashes = close_hashes(rng, 40)
    distance, turn = closest_turns(hashes[:20], hashes[20:])
    back, turn_back = closest_turns(hashes[20:], hashes[:20])
    assert distance.tolist() == back.tolist()
    for k in range(20):
        least, best = naive.turned_pair(hashes[k], hashes[20 + k])
        assert distance[k] == least
        assert turn[k] in best
        assert INVERSE[turn_back[k]] in best


# From pictures to the hashes of their turns


def drawn(rng, size=(120, 90)):
    """A picture of soft spots, uint8 (height, width, 3)."""
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    picture = np.zeros((*across.shape, 3))
    for _ in range(14):
        x, y, wide = rng.uniform(0, 1, 3)
        spot = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (0.01 + 0.1 * wide))
        picture += spot[:, :, None] * rng.uniform(-1, 1, 3)
    return np.uint8(255 * (picture - picture.min()) / np.ptp(picture))


def hashes_of(name, pixels, options=WITH_TURNS):
    encoder = ENCODERS[name].encoder(options)
    return encoder.encode(encoder.pixels(from_array(pixels))[None])[0]


@pytest.mark.parametrize("name", HASHES)
def test_the_upright_hash_is_what_it_is_without_turns(name, rng):
    pixels = drawn(rng)
    made = hashes_of(name, pixels)
    assert made.dtype == np.uint64
    assert made.shape == (8,)
    assert made[0] == hashes_of(name, pixels, Standard())


@pytest.mark.parametrize("name", ["ahash", "phash", "whash"])
def test_the_hash_of_a_turn_is_that_of_the_turned_small_picture(name, rng):
    """A picture of the size that a hash takes is resized to itself."""
    side = {"ahash": 8, "phash": 32, "whash": 256}[name]
    small = from_array(drawn(rng)).gray((side, side))
    made = hashes_of(name, small)
    turned_small = [hashes_of(name, np.ascontiguousarray(naive.laid(small, turn)), Standard()) for turn in range(8)]
    assert [naive.bits_apart(*pair) for pair in zip(made, turned_small, strict=True)] == [0] * 8


@pytest.mark.parametrize("size", [(8, 9), (9, 8)])
def test_the_difference_hash_of_a_turn_is_that_of_the_turned_small_picture(size, rng):
    small = from_array(drawn(rng)).gray(size)
    fitting = [turn for turn in range(8) if naive.laid(small, turn).shape == (8, 9)]
    made = hashes_of("dhash", small)
    for turn in fitting:
        assert made[turn] == hashes_of("dhash", np.ascontiguousarray(naive.laid(small, turn)), Standard())


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("turn", range(1, 8))
def test_a_turned_picture_is_near_by_that_turn(name, turn, rng):
    pixels = drawn(rng, (311, 204))
    after = np.stack([naive.laid(pixels[:, :, channel], turn) for channel in range(3)], axis=2)
    distance, found = closest_turns(*(hashes_of(name, each)[None] for each in (pixels, np.ascontiguousarray(after))))
    assert distance[0] <= 4
    assert TURNS[found[0]] == TURNS[turn]


@pytest.mark.parametrize("name", HASHES)
def test_hashes_with_turns_have_a_fingerprint_of_their_own_and_travel(name, photographs):
    encoder, upright = ENCODERS[name].encoder(WITH_TURNS), ENCODERS[name].encoder()
    assert encoder.fingerprint == upright.fingerprint + TURNED
    content = photographs[0].read_bytes()
    (one,), (other,) = (encode_batch([content], [each]) for each in (encoder, pickle.loads(pickle.dumps(encoder))))
    assert one.features[name].tolist() == other.features[name].tolist()
