"""Kinds of pictures that are no photographs, drawn by code: those that hashes take for each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from dedup_core.corpus.artwork import recolour, sprite
from dedup_core.corpus.documents import chart, form, screen, text_page
from dedup_core.corpus.drawing import Random
from dedup_core.corpus.fields import caption, flat, sparse_page
from dedup_core.corpus.icons import icon
from dedup_core.corpus.originals import seeded

Draw = Callable[[int, Random, Random], Image.Image]

MAX_PICTURES = 5_000
"""How many different pictures every kind can draw."""


@dataclass(frozen=True)
class Kind:
    """Pictures that have much in common and show different things.

    Attributes:
        name: what they are called.
        draw: makes the picture of a number, given a generator of its own, and one that starts alike for all pictures
            of the kind.
        lossy: plain copies that lose what the picture shows: each is a picture of its own.
    """

    name: str
    draw: Draw
    lossy: frozenset[str] = frozenset()

    def picture(self, number: int, seed: int = 0) -> Image.Image:
        """Return the picture of that number, 0 to below ``MAX_PICTURES``: another one for each."""
        return self.draw(number, seeded(seed, self.name, str(number)), seeded(seed, self.name))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("text_pages", text_page),
        Kind("forms", form),
        Kind("charts", chart),
        Kind("captions", caption),
        Kind("icons", icon, frozenset({"jpeg_85"})),
        Kind("recolours", recolour),
        Kind("sprites", sprite),
        Kind("flat", flat, frozenset({"jpeg_85", "halved"})),
        Kind("sparse_pages", sparse_page),
        Kind("screens", screen),
    )
}
