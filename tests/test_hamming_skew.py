"""The Hamming join on codes as photographs give them: crops, edits, and pictures with nothing in them."""

import os
import subprocess
import sys
from pathlib import Path

import naive
import numpy as np
import pytest
from PIL import Image, ImageOps
from test_hamming import triples

from dedup_core.hamming import join
from dedup_core.hamming.bands import cut, with_sketches
from dedup_core.hamming.join import self_join, self_join_blocks
from dedup_core.methods import AHash, DHash, PHash, WHash
from dedup_core.pairs import Pairs

METHODS = {"phash": PHash, "ahash": AHash, "dhash": DHash, "whash": WHash}
CROPS = 60
EVEN = np.full(64, 0.5)  # bits that agree in half of all pairs


def crops(photograph, count, seed):
    """Crops of four fifths to all of a photograph, every third in grey."""
    random = np.random.default_rng(seed)
    with Image.open(photograph) as opened:
        picture = opened.convert("RGB").resize((160, 120))
    for number in range(count):
        width, height = (int(side * random.uniform(0.8, 1.0)) for side in picture.size)
        left, top = int(random.integers(161 - width)), int(random.integers(121 - height))
        crop = picture.crop((left, top, left + width, top + height))
        yield ImageOps.grayscale(crop).convert("RGB") if number % 3 == 0 else crop


@pytest.fixture(scope="module")
def pictures(photographs):
    """Uint8 arrays: crops of five photographs, and pictures that are flat, dark, blank or split in two."""
    made = [np.asarray(crop) for seed, path in enumerate(photographs[:5]) for crop in crops(path, CROPS, seed)]
    random = np.random.default_rng(0)
    flat = [np.full((40, 40, 3), value, np.uint8) for value in range(0, 256, 8)]
    dark = [random.integers(0, 3, (40, 40, 3), dtype=np.uint8) for _ in range(20)]
    split = [
        np.repeat(np.arange(40)[:, None] < row, 40, 1)[:, :, None].repeat(3, 2) * np.uint8(255) for row in range(40)
    ]
    return made + flat + dark + split


@pytest.fixture(scope="module", params=METHODS)
def codes(request, pictures):
    encode = METHODS[request.param]().encode_image
    return np.array([int(encode(image_array=picture), 16) for picture in pictures], np.uint64)


@pytest.mark.parametrize("max_distance", [0, 4, 10])
@pytest.mark.parametrize("bands", [None, 2, 4])
def test_the_pairs_of_real_hashes_are_the_oracles(codes, max_distance, bands):
    expected = naive.hamming_self_join(codes, max_distance)
    plan = None
    if bands and max_distance:
        plan = with_sketches(cut(max_distance, bands, 10, EVEN), max_distance, EVEN)
    found = Pairs.concatenate(join._join_blocks(codes, None, max_distance, 500, plan), np.int16).sorted()
    assert triples(found) == expected


def test_real_hashes_are_skewed(codes):
    """What makes these tests worth their time: many pictures share a code, which uniform codes never do."""
    assert len(np.unique(codes)) < len(codes) - 20


def test_copies_cost_what_their_pairs_cost(codes):
    """A hundred copies of every code are still few codes to search: only the pairs are more."""
    once, often = self_join(codes, 10), np.tile(codes, 100)
    blocks = self_join_blocks(often, 10, block_pairs=100_000)
    assert sum(map(len, blocks)) == 100 * 100 * len(once) + len(codes) * 100 * 99 // 2


def test_the_kernels_need_no_compiler():
    """NUMBA_DISABLE_JIT is how one steps through them: the plain functions must agree with the compiled ones."""
    script = """
import numpy as np
import naive
from dedup_core.hamming import join, plan, search
from dedup_core.hamming.bands import SCAN, cut, with_sketches
from dedup_core.pairs import Pairs
from test_hamming import triples
random = np.random.default_rng(0)
codes = random.integers(0, 2**64, 4, dtype=np.uint64)[random.integers(0, 4, 80)]
codes ^= np.uint64(1) << random.integers(0, 64, 80, dtype=np.uint64)
even = np.full(64, 0.5)
bands = cut(3, 2, 6, even)
for chosen in (None, SCAN, bands, with_sketches(bands, 3, even)):
    pairs = Pairs.concatenate(join._join_blocks(codes[:30], None, 3, 50, chosen), np.int16).sorted()
    assert triples(pairs) == naive.hamming_self_join(codes[:30], 3) and len(pairs)
plan.SMALL_JOIN, plan.FEWEST_SAMPLED = 0, 4
search.BUFFERED_CANDIDATES = 1  # numpy says if a pair is written past the buffer, the compiled kernel would not
for left, right in ((codes[:40], codes[40:]), (codes[60:], codes[:60])):
    pairs = join.cross_join(left, right, 64)
    assert triples(pairs) == naive.hamming_cross_join(left, right, 64) and len(pairs) == len(left) * len(right)
"""
    here = Path(__file__).parent
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
