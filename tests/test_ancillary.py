"""Metadata: whatever stands in it, a picture's pixels are those of the same file without it; only its turn is read."""

import struct
import zlib

import numpy as np
import pytest
from by_hand import (
    FLOAT,
    LONG,
    SHORT,
    chunk,
    entry,
    exif,
    png,
    riff_chunk,
    saved,
    segment,
    soft,
    turned,
    webp,
    with_chunks,
    with_extensions,
    with_segments,
    with_tags,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from dedup_core.images import ancillary
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure, Picture
from dedup_core.images.thumbnails import thumbnail

SCENE = soft()
TEXT_BOMB = zlib.compress(bytes(3_000_000))
FRAME = struct.pack(">IIIIIHHBB", 0, 640, 480, 0, 0, 1, 1, 0, 0)

CHUNKS = {
    "a text's checksum": [chunk(b"tEXt", b"a\0b", crc=1)],
    "a text of 3 MB": [chunk(b"zTXt", b"a\0\0" + TEXT_BOMB)],
    "a text packed in an unknown way": [chunk(b"zTXt", b"a\0\5abc")],
    "an international text of 3 MB": [chunk(b"iTXt", b"a\0\1\0\0\0" + TEXT_BOMB)],
    "texts of 70 MB together": [chunk(b"zTXt", b"%d\0\0" % n + zlib.compress(bytes(1_000_000))) for n in range(70)],
    "a profile packed in an unknown way": [chunk(b"iCCP", b"p\0\3xx")],
    "a profile of 3 MB": [chunk(b"iCCP", b"p\0\0" + TEXT_BOMB)],
    "an empty profile": [chunk(b"iCCP", b"")],
    "a resolution that is too short": [chunk(b"pHYs", b"\0")],
    "a gamma that is too short": [chunk(b"gAMA", b"")],
    "an intent that is too short": [chunk(b"sRGB", b"")],
    "colours that are too short": [chunk(b"cHRM", b"a")],
    "a time's checksum": [chunk(b"tIME", b"", crc=3)],
    "no EXIF, and its checksum": [chunk(b"eXIf", b"junk", crc=4)],
    "a private chunk's checksum": [chunk(b"prVt", b"zz", crc=1)],
    "an animation that is too short": [chunk(b"acTL", b"1")],
    "a frame out of order": [chunk(b"fcTL", struct.pack(">I", 7) + FRAME[4:])],
    "a frame outside of the picture": [chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", FRAME)],
    "a transparency that is too short": [chunk(b"tRNS", b"1")],
}
SEGMENTS = {
    "a Photoshop block that breaks off": segment(0xED, b"Photoshop 3.0\x008BIM"),
    "a profile without a number": segment(0xE2, b"ICC_PROFILE\0"),
    "a JFIF block that breaks off": segment(0xE0, b"JFIF"),
    "an Adobe block that breaks off": segment(0xEE, b"Adobe"),
    "junk in place of more pictures": segment(0xE2, b"MPF\0junk"),
    "more pictures than there are": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\1\0" + entry(0xB001, LONG, 2) + bytes(4)),
    "an empty comment": segment(0xFE, b""),
    "EXIF that begins beyond its end": segment(0xE1, b"Exif\0\0II*\0\xf0\xff\xff\xff"),
    "EXIF of absurd lengths": segment(0xE1, b"Exif\0\0" + exif(struct.pack("<HHII", 270, 12, 0xFFFFFFF0, 8))),
    "a resolution that is text": segment(
        0xE1, b"Exif\0\0" + exif(struct.pack("<HHII", 282, 2, 2, 0x30), entry(296, SHORT, 3))
    ),
    "bytes after a segment's end": b"\xff\xe7\0\4abcdef",
}
ODD_TAGS = {
    "a model that is a number": entry(272, FLOAT, 1.5),
    "a resolution of bytes": entry(282, 7, b"\0\0\0\1"),
    "bits out of range": entry(258, LONG, 0xFFFFFFFF),
    "a width that is text": entry(256, 2, b"8\0"),
    "a pointer below zero": struct.pack("<HHIi", 34665, 9, 1, -1),
    "a pointer beyond the end": entry(34853, LONG, 0xFFFFFFF0),
    "an absurd length": struct.pack("<HHII", 270, 12, 0x1FFFFFFF, 8),
}
UNSOUND_TURNS = {
    "text": entry(0x0112, 2, b"6\0"), "a float": entry(0x0112, FLOAT, 6.0), "0": turned(0), "9": turned(9),
    "two": entry(0x0112, SHORT, 6, 6), "a fraction": struct.pack("<HHII", 0x0112, 5, 1, 0),
    "beyond the end": struct.pack("<HHII", 0x0112, 3, 9, 0xFFFFFF),
}  # fmt: skip


def pixels(content, orientation="stored"):
    picture = decode(content, orientation=orientation)
    assert isinstance(picture, Picture), picture
    return np.asarray(picture.image)


def assert_same_picture(content, clean):
    for orientation in ("stored", "exif"):
        assert np.array_equal(pixels(content, orientation), pixels(clean, orientation))
    assert np.array_equal(thumbnail(content, 32), thumbnail(clean, 32))


# What is ancillary can't spoil the pixels


@pytest.mark.parametrize("at_end", [False, True], ids=["before the pixels", "after them"])
@pytest.mark.parametrize("broken", CHUNKS)
def test_no_chunk_that_is_ancillary_spoils_a_png(broken, at_end):
    clean = saved(SCENE, "PNG")
    assert_same_picture(with_chunks(clean, *CHUNKS[broken], at_end=at_end), clean)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGBA", {}), ("LA", {}), ("P", {"transparency": b"\1\2\3"}), ("L", {"transparency": 7}), ("1", {})],
)
def test_a_png_of_any_mode_stays_what_it_is(mode, options):
    clean = saved(SCENE.convert(mode), "PNG", **options)
    assert_same_picture(with_chunks(clean, chunk(b"iCCP", b"")), clean)


def test_a_deep_png_stays_what_it_is():
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20
    clean = saved(Image.fromarray(values), "PNG")
    assert_same_picture(with_chunks(clean, chunk(b"iCCP", b"")), clean)


def test_an_animations_first_picture_stays_what_it_is():
    clean = saved(SCENE, "PNG", save_all=True, append_images=[Image.new("RGB", SCENE.size)])
    assert_same_picture(with_chunks(clean, chunk(b"iCCP", b"")), clean)


@pytest.mark.parametrize("broken", SEGMENTS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_no_segment_that_is_ancillary_spoils_a_jpeg(broken, mode):
    clean = saved(SCENE.convert(mode), "JPEG")
    assert_same_picture(with_segments(clean, SEGMENTS[broken]), clean)


def test_a_jpeg_keeps_the_segment_that_tells_its_colours():
    as_rgb = with_segments(saved(SCENE, "JPEG", keep_rgb=True), segment(0xE2, b"ICC_PROFILE\0"))
    assert np.abs(pixels(as_rgb).astype(int) - np.asarray(SCENE)).mean() < 8


def test_lengths_beyond_the_end_do_not_spoil_a_webp():
    if not features.check("webp"):
        pytest.skip("this Pillow can't write WebP")
    for kind in (b"EXIF", b"XMP ", b"ICCP", b"what"):
        assert_same_picture(webp(0b101100, riff_chunk(kind, b"abcd", length=0x7FFFFFFF)), webp(0))


@pytest.mark.parametrize(
    "broken",
    [b"\x21\xf9\1\0\0", b"\x21\xf9\0", b"\x21\xff\0", b"\x21\xff\x0bNETSCAPE2.0\1\1\0", b"\x21\xfe\3abc\0"],
    ids=["short transparency", "no transparency", "no application", "short loop", "comment"],
)
@pytest.mark.parametrize("options", [{}, {"transparency": 3}], ids=["opaque", "transparent"])
def test_no_extension_spoils_a_gif(broken, options):
    clean = saved(SCENE.convert("P"), "GIF", **options)
    assert_same_picture(with_extensions(clean, broken), clean)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    "odd",
    {
        "xmp": entry(700, FLOAT, 2.0), "model": entry(272, FLOAT, 1.5), "pointer": ODD_TAGS["a pointer below zero"],
        "length": ODD_TAGS["an absurd length"], "minimum": struct.pack("<HHII", 340, 5, 4, 0),
        "profile": entry(34675, SHORT, 1), "more pictures": entry(330, LONG, 0xFFFFFFFF),
    }.items(),
    ids=lambda named: named[0],
)  # fmt: skip
def test_no_tag_that_is_ancillary_spoils_a_tiff(compression, orientation, odd):
    plain = saved(SCENE, "TIFF", compression=compression)
    assert_same_picture(with_tags(plain, turned(orientation), odd[1]), with_tags(plain, turned(orientation)))


def test_a_palette_a_predictor_and_tiles_are_no_ancillary_tags():
    for mode, options in (("P", {}), ("RGB", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}), ("1", {})):
        plain = saved(SCENE.convert(mode), "TIFF", **options)
        assert_same_picture(with_tags(plain, entry(700, FLOAT, 2.0), ODD_TAGS["a pointer below zero"]), plain)


