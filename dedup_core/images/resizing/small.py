"""Whether compiled kernels make a picture small, which they do where that pays, or Pillow: both give the same bits."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from dedup_core.images.resizing import kernels, native, pillow
from dedup_core.images.resizing.layout import ROWS, SEGMENT
from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted
from dedup_core.images.strips import Cuttable, strips_of

LOOK = Wanted((32, 32), BILINEAR, 3.0)
"""How a picture is seen from afar."""

ENOUGH = 100_000_000
"""Pixels that Pillow reads and writes from which on kernels are compiled: about a second of its work.

Compiling takes ten times as long, and the first runs longer than without; but the code is kept for all later ones."""

ENOUGH_TO_LOAD = 10_000_000
"""Pixels from which on kernels pay that were compiled before: loading and trying them takes a tenth of a second."""

_USUAL = 500, 400  # pixels of a photograph
_LOOKS_SHARE = 16  # Pillow averages a picture for the look at it in so much less time than it resizes it
_TRIED = (
    ((167, 111), ((32, 32), (256, 9))), ((40, 301), ((8, 8), (9, 8), (64, 128))), ((3, 2), ((5, 7), (3, 9))),
    ((SEGMENT + 50, 34), ((32, 32),)),
)  # fmt: skip
_LOG = logging.getLogger(__name__)


class _Switch:
    """Whether kernels resize in this process: from where they pay."""

    def __init__(self) -> None:
        self.is_on = False
        self.seen = 0.0
        self._loading = threading.Lock()

    def counts(self, work: float) -> bool:
        self.seen += work
        if not self.is_on and _is_enough(self.seen):
            self.turn_on()
        return self.is_on

    def turn_on(self) -> None:
        """Load the kernels, in the first thread that wants them: the others leave all to Pillow meanwhile."""
        if self._loading.acquire(blocking=False):
            try:
                self.is_on = _are_exact()
            finally:
                self._loading.release()


_SWITCH = _Switch()


def expect(n_images: int, sizes: Iterable[tuple[int, int]]) -> None:
    """Say that so many pictures are to come: kernels that pay for that are loaded now, and those that are, stay.

    Args:
        n_images: how many.
        sizes: width and height of what is to be made of each, beside the look at it.
    """
    if not _SWITCH.is_on and _is_enough(n_images * _work(_USUAL, [*_direct(sizes), LOOK])):
        _SWITCH.turn_on()


def _is_enough(work: float) -> bool:
    return work >= ENOUGH or (work >= ENOUGH_TO_LOAD and native.is_compiled())


def kernels_resize(shape: tuple[int, int], wanted: Sequence[Wanted]) -> bool:
    """Return whether kernels are to make a picture of some width and height small, and count it."""
    return _SWITCH.counts(_work(shape, wanted))


def _work(shape: tuple[int, int], wanted: Iterable[Wanted]) -> float:
    """Return how many pixels Pillow's two passes take for each size: all, and those of the new width in all rows."""
    width, height = shape
    return sum(width * height / _LOOKS_SHARE if each.gap else (width + each.size[0]) * height for each in wanted)


def gray(pixels: np.ndarray) -> np.ndarray:
    """Return luma, uint8 (height, width) of uint8 (height, width, 3): as Pillow's mode L."""
    if not _SWITCH.is_on:
        return pillow.gray(pixels)
    return kernels.gray(pixels)


def by_kernels(source: np.ndarray | Cuttable, wanted: Sequence[Wanted]) -> list[np.ndarray]:
    """Return a picture as is wanted, by kernels: for those who have asked `kernels_resize`.

    Args:
        source: uint8 (height, width, 3), contiguous; or an RGB image, which is taken some rows at a time.
        wanted: sizes, filters and gaps.

    Returns:
        uint8 (height, width, 3) each.
    """
    if isinstance(source, np.ndarray):
        return kernels.made_small(source, wanted)
    strips = ((top, np.asarray(strip)) for top, strip in strips_of(source, ROWS))
    return kernels.made_of_strips(strips, source.size, wanted)


def _direct(sizes: Iterable[tuple[int, int]]) -> list[Wanted]:
    return [Wanted(size, LANCZOS) for size in sizes]


@functools.cache
def _are_exact() -> bool:
    """Return whether the kernels give the bits of this very Pillow; if not, or if there are none, say so once."""
    try:
        if all(_is_equal(*tried) for tried in _TRIED):
            return True
        reason = f"compiled resizes are not those of Pillow {pillow.VERSION} here"
    except Exception as error:  # noqa: BLE001 - a numba that doesn't fit numpy or can't compile fails in many ways
        reason = f"no resizes can be compiled here ({type(error).__name__}: {error})"
    _LOG.warning("%s: Pillow resizes, which is slower", reason)
    return False


def _is_equal(shape: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> bool:
    pixels = np.random.default_rng(0).integers(0, 256, (shape[1], shape[0], 3), dtype=np.uint8)
    wanted = [*_direct(sizes), LOOK]
    small, expected = kernels.made_small(pixels, wanted), pillow.made_small(pixels, wanted)
    return all(map(np.array_equal, [*small, kernels.gray(pixels)], [*expected, pillow.gray(pixels)]))
