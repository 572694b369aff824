"""Features by image name, with what is known of the images behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

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
    """

    size: int | None = None
    modified_at: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    identity: str | None = None


class Encodings(dict[str, Feature]):
    """Features by image name: a dictionary that also knows how they were made, and from what.

    Attributes:
        fingerprint: identifies the method and its settings. Features of different fingerprints can't be compared.
        images: what is known of each image.
        failures: the images that have no features, and why.
        other_names: further names of the same files, such as links to them, by the name that has the features.
    """

    def __init__(self, features: Iterable[tuple[str, Feature]], fingerprint: str) -> None:
        super().__init__(features)
        self.fingerprint = fingerprint
        self.images: dict[str, ImageInfo] = {}
        self.failures: dict[str, Failure] = {}
        self.other_names: dict[str, tuple[str, ...]] = {}
