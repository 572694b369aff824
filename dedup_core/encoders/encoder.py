"""What an encoder is, and how image files go through several of them over one decode each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np

from dedup_core import arguments
from dedup_core.images.decoding import decode, decode_coarsely, frames_of
from dedup_core.images.looks import Traits, file_digest, pixel_digest, traits_of
from dedup_core.images.picture import MAX_PIXELS, Failure, Orientation, Picture, Transparency, not_encoded

Precision = Literal["float32", "float16"]
"""Of the embeddings that are kept."""

Mode = Literal["exact", "fast"]

LOOK_SIDE = 32
"""How many pixels of a picture's shorter side are enough for a small look at it, where it is decoded fast."""

_JPEG = b"\xff\xd8\xff"


class Prepared(Protocol):
    """An encoder as it travels to workers: all files that it needs are read.

    Attributes:
        name: the method ("phash").
        fingerprint: identifies everything that the values depend on. Features of different fingerprints are never
            compared.
        batch_size: how many pictures it takes at a time, on all cores there are; None for one that takes any number,
            on the core that decodes them.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - told above
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def batch_size(self) -> int | None: ...  # noqa: D102

    def opened(self, threads: int | None = None) -> Encoder:
        """Return the encoder, ready to run in this process, on so many cores; None for all."""


@dataclass(frozen=True)
class Encoder:
    """How one method turns pictures into features.

    Attributes:
        name: the method ("phash").
        pixels: what is kept of a picture until the batch is full: a uint8 array of one fixed shape.
        encode: a stack of such arrays to features: uint64 (n,) for a hash, uint64 (n, 8) for one
            with those of the seven turned pictures, float32 (n, d) for an embedding.
        fingerprint: identifies everything that the values depend on.
        batch_size: as of `Prepared`.
        sizes: to which it will ask for a picture to be resized, width and height: those of all encoders are made in
            one pass.
        coarse_side: how many pixels of a picture's shorter side are enough where it is decoded fast; None for all.
    """

    name: str
    pixels: Callable[[Picture], np.ndarray]
    encode: Callable[[np.ndarray], np.ndarray]
    fingerprint: str
    batch_size: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    coarse_side: int | None = None

    def opened(self, threads: int | None = None) -> Encoder:  # noqa: ARG002 - it needs no more than one
        """Return itself: it needs no file, and no more than one core."""
        return self

    def unopened(self) -> Encoder:
        """Return what can be sent to a process: what the encoder wants of a picture, without its network."""
        return replace(self, encode=_unchanged)


@dataclass(frozen=True)
class Looked:
    """One image, decoded: the pixels that each encoder wants of it, by method, and what is known of the image."""

    width: int
    height: int
    format: str
    traits: Traits
    pixels: dict[str, np.ndarray]


@dataclass(frozen=True)
class Encoded:
    """One image, encoded: its features, by method, and what is known of the image."""

    width: int
    height: int
    format: str
    traits: Traits
    features: dict[str, np.ndarray]


@dataclass(frozen=True)
class Decoding:
    """How files become pictures: the settings that every encoder shares.

    Attributes:
        max_pixels: as for `decode`.
        orientation: as for `decode`.
        transparency: as for `decode`.
        mode: "exact" has every pixel computed; "fast" of JPEGs only as many as the encoder needs, so that no feature
            depends on which others are computed beside it.

    Raises:
        TypeError, ValueError: if max_pixels is no whole number from 1, or another one none of its words.
    """

    max_pixels: int = MAX_PIXELS
    orientation: Orientation = "stored"
    transparency: Transparency = "drop"
    mode: Mode = "exact"

    def __post_init__(self) -> None:
        arguments.whole_number(self.max_pixels, "max_pixels", 1)
        arguments.choice(self.orientation, "orientation", get_args(Orientation))
        arguments.choice(self.transparency, "transparency", get_args(Transparency))
        arguments.choice(self.mode, "mode", get_args(Mode))

    def fingerprint(self, of_encoder: str) -> str:
        """Return the fingerprint of an encoder's features over pictures decoded this way.

        Args:
            of_encoder: the encoder's own fingerprint.
        """
        chosen: tuple[str, ...] = self.orientation, self.transparency, self.mode
        return "+".join([of_encoder, *(name for name in chosen if name not in ("stored", "drop", "exact"))])


def encode_batch(
    contents: Iterable[bytes | Failure], encoders: Sequence[Encoder], decoding: Decoding = Decoding()
) -> list[Encoded | Failure]:
    """Encode image files with every encoder over one decode each.

    Args:
        contents: each file's bytes, or why they could not be read.
        encoders: the methods to run.
        decoding: how files become pictures.

    Returns:
        One entry a file, in order: its features, or why there are none.
    """
    return encode_looked(look_at(contents, encoders, decoding), encoders)


def look_at(
    contents: Iterable[bytes | Failure], encoders: Sequence[Encoder], decoding: Decoding
) -> list[Looked | Failure]:
    """Decode image files, the first half of `encode_batch`, and keep the pixels that each encoder wants."""
    return [_look(content, encoders, decoding) for content in contents]


def encode_looked(looked: Sequence[Looked | Failure], encoders: Sequence[Encoder]) -> list[Encoded | Failure]:
    """Turn pixels into features: the second half of `encode_batch`, of what `look_at` returned."""
    good = [look for look in looked if isinstance(look, Looked)]
    columns = {encoder.name: encoder.encode(np.stack([look.pixels[encoder.name] for look in good]))
               for encoder in encoders if good}  # fmt: skip
    rows = iter(zip(*columns.values(), strict=True) if columns else [()] * len(good))
    return [look if isinstance(look, Failure) else _encoded(look, dict(zip(columns, next(rows), strict=True)))
            for look in looked]  # fmt: skip


def _unchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels


def _encoded(look: Looked, features: dict[str, np.ndarray]) -> Encoded | Failure:
    """Return the features, or a failure in place of an embedding that a search could not compare with any."""
    for name, feature in features.items():
        if not np.isfinite(feature).all():
            return Failure("not_encoded", f"the picture was read, but its {name} embedding holds NaN or infinity")
    return Encoded(look.width, look.height, look.format, look.traits, features)


def _look(content: bytes | Failure, encoders: Sequence[Encoder], decoding: Decoding) -> Looked | Failure:
    """Decode one file and keep only what the encoders want of it: a batch of whole pictures would fill the memory."""
    if isinstance(content, Failure):
        return content
    is_coarse = decoding.mode == "fast" and content.startswith(_JPEG)
    sides = [encoder.coarse_side if is_coarse else None for encoder in encoders]
    look_side = LOOK_SIDE if is_coarse else None
    pictures: dict[int | None, Picture] = {}
    for side in dict.fromkeys([look_side, *sides]):
        picture = _decoded(content, decoding, side)
        if isinstance(picture, Failure):
            return picture
        pictures[side] = picture
        asked = (encoder for encoder, of_encoder in zip(encoders, sides, strict=True) if of_encoder == side)
        try:
            picture.prepare(size for encoder in asked for size in encoder.sizes)
        except Exception as error:  # noqa: BLE001 - whatever a picture does, it may not end a run
            return not_encoded(error, "its resize")
    pixels: dict[str, np.ndarray] = {}
    for encoder, side in zip(encoders, sides, strict=True):
        try:
            pixels[encoder.name] = encoder.pixels(pictures[side])
        except Exception as error:  # noqa: BLE001, PERF203
            return not_encoded(error, f"the resize for {encoder.name}")
    picture = pictures[look_side]
    size, form = (picture.width, picture.height), picture.format
    try:
        traits = traits_of(picture)
        del picture, pictures  # they may be large, and the digest has the file decoded again
        traits = _with_digest(traits, content, decoding)
    except Exception as error:  # noqa: BLE001
        return not_encoded(error, "a small look at it")
    return Looked(*size, form, traits, pixels)


def _decoded(content: bytes, decoding: Decoding, side: int | None) -> Picture | Failure:
    if side is None:
        return decode(content, decoding.max_pixels, decoding.orientation, decoding.transparency)
    return decode_coarsely(content, side, decoding.max_pixels, decoding.orientation, decoding.transparency)


def _with_digest(traits: Traits, content: bytes, decoding: Decoding) -> Traits:
    digest = pixel_digest(frames_of(content, decoding.max_pixels, decoding.orientation)) if traits.is_flat else None
    return replace(traits, digest=digest or file_digest(content))
