"""How one picture was made from another: the names of relations, and what a person reads of them.

Tables and Python write a name with underscores, options with hyphens.
"""

from __future__ import annotations

from typing import NamedTuple

from dedup_core.errors import SettingsError, nearest

RELATIONS = (
    "same_pixels",
    "re_encoded",
    "resized",
    "rotated",
    "mirrored",
    "cropped",
    "framed",
    "overlaid",
    "shared_part",
    "similar_scene",
)
"""From pictures that are the same to those that only look at the same things."""

DIRECTED = ("cropped", "framed", "overlaid")
"""Of two such pictures one was made from the other: only that one may go."""

SAME_PIXELS, RE_ENCODED, RESIZED, SIMILAR_SCENE = (*RELATIONS[:3], RELATIONS[-1])

_SAID = {
    "same_pixels": "{0} and {1} have the same pixels",
    "re_encoded": "{1} is {0} re-encoded",
    "resized": "{1} is {0} resized",
    "rotated": "{1} is {0}",
    "mirrored": "{1} is {0}",
    "cropped": "{1} is a crop of {0}",
    "framed": "{1} has a frame around {0}",
    "overlaid": "{1} bears an overlay that {0} lacks",
    "shared_part": "{0} and {1} share a part of one picture",
    "similar_scene": "{0} and {1} show the same scene",
}
_OF_NEITHER = {
    "re_encoded": "{0} and {1} are one picture, re-encoded",
    "resized": "{0} and {1} are one picture, resized",
    "cropped": "one of {0} and {1} is a crop of the other",
    "framed": "one of {0} and {1} has a frame around the other",
    "overlaid": "one of {0} and {1} bears an overlay",
}
_TO_THE_OTHER: dict[tuple[str, str | None], str] = {
    ("cropped", "other"): "a crop",
    ("cropped", "this"): "the whole",
    ("framed", "other"): "with a frame",
    ("framed", "this"): "lacks the frame",
    ("overlaid", "other"): "with an overlay",
    ("overlaid", "this"): "lacks the overlay",
}
_LEAST_DEGREES = 1.0  # a turn by less is how far two drawings of one picture are apart


class Related(NamedTuple):
    """An image in the list of another one, with what it is to that one.

    Attributes:
        name: of the image.
        score: how many keypoints one transform lays on each other.
        relation: one of ``RELATIONS``.
        derived: which of the two is the crop, has the frame or bears the overlay: "this" for the image whose list it
            is, "other" for the one that is named; None where neither is.
    """

    name: str
    score: int
    relation: str
    derived: str | None

    @property
    def said(self) -> str:
        """What the image is to the other one, in a word or three: "a crop" or "the whole", "same pixels"."""
        return _TO_THE_OTHER.get((self.relation, self.derived), self.relation.replace("_", " "))


def said(
    relation: str, derived: str | None, degrees: float, is_mirrored: bool, names: tuple[str, str] = ("a", "b")
) -> str:
    """Return a relation in words: "b is a crop of a, turned left by 90 degrees".

    Args:
        relation: one of ``RELATIONS``.
        derived: "a" or "b", the one that is the crop, has the frame or bears the overlay; None where neither is.
        degrees: b is a turned by so much, counterclockwise, after it was mirrored if it was.
        is_mirrored: whether one is the other mirrored, left to right.
        names: what a and b are called.

    Raises:
        KeyError: if there is no such relation.

    Example:
        >>> said("rotated", None, 90.0, False), said("cropped", "a", 0.0, False, ("one.jpg", "two.jpg"))
        ('b is a turned left by 90 degrees', 'one.jpg is a crop of two.jpg')
    """
    texts = _SAID if derived else {**_SAID, **_OF_NEITHER}
    ends = names[::-1] if derived == "a" else names
    text = texts[relation].format(*ends)
    if derived == "a" and not is_mirrored:  # a is b turned the other way; after a mirror it is the same way
        degrees = -degrees
    moved = _moved(degrees, is_mirrored)
    if not moved or relation == "same_pixels":
        return text
    return f"{text} {moved}" if relation in ("rotated", "mirrored") else f"{text}, {moved}"


def _moved(degrees: float, is_mirrored: bool) -> str:
    """Return how a picture was turned and mirrored; nothing where it was not."""
    words = ["mirrored"] if is_mirrored else []
    if abs(degrees) >= _LEAST_DEGREES:
        way = "" if round(abs(degrees)) == 180 else " left" if degrees > 0 else " right"
        words.append(f"turned{way} by {_whole(abs(degrees))}")
    return " and ".join(words)


def _whole(degrees: float) -> str:
    return "1 degree" if round(degrees) == 1 else f"{round(degrees)} degrees"


def option_name(relation: str) -> str:
    """Return a relation as an option has it: "re-encoded"."""
    return relation.replace("_", "-")


def parsed(name: str) -> str:
    """Return the relation that an option names, with hyphens or underscores.

    Raises:
        SettingsError: if there is none of that name.
    """
    options = {option_name(relation): relation for relation in RELATIONS}
    asked = option_name(name.strip())
    if asked not in options:
        raise SettingsError(f"there is no relation {name.strip()!r}: {nearest(asked, options)}")
    return options[asked]
