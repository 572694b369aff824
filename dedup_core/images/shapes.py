"""Which pictures have one shape, as one that was made larger or smaller has that of the other."""

from __future__ import annotations

import numpy as np

_ROUNDED_PIXELS, _ROUNDED_SHARE = 1.0, 1.5


def shapes_agree(
    width: np.ndarray | int, height: np.ndarray | int, other_width: np.ndarray | int, other_height: np.ndarray | int
) -> np.ndarray:
    """Return whether one picture has the other's shape, but for the rounding of its shorter side to a whole pixel."""
    sides = [np.asarray(side, np.float64) for side in (width, height, other_width, other_height)]
    is_wide = sides[0] + sides[2] >= sides[1] + sides[3]
    long, short = np.where(is_wide, sides[0], sides[1]), np.where(is_wide, sides[1], sides[0])
    other_long, other_short = np.where(is_wide, sides[2], sides[3]), np.where(is_wide, sides[3], sides[2])
    is_larger = long >= other_long
    share = np.where(is_larger, other_long / np.maximum(long, 1), long / np.maximum(other_long, 1))
    expected, found = np.where(is_larger, short, other_short) * share, np.where(is_larger, other_short, short)
    # The longer side may be rounded too, which moves the shorter one by less.
    return (np.abs(found - expected) <= _ROUNDED_PIXELS) & (found <= _ROUNDED_SHARE * expected + _ROUNDED_PIXELS / 2)
