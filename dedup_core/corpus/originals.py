"""Originals: what copies are made of, and the seed of what is random in making them."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image


class Copy(NamedTuple):
    """A copy as a file: its content, and the ending that belongs to it."""

    content: bytes
    ending: str


@dataclass(frozen=True)
class Original:
    """A picture that copies are made of: its file's name and content, and its pixels.

    The number decides where a copy may be made in several ways.
    """

    name: str
    content: bytes
    image: Image.Image
    number: int

    @classmethod
    def drawn(cls, name: str, image: Image.Image, number: int) -> Original:
        """Return a drawn picture as the file that a program saves."""
        return cls(name, saved(image, "PNG"), image, number)

    @classmethod
    def photographed(cls, name: str, content: bytes, image: Image.Image) -> Original:
        """Return a photograph. Its number is that of its name, whatever other photographs there are."""
        return cls(name, content, image, zlib.crc32(name.encode()))

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def ending(self) -> str:
        """The ending of the name."""
        return PurePosixPath(self.name).suffix


def saved(image: Image.Image, form: str, **options: int) -> bytes:
    """Return a picture as the content of a file of that format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seeded(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and on the names alone."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
