"""What a decoded image is, in which forms its pixels are had, and why there may be none.

What can't be read or decoded is a ``Failure``, a value like any other, so that one bad file never ends a run over
millions.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import FileIO
from typing import Literal, get_args

import numpy as np
from PIL import Image

from dedup_core.images import colours
from dedup_core.images import deep as deep_images
from dedup_core.images.losses import Loss
from dedup_core.images.resizing import pillow, small
from dedup_core.images.resizing.small import LOOK
from dedup_core.images.resizing.wanted import LANCZOS, Wanted
from dedup_core.images.strips import Cuttable, array_in_parts, is_large, loaded, pixels_of, whole_of
from dedup_core.images.upright import turned, turned_in_parts

Reason = Literal[
    "empty", "truncated", "corrupt", "not_an_image", "unsupported", "too_many_pixels", "too_large", "vanished",
    "unreadable", "not_encoded", "crashed_decoder", "no_path", "ambiguous_path", "no_embedding",
    "unusable_embedding",
]  # fmt: skip
REASONS: tuple[str, ...] = get_args(Reason)
Orientation = Literal["stored", "exif"]
Transparency = Literal["drop", "grey"]

MAX_PIXELS = 200_000_000
"""Declared pixels above which a file is refused as a decompression bomb; 800 MB once decoded."""

MAX_SIDE = 500_000
"""Declared width or height above which a file is refused, however few pixels it has.

