"""What is held of a picture to be compared: its pixels, not more of them than a comparison needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageFilter

from dedup_core.images.colours import on_grey, with_alpha
from dedup_core.images.losses import Loss
from dedup_core.images.picture import Picture
from dedup_core.images.resizing.pillow import resized
from dedup_core.images.resizing.wanted import LANCZOS, Wanted
from dedup_core.images.strips import whole_of
from dedup_core.verify.kernels import chroma_of, luma_of

_KEPT = ("turn", "stretch", "loss", "frames")

_COARSER = 4
_GAP = 3.0  # beyond three times the size, whole pixels are summed up first

HELD_SIDE = 2048
"""A picture is held at a whole fraction of its size, at which its longer side has this many pixels or more."""


def at_size(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image made as small as pictures are compared, in one way for all of them."""
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=_GAP)


@dataclass(frozen=True)
class Planes:
    """A picture at some size, as it is compared.

    Attributes:
        luma: brightness, float32 (h, w).
        blue: one colour (Cb), float32 (h/2, w/2).
        red: the other colour (Cr), float32 (h/2, w/2).
        alpha: how opaque it is, float32 (h, w); None where it is wholly so.
    """

    luma: np.ndarray
    blue: np.ndarray
    red: np.ndarray
    alpha: np.ndarray | None

    @classmethod
    def of(cls, image: Image.Image) -> Planes:
        """Take an image of mode RGB or RGBA apart, laid on grey."""
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        pixels = np.asarray(on_grey(image.convert("RGB"), alpha))
        luma = luma_of(pixels)
        blue, red = chroma_of(pixels, luma)
        return cls(luma, blue, red, None if alpha is None else np.asarray(alpha, np.float32))

    def plane(self, name: str) -> np.ndarray:
        """Return a plane by its name; that of an opaque picture's alpha is 255 throughout."""
        found = getattr(self, name)
        return np.full_like(self.luma, 255) if found is None else found

    def minus(self, other: Planes) -> Planes:
        """Return the differences to another picture of the same size."""
        alpha = None if self.alpha is None and other.alpha is None else self.plane("alpha") - other.plane("alpha")
        return Planes(self.luma - other.luma, self.blue - other.blue, self.red - other.red, alpha)


@dataclass(frozen=True)
class View:
    """A picture's pixels, and what they went through.

    Attributes:
        image: of mode RGB, or RGBA with the colours beneath transparency.
        width: of the whole picture, as it is turned here.
        height: of the whole picture, as it is turned here.
        turn: as of `Picture`.
        stretch: as of `Picture`.
        loss: as of `Picture`.
        frames: as of `Picture`.
    """

    image: Image.Image
    width: int
    height: int
    turn: int
    stretch: tuple[float, float] | None
    loss: Loss | None
    frames: int
    _planes: dict[tuple[int, int], Planes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, picture: Picture) -> View:
        """Hold a picture, made smaller where it is large."""
        image = with_alpha(picture.cuttable, picture.alpha)
        across, down = picture.size
        times = max(1, max(across, down) // HELD_SIDE)
        # Pillow's `reduce` would lay the last pixels of sides that are no multiples elsewhere.
        size = max(1, round(across / times)), max(1, round(down / times))
        held = whole_of(image) if times == 1 else resized(image, [Wanted(size, LANCZOS)])[0]
        width, height = picture.width, picture.height
        if (width > height) != (across > down):  # it was turned, and these are as stored
            width, height = height, width
        return cls(held, width, height, *(getattr(picture, name) for name in _KEPT))

    def planes_at(self, size: tuple[int, int]) -> Planes:
        """Return the picture as it is compared at a size, and keep that."""
        if size not in self._planes:
            self._planes[size] = Planes.of(at_size(self.image, size))
        return self._planes[size]

    def cut(self, piece: tuple[int, int, int, int]) -> View:
        """Return a part of the picture: left, top, right and bottom, in pixels of what is held."""
        return replace(self, image=self.image.crop(piece), _planes={})

    def busiest(self, side: int) -> tuple[int, int, int, int]:
        """Return the square of so many pixels a side, a multiple of 4, that has most edges of those side by side."""
        width, height = self.image.size
        alpha = self.image.getchannel("A") if self.image.mode == "RGBA" else None
        seen = on_grey(self.image.convert("RGB"), alpha).convert("L")
        edges = np.array(seen.reduce(_COARSER).filter(ImageFilter.FIND_EDGES))
        edges[[0, -1]] = edges[:, [0, -1]] = 0  # the filter leaves these as they were
        tops, lefts = (np.arange(0, length, side // _COARSER) for length in edges.shape)
        squares = np.add.reduceat(np.add.reduceat(edges, tops, axis=0, dtype=np.int64), lefts, axis=1)
        top, left = (int(at) * side for at in np.unravel_index(squares.argmax(), squares.shape))
        return left, top, min(left + side, width), min(top + side, height)

    @property
    def is_whole(self) -> bool:
        """Whether all pixels of the picture are held."""
        return self.image.size == (self.width, self.height)
