"""The registry of encoders: what each wants to see of a picture, what it yields, and what identifies its features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dedup_core.encoders import hashes as hashing
from dedup_core.errors import SettingsError, nearest
from dedup_core.images.picture import MAX_PIXELS, Failure, Orientation, Picture, decode, not_encoded


@dataclass(frozen=True)
class Encoder:
    """How one method turns pictures into features.

    Attributes:
        name: the method ("phash").
        pixels: what is kept of a picture until the batch is full: a uint8 array of one fixed shape.
        encode: a stack of such arrays to features: uint64 (n,) for a hash, float32 (n, d) for an embedding.
        feature: which column of the ``features`` table it fills.
        fingerprint: identifies everything that the values depend on. Features of different fingerprints never
            meet in one search.
    """

    name: str
    pixels: Callable[[Picture], np.ndarray]
    encode: Callable[[np.ndarray], np.ndarray]
    feature: Literal["hash", "embedding"]
    fingerprint: str


@dataclass(frozen=True)
class Encoded:
    """One image's features, by method, and what is known of the image itself."""

    width: int
    height: int
    format: str
    features: dict[str, np.ndarray]


def _hash(name: str, size: tuple[int, int], function: Callable[[np.ndarray], np.ndarray]) -> Encoder:
    return Encoder(name, lambda picture: picture.gray(size), function, "hash", f"{name}-64-v2")


class _Encoders(dict[str, Encoder]):
    """The hashes, which need nothing else; "cnn" is made on demand, as it loads TensorFlow and weights."""

    def __missing__(self, name: str) -> Encoder:
        if name != "cnn":
            raise KeyError(name)
        from dedup_core.encoders.network_file import default_encoder

        return default_encoder()


ENCODERS = _Encoders(
    (encoder.name, encoder)
    for encoder in (
        _hash("phash", (32, 32), hashing.phash),
        _hash("ahash", (8, 8), hashing.ahash),
        _hash("dhash", (9, 8), hashing.dhash),
        _hash("whash", (256, 256), hashing.whash),
    )
)
METHODS = (*ENCODERS, "cnn")


def check_method(name: str) -> None:
    """Refuse a method that there is not.

    Raises:
        SettingsError: with the nearest name.
    """
    if name not in METHODS:
        raise SettingsError(f"unknown method {name!r}: {nearest(name, METHODS)}")


def is_hash(name: str) -> bool:
    """Return whether a method gives hashes, where the smaller score is the closer; else embeddings."""
    return name in ENCODERS


@dataclass(frozen=True)
class Decoding:
    """How files become pictures: the settings that every encoder shares."""

    max_pixels: int = MAX_PIXELS
    orientation: Orientation = "stored"

    def fingerprint(self, of_encoder: str) -> str:
        """Return the fingerprint of an encoder's features over pictures decoded this way, from the encoder's own."""
        return of_encoder if self.orientation == "stored" else f"{of_encoder}+{self.orientation}"


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
    return encode_looks(look_at(contents, encoders, decoding), encoders)


def look_at(
    contents: Iterable[bytes | Failure], encoders: Sequence[Encoder], decoding: Decoding
) -> list[Encoded | Failure]:
    """Decode image files: the first half of `encode_batch`. The features are yet the pixels that each encoder wants."""
    return [_look(content, encoders, decoding) for content in contents]


def encode_looks(looks: list[Encoded | Failure], encoders: Sequence[Encoder]) -> list[Encoded | Failure]:
    """Turn pixels into features: the second half of `encode_batch`, of what `look_at` returned."""
    good = [look for look in looks if not isinstance(look, Failure)]
    for encoder in encoders if good else ():
        features = encoder.encode(np.stack([look.features[encoder.name] for look in good]))
        for look, feature in zip(good, features, strict=True):
            look.features[encoder.name] = feature
    return [look if isinstance(look, Failure) else _finite(look) for look in looks]


def _finite(look: Encoded) -> Encoded | Failure:
    """Return a failure in place of an embedding that a search could not compare with any."""
    for name, feature in look.features.items():
        if not np.isfinite(feature).all():
            return Failure("not_encoded", f"the picture was read, but its {name} embedding holds NaN or infinity")
    return look


def _look(content: bytes | Failure, encoders: Sequence[Encoder], decoding: Decoding) -> Encoded | Failure:
    """Decode one file and keep only what the encoders want of it: a batch of whole pictures would fill the memory."""
    picture = content if isinstance(content, Failure) else decode(content, decoding.max_pixels, decoding.orientation)
    if isinstance(picture, Failure):
        return picture
    pixels: dict[str, np.ndarray] = {}
    for encoder in encoders:
        try:
            pixels[encoder.name] = encoder.pixels(picture)
        except Exception as error:  # noqa: BLE001, PERF203 - whatever a picture does, it may not end a run
            return not_encoded(error, f"the resize for {encoder.name}")
    return Encoded(picture.width, picture.height, picture.format, pixels)