A resize holds 48 bytes a pixel of the side; Pillow's, some a picture of 256 pixels by the side in between: for a
column of 50 million pixels, which is a PNG of 48 KB, that is 2.4 and 50 GB."""

Pixels = Cuttable | np.ndarray
"""An image of mode RGB, or uint8 (height, width, 3)."""

_GAP = 12.0  # times the size that is wanted: to that a picture is averaged first. With 3 textures hash differently


@dataclass(frozen=True)
class Failure:
    """Why a file gave no picture: a reason from the fixed list ``REASONS``, and a message for a person."""

    reason: Reason
    message: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image.

    Attributes:
        source: the pixels as a decoder gave them, where they are transparent those beneath: an image of Pillow's mode
            RGB, or uint8 (height, width, 3), C-contiguous; of a large picture what makes the image strip by strip.
            `image` and `pixels` give them whole, in the one form or the other.
        width: width in pixels as stored in the file.
        height: height in pixels as stored in the file.
        format: what the content is ("JPEG"), whatever the file is called.
        alpha: how opaque each pixel is, in mode L; of a large picture what makes that strip by strip. None where all
            of them are.
        transparency: what encoders see: "drop" the pixels as they are, "grey" what they look like on grey.
        frames: how many the file holds, of which this is one; 0 where they can't be counted.
        turn: how the camera says to turn the pixels as they are here; 1 for not at all.
        stretch: of a picture of more than 8 bits, what became black and what became white; NaN where the lower bits
            were cut off.
        loss: what the file's format may have changed of what was saved; None where it keeps every pixel.
        box: of a picture that was decoded smaller, where it lies in its pixels (left, top, right, bottom), if its last
            ones are partly beyond its edge; else None.
    """

    source: Pixels
    width: int
    height: int
    format: str
    alpha: Cuttable | None = None
    transparency: Transparency = "drop"
    frames: int = 1
    turn: int = 1
    stretch: tuple[float, float] | None = None
    loss: Loss | None = None
    box: tuple[float, float, float, float] | None = None
    _small: dict[Wanted, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def rgb(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) as uint8 (height, width, 3), not to be written to."""
        return self._made(Wanted(size, LANCZOS))

    def gray(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) in RGB, then made grey: uint8 (height, width).

        The order matters: imagededup resizes before it drops colour, and its hashes are matched bit for bit.
        """
        return small.gray(self.rgb(size))

    def roughly_gray(self, size: tuple[int, int]) -> np.ndarray:
        """Return nearly what `gray` does, in half the time: a large picture is first averaged to a small one."""
        return small.gray(self._made(Wanted(size, LANCZOS, _GAP)))

    def look(self) -> np.ndarray:
        """Return what is seen of the picture from afar, on a grey page: uint8 (32, 32, 3), not to be written to."""
        if self._is_seen_by_encoders:
            return self._made(LOOK)
        return self._resized(self.on_grey, [LOOK])[0]

    def prepare(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Make all that will be asked for in one pass over the pixels: the picture in some sizes, and the look at it.

        Nothing depends on it but the time that is taken: what is asked for later is made then.
        """
        wanted = [*(Wanted(size, LANCZOS) for size in sizes), *([LOOK] if self._is_seen_by_encoders else [])]
        self._make([each for each in dict.fromkeys(wanted) if each not in self._small])

    @cached_property
    def image(self) -> Image.Image:
        """The pixels as an image of Pillow's mode RGB. Of an array a copy is made."""
        return _as_image(self.source)

    @cached_property
    def pixels(self) -> np.ndarray:
        """The pixels as uint8 (height, width, 3), C-contiguous, not to be written to. Of an image a copy is made."""
        return _as_pixels(self.source)

    @property
    def cuttable(self) -> Cuttable:
        """The pixels, in a form of which a part can be taken without a copy of all."""
        if isinstance(self.source, np.ndarray):
            return array_in_parts(self.source) if is_large(self) else self.image
        return self.source

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pixels as they are here: turned perhaps, or of a picture that was decoded small."""
        if isinstance(self.source, np.ndarray):
            return self.source.shape[1], self.source.shape[0]
        return self.source.size

    @property
    def is_whole(self) -> bool:
        """Whether it was decoded with all pixels that are stored."""
        return self.size in ((self.width, self.height), (self.height, self.width))

    @cached_property
    def on_grey(self) -> Pixels:
        """What is seen of the picture on a grey page, in a form that `source` may have."""
        if self.alpha is None:
            return self.source
        return colours.laid_on_grey(self.cuttable, self.alpha)

    @property
    def encoded_from(self) -> Image.Image:
        """What encoders see, in mode RGB."""
        return _as_image(self.on_grey) if self._is_laid_on_grey else self.image

    @property
    def encoded_pixels(self) -> np.ndarray:
        """What encoders see, uint8 (height, width, 3), C-contiguous, not to be written to."""
        return _as_pixels(self.on_grey) if self._is_laid_on_grey else self.pixels

    @property
    def _is_laid_on_grey(self) -> bool:
        return self.transparency == "grey" and self.alpha is not None

    @property
    def _is_seen_by_encoders(self) -> bool:
        """Whether encoders see what a person sees on grey."""
        return self.alpha is None or self._is_laid_on_grey

    def _made(self, wanted: Wanted) -> np.ndarray:
        if wanted not in self._small:
            self._make([wanted])
        return self._small[wanted]

    def _make(self, wanted: list[Wanted]) -> None:
        if wanted:
            seen = self.on_grey if self._is_laid_on_grey else self.source
            self._small.update(zip(wanted, self._resized(seen, wanted), strict=True))

    def _resized(self, seen: Pixels, wanted: list[Wanted]) -> list[np.ndarray]:
        is_ours = seen is self.source
        if self.box is None and small.kernels_resize(self.size, wanted):
            in_strips = is_large(self) and not isinstance(seen, np.ndarray)
            return small.by_kernels(seen if in_strips else self.pixels if is_ours else _as_pixels(seen), wanted)
        return pillow.made_small(self.cuttable if is_ours else seen, wanted, self.box)


def _as_image(source: Pixels) -> Image.Image:
    return Image.fromarray(source) if isinstance(source, np.ndarray) else whole_of(source)


def _as_pixels(source: Pixels) -> np.ndarray:
    return source if isinstance(source, np.ndarray) else pixels_of(source)


def read(path: str, max_bytes: int) -> bytes | Failure:
    """Return a local file's content, or why it could not be read."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return Failure("unreadable", "not a regular file")
        with open(path, "rb", buffering=0) as file:
            content = _read_up_to(file, status.st_size, max_bytes + 1)
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a path with a NUL in it
        return _unreadable(error)
    if len(content) > max_bytes:
        return Failure("too_large", f"{max(status.st_size, len(content)):,} bytes, over the limit of {max_bytes:,}")
    return content


def _read_up_to(file: FileIO, expected: int, most: int) -> bytes:
    """Return a file's content, but no more than so many bytes of it; usually it is as long as expected.

    Python has memory mapped for as many bytes as are asked for, which for each small file takes longer than reading it.
    """
    content = file.read(min(expected + 1, most)) or b""
    while len(content) != expected and len(content) < most:  # it grows or shrinks, or comes in parts
        more = file.read(min(max(expected, len(content)) + 1, most - len(content)))
        if not more:
            break
        content += more
    return content


def _unreadable(error: Exception) -> Failure:
    if isinstance(error, MemoryError):
        return Failure("too_large", "not enough memory to read the file")
    if isinstance(error, PermissionError):
        return Failure("unreadable", "no permission to read the file")
    return Failure("unreadable", f"the file can't be read: {error}")


def not_encoded(error: Exception, what: str) -> Failure:
    """Return what an error on the way from a picture to ``what`` is to whoever asked for it: a value."""
    if isinstance(error, MemoryError):
        return Failure("too_large", f"not enough memory for {what}")
    return Failure("not_encoded", f"the picture was read, but {what} failed: {type(error).__name__}: {error}")


def from_array(pixels: np.ndarray | None, transparency: Transparency = "drop") -> Picture:
    """Return an array as a Picture.

    Args:
        pixels: uint8 (height, width) or (height, width, 1, 3 or 4).
        transparency: as for ``decode``.

    Raises:
        TypeError: if it is no array.
        ValueError: if the shape or the dtype is another, or a side is longer than ``MAX_SIDE``.
    """
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"image_array must be a numpy array, not {type(pixels).__name__}")
    shape_is_known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if not shape_is_known or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ValueError(
            "image_array must be uint8 of shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {pixels.dtype} {pixels.shape}"
        )
    if max(pixels.shape[:2]) > MAX_SIDE:
        raise ValueError(f"image_array must have no side over {MAX_SIDE:,}, got {pixels.shape}")
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        height, width, _ = pixels.shape
        return Picture(np.ascontiguousarray(pixels), width, height, "array", transparency=transparency)
    image = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    return replace(shown(image), format="array", transparency=transparency)


def shown(image: Image.Image, turn: int = 1) -> Picture:
    """Return a loaded image of any of Pillow's modes as a Picture of which nothing is known but its pixels.

    Args:
        image: the image.
        turn: the orientation that it is turned by, 1 to 8.
    """
    form = str(image.format)
    image, turn = (loaded(image), turn) if is_large(image) else (turned(image, turn), 1)
    stretch = deep_images.stretch_of(image) if image.mode in deep_images.MODES else None
    rgb, alpha = (colours.stretched(image, *stretch), None) if stretch else colours.taken_apart(image)
    rgb, alpha = turned_in_parts(rgb, turn), alpha and turned_in_parts(alpha, turn)
    return Picture(rgb, *rgb.size, form, alpha, stretch=stretch)


def apart(picture: Picture, image: Image.Image) -> Picture:
    """Return a picture that stays as it is when the image is drawn on from which it was shown."""
    if not is_large(image):
        return replace(picture, source=image.copy()) if picture.source is image else picture
    return replace(picture, source=picture.pixels, alpha=picture.alpha and whole_of(picture.alpha))
