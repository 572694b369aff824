"""JPEGs decoded only as far as a method needs: the averages of their tiles, hashes near the exact ones, no failures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from by_hand import saved, soft
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders.encoder import Decoding, Encoder, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.decoding import decode, decode_coarsely
from dedup_core.images.jpeg_averages import averaged
from dedup_core.images.jpeg_header import usual
from dedup_core.images.picture import Failure, Picture
from dedup_core.images.upright import turned_pixels
from dedup_core.metric import HAMMING

FAST = Decoding(mode="fast")
HASHES = [method.encoder() for method in ENCODERS.values() if method.metric is HAMMING]


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 9 + 1, width // 9 + 1, 3)).repeat(9, 0).repeat(9, 1)[:height, :width]
    return Image.fromarray((0.7 * coarse + 0.3 * rng.integers(0, 256, (height, width, 3))).astype(np.uint8))


def exif(turn):
    block = Image.Exif()
    block[0x0112] = turn
    return block.tobytes()


def of_tiles(content):
    """The averages of a JPEG's tiles, by its own library."""
    height, width = simplejpeg.decode_jpeg_header(content)[:2]
    return simplejpeg.decode_jpeg(content, "RGB", min_height=-(-height // 8), min_width=-(-width // 8))


def ours(content):
    return averaged(content, usual(content))


# The averages of tiles


PLAIN = st.fixed_dictionaries(
    {"quality": st.integers(1, 100)},
    optional={
        "optimize": st.booleans(), "restart_marker_blocks": st.integers(1, 9), "restart_marker_rows": st.integers(1, 3),
    },
)  # fmt: skip


@given(st.integers(9, 90), st.integers(9, 90), PLAIN, st.sampled_from(["RGB", "L"]), st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_where_colours_are_stored_whole_averages_are_the_librarys(width, height, options, mode, seed):
    content = saved(noise(width, height, seed).convert(mode), "JPEG", subsampling=0, **options)
    assert np.array_equal(ours(content), of_tiles(content))


@given(st.integers(9, 90), st.integers(9, 90), PLAIN, st.sampled_from(["422", "420", "440", "411"]))
@settings(deadline=None, max_examples=60)
def test_where_colours_are_stored_smaller_brightness_is_the_librarys(width, height, options, sampling):
    grey = np.asarray(noise(width, height).convert("L").convert("RGB"))
    content = simplejpeg.encode_jpeg(grey, options["quality"], "RGB", sampling)
    assert np.array_equal(ours(content), of_tiles(content))


@pytest.mark.parametrize("sampling", ["422", "420", "440", "411"])
def test_where_colours_are_stored_smaller_they_are_those_of_several_tiles(sampling):
    pale = np.asarray(soft((256, 192))) // 2 + 64
    content = simplejpeg.encode_jpeg(pale, 95, "RGB", sampling)
    found, expected = (pixels.reshape(6, 4, 8, 4, 3).mean(axis=(1, 3)) for pixels in (ours(content), of_tiles(content)))
    assert np.abs(found - expected).max() < 2


@given(st.integers(9, 90), st.integers(9, 90), st.integers(1, 100), st.sampled_from(["RGB", "L"]))
@settings(deadline=None, max_examples=60)
def test_the_first_scan_of_a_progressive_jpeg_tells_all_but_a_bit(width, height, quality, mode):
    content = saved(noise(width, height).convert(mode), "JPEG", quality=quality, subsampling=0, progressive=True)
    steps = usual(content).loss
    most = 1 + (steps.luma[0] + 2 * steps.chroma[0] * (mode == "RGB")) / 4
    assert np.abs(ours(content) - of_tiles(content).astype(int)).max() <= most


@pytest.mark.parametrize("kind", ["rgb", "scan_by_scan", "no_tables"])
def test_what_it_can_not_read_is_left_to_others(kind):
    content = {
        "rgb": lambda: saved(noise(40, 30), "JPEG", keep_rgb=True),
        "scan_by_scan": lambda: saved(noise(40, 30), "JPEG").replace(b"\0\x3f\0", b"\0\x05\0", 1),
        "no_tables": lambda: without_tables(saved(noise(40, 30), "JPEG")),
    }[kind]()
    assert ours(content) is None


def without_tables(content):
    start = content.index(b"\xff\xc4")
    return content[:start] + content[content.index(b"\xff\xda") :]


@pytest.mark.parametrize("progressive", [False, True])
def test_what_breaks_off_is_seen(progressive):
    content = saved(noise(120, 90), "JPEG", progressive=progressive)
    for length in range(len(content) // 2, len(content) - 1, 7):
        assert ours(content[:length]) is None
        assert decode_coarsely(content[:length], 1) == decode(content[:length])


@given(st.data(), st.booleans(), st.integers(1, 4))
@settings(deadline=None, max_examples=300)
def test_spoilt_bytes_end_nothing(data, progressive, n_bytes):
    content = bytearray(saved(noise(80, 64), "JPEG", progressive=progressive))
    for _ in range(n_bytes):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = decode_coarsely(bytes(content), 1)
    assert isinstance(found, Picture | Failure)
    if isinstance(found, Picture):
        assert found.pixels.dtype == np.uint8


# Pictures


@pytest.mark.parametrize(("side", "times"), [(12, 8), (13, 4), (26, 2), (51, 1), (101, 1)])
def test_no_side_is_shorter_than_is_needed(side, times):
    picture = decode_coarsely(saved(noise(130, 100), "JPEG"), side)
    assert picture.size == (-(-130 // times), -(-100 // times))
    assert (picture.width, picture.height) == (130, 100)
    assert picture.is_whole == (times == 1)


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_pictures_lie_where_their_pixels_do(turn):
    pale = Image.fromarray(np.asarray(soft((131, 99))) // 2 + 64)  # nothing of it is cut off at 0 or 255
    content = saved(pale, "JPEG", exif=exif(turn), quality=95)
    stored, upright = decode_coarsely(content, 12), decode_coarsely(content, 12, orientation="exif")
    assert (stored.turn, upright.turn, upright.width, upright.height) == (turn, 1, 131, 99)
    expected = turned_pixels(stored.rgb((8, 8)), turn)
    assert np.abs(upright.rgb((8, 8)).astype(int) - expected).max() <= 1
    left, top, right, bottom = upright.box
    assert sorted([right - left, bottom - top]) == [99 / 8, 131 / 8]


def test_other_formats_are_decoded_whole():
    for form in ("PNG", "WEBP", "BMP"):
        assert decode_coarsely(saved(noise(130, 100), form), 12).is_whole


# Features


def test_hashes_of_photographs_are_near_the_exact_ones(photographs):
    contents = [saved(decode(path.read_bytes()).image, "JPEG", quality=90) for path in photographs]
    exact, fast = encode_batch(contents, HASHES), encode_batch(contents, HASHES, FAST)
    for encoder in HASHES:
        apart = [int(one.features[encoder.name] ^ other.features[encoder.name]).bit_count()
                 for one, other in zip(exact, fast, strict=True)]  # fmt: skip
        assert np.median(apart) <= 2, encoder.name
        assert max(apart) <= 10, encoder.name


def test_no_feature_depends_on_what_is_encoded_beside_it():
    content = saved(noise(600, 500), "JPEG")
    whole = Encoder("whole", lambda picture: picture.pixels, lambda pixels: pixels, "whole")
    large = dataclasses.replace(whole, name="large", coarse_side=200)
    (together,) = encode_batch([content], [*HASHES, whole, large], FAST)
    assert together.features["whole"].shape == (500, 600, 3)
    assert together.features["large"].shape == (250, 300, 3)
    for encoder in [*HASHES, whole, large]:
        (alone,) = encode_batch([content], [encoder], FAST)
        assert np.array_equal(alone.features[encoder.name], together.features[encoder.name])
        assert alone.traits == together.traits


def test_what_was_decoded_smaller_has_no_look_that_could_refute_it():
    fast, small, drawn = encode_batch(
        [saved(noise(600, 500), "JPEG"), saved(noise(60, 50), "JPEG"), saved(noise(600, 500), "PNG")], HASHES, FAST
    )
    assert fast.traits.look is None
    assert small.traits.look is not None
    assert drawn.traits.look is not None


def test_the_fingerprint_tells():
    assert FAST.fingerprint("phash-64-v2") == "phash-64-v2+fast"
    assert Decoding(mode="exact").fingerprint("phash-64-v2") == "phash-64-v2"


def test_photographs_of_the_shared_folder_are_near(shared):
    folder = shared / "data" / "photos"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared/data/photos, which is absent")
    contents = [path.read_bytes() for path in sorted(Path(folder).iterdir())[:60]]
    exact, fast = encode_batch(contents, HASHES), encode_batch(contents, HASHES, FAST)
    for encoder in HASHES:
        codes = [np.array([one.features[encoder.name] for one in some]) for some in (exact, fast)]
        apart = [int(bits).bit_count() for bits in codes[0] ^ codes[1]]
        assert np.percentile(apart, 99) <= 8, encoder.name
