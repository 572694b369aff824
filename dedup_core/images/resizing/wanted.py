"""What can be asked of a resize."""

from __future__ import annotations

from typing import NamedTuple

LANCZOS, BILINEAR = 3, 1
"""Filters, by how many pixels of the smaller picture they reach to either side."""


class Wanted(NamedTuple):
    """A size that a picture is to have.

    Attributes:
        size: width and height.
        reach: the filter, as of `weights`.
        gap: to how many times the size a larger picture is averaged first; 0 for not at all.
    """

    size: tuple[int, int]
    reach: int
    gap: float = 0.0
