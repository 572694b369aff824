"""Reasons: what is whole and isn't read is unsupported by name, what is no image is told, and only damage called so."""

import io
import struct
import zlib

import numpy as np
import pytest
from by_hand import chunk, ico_around, png, saved, segment, soft, tiff, with_frame, with_segments
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from dedup_core.images import foreign
from dedup_core.images.decoding import decode
from dedup_core.images.opening import load_plugins
from dedup_core.images.picture import REASONS, Failure, Picture

SCENE = soft()
NOISE = np.random.default_rng(0).random((32, 40, 10)) * 200
SVG = (
    '<?xml version="1.0"?>\n<!-- drawn\nby hand -->\n<!DOCTYPE svg PUBLIC "a" "b" [<!ENTITY c "d">]>\n<svg width="9"/>'
)
MANY_SIGNATURES = [
    b"BM",
    b"P6 ",
    b"\xff\xd8\xff",
    b"II*\0",
    b"\0\0\1\0",
    b"RIFF1234WEBP",
    b"\0\0\0\x18ftyp",
    b"<",
    b"GIF89a",
]


@pytest.fixture
def without_plugins(monkeypatch):
    """As if no plugin were installed."""
    load_plugins()
    for form in ("HEIF", "JXL"):
        monkeypatch.delitem(Image.OPEN, form, raising=False)


def assert_failure(content, reason, *said):
    failure = decode(content)
    assert isinstance(failure, Failure), failure
    assert failure.reason == reason, failure
    for words in said:
        assert words in failure.message


