"""Embeddings of a convolutional network, compared by their cosine similarity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoder
from dedup_core.encoders.registry import ENCODERS, Standard
from dedup_core.methods.encoding import AS_STORED, StrPath
from dedup_core.methods.finding import MAX_PAIRS, FindingMethod, Images, warn_of_no_effect
from dedup_core.pairs import Pairs
from dedup_core.workers import n_cores


class CNN(FindingMethod[np.ndarray]):
    """Embeddings of a network, float32 (1, 1024) by MobileNet; the larger the cosine similarity, the closer two images.

    TensorFlow and the network are loaded when the first image is to be encoded.

    Args:
        verbose: as for the hashes.
        model_config: refused. imagededup takes a network of PyTorch there: give ``model``, or embeddings of your own as
            an ``encoding_map``.
        weights: MobileNet's weights: "imagenet", which Keras downloads once, or a file.
        model: the file of a Keras model to use instead of MobileNet.
        batch_size: how many images the network takes at a time.
        decoding: as for the hashes.

    Raises:
        TypeError, ValueError: if an argument is none of these.
    """

    name = "cnn"
    _same_score = np.float64(1.0)

    def __init__(
        self,
        verbose: bool = True,
        model_config: None = None,
        *,
        weights: StrPath = "imagenet",
        model: StrPath | None = None,
        batch_size: int = 32,
        decoding: Decoding = AS_STORED,
    ) -> None:
        super().__init__(verbose, decoding=decoding)
        if model_config is not None:
            raise TypeError(
                "model_config, a network of PyTorch, is not taken: give model=FILE, a Keras model, or what your "
                "network makes of the images to find_duplicates(encoding_map=...)"
            )
        self._weights = str(arguments.path(weights, "weights"))
        self._model = None if model is None else arguments.path(model, "model")
        self._batch_size = arguments.whole_number(batch_size, "batch_size", 1)

    @cached_property
    def encoder(self) -> Encoder:
        """What makes the embeddings.

        Raises:
            SettingsError: if TensorFlow, the weights or the model can't be had.
        """
        model = None if self._model is None else str(self._model)
        options = Standard(cnn_weights=self._weights, cnn_model=model, cnn_batch_size=self._batch_size)
        return ENCODERS[self.name].encoder(options)

    def find_duplicates(  # noqa: PLR0913 - imagededup's signature, and what goes beyond it by keyword
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, np.ndarray] | None = None,
        min_similarity_threshold: float = 0.9,
        scores: bool = False,
        outfile: StrPath | Literal[False] | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
        *,
        verified: bool = False,
        against: Mapping[str, np.ndarray] | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[str, list[Any]]:
        """Return every image with its duplicates, as ``PHash.find_duplicates`` does, by cosine similarity.

        Args:
            image_dir: the folder of images.
            encoding_map: arrays (1, d) or (d,) of numbers, or lists, by name, used instead of a folder.
            min_similarity_threshold: the least cosine similarity of two duplicates, -1.0 to 1.0.
            scores: whether to give (name, similarity) instead of names.
            outfile: a JSON file to write the result to; None or False for none.
            recursive: whether to look at the images in the folders inside the folder too.
            num_enc_workers: as for ``encode_images``.
            num_sim_workers: of imagededup, and of no effect, as a warning says.
            verified: whether to list only duplicates that are the same picture: their files are read again, and their
                pixels decide. The images must be known to lie somewhere: by image_dir, or by what encode_images gave.
            against: arrays by name of images that are there already.
            max_pairs: how many pairs of images the map may list.

        Returns:
            Each image's duplicates, the most similar first, ties by name.

        Raises:
            TypeError, ValueError: as ``PHash.find_duplicates``, naming the argument.
            LimitError: if there are more pairs than max_pairs. They are counted before the map is made.
        """
        threshold = arguments.real_number(min_similarity_threshold, "min_similarity_threshold", *self._range)
        warn_of_no_effect(num_sim_workers=num_sim_workers)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find(images, threshold, scores, outfile, against, max_pairs)

    def find_duplicates_to_remove(  # noqa: PLR0913 - as find_duplicates
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, np.ndarray] | None = None,
        min_similarity_threshold: float = 0.9,
        outfile: StrPath | Literal[False] | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
        *,
        verified: bool = False,
    ) -> list[str]:
        """Return the images that can be removed, sorted, by the rule of ``PHash.find_duplicates_to_remove``."""
        threshold = arguments.real_number(min_similarity_threshold, "min_similarity_threshold", *self._range)
        warn_of_no_effect(num_sim_workers=num_sim_workers)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find_to_remove(images, threshold, outfile)

    @property
    def _range(self) -> tuple[float, float]:
        return self.metric.farthest, self.metric.closest

    def _to_feature(self, value: np.ndarray) -> np.ndarray:
        return np.array(value, np.float32).reshape(1, -1)

    def _to_values(self, features: Mapping[str, np.ndarray], argument: str) -> np.ndarray:
        rows: list[np.ndarray] = []
        for name, array in features.items():
            rows.append(_vector(array, f"{argument}[{name!r}]"))
            if len(rows[-1]) != len(rows[0]):
                raise ValueError(
                    f"{argument}[{name!r}] must have {len(rows[0])} numbers like the first, not {len(rows[-1])}"
                )
        return np.stack(rows) if rows else np.empty((0, 1), np.float32)

    def _first_equal(self, values: np.ndarray) -> np.ndarray:
        first, seen = np.arange(len(values)), dict[bytes, int]()
        for position in np.flatnonzero(values.any(axis=1)).tolist():  # a zero vector is not like its copies
            digest = hashlib.sha256(values[position], usedforsecurity=False).digest()
            first[position] = seen.setdefault(digest, position)
        return first

    def _blocks(self, values: np.ndarray, others: np.ndarray | None, threshold: float) -> Iterator[Pairs]:
        from dedup_core.cosine import join as cosine  # loads numba, which who only encodes need not wait for

        if others is None:
            return cosine.self_join_blocks(values, threshold, n_cores())
        if not len(values) or not len(others):
            return iter(())
        return cosine.cross_join_blocks(values, others, threshold, n_cores())


def _vector(given: object, described: str) -> np.ndarray:
    """Return float32 (d,) of an array, or of a list, of numbers."""
    array = _array(given, described)
    if array.size == 0 or array.shape not in ((array.size,), (1, array.size)):
        raise ValueError(f"{described} must have the shape (1, n) or (n,), not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{described} must have finite numbers only")
    with np.errstate(over="ignore"):
        vector = array.astype(np.float32).ravel()
    if not np.isfinite(vector).all():
        raise ValueError(f"{described} must have numbers that float32 can hold, not {np.abs(array).max():g}")
    return vector


def _array(given: object, described: str) -> np.ndarray:
    try:
        array = np.asarray(given) if isinstance(given, (list, tuple)) else given
    except ValueError:  # lists of several lengths
        array = None
    if isinstance(array, np.ndarray) and array.dtype.kind in "fiu":
        return array
    kind = array.dtype if isinstance(array, np.ndarray) else type(given).__name__
    raise TypeError(f"{described} must be an array of numbers, not {kind}")
