"""What the page says of verdicts and cautions, in words.

What a verdict rests on is one of few kinds. The page's data name the kind and its numbers; the words are there once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dedup_core.images.losses import LOSSLESS
from dedup_core.images.shapes import shapes_agree
from dedup_core.report.model import Evidence, PageImage

SAME, SIMILAR = "same", "similar"
_LOOKS_SIDE = 32
_EXPLAINED = "saving, compressing or resizing a picture explains"


class Words(NamedTuple):
    """What is said of a kind: the verdict, what it rests on in short, and in sentences.

    ``{difference}`` and ``{level}`` stand for the numbers of a pair.
    """

    verdict: str
    short: str
    told: str


KINDS = {
    "equal": Words(SAME, "equal files", "The two files are equal, byte for byte."),
    "flat": Words(
        SAME, "one colour, with equal pixels", "Both pictures are of nearly one colour, and their pixels are equal."
    ),
    "identical": Words(
        SAME, "no difference at {level} pixels", "Compared at {level} pixels of the longer side, nothing differs."
    ),
    "saved_anew": Words(
        SAME,
        "no difference at {level} pixels, but what saving loses",
        "Compared at {level} pixels of the longer side, as they are or once one was compressed or "
        "resized as the other was, nothing differs.",
    ),
    "alike": Words(
        SAME,
        "largest tile difference {difference} levels at {level} pixels",
        f"Compared at {{level}} pixels of the longer side, no tile differs by more than {_EXPLAINED}. "
        "The largest difference of a tile is {difference} of 255 levels.",
    ),
    "alike_frames": Words(
        SAME,
        "largest tile difference {difference} levels at {level} pixels, over all frames",
        f"Compared at {{level}} pixels of the longer side, no tile of any frame differs by more than {_EXPLAINED}. "
        "The largest difference of a tile is {difference} of 255 levels. The pictures here are the first frames.",
    ),
    "tile": Words(
        SIMILAR,
        "largest tile difference {difference} levels at {level} pixels",
        f"Compared at {{level}} pixels of the longer side, a tile differs by more than {_EXPLAINED}. "
        "The largest difference of a tile is {difference} of 255 levels.",
    ),
    "frame": Words(
        SIMILAR,
        "a tile of a frame differs by {difference} levels at {level} pixels",
        f"Compared frame by frame at {{level}} pixels of the longer side, a tile differs by more than {_EXPLAINED}. "
        "The largest difference of a tile is {difference} of 255 levels. The pictures here are the first frames.",
    ),
    "looks": Words(
        SIMILAR,
        "differ by {difference} levels at {level} pixels already",
        f"Made as small as {_LOOKS_SIDE} x {_LOOKS_SIDE} cells, they differ in one by {{difference}} of 255 levels: by "
        f"more than {_EXPLAINED}.",
    ),
    "shape": Words(
        SIMILAR,
        "of another shape",
        "Their shapes differ: one is not the other made larger or smaller. Here both are stretched to one shape.",
    ),
    "frames": Words(SIMILAR, "another number of frames", "Their files hold different numbers of frames."),
    "laid": Words(SIMILAR, "", ""),
    "unseen": Words(
        SIMILAR,
        "not compared by pixels",
        "Their pixels were not compared: the pictures can't be laid on each other, or could not be read.",
    ),
}  # fmt: skip
"""Kinds of evidence, by name."""

_IN_PLACE = ("same_pixels", "re_encoded", "resized", "overlaid", "similar_scene")
"""Relations of two pictures whose parts lie in the same places, whether they are laid on each other or not."""

_OUTLINED = ("alike", "tile", "looks")  # the tile of another frame is no place in the picture that is shown

_CAUTIONS = {
    "flat": ("is of nearly one colour: only equal pixels make it a duplicate",
             "are of nearly one colour: only equal pixels make them duplicates"),
    "transparent": ("has transparency, which must agree as the colours must",
                    "have transparency, which must agree as the colours must"),
    "few_details": ("has few details, of which a hash says little", "have few details, of which a hash says little"),
    "several_frames": ("has several frames, all of which must agree", "have several frames, all of which must agree"),
    "deep": ("holds more than 8 bits a pixel", "hold more than 8 bits a pixel"),
}  # fmt: skip
_NOTES = {
    "flat": "one colour",
    "transparent": "transparent",
    "few_details": "few details",
    "deep": "more than 8 bits",
}


def evidence_row(
    evidence: Evidence | None, left: PageImage, right: PageImage, relation: str | None = None
) -> list[Any] | None:
    """Return what the page's script has to know of a verdict: kind, difference, level, tile; None where there is none.

    Args:
        evidence: what the verdict rests on.
        left: what is known of one image.
        right: what is known of the other one.
        relation: of the two, where geometry has laid one onto the other: it says more than that they could not be.
    """
    if evidence is None or evidence.verdict not in (SAME, SIMILAR):
        return None
    kind = _kind(evidence, left, right)
    if relation and (kind in ("shape", "unseen") or (kind == "looks" and relation not in _IN_PLACE)):
        return ["laid", "", None, None]
    tile = _shares(evidence.tile) if kind in _OUTLINED and evidence.tile else None
    if relation and relation not in _IN_PLACE:
        tile = None
    return [kind, levels_text(evidence.difference), evidence.level, tile]


def _kind(evidence: Evidence, left: PageImage, right: PageImage) -> str:
    is_moving = (left.frames or 1) > 1 and (right.frames or 1) > 1
    if evidence.verdict == SAME:
        if evidence.level is None:
            return "flat" if "flat" in left.caution and "flat" in right.caution else "equal"
        return _kind_of_same(evidence, left, right, is_moving)
    if evidence.level is None or evidence.level == _LOOKS_SIDE:
        if left.frames and right.frames and left.frames != right.frames:
            return "frames"
        if not _shapes_agree(left, right):
            return "shape"
        return "unseen" if evidence.level is None else "looks"
    return "frame" if is_moving else "tile"


def _kind_of_same(evidence: Evidence, left: PageImage, right: PageImage, is_moving: bool) -> str:
    if evidence.difference:
        return "alike_frames" if is_moving else "alike"
    return "identical" if _keep_every_pixel(left, right) else "saved_anew"


def _keep_every_pixel(left: PageImage, right: PageImage) -> bool:
    """Return whether two files are of one size and in formats that lose nothing: no difference is none in the files."""
    return (left.width, left.height) == (right.width, right.height) and {left.format, right.format} <= {*LOSSLESS}


def _shapes_agree(left: PageImage, right: PageImage) -> bool:
    """Return whether two pictures have one shape, but for the rounding of sides; True where that is not known."""
    if not (left.width and left.height and right.width and right.height):
        return True
    return bool(shapes_agree(left.width, left.height, right.width, right.height))


def levels_text(difference: float | None) -> str:
    """Return a difference in few letters: whole levels are those of looks."""
    if difference is None or not math.isfinite(difference):
        return "?"
    return f"{difference:.2g}" if difference < 1 else f"{difference:.1f}".removesuffix(".0")


def _shares(tile: Sequence[float]) -> list[float] | None:
    if len(tile) != 4 or not all(map(math.isfinite, tile)):
        return None
    return [round(min(1.0, max(0.0, share)), 4) for share in tile]


def caution_texts(counts: Mapping[str, int]) -> list[tuple[int, str]]:
    """Return how many images there are of each caution, and what it says of them."""
    return [(counts[name], _CAUTIONS[name][counts[name] != 1]) for name in _CAUTIONS if counts.get(name)]


def image_notes(image: PageImage) -> str:
    """Return an image's cautions in few words."""
    words = [_NOTES[name] for name in _NOTES if name in image.caution]
    if image.frames is not None and image.frames > 1:
        words.append(f"{image.frames:,} frames")
    return ", ".join(words)
