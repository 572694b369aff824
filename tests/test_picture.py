"""decode, read, from_array, thumbnail: every format and mode becomes RGB pixels, everything else a named failure."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from by_hand import chunk, ico_around, png, png_of_zeros, with_chunks
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, features

from dedup_core.encoders.encoder import Encoder, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images import thumbnails
from dedup_core.images.decoding import decode
from dedup_core.images.opening import load_plugins
from dedup_core.images.picture import MAX_SIDE, REASONS, Failure, Picture, from_array, read
from dedup_core.images.thumbnails import thumbnail
from dedup_core.metric import HAMMING

ROOT = Path(__file__).parents[1]
SIZE = (64, 48)
HASHES = [method.encoder() for method in ENCODERS.values() if method.metric == HAMMING]
MAGIC = {
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "GIF": b"GIF89a",
    "BMP": b"BM", "TIFF": b"II*\x00\x08\x00\x00\x00", "WEBP": b"RIFF\x20\x00\x00\x00WEBPVP8 ", "PPM": b"P6 9 9 255\n",
    "JPEG2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n", "AVIF": b"\x00\x00\x00\x1cftypavif",
    "ICO": b"\x00\x00\x01\x00\x01\x00", "EPS": b"%!PS-Adobe-3.0 EPSF", "SVG": b"<svg", "nothing": b"",
}  # fmt: skip


def scene():
    """A picture that is unlike itself in every turn and channel, and uses the full range from 0 to 255."""
    across, down = np.meshgrid(np.linspace(0, 255, SIZE[0]), np.linspace(0, 255, SIZE[1]))
    return Image.fromarray(np.stack([across, (across + down) / 2, down * 0.6 + across * 0.4], 2).astype(np.uint8))


SCENE = scene()
GRAY = np.asarray(SCENE.convert("L"))


def deep_gray(dtype, factor):
    """The scene in grey from 0 to 255 times ``factor``."""
    stretched = (GRAY.astype(np.float64) - GRAY.min()) / (int(GRAY.max()) - int(GRAY.min())) * 255
    return (stretched.round() * factor).astype(dtype)


def with_a_hole(values):
    values[0, 0] = np.nan
    return values


MODES = {
    "1": lambda: SCENE.convert("1"),
    "L": lambda: SCENE.convert("L"),
    "LA": lambda: SCENE.convert("LA"),
    "P": lambda: SCENE.convert("P", palette=Image.Palette.ADAPTIVE),
    "PA": lambda: SCENE.convert("PA"),
    "RGB": lambda: SCENE,
    "RGBA": lambda: SCENE.convert("RGBA"),
    "CMYK": lambda: SCENE.convert("CMYK"),
    "YCbCr": lambda: SCENE.convert("YCbCr"),
    "LAB": lambda: ImageCms.profileToProfile(
        SCENE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    ),
    "I;16": lambda: Image.fromarray(deep_gray(np.uint16, 257)),
    "I": lambda: Image.fromarray(deep_gray(np.int32, 200)),
    "F": lambda: Image.fromarray(with_a_hole(deep_gray(np.float32, 0.01))),
}

MODES_OF_FORMAT = {
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16", "I", "F"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
    "AVIF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"),
}
KNOWN_WHERE = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}


def saved(image, form, **options):
    if form in KNOWN_WHERE and not features.check(KNOWN_WHERE[form]):
        pytest.skip(f"this Pillow can't write {form}")
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def saved_frames(form):
    """The scene, and a black frame after it."""
    return saved(SCENE, form, save_all=True, append_images=[Image.new("RGB", SIZE)])


def coarse(image):
    """What is left of a picture at arm's length: 8 x 6 grey values, the range stretched."""
    gray = np.asarray(image.convert("L").resize((8, 6), Image.Resampling.BOX), np.float64)
    return (gray - gray.min()) / max(np.ptp(gray), 1) * 255


def assert_shows_the_scene(picture):
    assert isinstance(picture, Picture), picture
    assert picture.image.mode == "RGB"
    assert picture.image.size == (picture.width, picture.height) == SIZE
    assert np.abs(coarse(picture.image) - coarse(SCENE)).mean() < 12


