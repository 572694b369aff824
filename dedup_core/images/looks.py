"""What is kept of every picture beside its features: a small look at it, and what speaks against trusting a hash."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dedup_core.images.picture import Failure, Picture
from dedup_core.images.resizing import pillow
from dedup_core.images.resizing.small import LOOK
from dedup_core.images.strips import is_large, strips_of

Caution = Literal["flat", "transparent", "few_details", "several_frames", "deep"]
CAUTIONS: tuple[str, ...] = get_args(Caution)
"""Why a hash may say little of a picture, or not all of it."""

SIDE = LOOK.size[0]
"""Of a look, in cells."""

LOOK_BYTES = SIDE * SIDE * 4

FLAT_LEVELS = 6
"""Cells of a flat picture, one of nearly one colour, differ by no more: what a hash makes of these is noise."""

_OF_FILE = "file:"
_DIGEST_BYTES = 16
_MOST_FRAMES = 100
_FEW_LEVELS, _FEW_SHARE = 8, 0.95


@dataclass(frozen=True)
class Traits:
    """What is known of a picture beside its features.

    Attributes:
        frames: how many its file holds; 0 where they can't be counted.
        caution: some of ``CAUTIONS``, in their order.
        look: uint8 (32, 32, 4), as bytes: what is seen of it on grey, in red, green and blue, and how opaque it is.
            None of a picture that was decoded smaller: it would refute what all pixels prove.
        digest: equal for files whose bytes are equal; of a picture of nearly one colour, for those whose pixels are.
    """

    frames: int
    caution: tuple[Caution, ...]
    look: bytes | None
    digest: str = ""

    @property
    def is_flat(self) -> bool:
        """Whether nothing is seen on it."""
        return "flat" in self.caution


def traits_of(picture: Picture) -> Traits:
    """Return what is to be kept of a picture."""
    cells = look_at(picture)
    planes = np.ascontiguousarray(cells.reshape(-1, 4).T)
    is_flat = int((planes.max(axis=1) - planes.min(axis=1)).max()) <= FLAT_LEVELS
    known: dict[Caution, bool] = {
        "flat": is_flat,
        "transparent": picture.alpha is not None,
        "few_details": not is_flat and _has_few_details(planes),
        "several_frames": picture.frames != 1,
        "deep": picture.stretch is not None,
    }
    look = cells.tobytes() if picture.is_whole else None
    return Traits(picture.frames, tuple(name for name, is_so in known.items() if is_so), look)


def look_at(picture: Picture) -> np.ndarray:
    """Return a picture seen from afar: uint8 (32, 32, 4), its colours on grey, and its alpha."""
    cells = np.full((SIDE, SIDE, 4), 255, np.uint8)
    cells[..., :3] = picture.look()
    if picture.alpha is not None:
        (cells[..., 3],) = pillow.made_small(picture.alpha, [LOOK])
    return cells


def file_digest(content: bytes) -> str:
    """Return what two files share if all their bytes are equal."""
    return f"{_OF_FILE}{hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()}"


def is_still(content: bytes, digest: str | None) -> bool:
    """Return whether a file's bytes are those of which a digest was kept, as far as that tells."""
    return digest is None or not digest.startswith(_OF_FILE) or file_digest(content) == digest


def pixel_digest(frames: Iterable[Picture | Failure]) -> str | None:
    """Return what two files share if all their pixels are equal, frame by frame.

    None if a frame can't be decoded or counted, if there are too many of them to look at, or if they hold more than 8
    bits a pixel: then only the bytes of the files tell.
    """
    digest, count = hashlib.blake2b(digest_size=_DIGEST_BYTES), 0
    for frame in frames:
        if isinstance(frame, Failure) or frame.stretch is not None or not 1 <= frame.frames <= _MOST_FRAMES:
            return None
        count += 1
        digest.update(f"{frame.size} {frame.turn} {frame.stretch}".encode())
        for pixels in _pixels(frame):
            digest.update(pixels)
        for opacity in _opacity(frame):
            digest.update(opacity)
        del frame  # before the next one is decoded: it may be large
    return f"pixels:{count}:{digest.hexdigest()}"


def _pixels(frame: Picture) -> Iterator[bytes | memoryview]:
    """Yield a picture's pixels, row by row, three bytes each; of a large one some rows at a time."""
    if isinstance(frame.source, np.ndarray) or not is_large(frame.source):
        yield frame.pixels.data
        return
    yield from (strip.tobytes() for _, strip in strips_of(frame.source))


def _opacity(frame: Picture) -> Iterator[bytes]:
    """Yield how opaque a picture's pixels are, row by row, a byte each, some at a time."""
    if frame.alpha is not None:
        yield from (strip.tobytes() for _, strip in strips_of(frame.alpha))
        return
    width, height = frame.size
    yield from itertools.repeat(b"\xff" * width, height)


def as_cells(look: bytes) -> np.ndarray:
    """Return a look that was kept as bytes: uint8 (32, 32, 4)."""
    return np.frombuffer(look, np.uint8).reshape(SIDE, SIDE, 4)


def _has_few_details(planes: np.ndarray) -> bool:
    """Return whether nearly all cells of a look, uint8 (4, 1024), are of one colour."""
    middle = planes.shape[1] // 2
    of_page = np.partition(planes, middle, axis=1)[:, middle, None].astype(np.int16)
    is_near = (np.abs(planes - of_page) <= _FEW_LEVELS).all(axis=0)
    return bool(np.count_nonzero(is_near) >= _FEW_SHARE * planes.shape[1])
