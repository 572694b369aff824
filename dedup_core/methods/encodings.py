"""Features by image name, with what is known of the images behind them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dedup_core.images.names import on_disk
from dedup_core.images.picture import Failure

Feature = TypeVar("Feature")


@dataclass(frozen=True)
class ImageInfo:
    """What is known of an image besides its features; None where it is not known.

    Attributes:
        size: the file's bytes.
        modified_at: when the file was changed, in microseconds since 1970.
        width: width in pixels as stored in the file.
        height: height in pixels as stored in the file.
        format: what the content is ("JPEG").
        identity: changes whenever the file's content does.
        frames: how many frames the file holds.
        caution: why a hash may say little of it: some of `dedup_core.images.looks.CAUTIONS`.
        look: uint8 (32, 32, 4) as bytes, what is seen of it from afar.
        digest: equal for files whose bytes are equal; of a picture of nearly one colour, for those whose pixels are.
    """

    size: int | None = None
    modified_at: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    identity: str | None = None
    frames: int | None = None
    caution: tuple[str, ...] | None = None
    look: bytes | None = None
    digest: str | None = None


class TurnedHash(str):
    """A hash of 16 hexadecimal characters that has those of the turned and mirrored pictures with it.

    Attributes:
        turned: the seven others, in the order of `dedup_core.turns.TURNS`.
    """

    turned: tuple[str, ...]

    def __new__(cls, upright: str, turned: Iterable[str] = ()) -> TurnedHash:
        """Return the hash of a picture as it lies, with those of its turns."""
        made = super().__new__(cls, upright)
        made.turned = tuple(turned)
        return made


class Encodings(dict[str, Feature]):
    """Features by image name: a dictionary that also knows how they were made, and from what.

    Attributes:
        fingerprint: identifies the method and its settings. Features of different fingerprints can't be compared.
        images: what is known of each image.
        failures: the images that have no features, and why.
        other_names: further names of the same files, such as links to them, by the name that has the features.
        image_dir: the folder that the images lie in, where that is known.
    """

    def __init__(self, features: Iterable[tuple[str, Feature]], fingerprint: str) -> None:
        super().__init__(features)
        self.fingerprint = fingerprint
        self.images: dict[str, ImageInfo] = {}
        self.failures: dict[str, Failure] = {}
        self.other_names: dict[str, tuple[str, ...]] = {}
        self.image_dir: Path | None = None

    def path_of(self, name: str) -> str | None:
        """Return where an image lies, where that is known."""
        if self.image_dir is None:
            return None
        return os.fsdecode(os.path.join(os.fsencode(self.image_dir), on_disk(name)))
