"""How one picture lies on another one: a transform, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dedup_core.local.features import opencv

Size = tuple[int, int]
"""Width and height in pixels."""

_LEAST_SCALE, _MOST_SCALE, _MOST_SKEW = 0.2, 5.0, 1.5


@dataclass(frozen=True)
class Lay:
    """How one picture, a, lies on another one, b.

    Attributes:
        transform: float64 (2, 3): where a place of a lies on b, in pixels from the corner.
        a: the size in which a is meant.
        b: that of b.
    """

    transform: np.ndarray
    a: Size
    b: Size

    @property
    def is_likely(self) -> bool:
        """Whether copies lie so: not very much larger, nor drawn out to one side."""
        longer, shorter = np.linalg.svd(self.transform[:, :2], compute_uv=False)
        return bool(_LEAST_SCALE <= math.sqrt(longer * shorter) <= _MOST_SCALE and longer <= _MOST_SKEW * shorter)

    @cached_property
    def overlaps(self) -> tuple[float, float]:
        """The share of a that lies on b, and of b that lies on a."""
        corners = _corners(self.a) @ self.transform[:, :2].T + self.transform[:, 2]
        common, _ = opencv().intersectConvexConvex(corners.astype(np.float32), _corners(self.b).astype(np.float32))
        of_a = common / (self.a[0] * self.a[1] * abs(np.linalg.det(self.transform[:, :2])))
        return min(1.0, float(of_a)), min(1.0, float(common / (self.b[0] * self.b[1])))

    @property
    def size(self) -> float:
        """How many pixels of b one of a is long."""
        return math.sqrt(abs(np.linalg.det(self.transform[:, :2])))

    @property
    def is_mirrored(self) -> bool:
        """Whether one is the other mirrored."""
        return bool(np.linalg.det(self.transform[:, :2]) < 0)

    @property
    def degrees(self) -> float:
        """By how much b is a turned, counterclockwise, after it was mirrored left to right if it was."""
        turn = self.transform[:, :2] * ([-1.0, 1.0] if self.is_mirrored else [1.0, 1.0])
        # The nearest turn, of what is drawn out as well; y points down, so that atan2 counts clockwise.
        return -math.degrees(math.atan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1]))

    @property
    def turned_round(self) -> Lay:
        """How b lies on a."""
        back = np.linalg.inv(self.transform[:, :2])
        return Lay(np.hstack([back, -back @ self.transform[:, 2:]]), self.b, self.a)

    def between(self, a: Size, b: Size) -> np.ndarray:
        """Return the transform of the two pictures in other sizes."""
        of_a, of_b = np.array(self.a) / a, np.array(b) / self.b
        return np.hstack([self.transform[:, :2] * of_a, self.transform[:, 2:]]) * of_b[:, None]


def _corners(size: Size) -> np.ndarray:
    return np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], float)
