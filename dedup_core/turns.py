"""The eight ways a picture can lie: upright, turned by a quarter, a half, three quarters, and mirrored before that.

A turn is a number: 0 for upright, 1 to 7 for the others, in the order of ``TURNS``.
"""

from __future__ import annotations

import numpy as np

TURNS = (
    "upright", "rotated by 90", "rotated by 180", "rotated by 270",
    "mirrored", "mirrored and rotated by 90", "mirrored and rotated by 180", "mirrored and rotated by 270",
)  # fmt: skip
"""What they are called. A picture is mirrored left to right, then rotated, counterclockwise."""

INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""For each turn the one that takes it back."""


def turned(pictures: np.ndarray, turn: int) -> np.ndarray:
    """Return pictures as they lie after a turn.

    Args:
        pictures: (n, height, width).
        turn: 0 to 7.

    Returns:
        The same numbers, (n, height, width) or (n, width, height).

    Example:
        >>> turned(np.array([[[1, 2], [3, 4]]]), 1).tolist(), turned(np.array([[[1, 2], [3, 4]]]), 4).tolist()
        ([[[2, 4], [1, 3]]], [[[2, 1], [4, 3]]])
    """
    mirrored, quarters = divmod(turn, 4)
    return np.rot90(pictures[:, :, ::-1] if mirrored else pictures, quarters, axes=(1, 2))


def is_lying(turn: int) -> bool:
    """Return whether a turn makes what is high wide."""
    return turn % 2 == 1
