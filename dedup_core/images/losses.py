"""What a file's format may have changed of the pixels that were saved in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

LOSSLESS = ("PNG", "GIF", "BMP", "DIB", "PPM", "TGA", "PCX", "SGI", "ICO")
"""Formats that keep every pixel that is saved in them."""

_JPEGS = ("JPEG", "MPO")
_MAYBE_LOSSY = ("WEBP", "AVIF", "HEIF", "JPEG2000", "JXL")
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")
_SUBSAMPLED = 2  # half as wide and half as high, as Pillow numbers it


@dataclass(frozen=True)
class Loss:
    """The steps to which a lossy format rounds the frequencies of tiles of 8 x 8 pixels.

    Attributes:
        luma: 64 steps of brightness, row by row from the lowest frequency.
        chroma: 64 steps of colour.
        sampling: how much smaller the colours are stored, as Pillow numbers it; None where that is not known.
    """

    luma: tuple[int, ...]
    chroma: tuple[int, ...]
    sampling: int | None = None

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """The steps of brightness and those of colour, float64 (8, 8) each."""
        return tuple(np.array(steps, np.float64).reshape(8, 8) for steps in (self.luma, self.chroma))  # type: ignore[return-value]


def _scaled(steps: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(1, (step + 1) // 2) for step in steps)


_LUMA_50 = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA_50 = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(99,) * 32,
)  # fmt: skip

TYPICAL = Loss(_scaled(_LUMA_50), _scaled(_CHROMA_50))
"""Of a lossy format that doesn't say: JPEG's own example (ITU-T T.81, annex K) at quality 75."""


def loss_of(image: Image.Image, data: bytes) -> Loss | None:
    """Return what an opened image's format may have changed; None if it keeps every pixel.

    Args:
        image: as Pillow has opened it.
        data: the whole file.
    """
    if image.format in _JPEGS:
        return _of_jpeg(image)
    is_lossy = image.format in _MAYBE_LOSSY and not (image.format == "WEBP" and _is_lossless_webp(data))
    is_lossy = is_lossy or (image.format == "TIFF" and image.info.get("compression") in _LOSSY_TIFF)
    return TYPICAL if is_lossy else None


def _of_jpeg(image: Image.Image) -> Loss:
    tables = getattr(image, "quantization", None) or {}
    luma = tuple(tables.get(0, TYPICAL.luma))
    layers = getattr(image, "layer", ())
    if len(layers) != 3:
        return Loss(luma, luma, 0 if len(layers) == 1 else None)
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(image)
    return Loss(luma, tuple(tables.get(1, luma)), sampling if 0 <= sampling <= _SUBSAMPLED else None)


def _is_lossless_webp(data: bytes) -> bool:
    """Return whether no picture in a WebP file is of the lossy kind. Its chunks are walked, those of frames too."""
    place, is_lossless = 12, True
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"ANMF":
            place += 24  # into the frame, behind its place and duration
            continue
        is_lossless = is_lossless and name != b"VP8 "
        place += 8 + size + size % 2
    return is_lossless
