"""What it is called how two pictures lie on each other."""

from __future__ import annotations

import numpy as np

from dedup_core.geometry.agreement import Agreement
from dedup_core.geometry.lay import Lay, Size
from dedup_core.geometry.tile_kernels import plain_share

_WHOLE = 0.97  # of a picture, which then lies on the other one whole
_LEAST_TURN = 1.0  # degrees
_FRAME = 0.8  # of what lies beyond the other picture, plain


def relation_of(
    lay: Lay, agreement: Agreement, planes: tuple[np.ndarray, np.ndarray], sizes: tuple[Size, Size]
) -> tuple[str, str | None]:
    """Return what b is to a, and which of them is the crop, has the frame or bears the overlay.

    The first of these that holds: the same scene, an overlay, mirrored, turned, a part of each, a frame, a crop, another
    size.

    Args:
        lay: how a lies on b.
        agreement: what their tiles say.
        planes: the small pictures.
        sizes: of the images.
    """
    if not agreement.is_one_picture:
        return "similar_scene", None
    if agreement.bearer:
        return "overlaid", agreement.bearer
    if lay.is_mirrored:
        return "mirrored", None
    if abs(lay.degrees) > _LEAST_TURN:
        return "rotated", None
    is_whole = [overlap >= _WHOLE for overlap in lay.overlaps]
    if all(is_whole):
        return ("re_encoded" if sizes[0] == sizes[1] else "resized"), None
    if not any(is_whole):
        return "shared_part", None
    if is_whole[1]:
        return ("framed", "a") if _is_framed(lay, planes[0], planes[1]) else ("cropped", "b")
    return ("framed", "b") if _is_framed(lay.turned_round, planes[1], planes[0]) else ("cropped", "a")


def _is_framed(lay: Lay, larger: np.ndarray, inner: np.ndarray) -> bool:
    """Return whether what a picture shows beyond another one is plain."""
    sizes = [planes.shape[1::-1] for planes in (larger, inner)]
    return bool(plain_share(larger[:, :, 0], lay.between(*sizes).ravel(), *sizes[1]) >= _FRAME)
