"""What all methods share: encoding one image or a folder of them, saving the features and loading them."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic

import numpy as np

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoded, Encoder, encode_batch
from dedup_core.images.files import ImageFile, list_images
from dedup_core.images.picture import Failure, from_array, read
from dedup_core.methods.encode_files import MAX_FILE_BYTES, encode_files
from dedup_core.methods.encodings import Encodings, Feature, ImageInfo
from dedup_core.methods.progress import Bar

StrPath = str | os.PathLike[str]
AS_STORED = Decoding()

logger = logging.getLogger(__name__)


class EncodingMethod(ABC, Generic[Feature]):
    """A way to turn images into features.

    Args:
        verbose: whether to show progress bars, and to log a warning when images can't be encoded.
        decoding: how files become pictures. The default gives imagededup's hashes, bit for bit;
            ``Decoding(orientation="exif")`` turns each picture as its camera says.

    Attributes:
        failures: what the last call that read images could not encode, by name, and why.

    Raises:
        TypeError: if verbose is no bool, or decoding no ``Decoding``.
    """

    name: str

    def __init__(self, verbose: bool = True, *, decoding: Decoding = AS_STORED) -> None:
        if not isinstance(decoding, Decoding):
            raise TypeError(f"decoding must be a Decoding, not {arguments.shown(decoding)}")
        self.verbose = arguments.flag(verbose, "verbose")
        self.decoding = decoding
        self.failures: dict[str, Failure] = {}

    @property
    @abstractmethod
    def encoder(self) -> Encoder:
        """What makes the features."""

    @property
    def fingerprint(self) -> str:
        """What identifies the features: those of different fingerprints can't be compared."""
        return self.decoding.fingerprint(self.encoder.fingerprint)

    def encode_image(self, image_file: StrPath | None = None, image_array: np.ndarray | None = None) -> Feature | None:
        """Return one image's feature.

        Args:
            image_file: the image.
            image_array: uint8 (height, width) or (height, width, 1, 3 or 4), used instead of a file.

        Returns:
            The feature; None if the file can't be decoded, and ``failures`` says why.

        Raises:
            TypeError: if image_file is no path, or image_array no array.
            ValueError: unless exactly one of the two is given; if there is no such file; or if the array has
                another dtype or shape.
        """
        encoded = encode_image_with([self], image_file, image_array)
        return None if encoded is None else encoded[self.name]

    def encode_images(
        self, image_dir: StrPath, recursive: bool = False, num_enc_workers: int | None = None
    ) -> Encodings[Feature]:
        """Return the features of a folder's images.

        Args:
            image_dir: the folder. Names in it that begin with a dot are passed over.
            recursive: whether to encode the images in the folders inside it too.
            num_enc_workers: how many processes to start; 0 encodes right here. The default takes up to eight threads,
                which start at once, or a process a core where there are more cores and the folder is large enough for
                these to pay. A file that crashes a decoder ends the process that reads it. With threads or 0 that is
                this one; with 1 or more it is one that was started, and the file a failure, ``crashed_decoder``.

        Returns:
            Each image's feature by its path relative to the folder. What can't be encoded has no entry: it
            stands, with a reason, in ``failures`` of the result and of this object. A file that has several names,
            by links, is one image; ``other_names`` of the result has the others.

        Raises:
            TypeError: if an argument has the wrong type.
            ValueError: if there is no such folder, or num_enc_workers is negative.
        """
        return encode_images_with([self], image_dir, recursive, num_enc_workers)[self.name]

    def save_encodings(self, encodings: Mapping[str, Feature], table: StrPath, *, overwrite: bool = False) -> None:
        """Save features to Parquet, in the ``features`` table that the Spark jobs write and read.

        Args:
            encodings: features by name, as ``encode_images`` returns them.
            table: the table's folder, made if need be. Other methods' features in it stay.
            overwrite: whether to replace this method's features in the table.

        Raises:
            TypeError, ValueError: if encodings or table is none.
            FileExistsError: if the table has features of this method and ``overwrite`` is False.
            InUseError: if a run works in the output folder around the table.
            SettingsError: if that folder's marker can't be read, or a run was cut short there while it published.
        """
        from dedup_core.methods.feature_table import MethodFeatures

        folder = arguments.path(table, "table")
        names, values = self._names_and_values(encodings, "encodings")
        known = (encodings.images, encodings.other_names) if isinstance(encodings, Encodings) else ()
        rows = MethodFeatures(self.name, self.fingerprint, names, values, *known)
        rows.save(folder, arguments.flag(overwrite, "overwrite"))

    def load_encodings(self, table: StrPath) -> Encodings[Feature]:
        """Load features from Parquet, saved by ``save_encodings`` or by the Spark jobs.

        Args:
            table: the ``features`` table's folder.

        Returns:
            The features by path, as ``encode_images`` returns them.

        Raises:
            TypeError: if table is no path.
            FileNotFoundError: if the table has no features of this method.
            ValueError: if its features were made in another way and can't be compared with this method's.
        """
        from dedup_core.methods.feature_table import MethodFeatures

        rows = MethodFeatures.load(arguments.path(table, "table"), self.name, self.fingerprint)
        features = map(self._to_feature, rows.values)
        encodings = Encodings(zip(rows.names, features, strict=True), self.fingerprint)
        encodings.images = dict(rows.images)
        encodings.other_names = {name: tuple(others) for name, others in rows.other_names.items()}
        return encodings

    @abstractmethod
    def _to_feature(self, value: Any) -> Feature:
        """Return what callers see of a value that the encoder made."""

    @abstractmethod
    def _to_values(self, features: Mapping[str, Feature], argument: str) -> np.ndarray:
        """Return features as the array that is searched, one row a feature.

        Raises:
            TypeError, ValueError: if one is malformed, naming the argument and its key.
        """

    def _names_and_values(self, features: object, argument: str) -> tuple[list[str], np.ndarray]:
        given = arguments.mapping(features, argument)
        if isinstance(given, Encodings) and given.fingerprint != self.fingerprint:
            raise ValueError(
                f"{argument} holds features of {given.fingerprint!r}, which can't be compared with {self.fingerprint!r}"
            )
        names = sorted(given)
        return names, self._to_values({name: given[name] for name in names}, argument)