@pytest.mark.parametrize(("order", "is_big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_a_tiff_of_any_form_is_left_with_what_its_pixels_need(is_big, order):
    values = np.asarray(SCENE.convert("L"))
    width = 20 if is_big else 12
    number, count, offset = ("Q", "Q", 16) if is_big else ("I", "H", 8)
    plain = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 48, 279: values.size, 700: 7}
    plain[273] = offset + struct.calcsize("=" + count) + width * len(plain) + struct.calcsize("=" + number)
    kinds = {700: FLOAT}
    raws = [struct.pack(f"{order}HH{number}", tag, kinds.get(tag, LONG), 1) for tag in plain]
    values_in_place = [struct.pack(order + "I", value).ljust(width - len(raws[0]), b"\0") for value in plain.values()]
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "H", 43 if is_big else 42)
    head += struct.pack(order + "HHQ", 8, 0, 16) if is_big else struct.pack(order + "I", 8)
    body = b"".join(raw + value for raw, value in zip(raws, values_in_place, strict=True))
    end = bytes(struct.calcsize("=" + number)) + values.tobytes()
    content = head + struct.pack(order + count, len(plain)) + body + end
    if order == ">" and is_big:  # Pillow reads no such files
        assert "big-endian BigTIFF" in decode(content).message
    else:
        assert np.array_equal(pixels(content)[..., 0], values)
    rest = ancillary.directory(ancillary.without(content))
    assert set(rest.entries) == set(plain) - {700}