# Other kinds of files, by name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41", "MP4 video"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "MP4 video"),
        (b"\0\0\0\x18ftypmp41\0\0\0\0mp41isom", "MP4 video"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "MOV"),
        (b"\0\0\0\x18ftypM4V \0\0\0\1isom", "M4V video"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", "M4A"),
        (b"\0\0\0\x18ftyp3gp4\0\0\2\0isom", "3GP"),
        (b"\0\0\2\x20moov\0\0\2\0mvhd" + bytes(99), "MOV"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "CR3"),
        (b"RIFF\1\2\3\4AVI LIST", "AVI video"),
        (b"RIFF\1\2\3\4WAVEfmt ", "WAV"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "WebM"),
        (b"OggS\0\2" + bytes(20), "Ogg"),
        (b"ID3\4" + bytes(20), "MP3"),
        (b"\xff\xfb\x90\x44" + bytes(20), "MP3"),
        (b"fLaC\0\0\0\x22" + bytes(20), "FLAC"),
        (b"PK\3\4\x14\0" + bytes(20), "ZIP"),
        (b"\x1f\x8b\x08\0" + bytes(20), "gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
        (b"Rar!\x1a\7\1\0", "RAR"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\x28\xb5\x2f\xfd\0", "Zstandard"),
        (bytes(257) + b"ustar\x0000", "tar"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "Office"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"\n \n%PDF-1.4", "PDF"),
        (b"{\\rtf1\\ansi}", "RTF"),
        (b"PAR1\x15\4" + bytes(20), "--input-format parquet"),
        (b"Obj\1\4", "Avro"),
        (b"ARROW1\0\0", "Arrow"),
        (b"\x93NUMPY\1\0", "NumPy"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x7fELF\2\1", "program"),
        (b"MZ\x90\0\3", "program"),
        (b"\0\1\0\0\0\x0f", "font"),
        (b"wOF2\0\1", "font"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "AppleDouble"),
        (b"8BPS\0\1" + bytes(20), "PSD"),
        (b"gimp xcf v001\0", "XCF"),
        (b"v/1\1\2\0\0\0", "EXR"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "HDR"),
        (b"#?RGBE\n", "HDR"),
        (b"SIMPLE  =                    T", "FITS"),
        (bytes(128) + b"DICM\2\0", "DICOM"),
        (bytes(344) + b"n+1\0", "NIfTI"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
        (b"FOVb\0\0", "X3F"),
        (b"\0MRM\0", "MRW"),
        (b"II\xbc\1\x08\0\0\0", "JPEG XR"),
        (b"\x8aMNG\r\n\x1a\n", "MNG"),
        (b"P7\nWIDTH 2\n", "PAM"),
        (b"PF\n2 2\n-1\n", "PFM"),
        (b"AT&TFORM\0\0", "DjVu"),
        (b"BPG\xfb\0", "BPG"),
        (b"qoif\0\0\0\1\0\0\0\1\3\0", "QOI"),
        (b"DDS |\0\0\0" + bytes(20), "DDS"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "EPS"),
        (b"\xd7\xcd\xc6\x9a\0\0" + bytes(40), "WMF"),
        (b"\0\0\2\0\1\0" + bytes(20), "CUR"),
        (b"icns\0\0\0\x08", "ICNS"),
        (b"/* XPM */\nstatic char *a[]", "XPM"),
        (b"#define a_width 8\n#define a_height 8\n", "XBM"),
    ],
)
def test_a_file_of_another_kind_is_unsupported_by_its_name(content, name):
    assert_failure(content, "unsupported", name, "not read")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (SVG.encode(), "SVG"),
        (SVG.encode("utf-16"), "SVG"),
        (b"\xef\xbb\xbf\n<svg/>", "SVG"),
        (b"<svg:svg/>", "SVG"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd'>" + b" " * 70_000, "SVG"),
    ],
    ids=["prolog", "UTF-16", "byte order mark", "namespace", "document type"],
)
def test_a_drawing_is_unsupported(content, name):
    assert_failure(content, "unsupported", name)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_without_its_plugin_says_what_to_install(without_plugins, brand):
    assert_failure(
        b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic", "unsupported", "HEIC", "pip install 'dedup-core[heif]'"
    )


@pytest.mark.parametrize("begin", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"], ids=["naked", "in a container"])
def test_jpeg_xl_without_its_plugin_says_what_to_install(without_plugins, begin):
    assert_failure(begin + bytes(200), "unsupported", "JPEG XL", "pip install pillow-jxl-plugin")


def test_a_container_that_holds_avif_is_told_as_avif(without_plugins):
    if not features.check("avif"):
        pytest.skip("this Pillow can't read AVIF")
    content = saved(SCENE, "AVIF")
    assert_failure(content[:8] + b"mif1" + content[12 : len(content) // 2], "truncated", "AVIF")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"A note with the wrong ending.\n", "text"),
        ("Grüße aus Köln\n".encode("latin-1"), "text"),
        ("текст".encode("utf-16"), "text"),
        (b"P2P networks are fine", "text"),
        (b"BMW built this car\n" * 4, "text"),
        (b"P3 is what they call it", "text"),
        (b"#define WIDTH 8\nint main() {}", "text"),
        (b"wide moov free", "text"),
        (b"<html><body>404</body></html>", "web page (HTML)"),
        (b"\n<!-- x --><!DOCTYPE html>\n<svg/>", "web page (HTML)"),
        (b"<HTML><img><svg></svg>", "web page (HTML)"),
        ("<html>ä".encode("utf-16"), "web page (HTML)"),
        (b"<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>", "web page (HTML)"),
        (b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>", "XML document (error)"),
        (b'{"error": "not found"}', "JSON"),
        (b"[1, 2]", "JSON"),
        (b"data:image/png;base64,iVBORw0KGgo=", "data address"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_text_is_no_image_and_its_kind_is_told(content, kind):
    assert_failure(content, "not_an_image", kind, "no image in any known format" if kind == "text" else "not an image")


def test_content_of_no_known_kind_is_no_image():
    assert_failure(b"\x91\x92\x93 nothing that\0 is known", "not_an_image", "no image in any known format")


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_file_of_zeros_is_corrupt(size):
    assert_failure(bytes(size), "corrupt", "only zero bytes")


# Kinds of our formats that are not read


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("dtype", "bands", "said"),
    [
        ("f8", 1, "TIFF with 1 band of 64 bits (floats, uncompressed)"),
        ("f4", 3, "TIFF with 3 bands of 32 bits (floats, uncompressed)"),
        ("u2", 10, "TIFF with 10 bands of 16 bits (integers, uncompressed)"),
        ("u1", 7, "TIFF with 7 bands of 8 bits (integers, uncompressed)"),
        ("i8", 1, "TIFF with 1 band of 64 bits (signed integers, uncompressed)"),
        ("c8", 1, "TIFF with 1 band of 64 bits (complex floats, uncompressed)"),
        ("f2", 3, "TIFF with 3 bands of 16 bits (floats, uncompressed)"),
    ],
)
def test_a_whole_tiff_of_a_kind_that_is_not_read_is_unsupported(dtype, bands, said, order):
    content = tiff(NOISE[..., :bands].astype(dtype), photometric=2 if bands == 3 else 1, order=order)
    assert_failure(content, "unsupported", said)
    assert_failure(content[:-9], "truncated")
    assert_failure(content[: len(content) // 3], "truncated")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (34712, "JPEG 2000"),
        (34887, "LERC"),
        (34661, "JBIG"),
        (50001, "WebP"),
        (52546, "JPEG XL"),
        (6, "old JPEG"),
        (32809, "ThunderScan"),
        (34000, "compression 34000"),
    ],
)
def test_a_tiff_packed_in_a_way_that_is_not_read_is_unsupported(number, name):
    content = tiff(NOISE[..., :1].astype("u1"), compression=number)
    assert_failure(content, "unsupported", name)
    assert_failure(content[:-9], "truncated")


def test_a_tiff_with_damaged_pixels_is_corrupt():
    content = saved(SCENE, "TIFF", compression="tiff_adobe_deflate")
    start = content.index(b"\x78")
    assert_failure(content[:start] + b"?" * 40 + content[start + 40 :], "corrupt")


def test_a_raw_picture_in_a_tiff_is_unsupported():
    assert_failure(tiff(NOISE[..., :1].astype("u2"), photometric=32803), "unsupported", "camera raw")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"bits": 12}, "JPEG with 3 bands of 12 bits"),
        ({"bits": 16, "marker": 0xC3}, "JPEG with 3 bands of 16 bits (lossless)"),
        ({"bands": 2}, "JPEG with 2 bands of 8 bits"),
        ({"bands": 5}, "JPEG with 5 bands of 8 bits"),
        ({"marker": 0xC5}, "(hierarchical)"),
        ({"marker": 0xC7}, "(hierarchical)"),
        ({"marker": 0xCB}, "(lossless)"),
        ({"marker": 0xCD}, "(hierarchical)"),
        ({"marker": 0xF7}, "(JPEG-LS)"),
    ],
)
def test_a_whole_jpeg_of_a_kind_that_is_not_read_is_unsupported(frame, said):
    content = with_frame(saved(SCENE, "JPEG"), **frame)
    assert_failure(content, "unsupported", said)
    assert_failure(content[:-200], "truncated")
    assert_failure(with_segments(content, segment(0xE2, b"ICC_PROFILE\0")), "unsupported", said)


def test_a_jpeg_of_an_absurd_depth_is_damaged():
    assert_failure(with_frame(saved(SCENE, "JPEG"), bits=37), "truncated", "damaged")


@pytest.mark.parametrize(
    ("place", "form", "value"),
    [(14, "<I", 16), (28, "<H", 2), (28, "<H", 64), (30, "<I", 4), (30, "<I", 5), (30, "<I", 3)],
    ids=["OS/2", "2 bits", "64 bits", "JPEG inside", "PNG inside", "bit fields"],
)
def test_a_bmp_of_a_rare_kind_is_unsupported(place, form, value):
    content = bytearray(saved(SCENE, "BMP"))
    struct.pack_into(form, content, place, value)
    assert_failure(bytes(content), "unsupported", "BMP of a rare kind")


@pytest.mark.parametrize(
    ("form", "place", "value"),
    [("PCX", 3, 2), ("PCX", 65, 4), ("SGI", 11, 7), ("SGI", 3, 3), ("SGI", 2, 2), ("TGA", 2, 33), ("TGA", 16, 12)],
)
def test_other_formats_of_a_rare_kind_are_unsupported(form, place, value):
    content = bytearray(saved(SCENE, form))
    content[place] = value
    assert_failure(bytes(content), "unsupported", form)


def test_a_jpeg_2000_of_seven_bands_is_unsupported():
    if not features.check("jpg_2000"):
        pytest.skip("this Pillow can't write JPEG 2000")
    content = bytearray(saved(SCENE, "JPEG2000"))
    struct.pack_into(">H", content, content.index(b"\xff\x51") + 38, 7)
    assert_failure(bytes(content), "unsupported", "JPEG2000")


def test_a_png_of_apples_own_kind_is_unsupported():
    content = saved(SCENE, "PNG")
    (length,) = struct.unpack(">I", content[33:37])
    bare = zlib.compress(zlib.decompress(content[41 : 41 + length]))[2:-4]
    own = content[:8] + chunk(b"CgBI", b"P\0\x20\2") + content[8:33] + chunk(b"IDAT", bare) + content[-12:]
    assert_failure(own, "unsupported", "CgBI")


def test_a_webp_of_an_unknown_kind_is_unsupported():
    assert_failure(b"RIFF\x20\0\0\0WEBPVP9 " + bytes(20), "unsupported", "WebP")


@pytest.mark.parametrize("form", ["PNG", "BMP", "JPEG"])
def test_a_decoder_that_is_missing_is_unsupported(form, monkeypatch):
    def missing(*_):
        raise OSError(f"decoder of {form} not available")

    monkeypatch.setattr(Image, "_getdecoder", missing)
    image = SCENE.convert("CMYK") if form == "JPEG" else SCENE  # usual JPEGs don't need Pillow's decoder
    assert_failure(saved(image, form), "unsupported", "not available")


# Whatever comes


@given(st.binary(max_size=600))
@settings(deadline=None, max_examples=400)
def test_any_bytes_give_a_picture_or_a_reason(content):
    result = decode(content, max_pixels=1_000_000)
    assert isinstance(result, Picture) or (result.reason in REASONS and result.message)


@given(st.sampled_from(MANY_SIGNATURES), st.binary(max_size=300), st.integers(0, 320))
@settings(deadline=None, max_examples=400)
def test_any_bytes_after_a_signature_give_a_picture_or_a_reason(begin, rest, cut):
    result = decode((begin + rest)[:cut], max_pixels=1_000_000)
    assert isinstance(result, Picture) or (result.reason in REASONS and result.message)


@given(
    st.binary(min_size=1, max_size=100),
    st.dictionaries(st.sampled_from(["JPEG", "TIFF", "PNG", "BMP", "AVIF"]), st.text()),
)
@settings(deadline=None, max_examples=300)
def test_a_verdict_needs_no_more_than_bytes_and_words(content, said):
    refusals = {form: ValueError(words) for form, words in said.items()}
    reason, message = foreign.unopened(content, refusals, [])
    assert reason in REASONS
    assert message


@given(st.text(max_size=200), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
@settings(deadline=None, max_examples=200)
def test_no_text_is_called_damaged_or_a_picture(text, encoding):
    result = decode(text.encode(encoding, "replace") or b" ")
    assert isinstance(result, Failure)


def test_an_icon_around_nothing_is_no_picture():
    for content in (b"", b"x" * 200, png(64, 48)[:60]):
        assert isinstance(decode(ico_around(content)), Failure)


def test_a_long_text_is_told_by_its_beginning():
    assert_failure(io.BytesIO(b"<html>" + b"x" * 5_000_000).getvalue(), "not_an_image", "HTML")
