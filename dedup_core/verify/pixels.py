"""Are two pictures the same? Their pixels decide, tile by tile, in brightness, in colour and in transparency.

A copy was saved anew, compressed or resized. So the same is done to the other picture, and then nothing more may differ
than what the formats of the two are known to lose: rounding, the steps of JPEG's tables, and how ways to resize differ.
Two files that lose nothing, of the same size, are the same where every pixel is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from PIL import Image

from dedup_core.images.shapes import shapes_agree
from dedup_core.verify.compression import compressed
from dedup_core.verify.kernels import TILE
from dedup_core.verify.levels import (
    AFAR_LIMITS,
    MOST_REPEATED,
    REPEATED_LIMITS,
    RESIZED_LIMITS,
    Comparison,
    Level,
    at_worst,
)
from dedup_core.verify.views import Planes, View

SMALLER = (
    Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.NEAREST, Image.Resampling.BICUBIC,
    Image.Resampling.BOX, Image.Resampling.HAMMING,
    *(way for way in Image.Resampling if way.name == "MKS2013"),  # which sharpens; since Pillow 13
)  # fmt: skip
LARGER = (
    Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.NEAREST, Image.Resampling.BICUBIC,
)  # fmt: skip
"""How pictures are made smaller and larger. The first three are the extremes: the others lie between."""

_EXTREMES = 3
_HOPELESS = 8.0
"""Times its limit by which a tile differs where no other way to resize would make the pictures the same."""

_CRISP = 2.0
"""Times its limit by which some tile of a crisp picture differs from that of its half, made larger."""

_AFAR = 4
_PIECE = 128


def compare(one: View, other: View) -> Comparison | None:
    """Compare two pictures; None where their shapes, turns or ranges already say that they differ."""
    if not (_shapes_agree(one, other) and one.turn == other.turn and _ranges_agree(one, other)):
        return None
    small, large = sorted((one, other), key=lambda view: view.width * view.height)
    if (small.width, small.height) == (large.width, large.height):
        return _least(_of_one_size(small, large))
    if (refuted := _from_afar(small, large)) is not None:
        return refuted
    found = _least(_resized(large, small, SMALLER))
    if not found.is_same and found.share <= _HOPELESS:
        enlarged = _least(_resized(small, large, LARGER))
        found = enlarged if enlarged.is_same else found
    return replace(found, is_enlarged=found.is_same and _shows_no_more(large, small))


def _shows_no_more(large: View, small: View) -> bool:
    """Return whether a picture is the smaller one made larger, pixel by pixel, but for what its own format loses.

    Where pictures are compared, much of what a large one shows beyond a small one is gone. So it is looked at in full
    size: first the square in which most happens, which tells nearly all copies that were made smaller, then the whole.
    What is too large to be held whole, or was saved with loss, is never said to show no more; nor what is larger than a
    picture that tells too little.
    """
    if not (small.is_whole and large.is_whole) or large.loss is not None:
        return False
    small = replace(small, loss=None)
    pieces = large.busiest(_PIECE), (0, 0, large.width, large.height)
    return all(_least(_resized(small, large, LARGER, piece)).is_same for piece in pieces) and _is_crisp(small)


def _is_crisp(view: View) -> bool:
    """Return whether a picture clearly shows more than its own half, made larger.

    Of one that doesn't, an original of twice the size looks as if it had been made from it: there is no telling.
    """
    width, height = max(1, view.width // 2), max(1, view.height // 2)
    image = view.image.resize((width, height), Image.Resampling.LANCZOS)
    half = replace(view, image=image, width=width, height=height, _planes={})
    return _least(_resized(half, view, LARGER, (0, 0, view.width, view.height))).share > _CRISP


def _from_afar(small: View, large: View) -> Comparison | None:
    """Return that two pictures differ, where that shows at a quarter of their size: no copy changes so much there."""
    width, height = Level(small.image.size).compared_size
    size = width // _AFAR, height // _AFAR
    if min(size) < TILE:
        return None
    found = Level(size).compared(small.planes_at(size), large.planes_at(size), AFAR_LIMITS, enough=1.0)
    return found if found.share > 1 else None


def _least(found: Iterator[Comparison]) -> Comparison:
    """Return the first comparison by which two pictures are the same, or else the nearest to it."""
    best = next(found)
    while not best.is_same and (comparison := next(found, None)) is not None:
        best = min(best, comparison, key=lambda each: each.share)
    return best


def _shapes_agree(one: View, other: View) -> bool:
    """Return whether one is the other's shape but for the rounding of its sides."""
    return bool(shapes_agree(one.width, one.height, other.width, other.height))


