"""Do two pictures show one picture? Keypoints say how one lies on the other; the small pictures, laid so, say whether.

Geometry alone takes every form for every other: what is asked is whether the tiles of the overlap agree, and if not all
do, whether one of the pictures bears something that the other one lacks. Two that bear different things in one place,
captions or the fields of a form, are two pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dedup_core.geometry.agreement import agreement_of
from dedup_core.geometry.kernels import ANGLE, X, best_transform, mutual_matches
from dedup_core.geometry.lay import Lay
from dedup_core.geometry.relation import relation_of
from dedup_core.geometry.tiles import Tiles, laid, planes_of
from dedup_core.geometry.tones import is_drawn
from dedup_core.local.defaults import MIN_INLIERS
from dedup_core.local.features import FRAME, PARTS, LocalFeatures, fitted_size
from dedup_core.local.pattern import mirrored

_MOST_BITS = 80  # in which two descriptors of 256 may differ
_FEWEST_INLIERS, _FEWEST_TILES = 3, 6
_FROM_LEFT = np.array([0.0, 0.0, 1.0])
_PLENTY = 30  # inliers, with which nobody asks whether the mirrored picture has more


@dataclass(frozen=True)
class LocalView:
    """The local features of one image, made ready to be held against others.

    Attributes:
        features: as they are stored.
        width: of the image in pixels, as it was encoded.
        height: of the image.
    """

    features: LocalFeatures
    width: int
    height: int

    @cached_property
    def frame(self) -> tuple[int, int]:
        """Width and height of what keypoints lie in."""
        return fitted_size(self.width, self.height, FRAME)

    @cached_property
    def keypoints(self) -> np.ndarray:
        """float64 (n, 4): x and y from the corner of the frame, scale, degrees."""
        keypoints = self.features.keypoints / PARTS
        keypoints[:, :2] += 0.5
        return keypoints

    @cached_property
    def mirrored_keypoints(self) -> np.ndarray:
        """Those of the mirrored picture."""
        keypoints = self.keypoints.copy()
        keypoints[:, X] = self.frame[0] - keypoints[:, X]
        keypoints[:, ANGLE] = (180.0 - keypoints[:, ANGLE]) % 360.0
        return keypoints

    @cached_property
    def mirrored_descriptors(self) -> np.ndarray:
        """uint64 (n, 4): those of the mirrored picture."""
        return mirrored(self.features.descriptors)

    @cached_property
    def planes(self) -> np.ndarray:
        """The small picture: brightness and two colours, float32 (h, w, 3)."""
        return planes_of(self.features.picture)

    @cached_property
    def is_drawn(self) -> bool:
        """Whether it is a page, a screen or a chart rather than a photograph."""
        return is_drawn(self.planes[:, :, 0])


@dataclass(frozen=True)
class Geometry:
    """How two pictures, a and b, lie on each other, and what that makes of them.

    Attributes:
        inliers: matched keypoints that the transform explains.
        transform: 6 numbers, row by row: where a place of a lies on b, in pixels of the two images from the corner.
        overlap_a: the share of a that lies on b.
        overlap_b: the share of b that lies on a.
        likeness: the share of the overlap's tiles that agree.
        worst_tile: the largest difference of a tile, in levels of 0 to 255.
        relation: one of ``relations.RELATIONS``.
        derived: "a" or "b", the one that is the crop, has the frame or bears the overlay; None where neither is.
        degrees: b is a turned by so much, counterclockwise, after it was mirrored if it was: -180 to 180.
        is_mirrored: whether one is the other mirrored, left to right.
        is_reported: whether they show one picture. Else their geometry agrees, and what they show does not.
    """

    inliers: int
    transform: tuple[float, ...]
    overlap_a: float
    overlap_b: float
    likeness: float
    worst_tile: float
    relation: str
    derived: str | None
    degrees: float
    is_mirrored: bool
    is_reported: bool


def prepared(features: LocalFeatures, width: int, height: int) -> LocalView:
    """Return local features ready to be judged.

    Args:
        features: of an image.
        width: of the image in pixels, as it is stored.
        height: of the image. Where the picture was turned as the camera says, the two change over.
    """
    ready = LocalView(features, width, height)
    high, wide = ready.planes.shape[:2]
    is_turned = (high > wide) != (height > width) and high != wide and height != width
    return LocalView(features, height, width) if is_turned else ready


def judge(one: LocalView, other: LocalView, min_inliers: int = MIN_INLIERS) -> Geometry | None:
    """Return how two pictures lie on each other; None if no transform explains enough of their keypoints.

    Args:
        one: a picture, a.
        other: another one, b.
        min_inliers: how many keypoints a transform must explain.
    """
    inliers, lay = _found(one, other)
    if inliers < max(_FEWEST_INLIERS, min_inliers):
        return None
    tiles = _tiles(one.planes, other.planes, lay)
    if len(tiles) < _FEWEST_TILES:
        return None
    agreement = agreement_of(tiles, are_drawn=one.is_drawn and other.is_drawn)
    sizes = (one.width, one.height), (other.width, other.height)
    relation, derived = relation_of(lay, agreement, (one.planes, other.planes), sizes)
    return Geometry(
        inliers=inliers,
        transform=tuple(lay.between(*sizes).ravel().tolist()),
        overlap_a=lay.overlaps[0],
        overlap_b=lay.overlaps[1],
        likeness=agreement.likeness,
        worst_tile=agreement.worst,
        relation=relation,
        derived=derived,
        degrees=lay.degrees,
        is_mirrored=lay.is_mirrored,
        is_reported=agreement.is_one_picture,
    )


def _found(one: LocalView, other: LocalView) -> tuple[int, Lay]:
    """Return how many keypoints the best transform explains, and how it lays one frame on the other.

    A fit from one to the other is not quite that of the other to the one: it is made in one order, whichever is asked.
    """
    if one.features.picture <= other.features.picture:
        return _found_in_order(one, other)
    inliers, lay = _found_in_order(other, one)
    return inliers, lay.turned_round if inliers else lay


def _found_in_order(one: LocalView, other: LocalView) -> tuple[int, Lay]:
    straight, mirrored_ones = other.features.descriptors, other.mirrored_descriptors
    matches = [mutual_matches(one.features.descriptors, words, _MOST_BITS) for words in (straight, mirrored_ones)]
    first = int(len(matches[1]) > len(matches[0]))
    best = _by_matches(one, other, matches[first], is_mirrored=bool(first))
    if best[0] >= _PLENTY:
        return best
    return max(best, _by_matches(one, other, matches[1 - first], is_mirrored=not first), key=lambda each: each[0])


def _by_matches(one: LocalView, other: LocalView, matches: np.ndarray, is_mirrored: bool) -> tuple[int, Lay]:
    keypoints = other.mirrored_keypoints if is_mirrored else other.keypoints
    numbers, explained = best_transform(one.keypoints[matches[:, 0]], keypoints[matches[:, 1]])
    transform = numbers.reshape(2, 3)
    if is_mirrored:
        transform = np.array([other.frame[0] * _FROM_LEFT - transform[0], transform[1]])
    lay = Lay(transform, one.frame, other.frame)
    return (int(explained.sum()) if explained.any() and lay.is_likely else 0), lay


def _tiles(one: np.ndarray, other: np.ndarray, lay: Lay) -> Tiles:
    """Lay the coarser small picture on the finer one, and return the tiles with what is told of the first one first."""
    sizes = one.shape[1::-1], other.shape[1::-1]
    transform = lay.between(*sizes)
    if abs(np.linalg.det(transform[:, :2])) >= 1:
        return laid(one, other, transform)
    tiles = laid(other, one, lay.turned_round.between(*sizes[::-1]))
    return replace(tiles, structure=tiles.structure[:, ::-1])
