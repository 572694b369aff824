"""Transparent pictures: what lies beneath, how opaque each pixel is, and what encoders see of them."""

import numpy as np
import pytest
from by_hand import saved, soft
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import font
from dedup_core.corpus.kinds import KINDS
from dedup_core.encoders.encoder import Decoding, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.colours import GREY, on_grey
from dedup_core.images.decoding import decode
from dedup_core.images.picture import from_array, shown
from dedup_core.metric import HAMMING

HASHES = [name for name, method in ENCODERS.items() if method.metric == HAMMING]
ENCODER_OF = {name: ENCODERS[name].encoder() for name in HASHES}

WHITE = (255, 255, 255)

every_hash = pytest.mark.parametrize("name", HASHES)


def glyph(text, ink=(0, 0, 0), beneath=(0, 0, 0)):
    """A letter on nothing, beneath which lies some colour."""
    mask = Image.new("L", (96, 96))
    ImageDraw.Draw(mask).text((48, 48), text, 255, font(80), "mm")
    image = Image.new("RGB", mask.size, beneath)
    image.paste(ink, mask=mask.point(lambda value: 255 if value else 0))
    image.putalpha(mask)
    return image


def codes(image, transparency, form="PNG"):
    content = saved(image, form)
    (encoded,) = encode_batch([content], ENCODER_OF.values(), Decoding(transparency=transparency))
    return {name: int(feature) for name, feature in encoded.features.items()}


def distances(one, other, transparency):
    one, other = codes(one, transparency), codes(other, transparency)
    return {name: (one[name] ^ other[name]).bit_count() for name in HASHES}


# What is decoded


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_what_lies_beneath_is_kept_beside_how_opaque_it_is(form):
    image = soft(mode="RGBA")
    image.putalpha(soft(image.size, "L").rotate(180))
    picture = decode(saved(image, form, **({"lossless": True, "exact": True} if form == "WEBP" else {})))
    assert picture.image.tobytes() == image.convert("RGB").tobytes()
    assert picture.alpha.tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_pictures_that_are_wholly_opaque_have_no_alpha(mode):
    assert decode(saved(soft(mode=mode), "PNG")).alpha is None


def test_a_palette_may_have_colours_that_are_nothing():
    image = soft().quantize(8)
    nothing = image.getpixel((0, 0))
    picture = decode(saved(image, "PNG", transparency=nothing))
    assert picture.alpha.getpixel((0, 0)) == 0
    expected = np.where(np.asarray(image) == nothing, 0, 255)
    assert np.array_equal(np.asarray(picture.alpha), expected)


@pytest.mark.parametrize(("mode", "nothing"), [("RGB", (250, 0, 9)), ("L", 77)])
def test_one_colour_may_be_nothing(mode, nothing):
    image = soft(mode=mode)
    image.paste(nothing, (0, 0, 20, 20))
    picture = decode(saved(image, "PNG", transparency=nothing))
    assert picture.image.tobytes() == image.convert("RGB").tobytes()
    assert np.asarray(picture.alpha)[:20, :20].max() == 0
    assert picture.alpha.getpixel((40, 40)) == 255


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_on_grey_each_pixel_is_mixed_as_opaque_as_it_is(red, green, blue, alpha):
    image = Image.new("RGB", (2, 2), (red, green, blue))
    seen = on_grey(image, Image.new("L", (2, 2), alpha)).getpixel((1, 1))
    expected = [(channel * alpha + GREY * (255 - alpha)) / 255 for channel in (red, green, blue)]
    assert np.abs(np.subtract(seen, expected)).max() <= 0.5 + 1e-9
    assert on_grey(image, None) is image


@given(st.sampled_from(["drop", "grey"]), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_an_array_is_seen_as_its_file_is(transparency, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    from_file = decode(saved(Image.fromarray(pixels), "PNG"), transparency=transparency)
    from_pixels = from_array(pixels, transparency)
    assert np.array_equal(from_file.rgb((5, 5)), from_pixels.rgb((5, 5)))
    assert from_file.transparency == from_pixels.transparency == transparency


def test_any_mode_can_be_shown():
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"):
        picture = shown(Image.new(mode, (4, 3)))
        assert (picture.image.mode, picture.image.size) == ("RGB", (4, 3))


# What encoders see


@every_hash
def test_black_drawings_on_nothing_are_told_apart_on_grey_alone(name):
    assert distances(glyph("3"), glyph("x"), "drop")[name] == 0
    assert distances(glyph("3"), glyph("x"), "grey")[name] >= 4


@pytest.mark.parametrize("name", sorted({*HASHES} - {"whash"}))
def test_icons_that_are_white_throughout_are_told_apart_on_grey_alone(name):
    one, other, blank = glyph("3", WHITE, WHITE), glyph("x", WHITE, WHITE), Image.new("RGB", (96, 96), WHITE)
    assert distances(one, blank, "drop")[name] == distances(one, other, "drop")[name] == 0
    assert distances(one, blank, "grey")[name] >= 4
    assert distances(one, other, "grey")[name] >= 4


def test_whash_takes_light_drawings_for_blanks_on_grey_too():
    """Most of such a picture is its median, to which a bit is set as to what is lighter."""
    one, blank = glyph("8", WHITE, WHITE), Image.new("RGB", (96, 96), WHITE)
    assert distances(one, blank, "grey")["whash"] == 0


@every_hash
def test_what_lies_beneath_nothing_is_not_seen_on_grey(name):
    black, white = glyph("3", beneath=(0, 0, 0)), glyph("3", beneath=WHITE)
    assert distances(black, white, "grey")[name] == 0
    assert distances(black, white, "drop")[name] > 0


@every_hash
def test_opaque_pictures_have_one_hash_however_transparency_is_seen(name):
    for image in (soft(), soft(mode="RGBA"), KINDS["captions"].picture(0)):
        assert codes(image, "drop")[name] == codes(image, "grey")[name]


@every_hash
def test_on_grey_is_the_hash_of_that_picture(name):
    icon = KINDS["icons"].picture(1)
    page = Image.new("RGBA", icon.size, (GREY, GREY, GREY, 255))
    page.alpha_composite(icon)
    assert (codes(icon, "grey")[name] ^ codes(page.convert("RGB"), "drop")[name]).bit_count() <= 1


@every_hash
def test_dropped_transparency_is_the_hash_of_what_lies_beneath(name):
    icon = KINDS["icons"].picture(2)
    assert codes(icon, "drop")[name] == codes(icon.convert("RGB"), "drop")[name]


@every_hash
def test_features_seen_differently_are_never_compared(name):
    ways = [Decoding(orientation=turn, transparency=seen) for turn in ("stored", "exif") for seen in ("drop", "grey")]
    prints = [way.fingerprint(ENCODER_OF[name].fingerprint) for way in ways]
    assert len(set(prints)) == len(prints)
    assert prints[0] == ENCODER_OF[name].fingerprint, "imagededup's way has the encoder's own"
    assert Decoding().transparency == "drop"
