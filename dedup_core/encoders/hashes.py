"""Four perceptual hashes: grey pixels to 64 bits, equal to imagededup's bit for bit.

Each takes a stack of grey images, uint8 (n, height, width), and returns uint64 (n,). Bits are read row by row,
the first one the highest, so that a code printed as 16 hexadecimal characters is imagededup's string.

Two of them compare what a transform gives with its median. Where no value lies near it, plain arithmetic tells on which
side each lies; only else the transform of imagededup decides, whose rounding may.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from dedup_core.turns import TURNS, is_lying, turned

_HEX = re.compile("[0-9a-fA-F]{16}")

_FREQUENCIES = 8  # the lowest, each way
_COSINES = 2 * np.cos(np.pi / 64 * np.outer(np.arange(_FREQUENCIES), 2 * np.arange(32) + 1))  # as SciPy scales them
_NEAR = 1e-6  # sums of 1,024 products up to 1,020 are rounded by less than 1e-8, whatever their order
_MIDDLE = 31  # of 64 values in their order, or of 63 the median


def ahash(gray: np.ndarray) -> np.ndarray:
    """Average hash of (n, 8, 8): which pixels are at least as bright as the mean.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """
    return _pack(gray >= gray.mean(axis=(1, 2), keepdims=True))


def dhash(gray: np.ndarray) -> np.ndarray:
    """Difference hash of (n, 8, 9): which pixels are brighter than their left neighbour.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    return _pack(gray[:, :, 1:] > gray[:, :, :-1])


def phash(gray: np.ndarray) -> np.ndarray:
    """Perceptual hash of (n, 32, 32): which of the 64 lowest frequencies reach the median, the mean one left out.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """
    found = (_COSINES @ gray.astype(np.float64) @ _COSINES.T).reshape(-1, 64)
    median = _median_frequency(found)
    is_open = (np.abs(found - median) <= _NEAR).sum(axis=1) > 1  # more than the median itself
    if is_open.any():
        found[is_open] = _frequencies_of_scipy(gray[is_open])
        median[is_open] = _median_frequency(found[is_open])
    return _pack(found >= median)


def whash(gray: np.ndarray) -> np.ndarray:
    """Wavelet hash of (n, 256, 256): which of the 64 Haar approximations at level 5 reach their median.

    Source: https://fullstackml.com/wavelet-image-hash-in-python-3504fdd282b5
    """
    return _above_median(_approximation(gray))


def turned_ahash(gray: np.ndarray) -> np.ndarray:
    """Average hashes of (n, 8, 8) and of its seven turns, uint64 (n, 8), in the order of `TURNS`."""
    return _of_turns(ahash, gray)


def turned_dhash(gray: np.ndarray) -> np.ndarray:
    """Difference hashes of (n, 144) and of the seven turns, uint64 (n, 8).

    Args:
        gray: of each picture what `dhash` takes, 8 x 9, and the same picture made 9 x 8: what its quarter turns need.
    """
    wide, high = gray[:, :72].reshape(-1, 8, 9), gray[:, 72:].reshape(-1, 9, 8)
    return np.stack([dhash(turned(high if is_lying(turn) else wide, turn)) for turn in range(len(TURNS))], axis=1)


def turned_phash(gray: np.ndarray) -> np.ndarray:
    """Perceptual hashes of (n, 32, 32) and of its seven turns, uint64 (n, 8)."""
    return _of_turns(phash, gray)


def turned_whash(gray: np.ndarray) -> np.ndarray:
    """Wavelet hashes of (n, 256, 256) and of its seven turns, uint64 (n, 8): its 64 approximations are turned."""
    return _of_turns(_above_median, _approximation(gray))


def to_hex(code: int) -> str:
    """Return a 64-bit code, signed or not, as 16 hexadecimal characters."""
    return f"{int(code) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def from_hex(text: str) -> int:
    """Return the 64-bit code that 16 hexadecimal characters stand for.

    Raises:
        ValueError: if ``text`` is anything else.
    """
    if not _HEX.fullmatch(text):
        raise ValueError(f"a hash has 16 hexadecimal characters, got {text!r}")
    return int(text, 16)


def _of_turns(function: Callable[[np.ndarray], np.ndarray], squares: np.ndarray) -> np.ndarray:
    return np.stack([function(turned(squares, turn)) for turn in range(len(TURNS))], axis=1)


def _median_frequency(frequencies: np.ndarray) -> np.ndarray:
    """Return the median of each row of 64, the first one left out: float64 (n, 1)."""
    return np.partition(frequencies[:, 1:], _MIDDLE, axis=1)[:, _MIDDLE, None]


def _frequencies_of_scipy(gray: np.ndarray) -> np.ndarray:
    from scipy.fft import dct  # takes long to load, and few pictures need it

    every = dct(dct(gray.astype(np.float64), axis=1), axis=2)
    return every[:, :_FREQUENCIES, :_FREQUENCIES].reshape(-1, 64)


def _approximation(gray: np.ndarray) -> np.ndarray:
    """Return the Haar approximation of (n, 256, 256) at level 5, float64 (n, 8, 8).

    It is the sum of each square of 32 x 32, over 32. That is exact, unless both values in the middle are equal. Then
    those of PyWavelets, of pixels from 0 to 1 as imagededup has them, are rounded to this side or that of their median.
    """
    of_rows = gray.reshape(-1, 8, 32, 256).sum(axis=2, dtype=np.uint16)
    found = of_rows.reshape(-1, 8, 8, 32).sum(axis=3) / 32
    middle = np.partition(found.reshape(-1, 64), (_MIDDLE, _MIDDLE + 1), axis=1)[:, _MIDDLE : _MIDDLE + 2]
    is_open = middle[:, 0] == middle[:, 1]
    if is_open.any():
        import pywt  # as SciPy above

        found[is_open] = pywt.wavedec2(gray[is_open] / 255, "haar", level=5, axes=(1, 2))[0]
    return found


def _above_median(approximation: np.ndarray) -> np.ndarray:
    return _pack(approximation >= np.median(approximation, axis=(1, 2), keepdims=True))


def _pack(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits.reshape(-1, 64), axis=1).view(">u8").astype(np.uint64)[:, 0]
