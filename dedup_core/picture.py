"""Bytes to Picture: one decode feeds every encoder.

This is the only place that opens images. What can't be opened comes back as a ``Failure``, a value like any
other, so that one bad file never ends a run over millions.
"""

from __future__ import annotations

import io
import math
import os
import stat
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Reason = Literal[
    "empty", "truncated", "corrupt", "not_an_image", "unsupported", "too_many_pixels", "too_large", "vanished",
    "unreadable", "not_encoded",
]  # fmt: skip
REASONS: tuple[str, ...] = get_args(Reason)
Orientation = Literal["stored", "exif"]

MAX_PIXELS = 200_000_000
"""Declared pixels above which a file is refused as a decompression bomb; 600 MB once decoded."""

SAFE_FORMATS = (
    "JPEG", "PNG", "BMP", "MPO", "PPM", "TIFF", "GIF", "WEBP", "AVIF", "JPEG2000", "DIB", "ICO", "TGA", "PCX", "SGI",
    "HEIF",
)  # fmt: skip
"""What is decoded: raster formats that Pillow reads in process. HEIF counts once pillow-heif has registered it.

Formats that start another program (EPS), need a guess at the layout (raw data) or are stubs stay shut."""

_FOREIGN_SIGNATURES: dict[bytes, str] = {
    b"%PDF": "PDF", b"<svg": "SVG", b"8BPS": "PSD", b"II\x1a\x00\x00\x00HEAP": "CRW (camera raw)",
    b"FUJIFILM": "RAF (camera raw)", b"ftyphei": "HEIC (install pillow-heif to read it)",
    b"ftypmif1": "HEIF (install pillow-heif to read it)", b"ftypcrx": "CR3 (camera raw)",
}  # fmt: skip
_OPENING = threading.Lock()
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Failure:
    """Why a file gave no picture: a reason from the fixed list ``REASONS``, and a message for a person."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        image: the pixels, always in Pillow's mode RGB.
        width: width in pixels as stored in the file.
        height: height in pixels as stored in the file.
        format: what the content is ("JPEG"), whatever the file is called.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    _resized: dict[tuple[int, int], Image.Image] = field(default_factory=dict, repr=False, compare=False)

    def rgb(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) as uint8 (height, width, 3)."""
        return np.asarray(self._resize(size))

    def gray(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture resized to ``size`` (width, height) in RGB, then made grey: uint8 (height, width).

        The order matters: imagededup resizes before it drops colour, and its hashes are matched bit for bit.
        """
        return np.asarray(self._resize(size).convert("L"))

    def _resize(self, size: tuple[int, int]) -> Image.Image:
        if size not in self._resized:
            self._resized[size] = self.image.resize(size, Image.Resampling.LANCZOS)
        return self._resized[size]


def read(path: str, max_bytes: int) -> bytes | Failure:
    """Return a local file's content, or why it could not be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Failure("unreadable", "not a regular file")
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except PermissionError:
        return Failure("unreadable", "no permission to read the file")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        return Failure("unreadable", f"the file can't be read: {error}")
    if len(content) > max_bytes:
        return Failure("too_large", f"{os.path.getsize(path):,} bytes, over the limit of {max_bytes:,}")
    return content


def decode(data: bytes, max_pixels: int = MAX_PIXELS, orientation: Orientation = "stored") -> Picture | Failure:
    """Decode an image file's content.

    Args:
        data: the whole file.
        max_pixels: a file that declares more pixels is refused before any is decoded.
        orientation: "stored" leaves the pixels as they are in the file, as imagededup does; "exif" turns them as
            the camera says.

    Returns:
        The picture (of several frames the first), or a Failure.
    """
    return _decode(data, max_pixels, orientation)


def _decode(data: bytes, max_pixels: int, orientation: Orientation, side: int | None = None) -> Picture | Failure:
    if not data:
        return Failure("empty", "the file has no content")
    try:
        with _open(data) as image:
            width, height = image.size
            if width * height > max_pixels:
                return Failure(
                    "too_many_pixels", f"declares {width} x {height} pixels, over the limit of {max_pixels:,}"
                )
            if side is not None:
                _ask_for_less(image, side)
            image.load()
            upright = ImageOps.exif_transpose(image) if orientation == "exif" else image
            return Picture(_to_rgb(upright), width, height, str(image.format))
    except UnidentifiedImageError:
        return _unidentified(data)
    except MemoryError:
        return Failure("too_large", "not enough memory to decode the image")
    except Exception as error:  # noqa: BLE001 - decoders of foreign bytes raise whatever they meet
        reason: Reason = "truncated" if "truncated" in str(error).lower() else "corrupt"
        return Failure(reason, f"{type(error).__name__}: {error}")


def from_array(pixels: np.ndarray) -> Picture:
    """Return an array as a Picture.

    Args:
        pixels: uint8 (height, width) or (height, width, 1, 3 or 4).

    Raises:
        ValueError: if the shape or the dtype is another.
    """
    shape_is_known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if not shape_is_known or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ValueError(
            "image_array must be uint8 of shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {pixels.dtype} {pixels.shape}"
        )
    image = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    return Picture(_to_rgb(image), image.width, image.height, "array")


def thumbnail(data: bytes, size: int, max_pixels: int = MAX_PIXELS) -> np.ndarray | Failure:
    """Decode an image small, for people to look at.

    Args:
        data: the whole file.
        size: the longer side in pixels.
        max_pixels: as for ``decode``.

    Returns:
        uint8 (height, width, 3), turned as the camera says and never enlarged; or a Failure.
    """
    picture = _decode(data, max_pixels, "exif", side=size)
    if isinstance(picture, Failure):
        return picture
    small = picture.image.copy()
    small.thumbnail((size, size))
    return np.asarray(small)


def _ask_for_less(image: Image.Image, side: int) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth, if that is no smaller. No hash may see such pixels."""
    share = side / max(image.size)
    image.draft(None, (math.ceil(image.width * share), math.ceil(image.height * share)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _DEEP_MODES:
        return _deep_to_gray(np.asarray(image)).convert("RGB")
    try:
        return image.convert("RGBA").convert("RGB")
    except ValueError:  # Pillow has no way from this mode to RGBA (YCbCr, LAB, HSV)
        return image.convert("RGB")


def _deep_to_gray(values: np.ndarray) -> Image.Image:
    """Stretch 16-bit, 32-bit and float pixels over 0 to 255.

    Pillow's own conversion clips at 255, which turns every 16-bit scan into the same white image.
    """
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = finite.min(), finite.max()
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(((finite - low) * scale).round().astype(np.uint8))


def _readable_formats() -> list[str]:
    Image.init()
    return [name for name in SAFE_FORMATS if name in Image.OPEN]


def _unidentified(data: bytes) -> Failure:
    """Tell an image that broke off early from a format that we don't read, and from what is no image at all."""
    head = data[:1024]
    for signature, name in _FOREIGN_SIGNATURES.items():
        if signature in head:
            return Failure("unsupported", f"the format {name} is not read")
    for name in _readable_formats():
        if _accepts(Image.OPEN[name][1], head[:16]):
            return Failure("truncated", f"begins like {name}, but breaks off before the pixels or is damaged")
    for name, (_, accept) in Image.OPEN.items():
        if name not in SAFE_FORMATS and _accepts(accept, head[:16]):
            return Failure("unsupported", f"the format {name} is not read")
    return Failure("not_an_image", "the content is no image in any known format")


def _accepts(accept: Callable[[bytes], bool | str] | None, head: bytes) -> bool:
    try:
        return accept is not None and accept(head) is True
    except Exception:  # noqa: BLE001 - a plug-in's look at foreign bytes may fail in any way
        return False


def _open(data: bytes) -> Image.Image:
    """Open without Pillow's own pixel limit, which can't be set for one call: ours is applied right after."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=_readable_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = before
