"""The verdict on a pair of pictures, from their pixels, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from dedup_core.images.picture import Failure, Picture
from dedup_core.verify.levels import Comparison
from dedup_core.verify.pixels import compare
from dedup_core.verify.views import View

Judged = Literal["same", "similar"]
SAME: Judged = "same"
SIMILAR: Judged = "similar"

MAX_FRAMES = 1000
"""Files of more frames are the same only if their bytes are."""

Frames = Callable[[], Iterator[Picture | Failure]]
"""Decodes a file: its frames, one after the other."""


@dataclass(frozen=True)
class Verdict:
    """Whether two pictures are the same, and what it rests on.

    Attributes:
        verdict: "same", if they look alike everywhere; else "similar", whatever proposed them.
        difference: the largest difference between them, in levels of 0 to 255: of tiles of 8 x 8 pixels the root mean
            square, or of the cells of their looks; None if their pixels could not be compared.
        level: pixels of the longer side at which they were compared; 32 for looks; None if they were not.
        tile: left, top, right and bottom of what differs most, as shares of width and height; None as for ``level``.
        is_enlarged: whether the larger one shows no more than the smaller one, made larger.
        is_unseen: whether one of them could not be looked at.
    """

    verdict: Judged
    difference: float | None = None
    level: int | None = None
    tile: tuple[float, float, float, float] | None = None
    is_enlarged: bool = False
    is_unseen: bool = False

    @property
    def is_same(self) -> bool:
        """Whether the pictures are the same."""
        return self.verdict == SAME

    @classmethod
    def of(cls, comparison: Comparison | None) -> Verdict:
        """Return what a comparison of pixels says; None for pictures that can't be laid on each other."""
        if comparison is None:
            return cls(SIMILAR)
        verdict = SAME if comparison.is_same else SIMILAR
        is_enlarged = comparison.is_enlarged and comparison.is_same
        return cls(verdict, comparison.difference, comparison.level, comparison.tile, is_enlarged)


EQUAL = Verdict(SAME, 0.0)
"""Of files whose bytes are equal, and of flat pictures whose pixels are."""

UNSEEN = Verdict(SIMILAR, is_unseen=True)
"""Of pictures that could not be looked at."""


def verdict_by_pixels(one: View | Failure, other: View | Failure, frames: tuple[Frames, Frames]) -> Verdict:
    """Compare two files whose looks agree: their first frames, then all others, until two differ.

    Args:
        one: the first frame of a file, or why there is none.
        other: that of the other file.
        frames: decode the two files again, all frames of them; called only where there are several.
    """
    if isinstance(one, Failure) or isinstance(other, Failure):
        return UNSEEN
    if one.frames != other.frames or not 1 <= one.frames <= MAX_FRAMES:
        return Verdict(SIMILAR)
    first = Verdict.of(compare(one, other))
    if one.frames == 1 or not first.is_same:
        return first
    return _over_frames(first, *frames)


def _over_frames(verdict: Verdict, one: Frames, other: Frames) -> Verdict:
    for number, (a, b) in enumerate(zip_longest(one(), other())):
        if number == 0:
            continue
        if not isinstance(a, Picture) or not isinstance(b, Picture):
            return UNSEEN
        found = Verdict.of(compare(View.of(a), View.of(b)))
        if not found.is_same:
            return found
        is_enlarged = verdict.is_enlarged and found.is_enlarged
        worse = found if (found.difference or 0.0) > (verdict.difference or 0.0) else verdict
        verdict = replace(worse, is_enlarged=is_enlarged)
    return verdict
