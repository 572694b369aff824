"""Pictures made small by compiled code: as Pillow and as an oracle make them, bit for bit, whatever their shapes."""

import io
import logging
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import naive_resize
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders.encoder import Decoding, Encoded, encode_batch
from dedup_core.encoders.registry import ENCODERS, Standard
from dedup_core.images.picture import from_array
from dedup_core.images.resizing import kernels, lanes, layout, native, pillow, plan, small, weights
from dedup_core.images.resizing.small import LOOK, expect, gray, kernels_resize
from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted

ROOT = Path(__file__).parents[1]
HASHES = [(32, 32), (8, 8), (9, 8), (256, 256)]
sides = st.one_of(st.integers(1, 70), st.integers(1, 700), st.integers(1, 5000))
sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))


@pytest.fixture(autouse=True)
def _kernels():
    assert use_kernels(10**6)
    yield
    use_kernels(0)


def use_kernels(n_images, sizes=((32, 32),)):
    """Begin as a process does of which so many pictures are expected, and return whether kernels make them small."""
    small._SWITCH.is_on, small._SWITCH.seen = False, 0
    expect(n_images, sizes)
    return small._SWITCH.is_on


def seen(pixels, wanted_sizes):
    """A picture in some sizes, and the look at it, as encoders have them: from one pass."""
    picture = from_array(pixels)
    picture.prepare(wanted_sizes)
    return [picture.rgb(size) for size in wanted_sizes], picture.look()


def resized(pixels, wanted_sizes):
    return seen(pixels, wanted_sizes)[0]


def look(pixels):
    return from_array(pixels).look()


def noise(width, height, seed=0):
    """Pixels that use the whole range: black, white and what lies between."""
    random = np.random.default_rng(seed)
    return np.clip(random.integers(-100, 356, (height, width, 3)), 0, 255).astype(np.uint8)


def by_pillow(pixels, size):
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def look_by_pillow(pixels):
    return np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=3.0))


def check(pixels, wanted_sizes):
    made, look_at_it = seen(pixels, wanted_sizes)
    for size, of_size in zip(wanted_sizes, made, strict=True):
        np.testing.assert_array_equal(of_size, by_pillow(pixels, size), err_msg=str(size))
    np.testing.assert_array_equal(look_at_it, look_by_pillow(pixels))


# As Pillow


