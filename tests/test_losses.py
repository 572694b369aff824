"""What a format loses: the tables of a JPEG, and which files of a format that may lose something have lost nothing."""

import io

import numpy as np
import pytest
from by_hand import saved, soft
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from dedup_core.images.decoding import decode, frames_of
from dedup_core.images.losses import TYPICAL, Loss, loss_of

RANDOM = np.random.default_rng(4)
NOISE = Image.fromarray(RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8))


def loss(content):
    return decode(content).loss


def tables_in(content):
    """The tables that a JPEG holds, read by hand: {number: 64 steps, row by row}."""
    with Image.open(io.BytesIO(content)) as image:
        return {number: tuple(steps) for number, steps in image.quantization.items()}


# JPEG


@pytest.mark.parametrize("quality", [10, 40, 85, 100])
def test_a_jpeg_has_the_steps_of_its_tables(quality):
    content = saved(soft(), "JPEG", quality=quality)
    assert (loss(content).luma, loss(content).chroma) == (tables_in(content)[0], tables_in(content)[1])


def test_steps_are_row_by_row():
    """Those of the example in the standard, at its quality of 50: first row, and first column of brightness."""
    luma, chroma = loss(saved(soft(), "JPEG", quality=50)).tables
    assert luma[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert luma[:, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert chroma[0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
    assert luma.shape == chroma.shape == (8, 8)


def test_a_better_quality_has_smaller_steps():
    coarse, fine = (loss(saved(soft(), "JPEG", quality=quality)).tables for quality in (50, 90))
    assert (fine[0] <= coarse[0]).all()
    assert (fine[1] < coarse[1]).all()


@pytest.mark.parametrize(("subsampling", "expected"), [(0, 0), (1, 1), (2, 2), ("4:1:1", 2)])
def test_a_jpeg_says_how_much_smaller_its_colours_are(subsampling, expected):
    assert loss(saved(soft(), "JPEG", subsampling=subsampling)).sampling == expected


def test_a_grey_jpeg_has_one_table_and_no_smaller_colours():
    content = saved(soft(mode="L"), "JPEG", quality=70)
    assert loss(content) == Loss(tables_in(content)[0], tables_in(content)[0], 0)


def test_of_inks_it_is_not_known_how_they_are_stored():
    assert loss(saved(soft(mode="CMYK"), "JPEG")).sampling is None


@given(st.lists(st.integers(1, 255), min_size=64, max_size=64), st.lists(st.integers(1, 255), min_size=64, max_size=64))
@settings(max_examples=20, deadline=None)
def test_any_tables_are_read(luma, chroma):
    content = saved(soft(), "JPEG", qtables=[luma, chroma])
    assert (loss(content).luma, loss(content).chroma) == (tuple(luma), tuple(chroma))


def test_a_picture_saved_again_by_its_own_tables_has_them_still():
    first = loss(saved(soft(), "JPEG", quality=33))
    again = saved(soft(), "JPEG", qtables=[list(first.luma), list(first.chroma)], subsampling=first.sampling)
    assert loss(again) == first


def test_views_of_a_camera_are_jpegs():
    content = saved(soft(), "MPO", save_all=True, append_images=[soft().rotate(180)], quality=61)
    assert loss(content) == loss(saved(soft(), "JPEG", quality=61))


# Other formats


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "PPM", "TGA", "TIFF", "ICO"])
def test_formats_that_keep_every_pixel_lose_nothing(form):
    assert loss(saved(soft((48, 48), "P" if form == "GIF" else "RGB"), form)) is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_says_whether_it_loses_something(mode, lossless):
    image = NOISE.convert(mode)
    if mode == "RGBA":
        image.putalpha(soft(image.size, "L"))
    content = saved(image, "WEBP", lossless=lossless, exact=True)
    assert loss(content) == (None if lossless else TYPICAL)
    assert lossless == (decode(content).image.tobytes() == image.convert("RGB").tobytes())


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0odd"])
@pytest.mark.parametrize("profile", [b"", b"VP8 is in here: VP8 "])
def test_what_else_is_in_a_webp_has_no_say(exif, profile):
    for lossless in (True, False):
        content = saved(soft(), "WEBP", lossless=lossless, exif=exif, icc_profile=profile)
        assert loss(content) == (None if lossless else TYPICAL)


@pytest.mark.parametrize("lossless", [True, False])
def test_an_animated_webp_is_as_its_frames_are(lossless):
    others = [NOISE.rotate(180), soft().convert("RGBA")]
    content = saved(soft(), "WEBP", save_all=True, append_images=others, lossless=lossless)
    found = [frame.loss for frame in frames_of(content)]
    assert found == [None if lossless else TYPICAL] * 3


def test_one_frame_that_loses_something_is_enough():
    mixed = saved(NOISE, "WEBP", save_all=True, append_images=[soft(), NOISE.rotate(180)], allow_mixed=True, quality=30)
    assert b"VP8 " in mixed
    assert loss(mixed) == TYPICAL


@given(st.binary(max_size=60))
def test_whatever_lies_in_a_webp_is_walked_to_its_end(rest):
    class Opened:
        format = "WEBP"

    assert loss_of(Opened(), b"RIFF\0\0\0\0WEBP" + rest) in (None, TYPICAL)


@pytest.mark.parametrize(
    ("compression", "expected"),
    [("raw", None), ("tiff_lzw", None), ("tiff_deflate", None), ("packbits", None), ("jpeg", TYPICAL)],
)
def test_a_tiff_is_as_its_compression_is(compression, expected):
    assert loss(saved(soft(), "TIFF", compression=compression)) == expected


@pytest.mark.parametrize(("form", "feature"), [("AVIF", "avif"), ("JPEG2000", "jpg_2000")])
def test_formats_that_do_not_say_lose_what_is_usual(form, feature):
    if not features.check(feature):
        pytest.skip(f"this Pillow can't write {form}")
    assert loss(saved(soft(), form)) == TYPICAL


def test_what_is_usual_is_the_standards_example_at_quality_75():
    assert tables_in(saved(soft(), "JPEG", quality=75)) == {0: TYPICAL.luma, 1: TYPICAL.chroma}
    assert TYPICAL.sampling is None
