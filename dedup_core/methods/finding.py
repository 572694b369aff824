"""What all methods share in finding duplicates: maps, what to remove, and the files that results go to."""

from __future__ import annotations

import json
import math
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dedup_core import arguments, groups
from dedup_core.encoders.registry import metric_of
from dedup_core.errors import LimitError
from dedup_core.groups import Distinct
from dedup_core.images.names import storable
from dedup_core.methods.encoding import EncodingMethod, StrPath
from dedup_core.methods.encodings import Encodings, Feature
from dedup_core.metric import Metric
from dedup_core.pairs import Pairs

if TYPE_CHECKING:
    from dedup_core.methods.verified import Files

Scored = dict[str, list[Any]]
"""Each image's duplicates, as tuples that begin with name and score."""

SEARCH_METHODS = ("bktree", "brute_force", "brute_force_cython")
"""Of imagededup, which all find what the one search here finds."""

MAX_PAIRS = 20_000_000
_FEWEST_HELD, _HELD_A_VALUE = 5_000_000, 20  # pairs in memory while removals are decided: 18 or 24 bytes each


class Images(NamedTuple):
    """Where features come from: a folder of images, or features made before."""

    image_dir: StrPath | None
    encoding_map: Mapping[str, Any] | None
    recursive: bool
    num_enc_workers: int | None
    verified: bool = False


class Duplicates(dict[str, list[Any]]):
    """Each image's duplicates: a dictionary that also knows what scores in it say.

    Attributes:
        metric: that of the method which found them.
    """

    def __init__(self, found: Mapping[str, list[Any]], metric: Metric) -> None:
        super().__init__(found)
        self.metric = metric


