"""The four perceptual hashes: 64 bits an image, compared by how many of them differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoder
from dedup_core.encoders.hashes import to_hex
from dedup_core.encoders.registry import ENCODERS, Standard
from dedup_core.methods.encoding import AS_STORED, StrPath
from dedup_core.methods.encodings import TurnedHash
from dedup_core.methods.few_hashes import MOST_COMPARED, few_pairs
from dedup_core.methods.finding import MAX_PAIRS, FindingMethod, Images, Scored, warn_of_no_effect
from dedup_core.pairs import Pairs
from dedup_core.turns import TURNS

_HASH = re.compile("[0-9a-fA-F]{16}")
_SHORT_HASH = re.compile("[0-9a-fA-F]{1,16}")


class _Hash(FindingMethod[str]):
    """A perceptual hash of 64 bits, as 16 hexadecimal characters; the fewer bits differ, the closer two images.

    Args:
        verbose: as for all methods.
        orientations: whether to find turned and mirrored copies too. Each hash is then a ``TurnedHash``, which has
            those of the seven turned pictures with it, and a distance is the least over all. Where a map from elsewhere
            has plain strings, it is refused: encode the images again. The fingerprint differs.
        decoding: as for all methods.

    Raises:
        TypeError: if an argument has the wrong type.
    """

    _same_score = np.int16(0)

    def __init__(self, verbose: bool = True, *, orientations: bool = False, decoding: Decoding = AS_STORED) -> None:
        super().__init__(verbose, decoding=decoding)
        self.orientations = arguments.flag(orientations, "orientations")

    @property
    def encoder(self) -> Encoder:
        """What makes the hashes."""
        return ENCODERS[self.name].encoder(Standard(orientations=self.orientations))

    def find_duplicates(  # noqa: PLR0913 - imagededup's signature, and what goes beyond it by keyword
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, str] | None = None,
        max_distance_threshold: int = 10,
        scores: bool = False,
        outfile: StrPath | Literal[False] | None = None,
        search_method: str | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        verified: bool = False,
        against: Mapping[str, str] | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[str, list[Any]]:
        """Return every image with its duplicates.

        Args:
            image_dir: the folder of images.
            encoding_map: hashes by name, as ``encode_images`` returns them, used instead of a folder.
            max_distance_threshold: how many of the 64 bits may differ, 0 to 64.
            scores: whether to give (name, distance) instead of names; with orientations (name, distance, turn), the
                turn after which the duplicate is like the image ("rotated by 90"), None where none brings it closer.
            outfile: a JSON file to write the result to; None or False for none.
            search_method: of imagededup, "bktree", "brute_force" or "brute_force_cython". The one search here finds the
                same pairs, and a warning says that nothing was chosen.
            recursive: whether to look at the images in the folders inside the folder too.
            num_enc_workers: as for ``encode_images``.
            num_dist_workers: of imagededup, and of no effect, as a warning says.
            verified: whether to list only duplicates that are the same picture: their files are read again, and their
                pixels decide. The images must be known to lie somewhere: by image_dir, or by what encode_images gave.
            against: hashes by name of images that are there already: each image is compared with these, and
                not with the others of its own folder.
            max_pairs: how many pairs of images the map may list. Copies of one picture pair up by the square of their
                number: 15,000 of them are 112 million pairs.

        Returns:
            Each image's duplicates, the closest first, ties by name. Every image that could be encoded is a
            key; those that could not stand in ``failures``.

        Raises:
            TypeError: if an argument has the wrong type.
            ValueError: unless exactly one of image_dir and encoding_map is given, or if an argument is out of
                range, a folder does not exist, or a hash is malformed.
            LimitError: if there are more pairs than max_pairs. They are counted before the map is made.
        """
        most = int(self.metric.farthest)
        threshold = arguments.whole_number(max_distance_threshold, "max_distance_threshold", 0, most)
        warn_of_no_effect(search_method, num_dist_workers=num_dist_workers)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find(images, threshold, scores, outfile, against, max_pairs)

    def find_duplicates_to_remove(  # noqa: PLR0913 - as find_duplicates
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, str] | None = None,
        max_distance_threshold: int = 10,
        outfile: StrPath | Literal[False] | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        verified: bool = False,
    ) -> list[str]:
        """Return the images that can be removed, sorted; nothing is deleted.

        In the order of their names, each image that has not been dropped itself stays and its duplicates are
        dropped. Where 2.jpg is a duplicate of 1.jpg and of 3.jpg, that gives ``["2.jpg"]``.

        With ``verified=True`` only pictures are dropped that are the same as one that stays, as their pixels show: a
        list that can be followed. It is what the Spark jobs give by default, but for which of several stays.

        Equal hashes are compared once, and no pairs are listed: 200,000 copies of a picture take memory for as many
        images. The arguments and the errors are those of ``find_duplicates``, but for ``max_pairs``.
        """
        most = int(self.metric.farthest)
        threshold = arguments.whole_number(max_distance_threshold, "max_distance_threshold", 0, most)
        warn_of_no_effect(num_dist_workers=num_dist_workers)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find_to_remove(images, threshold, outfile)

    @staticmethod
    def hamming_distance(hash1: str, hash2: str) -> int:
        """Return how many bits two hashes differ in.

        Args:
            hash1: up to 16 hexadecimal characters; to the left of fewer stand zeros.
            hash2: another one.

        Raises:
            TypeError, ValueError: if one of them is no hash.
        """
        return (_number(hash1, "hash1") ^ _number(hash2, "hash2")).bit_count()

    def _to_feature(self, value: np.ndarray) -> str:
        upright, *turned = (to_hex(code) for code in np.atleast_1d(value).tolist())
        return TurnedHash(upright, turned) if turned else upright

    def _to_values(self, features: Mapping[str, str], argument: str) -> np.ndarray:
        hashes = (_checked(text, f"{argument}[{name!r}]") for name, text in features.items())
        if not self.orientations:
            return _numbers(hashes)
        all_turns = (code for name, text in features.items() for code in _of_turns(text, f"{argument}[{name!r}]"))
        return _numbers(all_turns).reshape(-1, len(TURNS))

    def _first_equal(self, values: np.ndarray) -> np.ndarray:
        _, first, number = np.unique(values, return_index=True, return_inverse=True, axis=0)
        return first[number.ravel()]

    def _blocks(self, values: np.ndarray, others: np.ndarray | None, threshold: float) -> Iterator[Pairs]:
        distance = int(threshold)
        if self.orientations:
            return _turned_blocks(values, others, distance)
        if len(values) * len(values if others is None else others) <= MOST_COMPARED:
            return iter([few_pairs(values, others, distance)])
        from dedup_core.hamming import join as hamming  # loads numba, which few codes need not wait for

        if others is None:
            return hamming.self_join_blocks(values, distance)
        return hamming.cross_join_blocks(values, others, distance)

    def _described(
        self,
        found: Scored,
        of_images: Mapping[str, Any],
        of_others: Mapping[str, Any],
        threshold: float,  # noqa: ARG002
        is_verified: bool,
    ) -> Scored:
        """Return a map with the turn of each duplicate, where the features know of turns, unless pixels know better."""
        if is_verified or not self.orientations:
            return found
        from dedup_core.hamming.turned import closest_turns

        ends = [(other, name) for name, duplicates in found.items() for other, _ in duplicates]
        one = np.array([of_others[other] for other, _ in ends], np.uint64).reshape(-1, len(TURNS))
        image = np.array([of_images[name] for _, name in ends], np.uint64).reshape(-1, len(TURNS))
        turns = (TURNS[turn] if turn else None for turn in closest_turns(one, image)[1].tolist())
        return {name: [(*duplicate, next(turns)) for duplicate in duplicates] for name, duplicates in found.items()}


class PHash(_Hash):
    """Perceptual hash: sees the coarse structure, and so finds copies that were resized, recompressed or retouched.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """

    name = "phash"


class AHash(_Hash):
    """Average hash: which parts are brighter than the mean.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """

    name = "ahash"


class DHash(_Hash):
    """Difference hash: where it gets brighter from left to right.

    Source: http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """

    name = "dhash"


class WHash(_Hash):
    """Wavelet hash: which parts are brighter than the median.

    Source: https://fullstackml.com/wavelet-image-hash-in-python-3504fdd282b5
    """

    name = "whash"


def _turned_blocks(values: np.ndarray, others: np.ndarray | None, distance: int) -> Iterator[Pairs]:
    from dedup_core.hamming import turned  # loads numba

    side = turned.TurnedCodes(np.arange(len(values)), values)
    if others is None:
        blocks = turned.turned_self_join_blocks(side, distance)
    else:
        beyond = turned.TurnedCodes(np.arange(len(values), len(values) + len(others)), others)
        blocks = turned.turned_cross_join_blocks(side, beyond, distance)
    return (block.pairs for block in blocks)


def _numbers(hashes: Iterable[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64)


def _of_turns(text: str, described: str) -> tuple[str, ...]:
    if not isinstance(text, TurnedHash) or len(text.turned) != len(TURNS) - 1:
        raise ValueError(f"{described} has no hashes of its turned pictures: encode it with orientations=True")
    return (_checked(text, described), *(_checked(code, described) for code in text.turned))


def _number(text: object, described: str) -> int:
    return int(_checked(text, described, _SHORT_HASH, "1 to 16"), 16)


def _checked(text: object, described: str, pattern: re.Pattern[str] = _HASH, length: str = "16") -> str:
    if not isinstance(text, str):
        raise TypeError(f"{described} must be a string of {length} hexadecimal characters, not {arguments.shown(text)}")
    if not pattern.fullmatch(text):
        raise ValueError(f"{described} must have {length} hexadecimal characters, not be {arguments.shown(text)}")
    return text
