"""The size at which two pictures are compared, and by how much a tile may differ there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from dedup_core.images.losses import Loss
from dedup_core.verify.kernels import TILE, Limits, worst_tile
from dedup_core.verify.views import Planes, View, at_size

COMPARED_SIDE = 1024
"""Larger pictures are compared at this many pixels of their longer side."""

BASE, REPEATED = 1.5, 2.0
"""Levels that rounding may leave in a tile; and two programs that do the same to a picture."""

_AFAR_LEVELS = 20.0
OF_CONTRAST, OF_SPREAD = 0.12, 0.25
LUMA_SHARE, CHROMA_SHARE = 0.75, 1.0
"""What a tile may lose to a table of steps, as a share of what it loses at worst: half of every step."""

MOST_LUMA, MOST_CHROMA = 12.0, 16.0
"""Levels that tables may explain at most: with coarser ones, words of small print would pass for others."""


class PlaneLimits(NamedTuple):
    """By how much a tile may differ in brightness, in the two colours, and in transparency."""

    luma: Limits
    chroma: Limits
    alpha: Limits


@dataclass(frozen=True)
class Comparison:
    """How two pictures differ, after what was done to one of them.

    Attributes:
        share: of what a tile may differ by, in the tile where that is most; up to 1 they are the same.
        difference: the largest root mean square of a tile's differences, in levels of 0 to 255.
        level: pixels of the longer side at which they were compared.
        tile: left, top, right and bottom of the worst tile, as shares of width and height.
        is_enlarged: whether the larger one shows no more than the smaller one, made larger.
    """

    share: float
    difference: float
    level: int
    tile: tuple[float, float, float, float]
    is_enlarged: bool = False

    @property
    def is_same(self) -> bool:
        """Whether no tile differs by more than it may."""
        return self.share <= 1.0


@dataclass(frozen=True)
class Level:
    """A size at which pictures are compared.

    Attributes:
        size: width and height of the smaller picture, as it is held.
        side: how many pixels the longer one has at most.
    """

    size: tuple[int, int]
    side: int = COMPARED_SIDE

    @property
    def compared_size(self) -> tuple[int, int]:
        """Width and height, the longer one at most ``side``."""
        times = max(1.0, max(self.size) / self.side)
        return max(1, round(self.size[0] / times)), max(1, round(self.size[1] / times))

    def planes(self, image: Image.Image) -> Planes:
        """Take an image apart at this size."""
        return Planes.of(at_size(image, self.compared_size))

    def limits(self, one: View, other: View, is_resized: bool = False) -> PlaneLimits:
        """Return by how much tiles of two pictures may differ here, for what their formats lose and for a resize."""
        lossy = [(view.loss, self._times(view)) for view in (one, other) if view.loss is not None]
        luma, chroma = (_limits(plane, lossy, is_resized) for plane in (0, 1))
        return PlaneLimits(luma, chroma, _limits(0, [], is_resized))

    def compared(
        self,
        one: Planes,
        other: Planes,
        limits: PlaneLimits,
        spread: Planes | None = None,
        enough: float = math.inf,
    ) -> Comparison:
        """Compare two pictures at this size.

        Args:
            one: a picture.
            other: the other one.
            limits: by how much tiles may differ.
            spread: how two ways to resize differ, where one of them was resized.
            enough: the share of a limit beyond which no other plane is looked at.
        """
        found: list[tuple[float, float, int, int]] = []
        for name, of_plane, times in _PLANES:
            if name == "alpha" and one.alpha is None and other.alpha is None:
                continue
            if found and found[-1][0] > enough:
                break
            planes = one.plane(name), other.plane(name), _NONE if spread is None else spread.plane(name)
            share, difference, row, column = worst_tile(*planes, getattr(limits, of_plane))
            found.append((share, difference, row * times, column * times))
        share, _, row, column = max(found)
        tile = self._tile(row, column)
        return Comparison(share, max(each[1] for each in found), max(self.compared_size), tile)

    def _times(self, view: View) -> float:
        return max(1.0, max(view.width, view.height) / max(self.compared_size))

    def _tile(self, row: int, column: int) -> tuple[float, float, float, float]:
        width, height = self.compared_size
        return (
            column / width, row / height, min(1.0, (column + TILE) / width), min(1.0, (row + TILE) / height),
        )  # fmt: skip


_NONE = np.empty((0, 0), np.float32)
_PLANES = (("luma", "luma", 1), ("blue", "chroma", 2), ("red", "chroma", 2), ("alpha", "alpha", 1))
"""Each plane, whose limits it has, and how many pixels a side make one of its own."""

EXACTLY = Limits(REPEATED, 0.0, 0.0, 0.0, 0.0)
MOST_REPEATED = 45.0
"""The same for a compression that is done again: JPEG's tables down to a quality of about 36."""

AFAR_LIMITS = PlaneLimits(*(Limits(_AFAR_LEVELS, 0.0, 0.0, 0.0, 0.0),) * 3)
"""Of pictures that are seen from afar: what differs more can be no copy."""

REPEATED_LIMITS = PlaneLimits(EXACTLY, EXACTLY, EXACTLY)
"""After the same was done to both."""

RESIZED_LIMITS = PlaneLimits(*(Limits(REPEATED, 0.0, 0.0, OF_CONTRAST, OF_SPREAD),) * 3)
"""After the same was done to both, and a resize before it."""


def _limits(plane: int, lossy: list[tuple[Loss, float]], is_resized: bool) -> Limits:
    share, most = ((LUMA_SHARE, MOST_LUMA), (CHROMA_SHARE, MOST_CHROMA))[plane]
    means = [loss.tables[plane][0, 0] / (2 * TILE) for loss, _ in lossy]
    deviations = [share * at_worst(loss.tables[plane], times) for loss, times in lossy]
    of_contrast = OF_CONTRAST if lossy or is_resized else 0.0
    of_spread = OF_SPREAD if is_resized else 0.0
    return Limits(BASE, sum(means, 0.0), min(most, math.hypot(*deviations)), of_contrast, of_spread)


def at_worst(steps: np.ndarray, times: float = 1.0) -> float:
    """Return the root mean square of what a tile loses if each frequency is off by half its step.

    Args:
        steps: a table, float64 (8, 8).
        times: how much smaller the picture was made afterwards: what is left of its frequencies are the lower ones.
    """
    left = (np.arange(TILE) / times).astype(int)
    return float(np.sqrt((steps[np.ix_(left, left)] ** 2).sum()) / (2 * TILE))
