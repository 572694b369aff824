"""What the tiles of an overlap say: that two pictures are one, that one of them bears more, or that they are two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup_core.geometry.tiles import Tiles

_NEARLY, _SHARE = 3.5, 0.3  # levels, or a share of its structure, by which an equal tile may differ
_EQUAL_COLOUR = 10.0  # levels
_MOST_UNEQUAL, _MOST_UNEQUALLY_COLOURED = 0.03, 0.02

_SHOWING = 6.0  # levels of deviation about its mean from which a tile shows something
_FEWEST_SHOWING, _FEWEST_TO_SEE = 8, 3
_AGREEING, _LEAST_AGREEING = 0.7, 0.6  # a correlation, and the share of tiles that reach it
_MOST_USUAL = 14.0  # levels by which the median tile may differ
_DIFFERING, _BY = 0.6, 10.0  # a correlation below which, and levels from which, a tile shows something else
_ALIKE, _DIFFERING_OF_ALIKE = 3.0, 0.85  # levels by which the median tile of alike pictures may differ

_BOTH_SHOW, _MOST_APART = 0.5, 0.7  # a share of the other's structure, and how many times twice it is
_BOTH_STAND_OUT, _BESIDE, _FEWEST_BESIDE = 1.05, 3, 4
_NEARLY_ALL = 0.9

_OTHER_COLOUR, _MOST_OTHERS, _SMOOTH = 30.0, 0.05, 3.0
_BEARS = 0.25  # how many times twice as much structure, on the average


@dataclass(frozen=True)
class Agreement:
    """What was found of two pictures, a and b.

    Attributes:
        is_one_picture: whether both show one picture, or parts of one.
        likeness: the share of tiles that agree.
        worst: the largest difference of a tile, in levels.
        differs: whether they show different things somewhere.
        bearer: "a" or "b", the one that shows more there; None where neither does, or as much as the other.
    """

    is_one_picture: bool
    likeness: float
    worst: float
    differs: bool
    bearer: str | None


def agreement_of(tiles: Tiles, are_drawn: bool) -> Agreement:
    """Return what tiles say.

    Args:
        tiles: of an overlap, one or more.
        are_drawn: whether both are no photographs: then all that is not equal is of two pictures.
    """
    strong, weak = tiles.structure.max(axis=1), tiles.structure.min(axis=1)
    is_equal = (tiles.difference <= np.maximum(_NEARLY, _SHARE * strong)) & (tiles.colour <= _EQUAL_COLOUR)
    shows = strong > _SHOWING
    agrees = is_equal | (shows & (tiles.correlation >= _AGREEING))
    # Where all else is alike, less tells that a part is not.
    least = _DIFFERING if np.median(tiles.difference) > _ALIKE else _DIFFERING_OF_ALIKE
    differs = shows & (tiles.correlation < least) & (tiles.difference > _BY)
    is_one = bool(is_equal.all()) and shows.sum() >= _FEWEST_TO_SEE
    if not is_one and not are_drawn:
        is_one = not (_contradict(tiles, differs, strong, weak) or _are_coloured_otherwise(tiles, strong))
        is_one = is_one and (_are_nearly_equal(tiles, strong) or _agree_mostly(tiles, shows))
    bearer = _bearer(tiles.structure[differs]) if differs.any() else None
    return Agreement(bool(is_one), float(agrees.mean()), float(tiles.difference.max()), bool(differs.any()), bearer)


def _are_nearly_equal(tiles: Tiles, strong: np.ndarray) -> bool:
    unequal = tiles.difference > np.maximum(_NEARLY, _SHARE * strong)
    return unequal.mean() <= _MOST_UNEQUAL and (tiles.colour > _EQUAL_COLOUR).mean() <= _MOST_UNEQUALLY_COLOURED


def _agree_mostly(tiles: Tiles, shows: np.ndarray) -> bool:
    agreeing = (shows & (tiles.correlation >= _AGREEING)).sum()
    is_enough = shows.sum() >= _FEWEST_SHOWING and agreeing >= _LEAST_AGREEING * shows.sum()
    return bool(is_enough and np.median(tiles.difference) <= _MOST_USUAL)


def _contradict(tiles: Tiles, differs: np.ndarray, strong: np.ndarray, weak: np.ndarray) -> bool:
    """Return whether the two show different things where they differ, both of them more than beside it.

    What lies on one of them alone hides the picture, which goes on beside it. Two captions both stand out.
    """
    if not differs.any():
        return False
    both = differs & (weak > _SHOWING) & (weak >= _BOTH_SHOW * strong)
    if both.sum() < _NEARLY_ALL * differs.sum() or tiles.correlation[differs].mean() < 0:
        return False
    structure = tiles.structure + 1.0
    apart = np.abs(np.log2(structure[differs, 0] / structure[differs, 1])).mean()
    beside = np.abs(tiles.places[:, None] - tiles.places[None, differs]).max(axis=2).min(axis=1) >= _BESIDE
    if beside.sum() < _FEWEST_BESIDE:
        beside = ~differs
    if apart > _MOST_APART or not beside.any():
        return False
    stands_out = structure[differs].mean(axis=0) / structure[beside].mean(axis=0)
    return bool(stands_out.min() >= _BOTH_STAND_OUT)


def _are_coloured_otherwise(tiles: Tiles, strong: np.ndarray) -> bool:
    """Return whether the same shapes have other colours in many places."""
    is_same_shape = (tiles.correlation >= _AGREEING) | (strong < _SMOOTH)
    return bool(((tiles.colour > _OTHER_COLOUR) & is_same_shape).mean() > _MOST_OTHERS)


def _bearer(structure: np.ndarray) -> str | None:
    more = float(np.log2((structure[:, 0] + 1.0) / (structure[:, 1] + 1.0)).mean())
    if abs(more) < _BEARS:
        return None
    return "a" if more > 0 else "b"
