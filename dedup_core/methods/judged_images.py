"""What is judged, and by which rule: images with their local features, and how many keypoints are enough."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dedup_core import arguments
from dedup_core.local.defaults import MAX_CODE_DISTANCE, MAX_IMAGES_PER_CODE, MIN_INLIERS, MIN_VOTES
from dedup_core.local.features import MOST_KEYPOINTS, LocalFeatures
from dedup_core.methods.encodings import ImageInfo
from dedup_core.relations import RE_ENCODED, SAME_PIXELS


@dataclass(frozen=True, eq=False)
class JudgedImage:
    """An image as it is searched and judged.

    Attributes:
        name: of the image.
        features: its local features.
        values: what methods besides search of it, by their names.
        info: what is known of it.
        path: where it lies; None where that is not known.
    """

    name: str
    features: LocalFeatures
    values: Mapping[str, Any]
    info: ImageInfo
    path: str | None

    @cached_property
    def key(self) -> str | None:
        """What equal images have in common; None for one that is known by nothing.

        Equal features of a picture with too few keypoints say nothing of it: there the files must be equal.
        """
        features = self.features
        if len(features.keypoints) < MIN_INLIERS:
            return self.info.digest
        content = features.keypoints.tobytes() + features.descriptors.tobytes() + features.picture
        size = f"{self.info.width} x {self.info.height}"
        return hashlib.sha256(content + size.encode(), usedforsecurity=False).hexdigest()

    def relation_of_copy(self, other: JudgedImage) -> str:
        """Return the relation to an image that has the same key."""
        is_known = self.info.digest is not None and self.info.digest == other.info.digest
        return SAME_PIXELS if is_known else RE_ENCODED


@dataclass(frozen=True)
class PairRule:
    """Which pairs are duplicates.

    Attributes:
        min_inliers: the fewest keypoints that one transform must lay on each other.
        most: how many pairs may be proposed.
        limits: thresholds of the methods that propose, by the names of their options.
        relations: whether to tell what each image is to the other.
        told: filled while pairs are judged, if so: by the names of two images the relation, and which is derived.
    """

    min_inliers: int
    most: int
    limits: Mapping[str, float] = field(default_factory=dict)
    relations: bool = False
    told: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, min_inliers: object, max_pairs: object, relations: object, limits: Mapping[str, float] | None = None
    ) -> PairRule:
        """Return the rule that a caller asks for.

        Raises:
            TypeError, ValueError: if an argument is malformed.
        """
        fewest = arguments.whole_number(min_inliers, "min_inliers", 3, MOST_KEYPOINTS)
        is_asked = arguments.flag(relations, "relations")
        return cls(fewest, arguments.whole_number(max_pairs, "max_pairs", 0), limits or {}, is_asked)


@dataclass(frozen=True)
class Voting:
    """How keypoints propose pairs of images.

    Attributes:
        min_votes: how many keypoints of each of two images must have a partner in the other.
        max_code_distance: in how many of 64 bits the codes of two partners may differ.
        max_images_per_code: codes that more images hold, bit for bit, say nothing.
    """

    min_votes: int = MIN_VOTES
    max_code_distance: int = MAX_CODE_DISTANCE
    max_images_per_code: int = MAX_IMAGES_PER_CODE
