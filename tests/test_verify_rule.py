"""The whole rule against its oracle, and its laws over any two pictures."""

import dataclasses
import io

import naive_pictures
import numpy as np
import pytest
from by_hand import saved
from copied import drawn, few, jpeg, png, resized, with_pixels
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.images.decoding import decode
from dedup_core.images.losses import TYPICAL
from dedup_core.images.picture import Picture, from_array
from dedup_core.verify.compression import compressed
from dedup_core.verify.levels import COMPARED_SIDE
from dedup_core.verify.pixels import compare
from dedup_core.verify.views import HELD_SIDE, View

SIZE = (120, 88)
WAYS = [Image.Resampling.LANCZOS, Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BOX]


def a_word(image):
    changed = image.copy()
    changed.paste((30, 30, 30), (40, 40, 52, 43))
    return changed


MADE = {
    "itself": lambda image: png(image),
    "jpeg_85": lambda image: jpeg(image),
    "jpeg_40": lambda image: jpeg(image, 40),
    "jpeg_40_of_jpeg_85": lambda image: jpeg(Image.open(io.BytesIO(jpeg(image))), 40),
    "grey_jpeg": lambda image: jpeg(image.convert("L"), 70),
    "webp": lambda image: saved(image, "WEBP"),
    "half": lambda image: png(resized(image, 0.5)),
    "nearest_half": lambda image: png(resized(image, 0.5, Image.Resampling.NEAREST)),
    "box_half_jpeg": lambda image: jpeg(resized(image, 0.5, Image.Resampling.BOX)),
    "odd_size": lambda image: png(resized(image, 0.77, Image.Resampling.HAMMING)),
    "larger": lambda image: png(resized(image, 1.4, Image.Resampling.BICUBIC)),
    "larger_jpeg": lambda image: jpeg(resized(image, 1.4, Image.Resampling.BICUBIC), 90),
    "word": lambda image: png(a_word(image)),
    "word_as_jpeg": lambda image: jpeg(a_word(image)),
    "half_with_word": lambda image: png(resized(a_word(image), 0.5)),
    "brighter": lambda image: png(image.point(lambda value: min(255, value + 3))),
    "grey": lambda image: png(image.convert("L")),
    "mirrored": lambda image: png(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "faint": lambda image: png(Image.merge("RGBA", [*image.split(), Image.linear_gradient("L").resize(image.size)])),
    "cropped": lambda image: png(image.crop((1, 0, *image.size)).resize(image.size, Image.Resampling.BICUBIC)),
}


def assert_as_the_oracle(one, other):
    found, expected = compare(View.of(one), View.of(other)), naive_pictures.compare(one, other)
    assert (found is None) == (expected is None)
    if found is not None:
        share, difference, is_enlarged = expected
        assert found.share == pytest.approx(share, rel=1e-4, abs=1e-4)
        assert (found.is_same, found.is_enlarged) == (share <= 1, is_enlarged)
        if found.is_same:  # of others two ways to resize may be equally far off
            assert found.difference == pytest.approx(difference, rel=1e-4, abs=1e-3)


def middle(image):
    """The middle of a picture, at its own size."""
    left, top = (image.width - SIZE[0]) // 2, (image.height - SIZE[1]) // 2
    return image.crop((left, top, left + SIZE[0], top + SIZE[1]))


# Against the oracle


@pytest.mark.parametrize("name", MADE)
def test_photographs_and_what_was_made_of_them_are_as_the_oracle_says(photographs, name):
    for original in few(photographs)[1:3]:
        image = middle(original.image)
        assert_as_the_oracle(decode(png(image)), decode(MADE[name](image)))


@pytest.mark.parametrize("name", ["jpeg_85", "half", "larger", "webp", "half_with_word"])
@pytest.mark.parametrize("kind", ["text_pages", "charts", "sprites"])
def test_drawings_and_what_was_made_of_them_are_as_the_oracle_says(kind, name):
    image = middle(drawn(kind, 1).image)
    assert_as_the_oracle(decode(MADE[name](image)), decode(png(image)))


@pytest.mark.parametrize("kind", ["icons", "captions", "recolours", "sprites", "flat"])
def test_different_drawings_are_as_the_oracle_says(kind):
    first, *others = (resized(drawn(kind, number).image, 0.4).resize((96, 72)) for number in range(4))
    for other in others:
        assert_as_the_oracle(decode(png(first)), decode(png(other)))


def test_icons_and_their_copies_are_as_the_oracle_says():
    icon = drawn("icons", 2).image
    for other in (
        resized(icon, 0.5),
        resized(icon, 1.5),
        icon.convert("RGB"),
        drawn("icons", 3).image.resize(icon.size),
    ):
        assert_as_the_oracle(decode(png(icon)), decode(png(other)))


@pytest.mark.parametrize("quality", [60, 95])
def test_pictures_larger_than_what_is_compared_are_as_the_oracle_says(photographs, quality):
    image = few(photographs)[2].image.crop((0, 0, COMPARED_SIDE + 33, 60))
    assert_as_the_oracle(decode(jpeg(image, quality)), decode(png(image)))
    assert_as_the_oracle(decode(jpeg(resized(image, 0.5), quality)), decode(png(image)))


def test_pictures_larger_than_what_is_held_are_as_the_oracle_says(photographs):
    strip = few(photographs)[2].image.resize((2 * HELD_SIDE + 201, 96), Image.Resampling.BICUBIC)
    for other in (jpeg(strip, 70), png(resized(strip, 0.5)), png(a_word(strip)), jpeg(resized(strip, 0.3))):
        assert_as_the_oracle(decode(png(strip)), decode(other))


@given(st.data())
@settings(deadline=None, max_examples=15)
def test_any_two_small_pictures_are_as_the_oracle_says(data):
    one = data.draw(pictures())
    other = data.draw(changed(one) | pictures())
    assert_as_the_oracle(one, other)


# Laws


@st.composite
def pictures(draw):
    """A picture of any small size: smooth, noisy, with or without transparency, deep, turned, or lossy."""
    wide, high = draw(st.tuples(st.integers(1, 48), st.integers(1, 48)))
    values = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bands = draw(st.sampled_from([3, 4]))
    coarse = values.integers(0, 256, (draw(st.integers(1, 6)), draw(st.integers(1, 6)), bands), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC)
    picture = from_array(np.asarray(image))
    if bands == 3 and draw(st.booleans()):
        picture = decode(jpeg(image, draw(st.integers(20, 98)), subsampling=draw(st.integers(0, 2))))
    stretch = draw(st.sampled_from([None, None, (0.0, 1.0), (5.0, 900.0)]))
    loss = picture.loss or draw(st.sampled_from([None, TYPICAL]))
    return dataclasses.replace(picture, turn=draw(st.sampled_from([1, 1, 6])), stretch=stretch, loss=loss)


@st.composite
def changed(draw, picture):
    """What was made of a picture: smaller or larger, noisier, saved anew, or all of it."""
    image = picture.image
    share = draw(st.sampled_from([1, 1, 0.5, 0.8, 2]))
    image = image if share == 1 else resized(image, share, draw(st.sampled_from(WAYS)))
    spread, seed = draw(st.sampled_from([0, 1, 3, 30])), draw(st.integers(0, 99))
    noise = np.random.default_rng(seed).integers(-spread, spread + 1, (image.height, image.width, 3))
    image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
    made = decode(jpeg(image, draw(st.integers(20, 98)))) if draw(st.booleans()) else from_array(np.asarray(image))
    alpha = picture.alpha and picture.alpha.resize(image.size)
    return dataclasses.replace(made, alpha=alpha, turn=picture.turn, stretch=picture.stretch)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_which_of_two_pictures_is_the_first_does_not_matter(data):
    one = data.draw(pictures())
    other = data.draw(changed(one) | pictures())
    there, back = compare(View.of(one), View.of(other)), compare(View.of(other), View.of(one))
    assert (there is None) == (back is None)
    if there is not None:
        assert (there.is_same, there.is_enlarged, there.level) == (back.is_same, back.is_enlarged, back.level)
        assert there.share == pytest.approx(back.share)
        assert there.difference == pytest.approx(back.difference)


@pytest.mark.parametrize(("wide", "high"), [(1, 2), (1, 1), (3, 4)])
def test_which_is_the_first_does_not_matter_for_pictures_of_few_pixels(wide, high):
    values = np.random.default_rng(1).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    one, other = View.of(from_array(values)), View.of(from_array(values.transpose(1, 0, 2)))
    assert compare(one, other) == compare(other, one)


@given(pictures())
@settings(deadline=None, max_examples=60)
def test_a_picture_is_the_same_as_itself(picture):
    found = compare(View.of(picture), View.of(picture))
    if picture.stretch is not None:  # of which eight bits say nothing
        assert found is None
        return
    assert (found.is_same, found.share, found.difference, found.is_enlarged) == (True, 0.0, 0.0, False)


@given(pictures(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_a_picture_whose_values_are_turned_upside_down_is_another(picture, seed):
    """Whatever format it is in."""
    assume(picture.alpha is None and picture.stretch is None)
    pixels = picture.pixels
    assume(np.abs(255.0 - 2 * pixels).max() > 160)
    other = dataclasses.replace(picture, source=255 - pixels)
    assert not compare(View.of(picture), View.of(other)).is_same


@given(st.integers(0, 99), st.integers(0, 7), st.integers(0, 5), st.integers(3, 40), st.sampled_from([-1, 1]))
@example(0, 0, 0, 3, 1)
@settings(deadline=None, max_examples=40)
def test_any_block_that_is_lighter_or_darker_is_seen(seed, column, row, levels, sign):
    values = np.random.default_rng(seed).integers(60, 190, (48, 64, 3)).astype(np.uint8)

    def change(pixels):
        block = pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        block += np.uint8(sign * levels % 256)

    changed = with_pixels(Image.fromarray(values), change)
    found = compare(View.of(from_array(values)), View.of(from_array(np.asarray(changed))))
    assert not found.is_same
    assert found.tile == (column / 8, row / 6, (column + 1) / 8, (row + 1) / 6)
    assert found.difference == pytest.approx(levels, abs=1e-3)


# Compression done again


@given(st.integers(1, 100), st.integers(0, 2))
@settings(deadline=None, max_examples=20)
def test_compression_is_done_again_bit_for_bit(quality, subsampling):
    image = middle(drawn("captions", 1).image)
    picture = decode(jpeg(image, quality, subsampling=subsampling))
    assert compressed(image, picture.loss).tobytes() == picture.image.tobytes()


def test_what_cant_be_compressed_again_is_not():
    image = middle(drawn("captions", 1).image)
    loss = decode(jpeg(image)).loss
    assert compressed(image.convert("RGBA"), loss) is None
    assert compressed(image, TYPICAL) is None, "it is not known how much smaller its colours are"
    assert compressed(image, dataclasses.replace(loss, luma=(256, *loss.luma[1:]))) is None


def test_a_view_keeps_what_a_picture_went_through():
    picture = Picture(
        Image.new("RGB", (9, 7)), 18, 14, "JPEG", Image.new("L", (9, 7), 3), "grey", 4, 6, (0.0, 2.0), TYPICAL
    )
    view = View.of(picture)
    assert (view.width, view.height, view.frames, view.turn) == (18, 14, 4, 6)
    assert (view.stretch, view.loss, view.is_whole) == ((0.0, 2.0), TYPICAL, False)
    assert view.image.getpixel((2, 2)) == (0, 0, 0, 3)