@given(width=sides, height=sides, wanted=st.lists(sizes, max_size=4), seed=st.integers(0, 2**32))
@example(width=1, height=1, wanted=[(1, 1), (3, 300)], seed=0)
@example(width=5000, height=5000, wanted=HASHES, seed=0)
@settings(deadline=None, max_examples=60)
def test_all_sizes_from_one_pass_are_pillows(width, height, wanted, seed):
    check(noise(width, height if width * height < 4_000_000 else 1 + height // 8, seed), wanted)


@given(size=st.tuples(sides, sides), width=sides, height=sides)
@settings(deadline=None, max_examples=25)
def test_large_sizes_are_pillows(size, width, height):
    pixels = noise(min(width, 400), min(height, 400))
    shape = (size[0], 1 + size[1] % 300)
    np.testing.assert_array_equal(resized(pixels, [shape, shape[::-1]])[1], by_pillow(pixels, shape[::-1]))


@pytest.mark.parametrize(
    "shape",
    [(500, 375), (375, 500), (32, 32), (32, 500), (500, 32), (256, 300), (96, 96), (97, 193), (191, 192), (8, 9),
     (2047, 33), (2048, 33), (2049, 33), (4100, 65), (33, 4100), (12_961, 7), (13_000, 7), (7, 13_000),
     (40_000, 2), (2, 40_000)],
)  # fmt: skip
def test_shapes_at_the_edges_of_blocks_and_windows_are_pillows(shape):
    check(noise(*shape), [*HASHES, (33, 31), shape])


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_plain_pictures_stay_plain(level):
    pixels = np.full((211, 307, 3), level, np.uint8)
    check(pixels, HASHES)
    assert all((made == level).all() for made in resized(pixels, HASHES))


def test_photographs_are_pillows(photographs):
    for path in photographs:
        with Image.open(path) as image:
            check(np.asarray(image.convert("RGB")), HASHES)


@given(width=st.integers(1, 300), height=st.integers(1, 300), gap=st.floats(1, 12), size=sizes)
@settings(deadline=None, max_examples=30)
def test_gaps_and_filters_of_all_kinds_are_pillows(width, height, gap, size):
    pixels = noise(width, height)
    wanted = [Wanted(size, LANCZOS, gap), Wanted(size, BILINEAR), Wanted(size, BILINEAR, gap)]
    for made, expected in zip(kernels.made_small(pixels, wanted), pillow.made_small(pixels, wanted), strict=True):
        np.testing.assert_array_equal(made, expected)


@given(width=st.integers(1, 400), height=st.integers(1, 50), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_grey_is_pillows(width, height, seed):
    pixels = noise(width, height, seed)
    np.testing.assert_array_equal(gray(pixels), np.asarray(Image.fromarray(pixels).convert("L")))
    np.testing.assert_array_equal(gray(pixels), naive_resize.gray(pixels))


# As the oracle


@given(width=st.integers(1, 150), height=st.integers(1, 150), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
@settings(deadline=None, max_examples=40)
def test_a_resize_is_the_oracles(width, height, size):
    pixels, lowers = noise(width, height), pillow.lowers_first()
    (made,), look_at_it = seen(pixels, [size])
    np.testing.assert_array_equal(made, naive_resize.resized(pixels, size, LANCZOS, lowers))
    np.testing.assert_array_equal(look_at_it, naive_resize.look(pixels, lowers))


def test_a_pillow_that_resizes_the_width_first_is_followed(monkeypatch):
    pixels = noise(41, 301)
    for lowers in (False, True):
        monkeypatch.setattr(pillow, "lowers_first", lambda lowers=lowers: lowers)
        forget()
        for size in ((64, 128), (8, 8), (32, 300)):
            (made,) = kernels.made_small(pixels, [Wanted(size, LANCZOS)])
            np.testing.assert_array_equal(made, naive_resize.resized(pixels, size, LANCZOS, lowers))
    forget()


def forget():
    plan._PLANS.clear()
    plan._AXES.clear()


@given(n_in=st.integers(1, 3000), n_out=st.integers(1, 400), reach=st.sampled_from([LANCZOS, BILINEAR]))
@settings(deadline=None, max_examples=40)
def test_weights_are_the_oracles(n_in, n_out, reach):
    axis = weights.resized_axis(n_in, n_out, reach)
    if n_in == n_out:
        return
    for row, (start, expected) in zip(axis.rows, naive_resize.windows(n_in, n_out, reach), strict=True):
        assert spread(axis, row, n_in)[start : start + len(expected)].tolist() == expected
        assert np.abs(spread(axis, row, n_in)).sum() == np.abs(expected).sum()


def spread(axis, row, n_in):
    """The weights of one window, at the places of their pixels."""
    spread = np.zeros(n_in + 2, np.int64)
    for first, n, tap, shift in row.reshape(2, 4):
        halves = axis.taps[tap : tap + n].view(np.int16).astype(np.int64)
        spread[2 * first : 2 * (first + n)] += halves << shift
    return spread


# Compiled as uncompiled


@numba.njit
def compiled_add_products(into, source, taps, begins, how):
    lanes.add_products(into, source, taps, begins, how)


@numba.njit
def compiled_lay_across(pixels, starts, source, at):
    lanes.lay_across(pixels, starts, source, at)


@numba.njit
def compiled_lay_down(sums, at, pairs, to, rounding):
    lanes.lay_down(sums, at, pairs, to, rounding)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 9), shift=st.sampled_from([0, 16]), begun=st.integers(0, 1))
@settings(deadline=None)
def test_products_are_added_as_in_python(seed, n, shift, begun):
    random = np.random.default_rng(seed)
    source = random.integers(0, 256, 4000, dtype=np.int16).view(np.int32)
    taps = random.integers(-(2**31), 2**31, 20, dtype=np.int32)
    sums = np.tile(random.integers(-1000, 1000, 300).astype(np.int32), (2, 1))
    lanes.add_products(sums[0], source, taps, (17, 3, 101, 5, n), (shift, begun))
    compiled_add_products(sums[1], source, taps, (17, 3, 101, 5, n), (shift, begun))
    np.testing.assert_array_equal(*sums)


def test_rows_are_laid_across_as_in_python():
    pixels, starts = noise(40, 40).ravel(), np.arange(layout.ROWS) * 120 + 6
    laid = np.zeros((2, 3000), np.int32)
    lanes.lay_across(pixels, starts, laid[0], 5)
    compiled_lay_across(pixels, starts, laid[1], np.int64(5))
    np.testing.assert_array_equal(*laid)


@pytest.mark.parametrize("rounding", [(1 << 21, 22, 255), (0, 0, 32767)])
def test_sums_are_laid_down_as_in_python(rounding):
    sums = np.random.default_rng(0).integers(-(2**30), 2**30, 400).astype(np.int32) >> (0 if rounding[1] else 15)
    laid = np.zeros((2, 1000), np.int32)
    lanes.lay_down(sums, 7, laid[0], (3, 50), rounding)
    compiled_lay_down(sums, np.int64(7), laid[1], (np.int64(3), np.int64(50)), tuple(map(np.int32, rounding)))
    np.testing.assert_array_equal(*laid)


# What it takes


@pytest.mark.parametrize("width", [1, 500, 12_961, 13_000])
def test_nothing_is_left_of_what_was_made_before(width):
    resized(noise(900, 900), [(600, 600)])
    pixels = noise(width, 7)
    plan.plan_of((width, 7), [LOOK]).room()[:] = 0x7F7F7F7F
    np.testing.assert_array_equal(look(pixels), look_by_pillow(pixels))


@pytest.mark.parametrize("shape", [(500_000, 1), (1, 500_000), (3000, 3000)])
def test_memory_is_bounded_for_extreme_shapes(shape):
    pixels = np.zeros((shape[1], shape[0], 3), np.uint8)
    resized(noise(64, 64), HASHES)
    tracemalloc.start()
    try:
        seen(pixels, HASHES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * max(shape) + 20_000_000


def test_what_is_kept_is_bounded():
    for width in range(1000, 1400):
        resized(noise(width, 3), HASHES)
    assert 0 < plan._PLANS.n_bytes + plan._AXES.n_bytes <= plan.MOST_KEPT_BYTES


def test_threads_do_not_share_what_they_work_in():
    pictures = [noise(50 + 37 * k, 400 - 29 * k, k) for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda pixels: resized(pixels, HASHES), pictures * 4))
    for pixels, of_picture in zip(pictures * 4, made, strict=True):
        for size, of_size in zip(HASHES, of_picture, strict=True):
            np.testing.assert_array_equal(of_size, by_pillow(pixels, size))


# Where it pays


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(native, "is_compiled", lambda: False)


def test_few_pictures_are_left_to_pillow(uncompiled):
    assert not use_kernels(20)
    assert not kernels_resize((500, 400), [LOOK, *(Wanted(size, LANCZOS) for size in HASHES)])
    np.testing.assert_array_equal(look(noise(300, 200)), look_by_pillow(noise(300, 200)))


def test_a_process_of_which_nothing_is_said_has_kernels_from_where_they_pay(uncompiled):
    use_kernels(0)
    one = [Wanted((0, 0), LANCZOS)]
    assert not kernels_resize((small.ENOUGH // 1000 - 1, 1000), one)
    assert kernels_resize((1, 1000), one)


@pytest.mark.parametrize(
    ("n_images", "sizes", "pays"),
    [(400, [(32, 32)], False), (400, [(8, 8)], False), (400, [(9, 8)], False), (400, [(256, 256)], True),
     (800, [(32, 32)], True), (200, HASHES, True),
     (800, HASHES, True), (20, HASHES, False), (5000, [(8, 8)], True), (100_000, [], True)],
)  # fmt: skip
def test_kernels_are_compiled_for_as_many_pictures_and_sizes_as_pay(uncompiled, n_images, sizes, pays):
    assert use_kernels(n_images, sizes) == pays


@pytest.mark.parametrize(("n_images", "pays"), [(20, False), (40, False), (80, True)])
def test_kernels_that_were_compiled_before_are_loaded_for_fewer(monkeypatch, n_images, pays):
    monkeypatch.setattr(native, "is_compiled", lambda: True)
    assert use_kernels(n_images, [(32, 32)]) == pays


def test_where_pillow_differs_it_resizes_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setattr(pillow, "gray", lambda pixels: np.zeros(pixels.shape[:2], np.uint8))
    small._are_exact.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert not use_kernels(10**6)
    assert "Pillow resizes" in caplog.text
    check(noise(100, 90), HASHES)
    small._are_exact.cache_clear()


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from dedup_core.encoders.encoder import Decoding
from dedup_core.images.resizing import small
from dedup_core.methods import PHash
small.ENOUGH = 1
for mode in ("exact", "fast"):
    for workers in (0, None):
        method = PHash(verbose=False, decoding=Decoding(mode=mode))
        print(len(method.encode_images(sys.argv[1], num_enc_workers=workers)), len(method.failures))
"""


def test_without_numba_pillow_resizes_and_the_log_says_so_once(tmp_path):
    for number in range(3):
        Image.fromarray(noise(1100, 900, number)).save(tmp_path / f"{number}.jpg")
    command = [sys.executable, "-c", WITHOUT_NUMBA, str(tmp_path)]
    nothing_kept = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT, env=nothing_kept)
    assert done.stdout == "3 0\n" * 4
    assert done.stderr.count("Pillow resizes") == 1
    assert done.stderr.count("no decoder of tiles") == 1


@pytest.mark.parametrize("transparency", ["drop", "grey"])
@pytest.mark.parametrize("methods", [(), ("phash",), ("dhash", "whash"), ("phash", "ahash", "dhash", "whash")])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16", "CMYK"])
def test_encoders_see_the_same_by_kernels_and_by_pillow(mode, methods, transparency):
    encoders = [ENCODERS[name].encoder(Standard(orientations=name == "dhash")) for name in methods]
    picture, buffer = Image.fromarray(noise(301, 203, seed=3)).convert("L" if mode == "I;16" else mode), io.BytesIO()
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(noise(301, 203, seed=4)[..., 0]))
    picture.convert(mode).save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    (by_kernels,) = encode_batch([buffer.getvalue()], encoders, Decoding(transparency=transparency))
    assert not use_kernels(0)
    (by_pillow,) = encode_batch([buffer.getvalue()], encoders, Decoding(transparency=transparency))
    assert isinstance(by_pillow, Encoded)
    assert by_kernels.traits == by_pillow.traits
    assert {name: value.tolist() for name, value in by_kernels.features.items()} == {
        name: value.tolist() for name, value in by_pillow.features.items()
    }


def test_a_look_is_wanted_as_looks_are():
    assert LOOK.size == (32, 32)
    assert layout.SEGMENT % layout.GROUP == 0
