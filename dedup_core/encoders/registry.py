"""The registry of methods: what each is called, how its features are compared, and how it is made ready.

A method that is entered here is known to the command line, the jobs, the tables and the searches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from dedup_core.encoders import hashes
from dedup_core.encoders.encoder import Encoder, Precision, Prepared
from dedup_core.errors import SettingsError, nearest
from dedup_core.images.picture import Picture
from dedup_core.metric import COSINE, HAMMING, INLIERS, Metric


class MethodOptions(Protocol):
    """What can be chosen of the methods: the settings of the jobs have it, and `Standard` the defaults."""

    @property
    def orientations(self) -> bool: ...  # noqa: D102 - as the setting of this name
    @property
    def cnn_weights(self) -> str: ...  # noqa: D102
    @property
    def cnn_model(self) -> str | None: ...  # noqa: D102
    @property
    def cnn_batch_size(self) -> int: ...  # noqa: D102
    @property
    def cnn_precision(self) -> Precision: ...  # noqa: D102
    @property
    def onnx_model(self) -> str | None: ...  # noqa: D102
    @property
    def onnx_batch_size(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Standard:
    """The options of methods of which nothing is said."""

    orientations: bool = False
    cnn_weights: str = "imagenet"
    cnn_model: str | None = None
    cnn_batch_size: int = 32
    cnn_precision: Precision = "float32"
    onnx_model: str | None = None
    onnx_batch_size: int = 32


STANDARD = Standard()
Hash = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A way to encode and to compare images.

    Attributes:
        name: "phash".
        metric: how its features are compared, and which column of the ``features`` table they fill.
        prepare: reads what the encoder needs, where a run starts, by the options.
    """

    name: str
    metric: Metric
    prepare: Callable[[MethodOptions], Prepared]

    @cached_property
    def fingerprint(self) -> str:
        """What identifies its features, by the standard options."""
        return self.prepare(STANDARD).fingerprint

    def encoder(self, options: MethodOptions = STANDARD) -> Encoder:
        """Return its encoder, ready to run in this process."""
        return self.prepare(options).opened()


TURNED = "+orientations"
"""What the fingerprints of hashes have that come with those of the turned picture."""


COARSE_SIDE = 32
"""How many pixels of a picture's shorter side are enough for a hash, where it is decoded fast."""


def _hash(name: str, size: tuple[int, int], function: Hash, of_turns: Hash, version: int = 2) -> Method:
    gray = partial(Picture.gray, size=size)
    both = gray if size == size[::-1] else partial(_both_ways, size=size)
    upright = Encoder(name, gray, function, f"{name}-64-v{version}", sizes=(size,), coarse_side=COARSE_SIDE)
    turned = replace(upright, pixels=both, encode=of_turns, fingerprint=f"{upright.fingerprint}{TURNED}")
    return Method(name, HAMMING, lambda options: turned if options.orientations else upright)


def _both_ways(picture: Picture, size: tuple[int, int]) -> np.ndarray:
    """Return a small grey picture, and one of the same with as much height as that has width, end to end."""
    return np.concatenate([picture.gray(size).ravel(), picture.roughly_gray(size[::-1]).ravel()])


def _network(options: MethodOptions) -> Prepared:
    from dedup_core.encoders.network_file import load_network  # loads TensorFlow, which hashes do without

    return load_network(options.cnn_weights, options.cnn_model, options.cnn_batch_size, options.cnn_precision)


def _own_network(options: MethodOptions) -> Prepared:
    from dedup_core.encoders.onnx_file import load_onnx  # loads Arrow's filesystems, which hashes do without

    return load_onnx(options.onnx_model, options.onnx_batch_size)


def _local(_options: MethodOptions) -> Prepared:
    from dedup_core.encoders.orb import orb_encoder  # loads OpenCV, which the others do without

    return orb_encoder()


ENCODERS = {
    method.name: method
    for method in (
        _hash("phash", (32, 32), hashes.phash, hashes.turned_phash),
        _hash("ahash", (8, 8), hashes.ahash, hashes.turned_ahash),
        _hash("dhash", (9, 8), hashes.dhash, hashes.turned_dhash),
        _hash("whash", (256, 256), hashes.whash, hashes.turned_whash, version=3),
        Method("cnn", COSINE, _network),
        Method("onnx", COSINE, _own_network),
        Method("orb", INLIERS, _local),
    )
}


LOCAL_METHOD = "orb"
"""The method whose features geometry compares, whichever method has proposed a pair."""

COMBINED = "combined"
"""A method without features of its own: what several methods propose, judged by geometry."""

PROPOSERS = ("phash", LOCAL_METHOD)
"""The methods that propose for ``combined`` where no others are named."""


def methods() -> list[str]:
    """Return the names of all methods, those that encode first."""
    return [*ENCODERS, COMBINED]


def check_method(name: str, given: Sequence[str] = ()) -> None:
    """Refuse a method that there is not.

    Args:
        name: what should be a method.
        given: names of embeddings that a user gives: methods too.

    Raises:
        SettingsError: with the nearest name.
    """
    known = [*methods(), *given]
    if name not in known:
        near = nearest(name, known)
        own = "" if near.startswith("did") else "; vectors of your own are a method that embeddings_name names"
        raise SettingsError(f"unknown method {name!r}: {near}{own}")


def proposers_of(method: str, named: Sequence[str]) -> tuple[str, ...]:
    """Return the methods whose features propose the pairs of a method; for ``combined`` the local one always does.

    Args:
        method: its name.
        named: all methods that are named beside it.
    """
    if method != COMBINED:
        return (method,)
    others = [name for name in named if name != COMBINED]
    return tuple(dict.fromkeys([*others, LOCAL_METHOD])) if others else PROPOSERS


def encoders_of(named: Sequence[str], verify: bool = False) -> tuple[str, ...]:
    """Return the methods whose features a search by the named ones needs.

    Args:
        named: methods.
        verify: whether geometry judges the pairs of them all.
    """
    needed = [name for method in named for name in proposers_of(method, named)]
    if verify:
        needed.append(LOCAL_METHOD)
    return tuple(dict.fromkeys(needed))


def is_judged(method: str) -> bool:
    """Return whether geometry judges the pairs of a method, whatever is asked for."""
    return method in (LOCAL_METHOD, COMBINED)


def metric_of(method: str) -> Metric:
    """Return what the scores of a method's pairs are; what no encoder makes are embeddings that a user gave."""
    if method == COMBINED:
        return INLIERS
    return ENCODERS[method].metric if method in ENCODERS else COSINE
