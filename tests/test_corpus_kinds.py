"""Drawn pictures: laws over all kinds, a new one too, and what each kind promises."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from dedup_core.corpus.artwork import equal_greys
from dedup_core.corpus.drawing import combination, font, numbered_word
from dedup_core.corpus.icons import ICONS
from dedup_core.corpus.kinds import KINDS, MAX_PICTURES
from dedup_core.corpus.plain_copies import PLAIN_COPIES

FEW = 16

every_kind = pytest.mark.parametrize("name", KINDS)


def pictures(name, numbers=range(FEW), seed=0):
    return [KINDS[name].picture(number, seed) for number in numbers]


def pixels(image):
    return image.mode, image.size, image.tobytes()


# Laws over all kinds


@every_kind
def test_registry_names_are_the_kinds_own(name):
    assert KINDS[name].name == name
    assert KINDS[name].lossy <= set(PLAIN_COPIES)


@every_kind
def test_no_two_pictures_of_a_kind_are_the_same(name):
    numbers = [*range(FEW), MAX_PICTURES // 2, MAX_PICTURES - 1]
    assert len({pixels(image) for image in pictures(name, numbers)}) == len(numbers)


@every_kind
def test_a_picture_repeats_by_its_seed_whatever_was_drawn_before(name):
    one, two, other = pictures(name), pictures(name, reversed(range(FEW)))[::-1], pictures(name, seed=1)
    assert list(map(pixels, one)) == list(map(pixels, two)) != list(map(pixels, other))


@every_kind
def test_a_picture_has_colours_and_a_size_to_be_seen(name):
    for image in pictures(name):
        assert image.mode in {"RGB", "RGBA"}
        assert 48 <= min(image.size) <= max(image.size) <= 800


# What numbers decide


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 10_000))
def test_each_number_has_a_combination_of_its_own(sizes, first):
    total = math.prod(sizes)
    found = {combination(number, sizes, first) for number in range(total)}
    assert found == set(itertools.product(*map(range, sizes)))


def test_each_picture_can_have_a_word_of_its_own():
    assert len({numbered_word(number) for number in range(MAX_PICTURES)}) == MAX_PICTURES


def test_there_are_icons_enough():
    assert ICONS >= MAX_PICTURES


# What kinds promise


@pytest.mark.parametrize("name", ["text_pages", "forms", "charts", "sprites", "screens"])
def test_documents_have_more_in_common_than_they_differ_in(name):
    first, *others = (np.asarray(image.convert("L"), int) for image in pictures(name))
    assert all(np.mean(np.abs(first - other) > 16) < 0.25 for other in others)


def test_most_icons_are_black_also_where_nothing_is_seen():
    images = pictures("icons", range(100))
    assert {image.mode for image in images} == {"RGBA"}
    assert all(image.getchannel("A").getextrema() == (0, 255) for image in images)
    black = [image for image in images if image.convert("RGB").getextrema() == ((0, 0),) * 3]
    white = [image for image in images if image.convert("RGB").getextrema() == ((255, 255),) * 3]
    assert len(black) > 50
    assert white


def test_icons_differ_in_more_than_size_and_colour():
    masks = [image.getchannel("A").resize((64, 64)) for image in pictures("icons", range(0, MAX_PICTURES, 50))]
    shapes = np.array([np.asarray(mask, float).ravel() for mask in masks])
    nearest = min(np.abs(a - b).mean() for a, b in itertools.combinations(shapes, 2))
    assert nearest > 1


def test_recoloured_shirts_are_one_picture_in_grey():
    images = pictures("recolours")
    assert len({image.convert("L").tobytes() for image in images}) == 1
    assert len(set(equal_greys())) == len(equal_greys())


def test_captions_are_one_scene_or_one_text():
    above, below = (0, 0, 320, 180), (0, 180, 320, 240)
    images = pictures("captions")
    assert len({pixels(image.crop(above)) for image in images[::2]}) == 1
    assert len({pixels(image.crop(below)) for image in images[::2]}) == FEW // 2
    assert len({pixels(image.crop(above)) for image in images[1::2]}) == FEW // 2
    white = [np.asarray(image.crop(below)).min(axis=2) > 250 for image in images[1::2]]
    assert np.logical_and.reduce(white).sum() > 200


def test_flat_pictures_are_nearly_of_one_colour():
    for image in pictures("flat", range(60)):
        values = np.asarray(image, int)
        usual = np.median(values, axis=(0, 1))
        assert np.mean(np.abs(values - usual).max(axis=2) > 4) < 0.01


def test_flat_pictures_have_colours_of_their_own():
    coloured = [image for number, image in enumerate(pictures("flat", range(300))) if number % 6 < 4]
    means = np.array([np.asarray(image, float).mean(axis=(0, 1)) for image in coloured])
    apart = np.abs(means[:, None] - means[None]).max(axis=2) + 255 * np.eye(len(means))
    assert apart.min() > 4


def test_the_font_is_laid_out_alike_on_every_machine():
    assert font(12).layout_engine == ImageFont.Layout.BASIC
