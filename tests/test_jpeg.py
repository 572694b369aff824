"""JPEGs by the fast decoder: the very pictures that Pillow gives, or Pillow's, whatever a file holds."""

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import simplejpeg
from by_hand import saved, soft
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from dedup_core.images import jpeg
from dedup_core.images.decoding import by_pillow, decode, frames_of, usual_jpeg
from dedup_core.images.jpeg_header import usual
from dedup_core.images.picture import MAX_PIXELS, Failure, Picture
from dedup_core.images.upright import turned, turned_pixels

KEPT = ("width", "height", "format", "frames", "turn", "stretch", "loss", "transparency", "size", "alpha")
TINY = saved(soft((24, 17)), "JPEG", quality=60)


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 5 + 1, width // 5 + 1, 3)).repeat(5, 0).repeat(5, 1)[:height, :width]
    return (0.7 * coarse + 0.3 * rng.integers(0, 256, (height, width, 3))).astype(np.uint8)


def exif(turn):
    block = Image.Exif()
    block[0x0112] = turn
    return block.tobytes()


def expected(content, orientation="stored", times=1):
    return by_pillow(content, MAX_PIXELS, orientation, lambda _width, _height: times)


def assert_equal(found, other):
    """Two outcomes are one: the same failure, or pictures that are equal field by field."""
    if isinstance(other, Failure):
        assert found == other
        return
    assert isinstance(found, Picture), found
    assert [getattr(found, name) for name in KEPT] == [getattr(other, name) for name in KEPT]
    assert np.array_equal(found.pixels, other.pixels)


def assert_fast(content, orientation="stored", times=1):
    """The fast decoder reads it, and gives what Pillow gives."""
    found = usual_jpeg(content, MAX_PIXELS, orientation, lambda _width, _height: times)
    assert found is not None
    assert_equal(found, expected(content, orientation, times))


OPTIONS = st.fixed_dictionaries(
    {"quality": st.integers(1, 100)},
    optional={
        "subsampling": st.integers(0, 2), "progressive": st.booleans(), "optimize": st.booleans(),
        "restart_marker_blocks": st.integers(1, 9), "restart_marker_rows": st.integers(1, 3), "comment": st.binary(),
        "exif": st.integers(0, 9).map(exif), "icc_profile": st.binary(min_size=1),
    },
)  # fmt: skip


@given(
    st.integers(1, 40) | st.integers(60, 99),
    st.integers(1, 40) | st.integers(60, 99),
    OPTIONS,
    st.sampled_from(["RGB", "L", "1"]),
    st.integers(0, 99),
)
@example(3, 3, {"quality": 5}, "RGB", 2)
@settings(deadline=None, max_examples=300)
def test_pictures_are_pillows(width, height, options, mode, seed):
    assert_pillows(saved(Image.fromarray(noise(width, height, seed)).convert(mode), "JPEG", **options))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 100))
@settings(deadline=None)
def test_pictures_stored_in_rgb_are_pillows(width, height, quality):
    assert_pillows(saved(Image.fromarray(noise(width, height)), "JPEG", quality=quality, keep_rgb=True))


def assert_pillows(content):
    for orientation in ("stored", "exif"):
        assert_fast(content, orientation)
    for times in (2, 4, 8):
        assert_fast(content, "exif", times)


@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411", "Gray"])
@pytest.mark.parametrize("size", [(1, 1), (7, 33), (16, 16), (41, 30), (64, 17)])
def test_every_sampling_is_pillows(sampling, size):
    pixels = noise(*size)
    plane = pixels[:, :, :1] if sampling == "Gray" else pixels
    content = simplejpeg.encode_jpeg(
        np.ascontiguousarray(plane), 70, "Gray" if plane.shape[2] == 1 else "RGB", sampling
    )
    for times in jpeg.TIMES:
        assert_fast(content, times=times)


def test_grey_of_any_declared_sampling_is_pillows():
    content = saved(Image.fromarray(noise(37, 21)).convert("L"), "JPEG")
    place = content.index(b"\xff\xc0") + 11
    for sampling in (0x11, 0x22, 0x21, 0x44):
        assert_fast(content[:place] + bytes([sampling]) + content[place + 1 :])


def test_photographs_are_pillows(photographs):
    for path in photographs:
        content = path.read_bytes()
        assert_equal(decode(content), expected(content))
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        for options in ({}, {"progressive": True, "subsampling": 1}, {"quality": 97, "subsampling": 0}):
            assert_fast(saved(rgb, "JPEG", **options))


def test_unfinished_scans_are_pillows():
    content = saved(Image.fromarray(noise(70, 50)), "JPEG", progressive=True)
    place = len(content)
    while (place := content.rfind(b"\xff\xda", 0, place)) > content.index(b"\xff\xda"):
        assert_fast(content[:place] + b"\xff\xd9")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_file_that_breaks_off_anywhere_is_what_pillow_says(progressive):
    content = saved(Image.fromarray(noise(24, 17)), "JPEG", progressive=progressive, exif=exif(6))
    for length in range(1, len(content)):
        assert_equal(decode(content[:length]), expected(content[:length]))


