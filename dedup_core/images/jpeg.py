"""JPEGs of the usual kind decoded by simplejpeg: the very pixels that Pillow gives, in less time.

Whatever is unusual, and whatever simplejpeg refuses or warns of, is left to Pillow. So is all of it where simplejpeg is
missing, or where it gives other pixels than Pillow in this process, which is tried out before its first picture.
"""

from __future__ import annotations

import functools
import io
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL
from PIL import Image

from dedup_core.images.jpeg_header import Header

logger = logging.getLogger(__name__)

Decode = Callable[..., np.ndarray]

_TRYING = threading.Lock()

TIMES = (8, 4, 2, 1)
"""By what a JPEG can be decoded smaller. simplejpeg knows other fractions too, but Pillow doesn't."""


def decoder() -> str:
    """Return what decodes JPEGs of the usual kind in this process, for the record of a run: "simplejpeg 1.9.0"."""
    return checked()[1]


def decoded(data: bytes, header: Header, times: int = 1) -> np.ndarray | None:
    """Return a JPEG's pixels as they lie in the file; None if that is left to Pillow.

    Args:
        data: the whole file.
        header: what ``usual`` found in it.
        times: how much smaller it is decoded, one of ``TIMES``.

    Returns:
        uint8 (height, width, 3), C-contiguous, both sides divided by ``times`` and rounded up.
    """
    decode, _ = checked()
    return None if decode is None else _attempt(decode, data, (header.width, header.height), times)


def _attempt(decode: Decode, data: bytes, size: tuple[int, int], times: int) -> np.ndarray | None:
    width, height = (-(-side // times) for side in size)
    try:
        if times == 1:
            pixels = decode(data, "RGB")
        else:
            pixels = decode(data, "RGB", min_height=height, min_width=width, min_factor=times)
    except Exception:  # noqa: BLE001 - Pillow judges what is wrong with it
        return None
    return pixels if pixels.shape == (height, width, 3) else None


def checked() -> tuple[Decode | None, str]:
    """Return simplejpeg's decoder and what it is called, if it gives Pillow's pixels; else none, and Pillow's name."""
    with _TRYING:  # all threads ask at once: one of them tries, and says what is wrong
        return _tried()


@functools.cache
def _tried() -> tuple[Decode | None, str]:
    by_pillow = f"Pillow {PIL.__version__}"
    try:
        import simplejpeg
    except ImportError as error:
        logger.warning("JPEGs are decoded by Pillow, which is slower: pip install simplejpeg (%s)", error)
        return None, by_pillow
    name = f"simplejpeg {simplejpeg.__version__}"
    differing = next(differences(simplejpeg.decode_jpeg), None)
    if differing is None:
        return simplejpeg.decode_jpeg, name
    logger.warning(
        "%s decodes %s other than %s does: Pillow decodes, which is slower; another version of either may help",
        name, differing, by_pillow,
    )  # fmt: skip
    return None, by_pillow


def differences(decode: Decode) -> Iterator[str]:
    """Yield the kinds of JPEGs of which a decoder gives other pixels than Pillow.

    Args:
        decode: as ``simplejpeg.decode_jpeg``.
    """
    for name, content in _samples():
        for times in TIMES:
            expected = _by_pillow(content, times)
            found = _attempt(decode, content, (_SIDE, _SIDE - 6), times)
            if found is None or not np.array_equal(found, expected):
                yield f"{name} JPEGs" if times == 1 else f"{name} JPEGs at 1/{times}"


_SIDE = 53
_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("4:2:0", {"subsampling": 2}), ("4:4:4", {"subsampling": 0}), ("4:2:2", {"subsampling": 1, "quality": 9}),
    ("progressive", {"subsampling": 2, "progressive": True}), ("RGB", {"keep_rgb": True}),
)  # fmt: skip


def _samples() -> Iterator[tuple[str, bytes]]:
    """Yield small JPEGs of every usual kind, each with its name."""
    import simplejpeg

    pixels = _scene()
    image = Image.fromarray(pixels)
    for name, options in _KINDS:
        yield name, _saved(image, **options)
    yield "4:4:0", simplejpeg.encode_jpeg(pixels, colorsubsampling="440")
    yield "4:1:1", simplejpeg.encode_jpeg(pixels, colorsubsampling="411")
    yield "grey", _saved(image.convert("L"))
    progressive = _saved(image, progressive=True)
    yield "unfinished progressive", progressive[: progressive.rindex(b"\xff\xda")] + b"\xff\xd9"


def _scene() -> np.ndarray:
    """Return something with slopes, edges and noise in all colours: uint8 (h, w, 3)."""
    y, x = np.mgrid[: _SIDE - 6, :_SIDE]
    noise = (x * 7919 + y * 104729) % 61
    planes = 4 * x + noise, 255 - 5 * y + noise, 128 * ((x // 9 + y // 7) % 2) + 2 * y
    return np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)


def _saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _by_pillow(content: bytes, times: int) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        image.draft(None, (image.width // times, image.height // times))
        return np.asarray(image.convert("RGB"))
