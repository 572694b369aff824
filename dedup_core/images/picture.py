"""Bytes to Picture: one decode feeds every encoder.

This is the only place that opens images. What can't be opened comes back as a ``Failure``, a value like any
other, so that one bad file never ends a run over millions.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal, get_args

import numpy as np
from PIL import Image

from dedup_core.images import ancillary, foreign
from dedup_core.images import deep as deep_images
from dedup_core.images.frames import frame_numbers
from dedup_core.images.losses import Loss, loss_of
from dedup_core.images.opening import declared_size, formats_not_read, jpeg_scans, open_image, undisturbed
from dedup_core.images.upright import turn_of, upright

Reason = Literal[
    "empty", "truncated", "corrupt", "not_an_image", "unsupported", "too_many_pixels", "too_large", "vanished",
    "unreadable", "not_encoded", "no_path", "ambiguous_path",
]  # fmt: skip
REASONS: tuple[str, ...] = get_args(Reason)
Orientation = Literal["stored", "exif"]
Transparency = Literal["drop", "grey"]
Ask = Callable[[Image.Image], None]

GREY = 128
"""What transparent pictures are laid on: in the middle, so that neither black nor white drawings vanish."""

MAX_PIXELS = 200_000_000
"""Declared pixels above which a file is refused as a decompression bomb; 800 MB once decoded."""

MAX_SIDE = 500_000
"""Declared width or height above which a file is refused, however few pixels it has.

A resize holds 48 bytes a pixel of the side, and some a picture of 256 pixels by the side in between: for a column of
50 million pixels, which is a PNG of 48 KB, that is 2.4 and 50 GB."""


_GAP = 12.0  # times the size that is wanted: to that a picture is averaged first. With 3 textures hash differently

MAX_SCANS = 200
"""Scans of a JPEG above which it is refused. A progressive one has about ten, and each passes over all its pixels:
in a file of 160 KB there is room for thousands, which take minutes."""


@dataclass(frozen=True)
class Failure:
    """Why a file gave no picture: a reason from the fixed list ``REASONS``, and a message for a person."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        image: the pixels, always in Pillow's mode RGB; where they are transparent, those beneath.
        width: width in pixels as stored in the file.
        height: height in pixels as stored in the file.
        format: what the content is ("JPEG"), whatever the file is called.
        alpha: how opaque each pixel is, in mode L; None where all of them are.
        transparency: what encoders see: "drop" the pixels as they are, "grey" what they look like on grey.
        frames: how many the file holds, of which this is one; 0 where they can't be counted.
        turn: how the camera says to turn the pixels as they are here; 1 for not at all.
        stretch: of a picture of more than 8 bits, what became black and what became white; NaN where the lower bits
            were cut off.
        loss: what the file's format may have changed of what was saved; None where it keeps every pixel.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    alpha: Image.Image | None = None
    transparency: Transparency = "drop"
    frames: int = 1
    turn: int = 1
    stretch: tuple[float, float] | None = None
    loss: Loss | None = None
    _resized: dict[tuple[int, int], Image.Image] = field(default_factory=dict, repr=False, compare=False)

    def rgb(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) as uint8 (height, width, 3)."""
        return np.asarray(self._resize(size))

    def gray(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) in RGB, then made grey: uint8 (height, width).

        The order matters: imagededup resizes before it drops colour, and its hashes are matched bit for bit.
        """
        return np.asarray(self._resize(size).convert("L"))

    def roughly_gray(self, size: tuple[int, int]) -> np.ndarray:
        """Return nearly what `gray` does, in half the time: a large picture is first averaged to a small one."""
        small = self.encoded_from.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
        return np.asarray(small.convert("L"))

    @cached_property
    def on_grey(self) -> Image.Image:
        """What is seen of the picture on a grey page, in mode RGB."""
        return on_grey(self.image, self.alpha)

    @property
    def encoded_from(self) -> Image.Image:
        """What encoders see, in mode RGB."""
        return self.image if self.transparency == "drop" else self.on_grey

    def _resize(self, size: tuple[int, int]) -> Image.Image:
        if size not in self._resized:
            self._resized[size] = self.encoded_from.resize(size, Image.Resampling.LANCZOS)
        return self._resized[size]