def encode_image_with(
    methods: Sequence[EncodingMethod[Any]], image_file: StrPath | None, image_array: np.ndarray | None
) -> dict[str, Any] | None:
    """Return one image's features by several methods, decoded once: as ``encode_image``, by the method's name."""
    decoding = _shared_decoding(methods)
    for method in methods:
        method.failures = {}
    if arguments.exactly_one(image_file=image_file, image_array=image_array) == "image_array":
        picture = from_array(image_array, decoding.transparency)
        stacks = [(method, method.encoder.pixels(picture)[np.newaxis]) for method in methods]
        return {method.name: method._to_feature(method.encoder.encode(stack)[0]) for method, stack in stacks}
    file = arguments.file(image_file, "image_file", "an image")
    content = read(str(file), MAX_FILE_BYTES)
    (encoded,) = encode_batch([content], [method.encoder for method in methods], decoding)
    if isinstance(encoded, Encoded):
        return {method.name: method._to_feature(encoded.features[method.name]) for method in methods}
    for method in methods:
        method.failures = {str(file): encoded}
    if any(method.verbose for method in methods):
        _warn_of(methods[0].failures)
    return None


def encode_images_with(
    methods: Sequence[EncodingMethod[Any]],
    image_dir: StrPath,
    recursive: bool = False,
    num_enc_workers: int | None = None,
) -> dict[str, Encodings[Any]]:
    """Return a folder's features by several methods; each image is decoded once.

    Args:
        methods: such as ``[PHash(), DHash()]``: each kind once, and all with the same ``decoding``.
        image_dir: as for ``encode_images``.
        recursive: as for ``encode_images``.
        num_enc_workers: as for ``encode_images``.

    Returns:
        By the name of the method ("phash"), what its ``encode_images`` would return.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if there is no such folder, num_enc_workers is negative, or the methods don't go together.
    """
    decoding = _shared_decoding(methods)
    folder = arguments.folder(image_dir, "image_dir")
    files = list_images(str(folder), arguments.flag(recursive, "recursive"))
    workers = None if num_enc_workers is None else arguments.whole_number(num_enc_workers, "num_enc_workers", 0)
    results = encode_files(files, [method.encoder for method in methods], decoding, workers)
    silent = not any(method.verbose for method in methods)
    done: list[tuple[ImageFile, Encoded | Failure]] = []
    with Bar("Encoding", len(files), "images", silent) as bar:
        for result in results:
            done.append(result)
            bar.add(1)
    failures = {file.name: result for file, result in done if isinstance(result, Failure)}
    if failures and not silent:
        _warn_of(failures)
    if not files and not silent:
        _warn_of_none(folder, recursive)
    for method in methods:
        method.failures = failures
    encodings = {method.name: _encodings(method, done, failures) for method in methods}
    for made in encodings.values():
        made.image_dir = Path(os.path.abspath(folder))
    return encodings


def _shared_decoding(methods: Sequence[EncodingMethod[Any]]) -> Decoding:
    are_methods = isinstance(methods, Sequence) and all(isinstance(each, EncodingMethod) for each in methods)
    if not methods or not are_methods:
        raise TypeError(f"methods must be a list such as [PHash(), DHash()], not {arguments.shown(methods)}")
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise ValueError(f"methods must differ in kind, not be {', '.join(names)}")
    if len({method.decoding for method in methods}) > 1:
        raise ValueError("methods must have the same decoding: each image is decoded once for all of them")
    return methods[0].decoding


def _encodings(
    method: EncodingMethod[Feature], done: Sequence[tuple[ImageFile, Encoded | Failure]], failures: dict[str, Failure]
) -> Encodings[Feature]:
    encodings: Encodings[Feature] = Encodings([], method.fingerprint)
    encodings.failures = failures
    for file, result in done:
        if isinstance(result, Encoded):
            encodings[file.name] = method._to_feature(result.features[method.name])
            encodings.images[file.name] = ImageInfo(
                file.size, file.modified_at, result.width, result.height, result.format, file.identity,
                **vars(result.traits),
            )  # fmt: skip
            if file.other_names:
                encodings.other_names[file.name] = file.other_names
    return encodings


def _warn_of(failures: dict[str, Failure]) -> None:
    name, failure = next(iter(failures.items()))
    others = f" and {len(failures) - 1:,} more" if len(failures) > 1 else ""
    logger.warning("No features for %s (%s)%s: see 'failures'", name, failure.message, others)


def _warn_of_none(folder: Path, recursive: bool) -> None:
    below = "" if recursive else "; recursive=True looks in the folders inside it, too"
    logger.warning("There is no file in %s%s", folder, below)
