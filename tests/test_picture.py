"""decode, read, from_array, thumbnail: every format and mode becomes RGB pixels, everything else a named failure."""

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from dedup_core import picture as picture_module
from dedup_core.picture import REASONS, Failure, Picture, decode, from_array, read, thumbnail

SIZE = (64, 48)
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


def png(width, height, pixels=b"\0" * 10):
    """A PNG that declares any size, whatever it holds."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def ico_around(content):
    """An icon that declares 16 x 16 pixels and holds an image file of any size."""
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 22) + content


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
    [b"A note with the wrong ending.\n", b"\0" * 1000, b"<html><body>404</body></html>", b"PK\x03\x04 a zip file"],
    ids=["text", "zeros", "html", "zip"],
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
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow-heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "pillow-heif"),
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


def test_pillows_own_limit_neither_decides_nor_changes(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_shows_the_scene(decode(saved(SCENE, "PNG")))
    decode(png(100_000, 100_000))
    decode(b"no image")
    assert Image.MAX_IMAGE_PIXELS == 100


def test_threads_that_decode_at_once_leave_pillows_limit_alone():
    before = Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(decode, [saved(SCENE, "PNG")] * 200))
    assert before == Image.MAX_IMAGE_PIXELS
    assert {picture.width for picture in pictures} == {SIZE[0]}


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
    to_rgb = picture_module._to_rgb
    monkeypatch.setattr(picture_module, "_to_rgb", lambda image: sizes.append(image.size) or to_rgb(image))
    small = thumbnail(file, 120)
    whole = decode(file, orientation="exif").image
    assert sizes == [(125, 94), (1000, 750)], "the thumbnail alone may see fewer pixels than the file has"
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
