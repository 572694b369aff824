"""What all methods share in finding duplicates: maps, what to remove, and the files that results go to."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dedup_core import arguments, groups
from dedup_core.encoding_method import EncodingMethod, StrPath
from dedup_core.encodings import Feature
from dedup_core.pairs import Pairs


class Images(NamedTuple):
    """Where features come from: a folder of images, or features made before."""

    image_dir: StrPath | None
    encoding_map: Mapping[str, Any] | None
    recursive: bool
    num_enc_workers: int | None


class FindingMethod(EncodingMethod[Feature]):
    """A way to find duplicates: how features are compared, on top of how they are made.

    Attributes:
        smaller_is_closer: whether scores are distances; otherwise they are similarities.
    """

    smaller_is_closer: bool

    @abstractmethod
    def _join(self, values: np.ndarray, others: np.ndarray | None, threshold: float) -> Pairs:
        """Return the pairs within the threshold: among the values, or between them and the others."""

    def _find(
        self, images: Images, threshold: float, scores: bool, outfile: StrPath | None, against: Mapping | None
    ) -> dict[str, list[Any]]:
        with_scores, target = arguments.flag(scores, "scores"), arguments.output_file(outfile, "outfile")
        existing = None if against is None else self._names_and_values(against, "against")
        names, values = self._features(images)
        if existing is None:
            pairs = self._join(values, None, threshold)
            found = groups.duplicate_map(names, pairs, self.smaller_is_closer, with_scores)
        else:
            pairs = self._join(values, existing[1], threshold)
            found = _match_map(names, existing[0], pairs, self.smaller_is_closer, with_scores)
        _write_json(found, target)
        return found

    def _find_to_remove(self, images: Images, threshold: float, outfile: StrPath | None) -> list[str]:
        target = arguments.output_file(outfile, "outfile")
        names, values = self._features(images)
        pairs = self._join(values, None, threshold)
        edges = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)  # ascending by name, as names are sorted
        removed = sorted(names[position] for position, _ in groups.removals(edges))
        _write_json(removed, target)
        return removed

    def _features(self, images: Images) -> tuple[list[str], np.ndarray]:
        """Return the names, sorted, and their features as one array."""
        arguments.exactly_one(image_dir=images.image_dir, encoding_map=images.encoding_map)
        if images.image_dir is None:
            return self._names_and_values(images.encoding_map, "encoding_map")
        encodings = self.encode_images(images.image_dir, images.recursive, images.num_enc_workers)
        return self._names_and_values(encodings, "image_dir")


def _match_map(
    names: Sequence[str], existing: Sequence[str], pairs: Pairs, smaller_is_closer: bool, scores: bool
) -> dict[str, list[Any]]:
    """Return every name with the existing names that match it, best first, ties in the order of ``existing``."""
    matches: dict[str, list[Any]] = {name: [] for name in names}
    order = np.lexsort((pairs.right, pairs.score if smaller_is_closer else -pairs.score))
    ends = pairs.left[order].tolist(), pairs.right[order].tolist(), pairs.score[order].tolist()
    for left, right, score in zip(*ends, strict=True):
        matches[names[left]].append((existing[right], score) if scores else existing[right])
    return matches


def _write_json(content: object, target: Path | None) -> None:
    if target is not None:
        target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
