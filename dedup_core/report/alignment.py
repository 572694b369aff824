"""What the page says of two pictures that geometry has laid on each other, and how its script lays them.

``{a}`` and ``{b}`` stand for the two: what they are called depends on where it is said.
"""

from __future__ import annotations

import math
from typing import Any

from dedup_core.relations import said
from dedup_core.report.model import Alignment, PageImage
from dedup_core.report.thumbnails import shape_of
from dedup_core.report.verdicts import levels_text

_NAMES, _ALL = ("{a}", "{b}"), "100%"
_WHOLE = 0.995  # of a picture: a transform is known to some pixels only
_SQUARE = 1.02  # sides that differ by less don't tell whether a picture is turned


def alignment_row(alignment: Alignment | None, left: PageImage, right: PageImage) -> list[Any] | None:
    """Return what the page's script has to know: relation, numbers and a sentence on them, transform.

    The transform takes pixels of the second picture to pixels of the first, row by row; it is None where the pictures
    can't be laid by it: a size is not known, or a camera says that the picture is turned.

    Args:
        alignment: of the second picture, b, on the first one, a.
        left: what is known of the first.
        right: what is known of the second.
    """
    if alignment is None:
        return None
    relation = said(alignment.relation, alignment.derived, alignment.degrees, alignment.is_mirrored, _NAMES)
    numbers = [
        *_inliers(alignment.inliers),
        _overlap(*(_percent(share, _WHOLE) for share in alignment.overlap)),
        f"{_percent(alignment.likeness)}\u00a0alike",
    ]
    sentence = f"The worst tile of the overlap differs by {levels_text(alignment.worst_tile)} of 255 levels."
    if alignment.inliers is not None:
        sentence += " Inliers are details of both that one turn, scale and shift explains."
    back = alignment.flipped().transform
    is_laid = back is not None and _is_as_stored(left) and _is_as_stored(right)
    return [relation, " · ".join(numbers), sentence, [float(f"{each:.6g}") for each in back or ()] if is_laid else None]


def _inliers(count: int | None) -> list[str]:
    return [] if count is None else [f"{count:,} {'inlier' if count == 1 else 'inliers'}"]


def _overlap(of_first: str, of_second: str) -> str:
    """Say how much of two pictures lies on the other one."""
    if of_first == of_second == _ALL:
        return "each covers the other"
    if of_second == _ALL:
        return f"all of {{b}} lies on {{a}} and covers {of_first} of it"
    if of_first == _ALL:
        return f"all of {{a}} lies on {{b}} and covers {of_second} of it"
    return f"{of_second} of {{b}} lies on {{a}}, {of_first} of {{a}} on {{b}}"


def _percent(share: float | None, whole: float = 1.0) -> str:
    """Return a share in whole percent; nothing is said of nothing else, and all from ``whole`` on."""
    if share is None or not math.isfinite(share):
        return "?%"
    if 0 < share < 0.005:
        return "under 1%"
    return "99%" if 0.99 < share < whole else f"{share:.0%}"


def _is_as_stored(image: PageImage) -> bool:
    """Return whether a picture's small one lies as the pixels that features were made of.

    A turn that is not known shows where it changes the shape.
    """
    if image.turn != 1:
        return False
    shape = image.thumbnail and shape_of(image.thumbnail)
    if not (shape and image.width and image.height):
        return False
    stored, shown = image.width / image.height, shape[0] / shape[1]
    return min(stored, 1 / stored) > 1 / _SQUARE or (stored > 1) == (shown > 1)
