"""Local features: keypoints that are found again in crops, in mirrored, turned, framed and captioned copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoder
from dedup_core.encoders.registry import ENCODERS
from dedup_core.local.defaults import MAX_CODE_DISTANCE, MAX_IMAGES_PER_CODE, MIN_INLIERS, MIN_VOTES
from dedup_core.local.features import LocalFeatures
from dedup_core.local.record import unpacked
from dedup_core.methods.encoding import AS_STORED, StrPath
from dedup_core.methods.finding import MAX_PAIRS, Images
from dedup_core.methods.judged import JudgedMethod
from dedup_core.methods.judged_images import PairRule, Voting

_CODE_BITS = 64


class ORB(JudgedMethod[LocalFeatures]):
    """Local features: up to 400 keypoints of a picture; the more of them one transform lays on another's, the closer.

    Finds what hashes don't: crops, pictures that were mirrored or turned, frames, screenshots, captions and logos.
    Keypoints that look alike propose pairs; each is then laid on the other one, and it is a pair if at least
    ``min_inliers`` keypoints agree on how, and the pictures agree where they overlap. A picture without keypoints, of
    one colour or a few pixels, is like its exact copies alone. Needs OpenCV: ``pip install 'dedup-core[local]'``.

    Args:
        verbose: as for the hashes.
        min_votes: how many keypoints of each of two images must have a partner in the other, for these to be judged.
        max_code_distance: in how many of 64 bits the codes of two partners may differ.
        max_images_per_code: codes that more images hold, bit for bit, say nothing.
        decoding: as for the hashes.

    Raises:
        TypeError, ValueError: if an argument is none of these.
    """

    name = "orb"

    def __init__(
        self,
        verbose: bool = True,
        *,
        min_votes: int = MIN_VOTES,
        max_code_distance: int = MAX_CODE_DISTANCE,
        max_images_per_code: int = MAX_IMAGES_PER_CODE,
        decoding: Decoding = AS_STORED,
    ) -> None:
        super().__init__(verbose, decoding=decoding)
        self._voting = Voting(
            arguments.whole_number(min_votes, "min_votes", 1),
            arguments.whole_number(max_code_distance, "max_code_distance", 0, _CODE_BITS),
            arguments.whole_number(max_images_per_code, "max_images_per_code", 1),
        )

    @property
    def encoder(self) -> Encoder:
        """What finds the keypoints.

        Raises:
            SettingsError: if OpenCV is not installed.
        """
        return ENCODERS[self.name].encoder()

    def find_duplicates(  # noqa: PLR0913 - imagededup's signature, and what goes beyond it by keyword
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, LocalFeatures] | None = None,
        min_inliers: int = MIN_INLIERS,
        scores: bool = False,
        outfile: StrPath | Literal[False] | None = None,
        *,
        relations: bool = False,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        verified: bool = False,
        against: Mapping[str, LocalFeatures] | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[str, list[Any]]:
        """Return every image with its duplicates, as ``PHash.find_duplicates`` does, by how they lie on each other.

        Args:
            image_dir: the folder of images.
            encoding_map: features by name, as ``encode_images`` returns them, used instead of a folder.
            min_inliers: how many keypoints one transform must lay on each other, 3 to 400.
            scores: whether to give (name, inliers) instead of names; 400 for equal pictures.
            outfile: a JSON file to write the result to; None or False for none.
            relations: whether to give ``Related`` entries instead: (name, score, relation, derived), such as
                ("b.jpg", 83, "cropped", "other") where b.jpg is a crop of the image in whose list it stands.
            recursive: whether to look at the images in the folders inside the folder too.
            num_enc_workers: as for ``encode_images``.
            verified: whether to list only duplicates that are the same picture: their files are read again, and their
                pixels decide. The images must be known to lie somewhere: by image_dir, or by what encode_images gave.
            against: features by name of images that are there already.
            max_pairs: how many pairs of images may be judged, and how many the map may list.

        Returns:
            Each image's duplicates, those with most inliers first, ties by name.

        Raises:
            TypeError, ValueError: as ``PHash.find_duplicates``, naming the argument.
            SettingsError: if OpenCV is not installed.
            LimitError: if there are more pairs than max_pairs.
        """
        rule = PairRule.of(min_inliers, max_pairs, relations)
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find(images, rule, arguments.flag(scores, "scores") or relations, outfile, against, max_pairs)

    def find_duplicates_to_remove(  # noqa: PLR0913 - as find_duplicates
        self,
        image_dir: StrPath | None = None,
        encoding_map: Mapping[str, LocalFeatures] | None = None,
        min_inliers: int = MIN_INLIERS,
        outfile: StrPath | Literal[False] | None = None,
        *,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        verified: bool = False,
    ) -> list[str]:
        """Return the images that can be removed, sorted, by the rule of ``PHash.find_duplicates_to_remove``.

        A crop and its whole are duplicates here. ``verified=True`` drops only what is the same as a picture that stays.
        """
        images = Images(image_dir, encoding_map, recursive, num_enc_workers, verified)
        return self._find_to_remove(images, PairRule.of(min_inliers, MAX_PAIRS, relations=False), outfile)

    def _to_feature(self, value: Any) -> LocalFeatures:
        return value if isinstance(value, LocalFeatures) else unpacked(value)

    def _to_values(self, features: Mapping[str, LocalFeatures], argument: str) -> np.ndarray:
        values = np.empty(len(features), object)
        for position, (name, given) in enumerate(features.items()):
            if not isinstance(given, LocalFeatures):
                raise TypeError(
                    f"{argument}[{name!r}] must be LocalFeatures, as encode_image returns, not {type(given).__name__}"
                )
            values[position] = given
        return values

    def _local_and_values(self, value: LocalFeatures) -> tuple[LocalFeatures, Mapping[str, Any]]:
        return value, {}

    def _proposals(self, images: np.ndarray, others: np.ndarray | None, _rule: PairRule) -> Iterator[np.ndarray]:
        from dedup_core.methods.judging import voted  # loads numba

        return voted(images, others, self._voting)