@given(st.data(), st.booleans(), st.integers(1, 4))
@settings(deadline=None, max_examples=500)
def test_spoilt_bytes_give_what_pillow_gives(data, progressive, n_bytes):
    content = bytearray(saved(soft((24, 17)), "JPEG", progressive=progressive, exif=exif(3), quality=60))
    for _ in range(n_bytes):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert_equal(decode(bytes(content)), expected(bytes(content)))


@given(st.integers(2, len(TINY)), st.binary(max_size=9))
@example(len(TINY), b"junk behind its end")
@settings(deadline=None, max_examples=200)
def test_junk_that_is_put_in_anywhere_gives_what_pillow_gives(place, junk):
    content = TINY[:place] + junk + TINY[place:]
    assert_equal(decode(content), expected(content))


def test_what_lies_behind_the_end_is_no_matter():
    assert_fast(TINY + TINY)
    assert_fast(TINY + bytes(1000))


def test_two_blocks_of_exif_are_read_as_pillow_reads_them():
    block = exif(6)
    halves = [b"Exif\0\0" + part for part in (block[6:16], block[16:])]
    segments = [b"\xff\xe1" + (len(half) + 2).to_bytes(2, "big") + half for half in halves]
    content = TINY[:2] + b"".join(segments) + TINY[2:]
    assert_fast(content, "exif")
    assert decode(content).turn == 6


def test_a_profile_of_colours_is_no_matter():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_fast(saved(soft((24, 17)), "JPEG", icc_profile=profile))


@pytest.mark.parametrize("kind", ["cmyk", "views", "twelve_bits", "arithmetic", "four_by_four", "png"])
def test_the_unusual_is_left_to_pillow(kind):
    content = {
        "cmyk": saved(soft((24, 17)).convert("CMYK"), "JPEG"),
        "views": saved(soft((24, 17)), "MPO", save_all=True, append_images=[soft((24, 17))]),
        "twelve_bits": TINY.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
        "arithmetic": TINY.replace(b"\xff\xc0\x00\x11", b"\xff\xc9\x00\x11"),
        "four_by_four": TINY.replace(b"\x22\x00\x02\x11\x01", b"\x44\x00\x02\x11\x01"),
        "png": saved(soft((24, 17)), "PNG"),
    }[kind]
    assert usual(content) is None
    assert_equal(decode(content), expected(content))


def test_limits_hold_before_a_pixel_is_decoded():
    assert decode(TINY, max_pixels=24 * 17 - 1).reason == "too_many_pixels"
    assert isinstance(decode(TINY, max_pixels=24 * 17), Picture)


def test_frames_of_a_jpeg_are_one():
    (only,) = frames_of(TINY)
    assert_equal(only, expected(TINY))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 8))
@settings(deadline=None)
def test_arrays_are_turned_as_pillow_turns(width, height, turn):
    pixels = noise(width, height)
    found = turned_pixels(pixels, turn)
    assert found.flags.c_contiguous
    assert np.array_equal(found, np.asarray(turned(Image.fromarray(pixels), turn)))


# Which decoder


def test_the_decoder_says_its_version():
    assert jpeg.decoder() == f"simplejpeg {simplejpeg.__version__}"


def test_the_trial_finds_no_difference_and_sees_one():
    assert list(jpeg.differences(simplejpeg.decode_jpeg)) == []
    other = list(jpeg.differences(lambda *taken, **named: simplejpeg.decode_jpeg(*taken, **named, fastupsample=True)))
    assert "4:2:0 JPEGs" in other
    assert "4:4:4 JPEGs" not in other


def test_where_simplejpeg_differs_pillow_decodes_and_the_log_says_so_once(monkeypatch, caplog):
    genuine = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *taken, **named: genuine(*taken, **named) ^ 1)
    found, told = decoded_afresh(caplog)
    assert_equal(found, expected(TINY))
    assert len(told) == 1
    assert "Pillow" in told[0]


def test_without_simplejpeg_pillow_decodes_and_the_log_says_so_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    found, told = decoded_afresh(caplog)
    assert_equal(found, expected(TINY))
    assert len(told) == 1
    assert "pip install simplejpeg" in told[0]


def test_threads_that_begin_at_once_say_so_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    together = threading.Barrier(8)

    def decoder(_):
        together.wait()
        return jpeg.decoder()

    jpeg._tried.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, "dedup_core"), ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(decoder, range(8)))) == 1
    finally:
        jpeg._tried.cache_clear()
    assert len(caplog.records) == 1


def decoded_afresh(caplog):
    """What a process gives that has decoded nothing yet, twice, and what its log says."""
    jpeg._tried.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, "dedup_core"):
            decode(TINY)
            found = decode(TINY)
            assert jpeg.decoder().startswith("Pillow ")
    finally:
        jpeg._tried.cache_clear()
    return found, [record.getMessage() for record in caplog.records]


def test_simplejpeg_is_loaded_when_a_jpeg_is_met():
    script = "import sys, dedup_core.images; sys.exit('simplejpeg' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
