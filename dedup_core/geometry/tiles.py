"""Two small pictures laid on each other: how far each tile of the overlap differs, in brightness and in colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup_core.geometry.tile_kernels import COLOURS, COUNT, LUMA, PRODUCT, SQUARE, TILE, as_bright, tile_sums
from dedup_core.local.features import opencv

SMOOTHED = 0.7
"""Pixels by which small pictures are smoothed: two ways to resize differ in the finest detail."""

_COVERED = 0.75  # of a tile, for it to be compared
_MOST_SATURATION = 3.0
_COLOURLESS = 2.5  # levels
_TINY = 1e-9


@dataclass(frozen=True)
class Tiles:
    """The tiles of an overlap, when one picture was made as bright, as rich in contrast and as colourful as the other.

    Attributes:
        places: int64 (n, 2): column and row of each.
        difference: (n,) root mean square difference of brightness, in levels.
        correlation: (n,) of brightness, -1 to 1.
        structure: (n, 2) deviation of brightness about its mean in each of the two, in levels.
        colour: (n,) difference of the mean colours, in levels; 0 where one of the pictures has none.
    """

    places: np.ndarray
    difference: np.ndarray
    correlation: np.ndarray
    structure: np.ndarray
    colour: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


def planes_of(picture: bytes) -> np.ndarray:
    """Return a JPEG's brightness, 0 to 255, and two colours (BT.601, about 0): float32 (h, w, 3)."""
    cv2 = opencv()
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    planes = cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2YCrCb)
    return planes * np.float32(255) - np.array([0, 127.5, 127.5], np.float32)


def smoothed(planes: np.ndarray) -> np.ndarray:
    """Return a picture without its finest detail."""
    return opencv().GaussianBlur(planes, (5, 5), SMOOTHED)


def laid(one: np.ndarray, other: np.ndarray, transform: np.ndarray) -> Tiles:
    """Lay one picture on the other one, and compare the tiles of their overlap.

    Args:
        one: float32 (h, w, 3), as `planes_of` returns it, which the tiles are of: the coarser one.
        other: the finer one.
        transform: float64 (2, 3): where a place of ``one`` lies on ``other``, in pixels from the corner.
    """
    size = float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))
    if size > 1:
        height, width = other.shape[:2]
        wide, high = max(1, round(width / size)), max(1, round(height / size))
        other = opencv().resize(other, (wide, high), interpolation=opencv().INTER_AREA)
        transform = transform * np.array([[wide / width], [high / height]])
    sums = tile_sums(smoothed(one), smoothed(other), np.ascontiguousarray(transform).ravel())
    return _compared(sums)


def _compared(sums: np.ndarray) -> Tiles:
    chosen = sums[:, :, 0, COUNT] >= _COVERED * TILE * TILE
    places, of_tile = np.argwhere(chosen)[:, ::-1], sums[chosen]
    means = of_tile / of_tile[:, :, COUNT : COUNT + 1]
    mean = means[:, :, LUMA]
    variance = np.maximum(means[:, :, SQUARE] - mean**2, 0.0)
    common = means[:, 0, PRODUCT] - mean[:, 0] * mean[:, 1]
    gain, error, good = as_bright(mean, variance, common)
    structure = np.sqrt(variance) * [gain, 1.0]
    correlation = common / np.sqrt(variance[:, 0] * variance[:, 1] + _TINY)
    colour = _colour(means[:, :, COLOURS], good)
    return Tiles(places, np.sqrt(error), correlation, structure, colour)


def _colour(colours: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return by how much the mean colour of each tile differs, (n,), of colours (n, 2, 2)."""
    strength = np.hypot(colours[:, :, 0], colours[:, :, 1])
    if not len(colours) or strength.mean(axis=0).min() < _COLOURLESS:
        return np.zeros(len(colours))
    a, b = colours[:, 0], colours[:, 1]
    share = (a * b)[good].sum() / ((a * a)[good].sum() + _TINY)
    return np.hypot(*(b - np.clip(share, 0.0, _MOST_SATURATION) * a).T)