# The one tag that is read


def with_exif(form, block):
    """A file that holds that very block, whatever is in it."""
    placeholder = exif(entry(270, 2, b"abc\0"), entry(271, 2, b"abc\0"))[: len(block)].ljust(len(block), b"\0")
    content = saved(SCENE, form, exif=b"Exif\0\0" + placeholder)
    assert placeholder in content
    return content.replace(placeholder, block)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("odd", ODD_TAGS)
def test_a_picture_is_turned_whatever_stands_beside_its_orientation(form, odd):
    if form == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow can't write WebP")
    content = with_exif(form, exif(turned(6), ODD_TAGS[odd]))
    clean = with_exif(form, exif(turned(6), entry(296, SHORT, 2)))
    assert_same_picture(content, clean)
    assert pixels(content, "exif").shape == (64, 48, 3)
    assert pixels(content, "stored").shape == (48, 64, 3)
    assert thumbnail(content, 32).shape == (32, 24, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("unsound", UNSOUND_TURNS)
def test_an_orientation_that_is_none_leaves_the_picture_as_stored(form, unsound):
    content = with_exif(form, exif(UNSOUND_TURNS[unsound], entry(296, SHORT, 2)))
    assert np.array_equal(pixels(content, "exif"), pixels(content, "stored"))


def test_a_broken_chunk_does_not_cost_the_turn():
    for form, spoil in (
        ("PNG", lambda content: with_chunks(content, chunk(b"iCCP", b""))),
        ("JPEG", lambda content: with_segments(content, segment(0xE2, b"ICC_PROFILE\0"))),
    ):
        clean = with_exif(form, exif(turned(6), entry(296, SHORT, 2)))
        assert_same_picture(spoil(clean), clean)
        assert pixels(spoil(clean), "exif").shape == (64, 48, 3)


def test_a_broken_chunk_does_not_cost_the_turn_of_a_webp():
    if not features.check("webp"):
        pytest.skip("this Pillow can't write WebP")
    block = riff_chunk(b"EXIF", exif(turned(6)))
    content = webp(0b1000, block, riff_chunk(b"XMP ", b"abcd", length=0x7FFFFFFF))
    assert_same_picture(content, webp(0b1000, block))
    assert pixels(content, "exif").shape == (64, 48, 3)


@pytest.mark.parametrize("odd", ODD_TAGS)
def test_odd_exif_does_not_spoil_an_avif(odd):
    if not features.check("avif"):
        pytest.skip("this Pillow can't write AVIF")
    content = with_exif("AVIF", exif(turned(6), ODD_TAGS[odd]))
    assert_same_picture(content, with_exif("AVIF", exif(turned(6), entry(296, SHORT, 2))))


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0", b"II+\0"]))
@settings(deadline=None, max_examples=300)
def test_of_any_block_an_orientation_from_1_to_8_is_read(rest, begin):
    assert ancillary.orientation(begin + rest) in range(1, 9)


@given(st.integers(1, 8), st.sampled_from([LONG, SHORT]), st.binary(max_size=60))
def test_the_orientation_is_read_whatever_follows(orientation, kind, rest):
    assert ancillary.orientation(exif(entry(0x0112, kind, orientation)) + rest) == orientation


# What is damaged stays a failure


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF"])
@given(st.floats(0.1, 0.95))
@settings(deadline=None, max_examples=25)
def test_a_cut_file_with_broken_metadata_gives_no_picture(form, share):
    spoilt = {
        "PNG": lambda: with_chunks(saved(SCENE, "PNG"), chunk(b"iCCP", b"")),
        "JPEG": lambda: with_segments(saved(SCENE, "JPEG"), segment(0xE2, b"ICC_PROFILE\0")),
        "GIF": lambda: with_extensions(saved(SCENE, "GIF"), b"\x21\xf9\0"),
        "TIFF": lambda: with_tags(saved(SCENE, "TIFF"), entry(700, FLOAT, 2.0)),
    }[form]()
    result = decode(spoilt[: int(len(spoilt) * share)])
    assert isinstance(result, Failure)
    assert result.reason in {"truncated", "corrupt", "unsupported"} - ({"unsupported"} if form != "TIFF" else set())


def test_the_first_failure_counts_where_the_pixels_are_damaged_too(monkeypatch):
    damaged = bytearray(with_chunks(saved(SCENE, "PNG"), chunk(b"zTXt", b"a\0\5abc"), at_end=True))
    damaged[len(damaged) // 2] ^= 0xFF
    failure = decode(bytes(damaged))
    monkeypatch.setattr(ancillary, "without", lambda _: None)
    assert isinstance(failure, Failure)
    assert failure == decode(bytes(damaged))


def test_what_declares_too_much_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(ancillary, "without", lambda _: pytest.fail("it was"))
    assert decode(with_chunks(png(100_000, 100_000), chunk(b"tEXt", b"a\0b"))).reason == "too_many_pixels"


def test_a_file_with_nothing_to_leave_out_is_not_tried_again():
    for form in ("PNG", "JPEG", "GIF", "BMP", "PPM"):
        plain = ancillary.without(saved(SCENE, form)) or saved(SCENE, form)
        assert ancillary.without(plain) is None


@given(
    st.sampled_from(
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFFabcdWEBP", b"GIF89a", b"II*\0", b"MM\0+", b"    ftypavif"]
    ),
    st.binary(max_size=300),
)
@settings(deadline=None, max_examples=400)
def test_no_bytes_make_it_raise_or_grow(begin, rest):
    plain = ancillary.without(begin + rest)
    assert plain is None or len(plain) <= len(begin + rest) + 64


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_no_damage_makes_it_raise_or_grow(form, damages):
    if form in ("WEBP", "AVIF") and not features.check(form.lower()):
        pytest.skip(f"this Pillow can't write {form}")
    content = bytearray(saved(SCENE, form))
    for place, byte in damages:
        content[int(place * len(content))] = byte
    plain = ancillary.without(bytes(content))
    assert plain is None or len(plain) <= len(content) + 64