class FindingMethod(EncodingMethod[Feature]):
    """A way to find duplicates: how features are compared, on top of how they are made."""

    _same_score: np.generic

    @property
    def metric(self) -> Metric:
        """What a score says."""
        return metric_of(self.name)

    @property
    def _score_type(self) -> type[np.generic]:
        return self._same_score.dtype.type

    @abstractmethod
    def _first_equal(self, values: np.ndarray) -> np.ndarray:
        """Return for each value the position of the first that equals it, int64 (n,).

        Equal values must be duplicates at any threshold: one that is unlike itself stands for itself alone.
        """

    @abstractmethod
    def _blocks(self, values: np.ndarray, others: np.ndarray | None, threshold: Any) -> Iterator[Pairs]:
        """Yield the pairs within the threshold in any order: among the values, or between them and the others.

        What a threshold is, a number or several, is the method's own: what calls this only hands it on.
        """

    def _searched(self, features: object, argument: str) -> tuple[list[str], np.ndarray]:
        """Return the names of images, ascending, and what is searched of each, as ``_to_values`` or more."""
        return self._names_and_values(features, argument)

    def _described(
        self,
        found: Scored,
        of_images: Mapping[str, Any],  # noqa: ARG002 - for those that know more
        of_others: Mapping[str, Any],  # noqa: ARG002
        threshold: Any,  # noqa: ARG002
        is_verified: bool,  # noqa: ARG002
    ) -> Scored:
        """Return a map with scores, and with what else the method knows of each duplicate.

        Args:
            found: each image's duplicates.
            of_images: the values of the images, by name.
            of_others: the values of the duplicates.
            threshold: as ``_blocks`` has it.
            is_verified: whether pixels have confirmed the duplicates.
        """
        return found

    def _find(
        self,
        images: Images,
        threshold: Any,
        scores: bool,
        outfile: StrPath | Literal[False] | None,
        against: Mapping | None,
        max_pairs: int,
    ) -> dict[str, list[Any]]:
        with_scores, target = arguments.flag(scores, "scores"), arguments.output_file(outfile, "outfile")
        most = arguments.whole_number(max_pairs, "max_pairs", 0)
        existing = None if against is None else self._searched(against, "against")
        given, argument = self._given(images)
        names, values = self._searched(given, argument)
        files = self._files(images, given, names, argument)
        if existing is None:
            pairs = self._pairs(values, threshold, most)
            same = pairs if files is None else files.same(pairs, self.decoding)
            found = groups.duplicate_map(names, same, self.metric, with_scores)
        else:
            pairs = self._pairs_with(values, existing[1], threshold, most)
            if files is not None:
                pairs = files.same_across(pairs, files.of(against, existing[0], "against"), self.decoding)
            found = _match_map(names, existing[0], pairs, self.metric, with_scores)
        if with_scores:
            sides = (names, values), (names, values) if existing is None else existing
            of_images, of_others = (dict(zip(*side, strict=True)) for side in sides)
            found = self._described(found, of_images, of_others, threshold, files is not None)
        _write_json(found, target)
        return Duplicates(found, self.metric)

    def _pairs(self, values: np.ndarray, threshold: Any, most: int) -> Pairs:
        """Return the pairs of images, in any order: found among distinct values, and counted before they are listed.

        Raises:
            LimitError: if there are more than ``most``.
        """
        distinct = Distinct.of(self._first_equal(values))
        advice = ", a larger max_pairs takes more memory, and find_duplicates_to_remove needs no list of pairs"
        _check_count(distinct.pairs_of_copies, most, advice)
        blocks = self._blocks(values[distinct.first], None, threshold)
        found = _expanded(blocks, (distinct, distinct), distinct.pairs_of_copies, most, advice)
        return Pairs.concatenate([distinct.copies(self._same_score), *found], self._score_type)

    def _pairs_with(self, values: np.ndarray, others: np.ndarray, threshold: Any, most: int) -> Pairs:
        """Return the pairs of an image and one of the others, as ``_pairs``."""
        left, right = (Distinct.of(self._first_equal(side)) for side in (values, others))
        blocks = self._blocks(values[left.first], others[right.first], threshold)
        return Pairs.concatenate(_expanded(blocks, (left, right), 0, most), self._score_type)

    def _find_to_remove(self, images: Images, threshold: Any, outfile: StrPath | Literal[False] | None) -> list[str]:
        target = arguments.output_file(outfile, "outfile")
        given, argument = self._given(images)
        names, values = self._searched(given, argument)
        others = given.other_names if isinstance(given, Encodings) else {}
        files = self._files(images, given, names, argument)
        goes = self._removed(values, threshold) if files is None else self._removed_same(values, threshold, files)
        gone = [names[position] for position in np.flatnonzero(goes)]
        # An image goes with all names of its file, so that no link is left to nothing.
        removed = sorted([*gone, *(other for name in gone for other in others.get(name, ()))])
        _write_json(removed, target)
        return removed

    def _removed(self, values: np.ndarray, threshold: Any) -> np.ndarray:
        """Return which images go, bool (n,), by the greedy pass over distinct values.

        The first image of a value decides for all: if it stays, it removes its copies; if another image removes it,
        that one is a duplicate of them all.
        """
        distinct = Distinct.of(self._first_equal(values))
        removed = self._removed_values(values[distinct.first], threshold)[distinct.number]
        removed |= distinct.first[distinct.number] != np.arange(len(values))
        return removed

    def _removed_same(self, values: np.ndarray, threshold: Any, files: Files) -> np.ndarray:
        """Return which images go, bool (n,), by the pass over pairs of the same picture; of equal files one stays."""
        first = np.flatnonzero(files.contents == np.arange(len(values)))
        pairs = self._pairs(values[first], threshold, MAX_PAIRS)
        left, right = np.sort([first[pairs.left], first[pairs.right]], axis=0)
        ordered = Pairs(left, right, pairs.score).sorted()
        removed = groups.removed_positions(files.same(ordered, self.decoding), len(values))
        removed |= files.contents != np.arange(len(values))
        return removed

    @staticmethod
    def _files(images: Images, given: object, names: Sequence[str], argument: str) -> Files | None:
        """Return the files behind the images where pairs are to be verified."""
        if not arguments.flag(images.verified, "verified"):
            return None
        from dedup_core.methods.verified import Files  # loads numba and Pillow, which verification alone needs

        return Files.of(given, names, argument)

    def _removed_values(self, values: np.ndarray, threshold: Any) -> np.ndarray:
        """Return which of distinct values the pass removes, bool (n,): at once if few enough pairs are to be held."""
        most = max(_FEWEST_HELD, _HELD_A_VALUE * len(values))
        pairs = _held(self._blocks(values, None, threshold), most, self._score_type)
        if pairs is not None:
            return groups.removed_positions(pairs, len(values))
        return self._removed_by_strips(values, threshold, rows=max(1, math.isqrt(2 * most)))

    def _removed_by_strips(self, values: np.ndarray, threshold: Any, rows: int) -> np.ndarray:
        """Decide some rows at a time among themselves, then drop what those that stay remove of all that follow."""
        removed, waiting = np.zeros(len(values), bool), np.arange(len(values))
        while len(waiting):
            strip, waiting = waiting[:rows], waiting[rows:]
            pairs = Pairs.concatenate(self._blocks(values[strip], None, threshold), self._score_type)
            gone = groups.removed_positions(pairs.sorted(), len(strip))
            hit = np.zeros(len(waiting), bool)
            for block in self._blocks(values[strip[~gone]], values[waiting], threshold):
                hit[block.right] = True
            removed[strip[gone]] = removed[waiting[hit]] = True
            waiting = waiting[~hit]
        return removed

    def _given(self, images: Images) -> tuple[Mapping[str, Any] | None, str]:
        """Return the features by name, and the argument that they come from."""
        if arguments.exactly_one(image_dir=images.image_dir, encoding_map=images.encoding_map) == "encoding_map":
            _warn_of_unused(images)
            return images.encoding_map, "encoding_map"
        folder = arguments.path(images.image_dir, "image_dir")
        return self.encode_images(folder, images.recursive, images.num_enc_workers), "image_dir"