def on_grey(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Return what is seen of an RGB image on a grey page, by how opaque each pixel is."""
    if alpha is None:
        return image
    page = Image.new("RGB", image.size, (GREY,) * 3)
    page.paste(image, mask=alpha)
    return page


def read(path: str, max_bytes: int) -> bytes | Failure:
    """Return a local file's content, or why it could not be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Failure("unreadable", "not a regular file")
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
            size = max(os.fstat(file.fileno()).st_size, len(content))
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a path with a NUL in it
        return _unreadable(error)
    if len(content) > max_bytes:
        return Failure("too_large", f"{size:,} bytes, over the limit of {max_bytes:,}")
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


def decode(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    orientation: Orientation = "stored",
    transparency: Transparency = "drop",
    ask: Ask | None = None,
) -> Picture | Failure:
    """Decode an image file's content.

    Metadata has no say: of all of it only the orientation is read, and a file that can be decoded without what is
    ancillary in it is decoded so.

    Args:
        data: the whole file.
        max_pixels: a file that declares more pixels is refused before any is decoded, as is one with a side of more
            than ``MAX_SIDE``.
        orientation: "stored" leaves the pixels as they are in the file, as imagededup does; "exif" turns them as
            the camera says.
        transparency: "drop" shows encoders the pixels beneath transparency, as imagededup does; "grey" what is seen of
            the picture on grey.
        ask: is called with the opened image before its pixels are read: what wants fewer of them may say so.

    Returns:
        The picture (of several frames the first), or a Failure.
    """
    picture = _decode(data, max_pixels, orientation, ask)
    return picture if isinstance(picture, Failure) else replace(picture, transparency=transparency)


def _decode(data: bytes, max_pixels: int, orientation: Orientation, ask: Ask | None = None) -> Picture | Failure:
    if not data:
        return Failure("empty", "the file has no content")
    with undisturbed(max_pixels):
        first = _attempt(data, max_pixels, orientation, ask)
        if isinstance(first, Picture) or first.reason in ("too_many_pixels", "too_large"):
            return first
        plain = ancillary.without(data)
        again = first if plain is None else _attempt(plain, max_pixels, orientation, ask)
        if isinstance(again, Picture):  # of what was taken away nothing is known but that it isn't of the first frame
            return replace(again, frames=1 if _has_one_frame(again.format, data) else 0)
        return first


def _has_one_frame(form: str, data: bytes) -> bool:
    """Return whether a file of a format can have but one frame, whatever else is wrong with it."""
    return form in ("JPEG", "BMP", "DIB", "PPM", "TGA", "PCX", "SGI") or (form == "PNG" and b"acTL" not in data)


def _attempt(data: bytes, max_pixels: int, orientation: Orientation, ask: Ask | None) -> Picture | Failure:
    try:
        opened = open_image(data)
    except Image.DecompressionBombError:
        size = declared_size(data)
        refused = _refused(*size, max_pixels) if size else None
        return refused or Failure("too_many_pixels", f"declares more pixels than the limit of {max_pixels:,}")
    except MemoryError:
        return Failure("too_large", "not enough memory to open the image")
    if not isinstance(opened, Image.Image):
        return Failure(*foreign.unopened(data, opened, formats_not_read(data)))
    form = str(opened.format)
    try:
        with opened as image:
            loaded = _too_many_scans(data, form) or _load(image, max_pixels, orientation, ask)
            return loaded if isinstance(loaded, Failure) else replace(loaded, loss=loss_of(image, data))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - decoders of foreign bytes raise whatever they meet, or panic
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            return Failure("too_large", "not enough memory to decode the image")
        return Failure(*foreign.undecoded(data, form, error))


def _too_many_scans(data: bytes, form: str) -> Failure | None:
    scans = jpeg_scans(data) if form in ("JPEG", "MPO") else 0
    if scans <= MAX_SCANS:
        return None
    return Failure("too_large", f"a JPEG of {scans:,} scans, over the limit of {MAX_SCANS}")


def _load(image: Image.Image, max_pixels: int, orientation: Orientation, ask: Ask | None) -> Picture | Failure:
    width, height = image.size
    refused = _refused(width, height, max_pixels)
    if refused:
        return refused
    if ask is not None:
        ask(image)
    frames = len(frame_numbers(image))
    is_cut = deep_images.is_cut(image)
    image.load()
    turned, turn = (upright(image), 1) if orientation == "exif" else (image, turn_of(image))
    picture = replace(shown(turned), width=width, height=height, format=str(image.format), frames=frames, turn=turn)
    return replace(picture, stretch=(math.nan, math.nan)) if is_cut else picture


def _refused(width: int, height: int, max_pixels: int) -> Failure | None:
    """Return why pictures of such a shape are not decoded, from what they declare."""
    declared = f"declares {width} x {height} pixels"
    if min(width, height) < 1:
        return Failure("corrupt", declared)
    if width * height > max_pixels:
        return Failure("too_many_pixels", f"{declared}, over the limit of {max_pixels:,}")
    if max(width, height) > MAX_SIDE:
        return Failure("too_many_pixels", f"{declared}, a side over the limit of {MAX_SIDE:,}")
    return None


def frames_of(
    data: bytes, max_pixels: int = MAX_PIXELS, orientation: Orientation = "stored", side: int | None = None
) -> Iterator[Picture | Failure]:
    """Yield all frames of a file one after the other, each as `decode` would return it; the last may be a Failure.

    Args:
        data: the whole file.
        max_pixels: as for ``decode``.
        orientation: as for ``decode``.
        side: to how many pixels of its longer side a larger picture will be made smaller. A JPEG may then have been
            decoded at a half, a quarter or an eighth, in which nothing is seen of that.
    """
    first = _decode(data, max_pixels, orientation, None if side is None else partial(_ask_for_twice, side=side))
    yield first
    if isinstance(first, Failure) or first.frames == 1:
        return
    with undisturbed(max_pixels):
        opened = open_image(data)
    numbers = frame_numbers(opened) if isinstance(opened, Image.Image) else ()
    if not isinstance(opened, Image.Image) or len(numbers) != first.frames:
        yield Failure("corrupt", "its frames can't be told apart")
        return
    with opened:
        for number in numbers[1:]:
            frame = _frame(opened, number, max_pixels, orientation)
            if isinstance(frame, Failure):
                yield frame
                return
            yield replace(frame, frames=first.frames, loss=loss_of(opened, data))


def _frame(image: Image.Image, number: int, max_pixels: int, orientation: Orientation) -> Picture | Failure:
    try:
        with undisturbed(max_pixels):
            image.seek(number)
            refused = _refused(*image.size, max_pixels)
            if refused:
                return refused
            image.load()
            turned, turn = (upright(image), 1) if orientation == "exif" else (image, turn_of(image))
            return replace(shown(turned.copy()), format=str(image.format), turn=turn)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - as for the first frame
        return Failure("corrupt", f"frame {number} can't be decoded: {type(error).__name__}: {error}")


def from_array(pixels: np.ndarray, transparency: Transparency = "drop") -> Picture:
    """Return an array as a Picture.

    Args:
        pixels: uint8 (height, width) or (height, width, 1, 3 or 4).
        transparency: as for ``decode``.

    Raises:
        ValueError: if the shape or the dtype is another, or a side is longer than ``MAX_SIDE``.
    """
    shape_is_known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if not shape_is_known or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ValueError(
            "image_array must be uint8 of shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {pixels.dtype} {pixels.shape}"
        )
    if max(pixels.shape[:2]) > MAX_SIDE:
        raise ValueError(f"image_array must have no side over {MAX_SIDE:,}, got {pixels.shape}")
    image = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    return replace(shown(image), format="array", transparency=transparency)


def _ask_for_twice(image: Image.Image, side: int) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth, if that has twice the side, and its sides are multiples.

    What is then made of it is nearly what would be made of all its pixels: the last of others would be laid elsewhere.
    """
    whole = (n for n in (8, 4, 2) if image.width % n == image.height % n == 0)
    times = next((n for n in whole if max(image.size) >= 2 * n * side), 1)
    image.draft(None, (image.width // times, image.height // times))


def shown(image: Image.Image) -> Picture:
    """Return a loaded image of any of Pillow's modes as a Picture of which nothing is known but its pixels."""
    width, height = image.size
    if image.mode in deep_images.MODES:
        stretch = deep_images.stretch_of(image)
        flat = deep_images.stretched(image, *stretch).convert("RGB")
        return Picture(flat, width, height, str(image.format), stretch=stretch)
    rgb, alpha = _to_rgb(image)
    return Picture(rgb, width, height, str(image.format), alpha)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the pixels in RGB, and how opaque they are where not all of them are whole."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, None
    try:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    except ValueError:  # Pillow has no way from this mode to RGBA (YCbCr, LAB, HSV)
        return image.convert("RGB"), None
    alpha = rgba.getchannel("A")
    rgb = image if image.mode == "RGB" else rgba.convert("RGB")
    return rgb, None if alpha.getextrema() == (255, 255) else alpha
