"""Is a picture drawn, a page, a screen or a chart, or a photograph? What its brightness says."""

from __future__ import annotations

import numpy as np

_PLAIN, _LEVELS = 0.33, 3  # of a picture, in so many levels of brightness
_BESIDE = 8  # levels about the most frequent one, which are left out
_MOST_TONES, _SOFT_SHARE = 90.0, 0.4
_SOFT = (0.7, 12.0)  # levels from one pixel to the next


def is_drawn(luma: np.ndarray) -> bool:
    """Return whether a picture is mostly plain, and what is not is no photograph: of few tones, or of hard edges.

    A thing that was photographed on white has as much plain in it as a page, and soft shades of many tones beside it.

    Args:
        luma: float32 (h, w), 0 to 255.
    """
    counts = np.bincount(np.rint(luma).clip(0, 255).astype(np.int64).ravel(), minlength=256).astype(np.float64)
    near = np.convolve(counts, np.ones(_LEVELS), "same")
    most = int(near.argmax())
    if near[most] < _PLAIN * luma.size:
        return False
    counts[max(0, most - _BESIDE) : most + _BESIDE + 1] = 0
    return _tones(counts) < _MOST_TONES or _softness(luma, most) < _SOFT_SHARE


def _tones(counts: np.ndarray) -> float:
    """Return how many levels of brightness there are, by the entropy of how often each occurs."""
    shares = counts[counts > 0] / max(counts.sum(), 1.0)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _softness(luma: np.ndarray, most: int) -> float:
    """Return which share of the pixels that are not plain are a little brighter or darker than those beside them."""
    across, down = np.abs(np.diff(luma, axis=1))[:-1], np.abs(np.diff(luma, axis=0))[:, :-1]
    step = np.maximum(across, down)
    shows = np.abs(luma[:-1, :-1] - most) > _BESIDE
    is_soft = (step > _SOFT[0]) & (step < _SOFT[1])
    return float((is_soft & shows).sum() / max(shows.sum(), 1))
