"""What methods share whose pairs geometry judges: proposals judged, and relations told in the lists."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dedup_core import groups
from dedup_core.local.features import MOST_KEYPOINTS, LocalFeatures
from dedup_core.methods.encodings import Encodings, Feature, ImageInfo
from dedup_core.methods.finding import FindingMethod, Scored
from dedup_core.methods.judged_images import JudgedImage, PairRule
from dedup_core.pairs import Pairs
from dedup_core.relations import Related

_UNKNOWN = ImageInfo()


class JudgedMethod(FindingMethod[Feature]):
    """A method whose pairs are laid on each other: keypoints say how, and small pictures whether they agree."""

    _same_score = np.int32(MOST_KEYPOINTS)
    _pixels_decide = False
    """Whether pairs that geometry can't tell are duplicates if their pixels are the same."""

    @abstractmethod
    def _proposals(self, images: np.ndarray, others: np.ndarray | None, rule: PairRule) -> Iterator[np.ndarray]:
        """Yield pairs to judge, int64 (m, 2): of positions among the images, or of one there and one of the others."""

    @abstractmethod
    def _local_and_values(self, value: Any) -> tuple[LocalFeatures, Mapping[str, Any]]:
        """Return the local features that a value holds, and by method what others search."""

    def _searched(self, features: object, argument: str) -> tuple[list[str], np.ndarray]:
        names, values = self._names_and_values(features, argument)
        images = np.empty(len(names), object)
        known = features if isinstance(features, Encodings) else None
        for position, (name, value) in enumerate(zip(names, values, strict=True)):
            info, path = (known.images.get(name, _UNKNOWN), known.path_of(name)) if known else (_UNKNOWN, None)
            images[position] = JudgedImage(name, *self._local_and_values(value), info, path)
        return names, images

    def _first_equal(self, values: Sequence[JudgedImage] | np.ndarray) -> np.ndarray:
        seen: dict[str, int] = {}
        keys = enumerate(image.key for image in values)
        return np.array([at if key is None else seen.setdefault(key, at) for at, key in keys], np.int64)

    def _blocks(self, values: np.ndarray, others: np.ndarray | None, threshold: PairRule) -> Iterator[Pairs]:
        if not len(values) or (others is not None and not len(others)):
            return iter(())
        from dedup_core.methods.judging import Judging  # loads numba and OpenCV, which who only encodes can do without

        judging = Judging(values, others, threshold, self.verbose)
        decoding = self.decoding if self._pixels_decide else None
        return judging.pairs(self._proposals(values, others, threshold), decoding)

    def _removed_values(self, values: np.ndarray, threshold: PairRule) -> np.ndarray:
        pairs = Pairs.concatenate(self._blocks(values, None, threshold), self._score_type)
        return groups.removed_positions(pairs.sorted(), len(values))

    def _described(
        self,
        found: Scored,
        of_images: Mapping[str, Any],
        of_others: Mapping[str, Any],
        threshold: PairRule,
        is_verified: bool,  # noqa: ARG002 - geometry tells of the same picture too
    ) -> Scored:
        """Return a map of ``Related``, if relations are asked for."""
        if not threshold.relations:
            return found
        ones, others = (self._with_firsts(side) for side in (of_images, of_others))
        return {
            name: [_related(ones[name], others[other], score, threshold) for other, score in entries]
            for name, entries in found.items()
        }

    def _with_firsts(self, images: Mapping[str, JudgedImage]) -> dict[str, tuple[JudgedImage, JudgedImage]]:
        """Return each image with the first that equals it."""
        listed = list(images.values())
        firsts = self._first_equal(listed).tolist()
        return {name: (image, listed[first]) for (name, image), first in zip(images.items(), firsts, strict=True)}


def _related(
    one: tuple[JudgedImage, JudgedImage], other: tuple[JudgedImage, JudgedImage], score: int, rule: PairRule
) -> Related:
    """Return what an image is to one in whose list it stands."""
    ends = one[1].name, other[1].name
    if one[1].key is not None and one[1].key == other[1].key:
        return Related(other[0].name, score, one[0].relation_of_copy(other[0]), None)
    is_forward = ends in rule.told
    relation, derived = rule.told[ends if is_forward else ends[::-1]]
    this = "a" if is_forward else "b"
    return Related(other[0].name, score, relation, derived and ("this" if derived == this else "other"))