def _ranges_agree(one: View, other: View) -> bool:
    """Return whether both hold no more than 8 bits: of what is deeper, only the bytes of files tell."""
    return one.stretch is None and other.stretch is None


def _of_one_size(one: View, other: View) -> Iterator[Comparison]:
    """Compare two pictures as they are, then one of them with the other after that one's compression.

    Where nothing can have been lost, all that is held is compared.
    """
    level = Level(one.image.size)
    if one.loss is None and other.loss is None:
        level = Level(one.image.size, max(one.image.size))
    planes = [view.planes_at(level.compared_size) for view in (one, other)]
    found = level.compared(planes[0], planes[1], level.limits(one, other))
    yield found
    if found.share > _HOPELESS:
        return
    for before, after in ((one, other), (other, one)):
        if again := _compressed_as(after, before.image):
            yield level.compared(level.planes(again), after.planes_at(level.compared_size), REPEATED_LIMITS)


def _resized(
    before: View, after: View, ways: tuple[Image.Resampling, ...], piece: tuple[int, int, int, int] | None = None
) -> Iterator[Comparison]:
    """Compare a picture with another one that is made of the same size, in each way.

    Args:
        before: the picture to resize.
        after: the other one.
        ways: how.
        piece: the part of the other one to compare, at its full size; None for all of it where pictures are compared.
    """
    box = None
    if piece is not None:
        across, down = before.width / after.width, before.height / after.height
        box, after = (piece[0] * across, piece[1] * down, piece[2] * across, piece[3] * down), after.cut(piece)
    size = after.image.size
    level = Level(size) if piece is None else Level(size, max(size))
    limits, seen = level.limits(before, after, is_resized=True), after.planes_at(level.compared_size)
    made: dict[Image.Resampling, Image.Image] = {}
    for way in ways[:2]:
        made[way] = before.image.resize(size, way, box)
        found = level.compared(level.planes(made[way]), seen, limits)
        if found.is_same:  # with no room for another way
            yield found
            return
    spread = _spread(before.image, made, level)
    best: tuple[float, Image.Image] | None = None
    for way in ways:
        image = made.get(way) or before.image.resize(size, way, box)
        found = level.compared(level.planes(image), seen, limits, spread)
        yield found
        if best is None or found.share < best[0]:
            best = found.share, image
        if way == ways[_EXTREMES - 1] and best[0] > _HOPELESS:
            return
    if best and (again := _compressed_as(after, best[1])):
        yield level.compared(level.planes(again), seen, RESIZED_LIMITS, spread)


def _spread(before: Image.Image, made: Mapping[Image.Resampling, Image.Image], level: Level) -> Planes:
    """Return how two ways differ to make a picture smaller or larger."""
    images = list(made.values())
    if before.size == images[0].size:  # made smaller already, before either could
        images = [before.resize(level.compared_size, way) for way in made]
    one, other = map(level.planes, images)
    return one.minus(other)


def _compressed_as(view: View, image: Image.Image) -> Image.Image | None:
    """Return an image of a picture's size after that one's compression; None where that can't be done again.

    Coarse steps would make words of small print agree with others.
    """
    if view.loss is None or not view.is_whole or at_worst(view.loss.tables[0]) > MOST_REPEATED:
        return None
    return compressed(image, view.loss)
