"""Pictures turned as their camera says, by the one tag of their metadata that is read."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dedup_core.images import ancillary
from dedup_core.images.strips import Cuttable, Piece, Striped, part_of

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_LYING = (5, 6, 7, 8)
_TURNED_BY_DECODERS = ("TIFF", "HEIF", "JXL")


def turned(image: Image.Image, turn: int) -> Image.Image:
    """Return an image turned as an orientation asks for, 1 to 8."""
    transpose = _TURNS.get(turn)
    return image if transpose is None else image.transpose(transpose)


def turned_in_parts(image: Cuttable, turn: int) -> Cuttable:
    """Return an image turned as an orientation asks for, of which each part is cut out and turned when it is asked for.

    The whole would be held twice while it is turned.
    """
    if turn not in _TURNS:
        return image
    size = image.size[::-1] if turn in _LYING else image.size
    return Striped(size, image.mode, lambda box: turned(part_of(image, _box_before(box, image.size, turn)), turn))


def _box_before(box: Piece, size: tuple[int, int], turn: int) -> Piece:
    """Return where a part of a turned image lay before it was turned, when that was of a size."""
    left, top, right, bottom = box if turn not in _LYING else (box[1], box[0], box[3], box[2])
    if turn in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if turn in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


def turned_pixels(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Return pixels (height, width, 3) turned as an orientation asks for, 1 to 8, C-contiguous."""
    if turn in _LYING:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def turned_box(right: float, bottom: float, size: tuple[int, int], turn: int) -> tuple[float, float, float, float]:
    """Return where a picture lies that was turned with the pixels, from whose upper left corner it reached so far.

    Args:
        right: its width, in pixels.
        bottom: its height, in pixels.
        size: (width, height) of the pixels before they were turned.
        turn: the orientation that was asked for, 1 to 8.

    Returns:
        left, top, right, bottom.
    """
    (x, width), (y, height) = (right, size[0]), (bottom, size[1])
    if turn in _LYING:
        (x, width), (y, height) = (y, height), (x, width)
    left = width - x if turn in (2, 3, 6, 7) else 0.0
    top = height - y if turn in (3, 4, 7, 8) else 0.0
    return left, top, left + x, top + y


def turn_of(image: Image.Image) -> int:
    """Return the orientation, 1 to 8, that a loaded image's EXIF block asks for and that its decoder has left to do."""
    if image.format in _TURNED_BY_DECODERS and not _is_jpeg_in_jxl(image):
        return 1
    orientation = ancillary.orientation(_exif(image))
    return orientation if orientation in _TURNS else 1


def _is_jpeg_in_jxl(image: Image.Image) -> bool:
    """Return whether a JPEG XL gave the JPEG that it was made from, as that one lay."""
    return image.format == "JXL" and bool(getattr(image, "jpeg", False))


def _exif(image: Image.Image) -> bytes:
    block, as_text = image.info.get("exif"), image.info.get("Raw profile type exif")
    if isinstance(block, bytes):
        return block
    try:  # ImageMagick writes it into a PNG as text: a name, a length, digits
        return bytes.fromhex("".join(as_text.split("\n")[3:])) if isinstance(as_text, str) else b""
    except ValueError:
        return b""
