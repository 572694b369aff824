"""What it is called how two pictures lie on each other."""

from __future__ import annotations

import numpy as np

from dedup_core.geometry.agreement import Agreement
from dedup_core.geometry.lay import Lay, Size
from dedup_core.geometry.tile_kernels import counts_beyond

_WHOLE = 0.97  # of a picture, which then lies on the other one whole
_LEAST_TURN = 1.0  # degrees
_FRAME, _LEVELS = 0.84, 5  # of what lies beyond the other picture, so near two levels of brightness


def relation_of(
    lay: Lay, agreement: Agreement, planes: tuple[np.ndarray, np.ndarray], sizes: tuple[Size, Size]
) -> tuple[str, str | None]:
    """Return what b is to a, and which of them is the crop, has the frame or bears the overlay.

    The first of these that holds: the same scene, an overlay, mirrored, turned, a frame, a crop, a part of each,
    another size.

    Args:
        lay: how a lies on b.
        agreement: what their tiles say.
        planes: the small pictures.
        sizes: of the images.
    """
    if not agreement.is_one_picture:
        return "similar_scene", None
    if agreement.differs:
        return "overlaid", agreement.bearer
    if lay.is_mirrored or abs(lay.degrees) > _LEAST_TURN:
        return ("mirrored" if lay.is_mirrored else "rotated"), None
    is_whole = [overlap >= _WHOLE for overlap in lay.overlaps]
    if is_whole[0] != is_whole[1]:
        return _held(lay if is_whole[1] else lay.turned_round, planes, larger=0 if is_whole[1] else 1)
    if not is_whole[0]:
        return "shared_part", None
    return ("re_encoded" if sizes[0] == sizes[1] else "resized"), None


def _held(lay: Lay, planes: tuple[np.ndarray, np.ndarray], larger: int) -> tuple[str, str]:
    """Return what it is that one picture shows more than the other, which lies on it whole."""
    if _plain_share(lay, planes[larger], planes[1 - larger]) >= _FRAME:
        return "framed", "ab"[larger]
    return "cropped", "ab"[1 - larger]


def _plain_share(lay: Lay, larger: np.ndarray, inner: np.ndarray) -> float:
    """Return which share of what a picture shows beyond another one has one brightness, or one of two."""
    sizes = [planes.shape[1::-1] for planes in (larger, inner)]
    counts = counts_beyond(larger[:, :, 0], lay.between(*sizes).ravel(), *sizes[1])
    near = np.convolve(counts, np.ones(2 * _LEVELS + 1), "same")
    first = int(near.argmax())
    counts[max(0, first - _LEVELS) : first + _LEVELS + 1] = 0
    second = np.convolve(counts, np.ones(2 * _LEVELS + 1), "same").max()
    return float((near[first] + second) / max(near[first] + counts.sum(), 1))
