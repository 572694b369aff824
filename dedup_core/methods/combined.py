"""What several methods propose, judged once: hashes propose what was only saved anew, keypoints the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoder
from dedup_core.encoders.registry import COMBINED, LOCAL_METHOD
from dedup_core.local.defaults import MIN_INLIERS
from dedup_core.local.features import LocalFeatures
from dedup_core.methods.encoding import AS_STORED, StrPath, encode_image_with, encode_images_with
from dedup_core.methods.encodings import Encodings
from dedup_core.methods.finding import MAX_PAIRS, FindingMethod, Images
from dedup_core.methods.hashes import PHash
from dedup_core.methods.judged import JudgedMethod
from dedup_core.methods.judged_images import PairRule
from dedup_core.methods.orb import ORB
from dedup_core.metric import COSINE, HAMMING

Features = dict[str, Any]
"""Of one image: its feature by each method, by the name of the method ("phash", "orb")."""


class Combined(JudgedMethod[Features]):
    """Several methods propose pairs, and how the pictures lie on each other decides, once a pair.

    A pair is a duplicate if its pictures agree where they overlap, as for `ORB`; or if their pixels are the same, which
    tells of pictures without keypoints. Pixels are asked where the images are known to lie somewhere: by image_dir, or
    by what encode_images gave. Needs OpenCV: ``pip install 'dedup-core[local]'``.

    Args:
        verbose: as for the hashes.
        methods: what proposes, such as ``[PHash(), CNN()]``: each kind once, with this method's decoding; PHash and ORB
            where nothing is said.
        decoding: as for the hashes.

    Raises:
        TypeError, ValueError: if an argument is none of these.
    """

    name = COMBINED
    _pixels_decide = True

    def __init__(
        self,
        verbose: bool = True,
        *,
        methods: Sequence[FindingMethod[Any]] | None = None,
        decoding: Decoding = AS_STORED,
    ) -> None:
        super().__init__(verbose, decoding=decoding)
        if methods is None:
            methods = [PHash(verbose, decoding=decoding), ORB(verbose, decoding=decoding)]
        self._proposing = tuple(_checked(methods, decoding))
        names = [method.name for method in methods]
        if len(set(names)) < len(names):
            raise ValueError(f"methods must differ in kind, not be {', '.join(names)}")
        has_local = LOCAL_METHOD in names
        self._parts = self._proposing if has_local else (*self._proposing, ORB(verbose, decoding=decoding))

    @property
    def encoder(self) -> Encoder:
        """None: its methods have one each.

        Raises:
            TypeError: always.
        """
        raise TypeError("Combined has no encoder of its own: name its methods, such as [PHash(), ORB()]")

    @property
    def fingerprint(self) -> str:
        """What identifies the features of all its methods."""
        return ", ".join(part.fingerprint for part in self._parts)

    def encode_image(self, image_file: StrPath | None = None, image_array: np.ndarray | None = None) -> Features | None:
        """Return one image's features, by method, decoded once: as ``PHash.encode_image``."""
        found = encode_image_with(self._parts, image_file, image_array)
        self.failures = self._parts[0].failures
        return found

    def encode_images(
        self, image_dir: StrPath, recursive: bool = False, num_enc_workers: int | None = None
    ) -> Encodings[Features]:
        """Return the features of a folder's images, by method, each decoded once: as ``PHash.encode_images``."""
        made = encode_images_with(self._parts, image_dir, recursive, num_enc_workers)
        self.failures = self._parts[0].failures
        return self._joined(made)

    def save_encodings(self, encodings: Mapping[str, Features], table: StrPath, *, overwrite: bool = False) -> None:
        """Save the features of each method to Parquet, as ``PHash.save_encodings`` does."""
        self._names_and_values(encodings, "encodings")
        for part in self._parts:
            of_part = Encodings([(name, given[part.name]) for name, given in encodings.items()], part.fingerprint)
            if isinstance(encodings, Encodings):
                of_part.images, of_part.other_names = encodings.images, encodings.other_names
            part.save_encodings(of_part, table, overwrite=overwrite)

    def load_encodings(self, table: StrPath) -> Encodings[Features]:
        """Load the features of all its methods from Parquet, as ``PHash.load_encodings`` does.

        Raises:
            ValueError: also if the methods' features are of different images.
        """
        loaded = {part.name: part.load_encodings(table) for part in self._parts}
        one, *others = loaded
        for other in others:
            if differing := loaded[one].keys() ^ loaded[other].keys():
                raise ValueError(
                    f"{len(differing):,} images in {table} have features of {one} or {other} and not of both, "
                    f"such as {min(differing)!r}: encode them again"
                )
        return self._joined(loaded)

    def find_duplicates(  # noqa: PLR0913 - imagededup's signature, and what goes beyond it by keyword
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, Features] | None = None,
        min_inliers: int = MIN_INLIERS,
        scores: bool = False,
        outfile: StrPath | Literal[False] | None = None,
        *,
        max_distance_threshold: int = 10,
        min_similarity_threshold: float = 0.9,
        relations: bool = False,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        verified: bool = False,
        against: Mapping[str, Features] | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[str, list[Any]]:
        """Return every image with its duplicates, as ``ORB.find_duplicates`` does, of what the methods propose.

        Args:
            image_dir: the folder of images.
            encoding_map: features by name, as ``encode_images`` returns them, used instead of a folder.
            min_inliers: as for `ORB`.
            scores: as for `ORB`; 0 where only the pixels are the same.
            outfile: a JSON file to write the result to; None or False for none.
            max_distance_threshold: how many of 64 bits may differ of hashes that propose a pair.
            min_similarity_threshold: the least cosine similarity of embeddings that propose a pair.
            relations: as for `ORB`.
            recursive: whether to look at the images in the folders inside the folder too.
            num_enc_workers: as for ``encode_images``.
            verified: as for `ORB`.
            against: features by name of images that are there already.
            max_pairs: how many pairs of images may be judged, and how many the map may list.

        Returns:
            Each image's duplicates, those with most inliers first, ties by name.

        Raises:
            TypeError, ValueError, SettingsError, LimitError: as ``ORB.find_duplicates``.
        """
        limits = _limits(max_distance_threshold, min_similarity_threshold)
        rule = PairRule.of(min_inliers, max_pairs, relations, limits)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find(images, rule, arguments.flag(scores, "scores") or relations, outfile, against, max_pairs)

    def find_duplicates_to_remove(  # noqa: PLR0913 - as find_duplicates
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, Features] | None = None,
        min_inliers: int = MIN_INLIERS,
        outfile: StrPath | Literal[False] | None = None,
        *,
        max_distance_threshold: int = 10,
        min_similarity_threshold: float = 0.9,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        verified: bool = False,
    ) -> list[str]:
        """Return the images that can be removed, sorted, as ``ORB.find_duplicates_to_remove`` does.

        The arguments and the errors are those of `Combined.find_duplicates`, but for ``scores``, ``relations``,
        ``against`` and ``max_pairs``.
        """
        limits = _limits(max_distance_threshold, min_similarity_threshold)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find_to_remove(
            images, PairRule.of(min_inliers, MAX_PAIRS, relations=False, limits=limits), outfile
        )

    def _joined(self, by_method: Mapping[str, Encodings[Any]]) -> Encodings[Features]:
        one = by_method[self._parts[0].name]
        features = ((name, {method: made[name] for method, made in by_method.items()}) for name in one)
        joined = Encodings(features, self.fingerprint)
        joined.images, joined.failures, joined.other_names = one.images, one.failures, one.other_names
        joined.image_dir = one.image_dir
        return joined

    def _to_feature(self, value: Features) -> Features:
        return value

    def _to_values(self, features: Mapping[str, Features], argument: str) -> np.ndarray:
        """Return objects (n,): of each image the values by method."""
        wanted = {part.name for part in self._parts}
        for name, given in features.items():
            if not isinstance(given, Mapping) or not wanted <= set(given):
                raise TypeError(
                    f"{argument}[{name!r}] must hold features of {', '.join(sorted(wanted))}, as encode_image returns"
                )
        columns = [
            part._to_values({name: given[part.name] for name, given in features.items()}, argument)
            for part in self._parts
        ]
        values = np.empty(len(features), object)
        for position in range(len(values)):
            values[position] = {part.name: column[position] for part, column in zip(self._parts, columns, strict=True)}
        return values

    def _local_and_values(self, value: Features) -> tuple[LocalFeatures, Mapping[str, Any]]:
        return value[LOCAL_METHOD], {name: given for name, given in value.items() if name != LOCAL_METHOD}

    def _proposals(self, images: np.ndarray, others: np.ndarray | None, rule: PairRule) -> Iterator[np.ndarray]:
        for method in self._proposing:
            if isinstance(method, ORB):
                yield from method._proposals(images, others, rule)
                continue
            left = _stacked(images, method.name)
            right = None if others is None else _stacked(others, method.name)
            for pairs in method._blocks(left, right, rule.limits[method.metric.option]):
                yield np.stack([pairs.left, pairs.right], axis=1)


def _checked(methods: object, decoding: Decoding) -> list[FindingMethod[Any]]:
    if not isinstance(methods, Sequence) or not methods:
        raise TypeError(f"methods must be a list such as [PHash(), ORB()], not {arguments.shown(methods)}")
    for method in methods:
        if not isinstance(method, FindingMethod) or isinstance(method, Combined):
            raise TypeError(f"methods must be a list such as [PHash(), ORB()], not {arguments.shown(methods)}")
        if method.decoding != decoding:
            raise ValueError("methods must have the decoding of Combined: each image is decoded once for all of them")
    return list(methods)


def _stacked(images: np.ndarray, method: str) -> np.ndarray:
    """Return what a method searches of images, one row an image."""
    return np.stack([image.values[method] for image in images])


def _limits(max_distance: object, min_similarity: object) -> dict[str, float]:
    options = HAMMING.option, COSINE.option
    distance = arguments.whole_number(max_distance, options[0], 0, int(HAMMING.farthest))
    similarity = arguments.real_number(min_similarity, options[1], COSINE.farthest, COSINE.closest)
    return dict(zip(options, (distance, similarity), strict=True))