def warn_of_no_effect(search_method: object = None, **workers: object) -> None:
    """Check what imagededup lets choose of a search, and warn the caller of the caller that it changes nothing.

    Raises:
        TypeError, ValueError: if imagededup doesn't know it.
    """
    if search_method is not None:
        arguments.choice(search_method, "search_method", SEARCH_METHODS)
        text = "search_method has no effect: there is one search here, and it finds the same pairs"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    for name, number in workers.items():
        if number is not None:
            arguments.whole_number(number, name, 0)
            text = f"{name} has no effect: the search decides by itself how many cores it takes"
            warnings.warn(text, RuntimeWarning, stacklevel=3)


def _warn_of_unused(images: Images) -> None:
    """Warn who searches features that were made before, and says how to make them."""
    if arguments.flag(images.recursive, "recursive"):
        text = "recursive has no effect: an encoding_map is searched as it is, and no folder is read"
        warnings.warn(text, SyntaxWarning, stacklevel=5)
    if images.num_enc_workers is not None:
        arguments.whole_number(images.num_enc_workers, "num_enc_workers", 0)
        text = "num_enc_workers has no effect: an encoding_map is searched as it is, and nothing is encoded"
        warnings.warn(text, RuntimeWarning, stacklevel=5)


def _expanded(
    blocks: Iterable[Pairs], sides: tuple[Distinct, Distinct], counted: int, most: int, advice: str = ""
) -> Iterator[Pairs]:
    """Yield the pairs of images that pairs of values stand for, and raise LimitError before they exceed the most."""
    left, right = sides
    for block in blocks:
        counted += int((left.counts[block.left] * right.counts[block.right]).sum())
        _check_count(counted, most, advice)
        yield groups.expand(block, left, right)


def _check_count(counted: int, most: int, advice: str) -> None:
    if counted > most:
        raise LimitError(
            f"{counted:,} or more pairs of images lie within the threshold, more than max_pairs={most:,}: a stricter "
            f"threshold has fewer{advice}"
        )


def _held(blocks: Iterable[Pairs], most: int, score_type: type[np.generic]) -> Pairs | None:
    """Return the pairs of all blocks, sorted; None if there are more than the most."""
    found, count = [], 0
    for block in blocks:
        found.append(block)
        count += len(block)
        if count > most:
            return None
    return Pairs.concatenate(found, score_type).sorted()


def _match_map(
    names: Sequence[str], existing: Sequence[str], pairs: Pairs, metric: Metric, scores: bool
) -> dict[str, list[Any]]:
    """Return every name with the existing names that match it, best first, ties in the order of ``existing``."""
    matches: dict[str, list[Any]] = {name: [] for name in names}
    order = np.lexsort((pairs.right, metric.rank(pairs.score)))
    ends = pairs.left[order].tolist(), pairs.right[order].tolist(), pairs.score[order].tolist()
    for left, right, score in zip(*ends, strict=True):
        matches[names[left]].append((existing[right], score) if scores else existing[right])
    return matches


def _write_json(content: object, target: Path | None) -> None:
    if target is None:
        return
    text = json.dumps(content, indent=2)
    if "\\ud" in text:  # half a character: a name that is no UTF-8, which other readers of JSON refuse
        text = json.dumps(_storable(content), indent=2)
    target.write_text(text + "\n", encoding="utf-8")


def _storable(content: Any) -> Any:
    """Return a result with all names in it spelt as the tables spell them."""
    if isinstance(content, dict):
        return {storable(name): _storable(found) for name, found in content.items()}
    if isinstance(content, (list, tuple)):
        return [_storable(entry) for entry in content]
    return storable(content) if isinstance(content, str) else content