def reason(result):
    assert isinstance(result, Failure), result
    assert result.message.strip()
    return result.reason


# What can be read


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in MODES_OF_FORMAT.items() for mode in modes])
def test_every_format_in_every_mode_shows_the_scene(form, mode):
    picture = decode(saved(MODES[mode](), form))
    assert_shows_the_scene(picture)
    assert picture.format == form


@pytest.mark.parametrize("form", ["MPO", "GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_counts(form):
    picture = decode(saved_frames(form))
    assert_shows_the_scene(picture)
    assert picture.format == form


@pytest.mark.parametrize(("ending", "form"), [("svg", "JPEG"), ("jpg", "PNG"), ("txt", "GIF"), ("", "BMP")])
def test_content_decides_the_format_and_not_the_name(tmp_path, ending, form):
    path = tmp_path / f"picture.{ending}"
    path.write_bytes(saved(SCENE, form))
    assert decode(read(str(path), 2**20)).format == form


def test_transparent_pixels_keep_the_colour_below():
    see_through = Image.new("RGBA", SIZE, (200, 100, 50, 0))
    assert decode(saved(see_through, "PNG")).image.getpixel((3, 3)) == (200, 100, 50)


def test_a_transparent_palette_entry_keeps_its_colour():
    image = Image.new("P", SIZE, 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert decode(saved(image, "PNG", transparency=1)).image.getpixel((3, 3)) == (200, 100, 50)


@pytest.mark.parametrize(
    ("form", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", ">u2"), ("TIFF", np.int32), ("TIFF", "f4")]
)
def test_deep_images_of_different_content_stay_different(form, dtype):
    rising, falling = (
        decode(saved(Image.fromarray(values.astype(dtype)), form))
        for values in (deep_gray(np.int64, 100) + 9_000, deep_gray(np.int64, 100)[:, ::-1] + 9_000)
    )
    assert np.abs(coarse(rising.image) - coarse(falling.image)).mean() > 50


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, SIZE[0] - 1), st.integers(0, SIZE[1] - 1))
@settings(deadline=None, max_examples=25)
def test_a_number_that_is_none_spoils_only_its_own_pixel(value, x, y):
    values = deep_gray(np.float32, 1)
    values[y, x] = value
    assert_shows_the_scene(decode(saved(Image.fromarray(values), "TIFF")))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_a_deep_image_of_one_value_has_no_contrast(dtype):
    picture = decode(saved(Image.fromarray(np.full(SIZE[::-1], 40_000, dtype)), "TIFF"))
    assert np.ptp(np.asarray(picture.image)) == 0


def deep_file(values):
    return saved(Image.fromarray(values), "TIFF")


OUTLIERS = {
    "a dead pixel": (np.uint16, 100, [(5, 7, 65_535)]),
    "a black pixel": (np.uint16, 100, [(5, 7, 0)]),
    "one of each": (np.uint16, 100, [(5, 7, 0), (20, 30, 65_535)]),
    "32 bits": (np.int32, 1_000, [(0, 0, -(2**31)), (1, 1, 2**31 - 1)]),
    "floats": (np.float32, 0.001, [(5, 7, 1e30), (6, 8, -1e30), (40, 60, 3.0)]),
    "no numbers": (np.float32, 0.01, [(5, 7, np.nan), (6, 8, np.inf), (7, 9, -np.inf), (9, 9, 1e9)]),
}


@pytest.mark.parametrize("outliers", OUTLIERS)
def test_outliers_do_not_decide_about_all_other_pixels(outliers):
    dtype, factor, odd = OUTLIERS[outliers]
    values = deep_gray(dtype, factor) + dtype(2_000)
    clean = decode(deep_file(values.copy()))
    for y, x, value in odd:
        values[y, x] = value
    spoilt = decode(deep_file(values))
    assert_shows_the_scene(spoilt)
    differing = np.any(np.asarray(spoilt.image) != np.asarray(clean.image), axis=2)
    far = np.abs(np.asarray(spoilt.image).astype(int) - np.asarray(clean.image)).max(axis=2) > 3
    assert differing[tuple(np.transpose([place[:2] for place in odd]))].any()
    assert far.sum() <= len(odd)


@pytest.mark.parametrize("side", [3, 5, 10, 30])
def test_one_outlier_does_not_decide_in_small_images_either(side):
    values = np.arange(side * side, dtype=np.uint16).reshape(side, side) * 10
    values[0, 0] = 65_535
    gray = np.asarray(decode(deep_file(values)).image)[..., 0]
    assert len(np.unique(gray)) > side


def test_what_is_no_number_becomes_the_low_end():
    values = deep_gray(np.float32, 1)
    values[:4, :4], values[4:8, :4], values[8:12, :4] = np.nan, np.inf, -np.inf
    gray = np.asarray(decode(deep_file(values)).image)[..., 0]
    assert gray[:12, :4].max() == 0


def test_an_image_without_any_number_is_black():
    for value in (np.nan, np.inf):
        assert np.asarray(decode(deep_file(np.full((4, 4), value, np.float32))).image).max() == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("n_set", [1, 2, 3, 30])
def test_a_mask_keeps_its_few_set_pixels(dtype, n_set):
    values = np.zeros(SIZE[::-1], dtype)
    values.ravel()[:: values.size // n_set][:n_set] = 1
    gray = np.asarray(decode(deep_file(values)).image)[..., 0]
    assert np.array_equal(gray == 255, values == 1)
    assert set(np.unique(gray)) == {0, 255}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_a_stretch_keeps_the_order_of_pixels_and_is_repeatable(width, height, seed):
    values = np.random.default_rng(seed).integers(0, 65_536, (height, width)).astype(np.uint16)
    gray = np.asarray(decode(deep_file(values)).image)[..., 0]
    assert np.all(np.diff(gray.ravel()[np.argsort(values.ravel(), kind="stable")].astype(int)) >= 0)
    assert np.array_equal(gray, np.asarray(decode(deep_file(values)).image)[..., 0])


@pytest.mark.parametrize("form", ["TIFF", "PNG"])
def test_outliers_at_equal_distances_do_not_decide_about_a_large_image(form):
    across = np.arange(2048, dtype=np.uint16) * 20
    values = np.broadcast_to(across, (1600, 2048)).copy()
    values[::50, ::50] = 65_535
    gray = np.asarray(decode(saved(Image.fromarray(values), form)).image)[..., 0]
    assert np.abs(gray[1] - np.arange(2048) / 2047 * 255).max() < 3


@given(
    st.sampled_from([np.uint16, np.int32, np.float32]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=100)
def test_the_stretch_is_that_of_the_sorted_values(dtype, width, height, seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, random.choice([2, 300, 65_536]), (height, width)).astype(dtype)
    if dtype != "u2":
        values -= np.dtype(dtype).type(random.integers(0, 40_000))
    ordered = np.sort(values.ravel().astype(np.float64))
    ends = (int(np.ceil(0.001 * (ordered.size - 1))), int(np.floor(0.999 * (ordered.size - 1))))
    low, high = ordered[list(ends)] if ordered[ends[1]] > ordered[ends[0]] else (ordered[0], ordered[-1])
    expected = (values.clip(low, high) - np.float64(low)) * (255 / (high - low) if high > low else 0)
    gray = np.asarray(decode(deep_file(values)).image)[..., 0]
    assert np.array_equal(gray, expected.round())


# Orientation

STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


def turned_file(orientation, form="PNG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(SCENE.transpose(STORED_AS[orientation]), form, exif=exif)


@pytest.mark.parametrize("orientation", STORED_AS)
def test_exif_orientation_turns_the_picture_upright(orientation):
    picture = decode(turned_file(orientation), orientation="exif")
    assert np.array_equal(np.asarray(picture.image), np.asarray(SCENE))


@pytest.mark.parametrize("orientation", STORED_AS)
def test_stored_orientation_leaves_the_pixels_as_they_lie(orientation):
    picture = decode(turned_file(orientation))
    assert np.array_equal(np.asarray(picture.image), np.asarray(SCENE.transpose(STORED_AS[orientation])))


@pytest.mark.parametrize("orientation", ["stored", "exif"])
def test_unreadable_exif_data_does_not_cost_the_picture(orientation):
    content = saved(SCENE, "JPEG", exif=b"Exif\x00\x00no such thing as a tag")
    assert_shows_the_scene(decode(content, orientation=orientation))


# What can't be decoded


def test_no_content_is_empty():
    assert reason(decode(b"")) == "empty"


@pytest.mark.parametrize(
    "content",
    [b"A note with the wrong ending.\n", b"<html><body>404</body></html>", b"\x91\x92\x93\0 of no known kind"],
    ids=["text", "html", "unknown"],
)
def test_other_content_is_not_an_image(content):
    assert reason(decode(content)) == "not_an_image"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "EPS"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<!-- drawn by hand -->\n<svg width="9"/>', "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"PK\x03\x04 a zip file", "ZIP"),
        (b"8BPS\0\1" + b"\0" * 40, "PSD"),
        (b"\xd7\xcd\xc6\x9a\0\0" + b"\0" * 40, "WMF"),
    ],
)
def test_known_formats_that_are_not_read_are_unsupported_by_name(content, name):
    failure = decode(content)
    assert reason(failure) == "unsupported"
    assert name in failure.message


@pytest.mark.parametrize("form", MODES_OF_FORMAT)
def test_half_a_file_is_truncated_or_corrupt(form):
    content = saved(SCENE, form)
    assert reason(decode(content[: len(content) // 2])) in {"truncated", "corrupt"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF"])
def test_pixels_that_end_early_are_truncated(form):
    content = saved(SCENE, form)
    assert reason(decode(content[: len(content) * 3 // 4])) == "truncated"


@pytest.mark.parametrize("form", MODES_OF_FORMAT)
@given(st.floats(0, 0.9))
@settings(deadline=None, max_examples=20)
def test_a_file_cut_anywhere_gives_no_picture(form, share):
    content = saved(SCENE, form)
    assert reason(decode(content[: int(len(content) * share)])) in {"empty", "truncated", "corrupt", "not_an_image"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_a_cut_file_that_starts_like_an_image_is_not_called_no_image(form):
    content = saved(SCENE, form)
    cuts = np.linspace(32, len(content) * 0.9, 60).astype(int)
    reasons = {reason(decode(content[:cut])) for cut in cuts}
    assert reasons <= {"truncated", "corrupt"}


def test_damage_in_the_middle_is_corrupt():
    content = bytearray(saved(SCENE, "PNG"))
    content[len(content) // 2] ^= 0xFF
    assert reason(decode(bytes(content))) == "corrupt"


@given(st.sampled_from(sorted(MAGIC)), st.binary(max_size=400))
@settings(deadline=None, max_examples=400)
def test_random_bytes_never_raise(name, rest):
    result = decode(MAGIC[name] + rest, max_pixels=1_000_000)
    assert isinstance(result, Picture) or result.reason in REASONS


@pytest.mark.parametrize("form", MODES_OF_FORMAT)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=40)
def test_a_damaged_file_never_raises(form, damages):
    content = bytearray(saved(SCENE, form))
    for place, byte in damages:
        content[int(place * len(content))] = byte
    result = decode(bytes(content), max_pixels=1_000_000)
    assert isinstance(result, Picture) or (result.reason in REASONS and result.message)


# Bombs


@pytest.mark.parametrize("side", [14_143, 100_000, 2**31 - 1])
def test_a_small_file_that_declares_a_huge_picture_is_refused(side):
    failure = decode(png(side, side))
    assert failure == Failure("too_many_pixels", f"declares {side} x {side} pixels, over the limit of 200,000,000")


def test_the_limit_itself_is_allowed():
    content = saved(SCENE, "PNG")
    pixels = SIZE[0] * SIZE[1]
    assert_shows_the_scene(decode(content, max_pixels=pixels))
    assert reason(decode(content, max_pixels=pixels - 1)) == "too_many_pixels"


def test_an_icon_is_measured_by_what_it_holds():
    assert reason(decode(ico_around(saved(SCENE, "PNG")), max_pixels=1_000)) == "too_many_pixels"


def test_an_icon_that_holds_a_huge_picture_is_refused_before_that_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.core, "new", lambda *_: pytest.fail("memory was taken for its pixels"))
    failure = decode(ico_around(png(30_000, 30_000)))
    assert reason(failure) == "too_many_pixels"
    assert "200,000,000" in failure.message


def test_a_webp_is_measured_before_it_is_opened():
    content = bytearray(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2 + saved(SCENE, "WEBP")[12:])
    struct.pack_into("<I", content, 4, len(content) - 8)
    assert reason(decode(bytes(content))) in {"too_many_pixels", "truncated", "corrupt"}


LINES = [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (50_000_000, 1), (1, 50_000_000), (MAX_SIDE + 1, 3)]


@pytest.mark.parametrize(("width", "height"), LINES)
def test_a_line_longer_than_any_picture_is_refused(width, height):
    content = png_of_zeros(width, height)
    expected = f"declares {width} x {height} pixels, a side over the limit of 500,000"
    assert decode(content) == thumbnail(content, 64) == Failure("too_many_pixels", expected)


@pytest.mark.parametrize(("width", "height"), [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
@pytest.mark.parametrize("form", ["BMP", "PPM", "TIFF"])
def test_the_limit_of_a_side_holds_for_every_format(form, width, height):
    assert reason(decode(saved(Image.new("L", (width, height)), form))) == "too_many_pixels"


LONG = {
    "PNG": MAX_SIDE, "BMP": 100_000, "PPM": 100_000, "TIFF": MAX_SIDE, "JPEG": 65_500, "GIF": 65_535, "TGA": 65_535,
    "PCX": 32_000, "SGI": 65_535, "WEBP": 16_383,
}  # fmt: skip


@pytest.mark.parametrize("form", LONG)
@pytest.mark.parametrize("is_wide", [True, False], ids=["wide", "tall"])
def test_a_long_line_of_every_format_is_seen_by_every_hash(form, is_wide):
    size = (LONG[form], 1) if is_wide else (1, LONG[form])
    content = saved(Image.new("RGB", size, (10, 200, 30)), form)
    (encoded,) = encode_batch([content], HASHES)
    assert (encoded.width, encoded.height) == size
    assert set(encoded.features) == {encoder.name for encoder in HASHES}
    assert thumbnail(content, 64).shape == ((1, 64, 3) if is_wide else (64, 1, 3))


def test_the_longest_lines_take_little_memory():
    script = f"""
import resource
from by_hand import png_of_zeros
from dedup_core.encoders import ENCODERS, encode_batch
from dedup_core.metric import HAMMING
lines = [png_of_zeros({MAX_SIDE}, 1), png_of_zeros(1, {MAX_SIDE}), png_of_zeros(50_000_000, 1)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encode_batch(lines, [method.encoder() for method in ENCODERS.values() if method.metric == HAMMING])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(["tests", "."])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 700


def test_an_array_with_too_long_a_side_is_refused():
    with pytest.raises(ValueError, match=r"^image_array must have no side over 500,000, got \(1, 500001\)$"):
        from_array(np.zeros((1, MAX_SIDE + 1), np.uint8))


def test_pillows_own_limit_neither_decides_nor_changes(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_shows_the_scene(decode(saved(SCENE, "PNG")))
    decode(png(100_000, 100_000))
    decode(b"no image")
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("form", ["PNG", "TIFF", "GIF", "WEBP"])
def test_pillows_own_limit_refuses_no_format(form, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_shows_the_scene(decode(saved(SCENE, form)))
    assert Image.MAX_IMAGE_PIXELS == 100


def test_threads_that_decode_at_once_leave_pillows_limit_and_the_warnings_alone():
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(decode, [saved(SCENE, "PNG"), saved(SCENE, "TIFF")] * 100))
    assert before == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters
    assert {picture.width for picture in pictures} == {SIZE[0]}


def test_a_process_that_turns_warnings_into_errors_gets_the_same_pictures(monkeypatch):
    animation_of_no_frames = with_chunks(saved(SCENE, "PNG"), chunk(b"acTL", bytes(8)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="APNG"):
            Image.open(io.BytesIO(animation_of_no_frames))
        assert_shows_the_scene(decode(animation_of_no_frames))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_000)
        assert_shows_the_scene(decode(saved(SCENE, "TIFF")))


def test_a_process_that_tolerates_truncated_files_gets_the_same_failures(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    content = saved(SCENE, "JPEG")
    assert reason(decode(content[: len(content) * 3 // 4])) == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


# Whatever happens on the way


class Panic(BaseException):
    """What a plugin that is written in Rust raises."""


ACCIDENTS = [
    MemoryError(), ValueError("odd"), RecursionError("deep"), struct.error("short"), zlib.error("bad"),
    SystemError("null"), OverflowError("large"), AssertionError(), KeyError(7), EOFError("end"), Panic("index"),
    OSError("out of memory error when reading image file"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
]  # fmt: skip


@pytest.mark.parametrize("accident", ACCIDENTS, ids=lambda accident: type(accident).__name__)
@pytest.mark.parametrize("when", ["opened", "decoded"])
def test_nothing_that_a_format_raises_ends_a_run(accident, when, monkeypatch):
    def fails(*_):
        raise accident

    load_plugins()
    if when == "opened":
        monkeypatch.setitem(Image.OPEN, "PPM", (fails, lambda head: head.startswith(b"P6")))
    else:
        monkeypatch.setattr(Image.OPEN["PPM"][0], "load", fails)
    is_memory = isinstance(accident, MemoryError) or "memory" in str(accident)
    expected = {"too_large"} if is_memory else {"truncated", "corrupt", "unsupported"}
    if not (when == "opened" and isinstance(accident, OSError)):
        assert reason(decode(saved(SCENE, "PPM"))) in expected
    assert isinstance(decode(saved(SCENE, "PPM")), Failure)
    assert isinstance(thumbnail(saved(SCENE, "PPM"), 32), Failure)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_failure_of_an_image(interrupt, monkeypatch):
    def fails(*_):
        raise interrupt

    load_plugins()
    monkeypatch.setattr(Image.OPEN["PPM"][0], "load", fails)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(interrupt):
        decode(saved(SCENE, "PPM"))
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("accident", ACCIDENTS[:8], ids=lambda accident: type(accident).__name__)
def test_what_an_encoders_view_raises_is_that_images_failure(accident):
    def view(picture):
        if picture.width == 7:
            raise accident
        return picture.gray((8, 8))

    odd = Encoder("odd", view, lambda stack: stack.sum((1, 2)).astype(np.uint64), "odd-1")
    contents = [saved(SCENE.resize(size), "PNG") for size in ((9, 9), (7, 9), (8, 9))]
    first, failure, last = encode_batch(contents, [ENCODERS["phash"].encoder(), odd])
    assert reason(failure) == ("too_large" if isinstance(accident, MemoryError) else "not_encoded")
    assert "odd" in failure.message
    assert first.features.keys() == last.features.keys() == {"phash", "odd"}


def test_a_plugin_that_reports_no_pixels_gives_no_picture(monkeypatch):
    load_plugins()
    monkeypatch.setitem(Image.OPEN, "PPM", (lambda *_: Image.new("RGB", (0, 9)), lambda head: head.startswith(b"P6")))
    assert reason(decode(saved(SCENE, "PPM"))) == "corrupt"


def test_a_png_without_pixels_gives_no_picture():
    for size in ((0, 9), (9, 0), (0, 0)):
        assert reason(decode(png(*size))) in {"truncated", "corrupt"}


# Plugins


@pytest.fixture
def heic():
    """A HEIC picture of the scene."""
    plugin = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    file = io.BytesIO()
    plugin.from_pillow(SCENE.resize((640, 480), Image.Resampling.BICUBIC)).save(file, quality=90)
    return file.getvalue()


def test_an_installed_plugin_reads_its_format(heic):
    picture = decode(heic)
    assert (picture.format, picture.width, picture.height) == ("HEIF", 640, 480)
    assert np.abs(coarse(picture.image) - coarse(SCENE)).mean() < 12
    assert thumbnail(heic, 64).shape == (48, 64, 3)


def test_a_heic_picture_that_breaks_off_is_damaged(heic):
    assert reason(decode(heic[: len(heic) // 2])) in {"truncated", "corrupt"}


def test_a_heic_picture_is_turned_once(heic):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    lying = SCENE.transpose(STORED_AS[6]).resize((480, 640), Image.Resampling.BICUBIC)
    heif = pillow_heif.from_pillow(lying)
    heif.save(file, quality=95, exif=exif.tobytes())
    for orientation in ("stored", "exif"):
        picture = decode(file.getvalue(), orientation=orientation)
        assert picture.image.size == (640, 480)
        assert np.abs(coarse(picture.image) - coarse(SCENE)).mean() < 12


def test_a_fresh_process_reads_what_plugins_read(heic, tmp_path):
    (tmp_path / "a.heic").write_bytes(heic)
    script = "import sys; from dedup_core.images.decoding import decode; "
    script += "print(decode(open(sys.argv[1], 'rb').read()).format)"
    command = [sys.executable, "-c", script, str(tmp_path / "a.heic")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "HEIF\n"


@pytest.mark.parametrize("error", [ImportError, OSError, RuntimeError, AttributeError])
def test_a_plugin_that_fails_to_load_is_as_if_not_installed(error, tmp_path):
    for name in ("pillow_heif", "pillow_jxl", "pillow_avif"):
        (tmp_path / f"{name}.py").write_text(f"raise {error.__name__}('broken')")
    script = "from dedup_core.images.decoding import decode; "
    script += "print(decode(b'\\0\\0\\0\\x18ftypheic\\0\\0\\0\\0mif1heic'))"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}."}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "reason='unsupported'" in done.stdout
    assert "pip install 'dedup-core[heif]'" in done.stdout


def test_a_plugin_that_the_caller_registered_stays(monkeypatch):
    load_plugins()
    mine = (lambda *_: None, lambda head: False)
    monkeypatch.setitem(Image.OPEN, "HEIF", mine)
    load_plugins.cache_clear()
    load_plugins()
    assert Image.OPEN["HEIF"] is mine


def jxl_header(width, height):
    """The begin of a JPEG XL codestream with both sides written out."""
    fields = [(0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30)]
    bits = "".join(f"{value:0{n}b}"[::-1] for value, n in fields)
    return b"\xff\x0a" + int(bits[::-1], 2).to_bytes(9, "little") + bytes(40)


@pytest.mark.parametrize("is_boxed", [False, True])
def test_jpeg_xl_is_measured_before_its_plugin_decodes_it(is_boxed, monkeypatch):
    load_plugins()
    accept = lambda head: head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL "))  # noqa: E731
    monkeypatch.setitem(Image.OPEN, "JXL", (lambda *_: pytest.fail("it was decoded"), accept))
    stream = jxl_header(30_000, 20_000)
    box = struct.pack(">I", 12 + len(stream)) + b"jxlp\0\0\0\0" + stream
    content = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl " + box if is_boxed else stream
    failure = decode(content)
    assert failure == Failure("too_many_pixels", "declares 30000 x 20000 pixels, over the limit of 200,000,000")


# Reading files


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert read(str(tmp_path / "a.jpg"), 7) == b"content"


def test_a_file_over_the_limit_is_too_large(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert read(str(tmp_path / "a.jpg"), 6) == Failure("too_large", "7 bytes, over the limit of 6")


def test_a_file_that_holds_more_than_it_says_is_too_large():
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("needs /proc, where files declare no size")
    assert reason(read("/proc/self/maps", 10)) == "too_large"


def test_a_file_that_is_gone_has_vanished(tmp_path):
    assert reason(read(str(tmp_path / "gone.jpg"), 10)) == "vanished"


def test_a_folder_in_place_of_a_file_is_unreadable(tmp_path):
    assert reason(read(str(tmp_path), 2**20)) == "unreadable"


def test_a_path_through_a_file_is_unreadable_or_vanished(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert reason(read(str(tmp_path / "a.jpg" / "b.jpg"), 10)) in {"unreadable", "vanished"}


def test_a_path_with_a_nul_is_unreadable():
    assert reason(read("album/a\0b.jpg", 10)) == "unreadable"


def test_a_file_without_permission_is_unreadable(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    (tmp_path / "a.jpg").write_bytes(b"content")
    (tmp_path / "a.jpg").chmod(0)
    assert read(str(tmp_path / "a.jpg"), 10) == Failure("unreadable", "no permission to read the file")


# Arrays and thumbnails


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_array_gives_the_picture_that_its_file_gives(mode):
    image = SCENE.convert(mode)
    from_file, from_pixels = decode(saved(image, "PNG")), from_array(np.asarray(image))
    assert np.array_equal(np.asarray(from_file.image), np.asarray(from_pixels.image))
    assert (from_pixels.width, from_pixels.height) == SIZE


def test_an_array_with_one_channel_is_grey():
    assert np.array_equal(np.asarray(from_array(GRAY[:, :, None]).image)[:, :, 1], GRAY)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint16), np.zeros(4, np.uint8), np.zeros((4, 4, 2), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4), bool),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)  # fmt: skip
def test_an_array_of_another_kind_is_refused(pixels):
    with pytest.raises(ValueError, match=r"^image_array must be uint8 of shape .*, got \w+ \("):
        from_array(pixels)


@given(st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_a_thumbnail_fits_and_is_never_enlarged(size):
    small = thumbnail(saved(SCENE, "PNG"), size)
    assert small.dtype == np.uint8
    assert small.shape[2] == 3
    assert max(small.shape[:2]) == min(size, max(SIZE))


def test_a_thumbnail_stands_upright():
    assert thumbnail(turned_file(6), 64).shape == (48, 64, 3)


@pytest.mark.parametrize("form", ["JPEG", "MPO"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_thumbnail_of_a_large_jpeg_is_decoded_small_and_looks_the_same(form, orientation, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = SCENE.resize((1000, 750), Image.Resampling.BICUBIC)
    file = saved(large.transpose(STORED_AS[orientation]) if orientation > 1 else large, form, exif=exif, quality=90)
    sizes = []

    def noted(*taken, **named):
        found = decode(*taken, **named)
        sizes.append(found.size)
        return found

    monkeypatch.setattr(thumbnails, "decode", noted)
    small = thumbnail(file, 120)
    whole = decode(file, orientation="exif").image
    assert sizes == [(125, 94) if orientation == 1 else (94, 125)]
    assert whole.size == (1000, 750), "the thumbnail alone may see fewer pixels than the file has"
    expected = np.asarray(whole.resize(small.shape[1::-1], Image.Resampling.BICUBIC, reducing_gap=2), np.int64)
    assert small.shape == (90, 120, 3)
    assert np.abs(small - expected).mean() < 2


def test_a_thumbnail_of_no_image_is_a_failure():
    assert reason(thumbnail(b"no image", 64)) == "not_an_image"


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (32, 32), (1, 1)])
def test_a_picture_is_seen_at_any_size(size):
    picture = decode(saved(SCENE, "PNG"))
    assert picture.gray(size).shape == size[::-1]
    assert picture.rgb(size).shape == (*size[::-1], 3)


def test_colour_is_dropped_after_the_resize():
    picture = decode(saved(SCENE, "PNG"))
    after = SCENE.resize((9, 8), Image.Resampling.LANCZOS).convert("L")
    assert np.array_equal(picture.gray((9, 8)), np.asarray(after))


def progressive_jpeg(extra_scans: int) -> bytes:
    """A progressive JPEG with its last scan once more, so many times."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra_scans + data[-2:]


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_takes_minutes():
    failure = decode(progressive_jpeg(3000))
    assert isinstance(failure, Failure)
    assert failure.reason == "too_large"
    assert "scans, over the limit of 200" in failure.message


def test_what_looks_like_scans_in_metadata_and_behind_the_picture_is_none():
    data, like_scans = progressive_jpeg(0), b"\xff\xda\x00\x02" * 300
    segment = b"\xff\xe5" + (len(like_scans) + 2).to_bytes(2, "big") + like_scans
    with_both = data[:2] + segment + data[2:] + like_scans
    assert np.array_equal(decode(with_both).rgb((8, 8)), decode(data).rgb((8, 8)))
