"""Proposed pairs of images, judged: each is laid on the other once, on all cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dedup_core.encoders.encoder import Decoding
from dedup_core.errors import DedupError, LimitError
from dedup_core.geometry.judge import Geometry, LocalView, judge, prepared
from dedup_core.geometry.tiles import planes_of
from dedup_core.local.features import MOST_KEYPOINTS, opencv
from dedup_core.local.votes import CodedImages, are_common, cross_votes, self_votes
from dedup_core.methods.judged_images import JudgedImage, PairRule, Voting
from dedup_core.methods.progress import Bar
from dedup_core.methods.verified import Files
from dedup_core.pairs import Pairs
from dedup_core.relations import RE_ENCODED, RESIZED
from dedup_core.verify.held import Held
from dedup_core.workers import map_in_processes, map_in_threads, n_cores

HELD_BYTES = 256 * 2**20
"""Of pictures that are prepared."""

_A_THREAD, _A_PROCESS = 64, 512  # pairs at a time: neighbours share an image
_FEW_CORES = 2  # Python itself takes nearly half of the time, so that more threads than these wait for each other
_FEW_PAIRS = 20_000  # a minute and a half of one core: about as much as processes must have to do to pay
_BYTES_A_KEYPOINT = 4 * 8 * 5  # keypoints and descriptors, straight and mirrored, and the features themselves


class HeldPictures(Held[int, LocalView]):
    """Images made ready to be judged, by their positions.

    Args:
        images: objects (n,), each a ``JudgedImage``.
        most_bytes: how many bytes to hold.
    """

    def __init__(self, images: np.ndarray, most_bytes: int = HELD_BYTES) -> None:
        super().__init__(lambda position: _ready(images[position]), _size, most_bytes)


def _ready(image: JudgedImage) -> LocalView:
    width, height = image.info.width, image.info.height
    if width is None or height is None:  # only the shape is known, from the small picture
        height, width = planes_of(image.features.picture).shape[:2]
    return prepared(image.features, width, height)


def _size(ready: LocalView) -> int:
    return ready.planes.nbytes + len(ready.features.keypoints) * _BYTES_A_KEYPOINT


@dataclass(frozen=True)
class _Told:
    """What geometry says of a pair: how many inliers there are, and if it is one, which."""

    inliers: int
    is_pair: bool
    relation: str = RE_ENCODED
    derived: str | None = None

    @classmethod
    def of(cls, geometry: Geometry | None) -> _Told:
        if geometry is None:
            return cls(0, is_pair=False)
        return cls(geometry.inliers, geometry.is_reported, geometry.relation, geometry.derived)


@dataclass(frozen=True)
class _Work:
    """Pairs for a process: the images, positions of pairs among them, int64 (m, 2), and how many inliers are enough."""

    images: np.ndarray
    ends: np.ndarray
    min_inliers: int


def _judged_apart(work: _Work) -> list[_Told]:
    return _judged(HeldPictures(work.images), work.ends, work.min_inliers)


def _judged(held: HeldPictures, ends: np.ndarray, min_inliers: int) -> list[_Told]:
    return [_Told.of(judge(held.at(one), held.at(other), min_inliers)) for one, other in ends.tolist()]


class Judging:
    """The judgement of pairs among images, or between them and others.

    Args:
        images: objects (n,), each a ``JudgedImage``.
        others: as images, or None.
        rule: which pairs are duplicates. Relations are written into it.
        verbose: whether to show a progress bar.

    Raises:
        SettingsError: if OpenCV is not installed.
    """

    def __init__(self, images: np.ndarray, others: np.ndarray | None, rule: PairRule, verbose: bool) -> None:
        opencv()
        self._count = len(images)
        self._images = images if others is None else np.concatenate([images, others])
        self._is_cross = others is not None
        self._rule, self._verbose = rule, verbose

    def pairs(self, proposals: Iterable[np.ndarray], decoding: Decoding | None) -> Iterator[Pairs]:
        """Yield the duplicates among proposed pairs, with their inliers.

        Args:
            proposals: int64 (m, 2), positions of pairs, the same one more than once if need be.
            decoding: how files become pictures, if pixels decide what geometry can't tell. None if they don't.

        Raises:
            LimitError: if more pairs are proposed than the rule allows.
        """
        equal = self._equal()
        yield self._pairs(equal, np.full(len(equal), MOST_KEYPOINTS))
        ends = self._distinct(proposals, equal)
        apart = n_cores() > _FEW_CORES and len(ends) > _FEW_PAIRS
        size = _A_PROCESS if apart else _A_THREAD
        parts = [ends[start : start + size] for start in range(0, len(ends), size)]
        inliers, is_unsure = np.zeros(len(ends), np.int32), np.zeros(len(ends), bool)
        done = 0
        with Bar("Judging", len(ends), "pairs", silent=not self._verbose) as bar:
            for part, told in zip(parts, self._in_processes(parts) if apart else self._in_threads(parts), strict=True):
                here = slice(done, done + len(part))
                inliers[here], is_unsure[here] = [each.inliers for each in told], [not each.is_pair for each in told]
                self._note(part, told)
                yield self._pairs(part[~is_unsure[here]], inliers[here][~is_unsure[here]])
                done = here.stop
                bar.add(len(part))
        if decoding is not None:
            yield self._same(ends[is_unsure], inliers[is_unsure], decoding)

    def _equal(self) -> np.ndarray:
        """Return the pairs of an image and another one that equals it, int64 (m, 2): among images there are none."""
        if not self._is_cross:
            return np.empty((0, 2), np.int64)
        at = {image.key: position for position, image in enumerate(self._images[: self._count]) if image.key}
        keys = enumerate(image.key for image in self._images[self._count :])
        return np.array([(at[key], self._count + right) for right, key in keys if key in at], np.int64).reshape(-1, 2)

    def _distinct(self, proposals: Iterable[np.ndarray], equal: np.ndarray) -> np.ndarray:
        """Return each pair once, int64 (m, 2), ascending, but for those of equal images."""
        total, found, count = len(self._images), [np.empty(0, np.int64)], 0
        for block in proposals:
            found.append(block[:, 0] * total + block[:, 1] + (self._count if self._is_cross else 0))
            count += len(block)
            if count > self._rule.most:
                raise LimitError(
                    f"{count:,} or more pairs of images to judge are more than max_pairs={self._rule.most:,}: a larger "
                    "min_votes, or a stricter threshold of what proposes them, has fewer"
                )
        numbers = np.setdiff1d(np.concatenate(found), equal[:, 0] * total + equal[:, 1])
        return np.stack(np.divmod(numbers, total), axis=1)

    def _in_threads(self, parts: Sequence[np.ndarray]) -> Iterator[list[_Told]]:
        held = HeldPictures(self._images)
        return map_in_threads(lambda part: _judged(held, part, self._rule.min_inliers), parts, n_cores())

    def _in_processes(self, parts: Sequence[np.ndarray]) -> Iterator[list[_Told]]:
        from concurrent.futures.process import BrokenProcessPool  # loads multiprocessing

        try:
            yield from map_in_processes(_judged_apart, map(self._work, parts), n_cores())
        except BrokenProcessPool as error:
            raise DedupError("a process that compares pictures died, maybe for want of memory") from error

    def _work(self, ends: np.ndarray) -> _Work:
        positions, numbers = np.unique(ends, return_inverse=True)
        return _Work(self._images[positions], numbers.reshape(-1, 2), self._rule.min_inliers)

    def _note(self, ends: np.ndarray, told: Iterable[_Told]) -> None:
        """Write relations down, if they are asked for."""
        if not self._rule.relations:
            return
        for (one, other), each in zip(ends.tolist(), told, strict=True):
            if each.is_pair:
                names = self._images[one].name, self._images[other].name
                self._rule.told[names] = each.relation, each.derived

    def _same(self, ends: np.ndarray, inliers: np.ndarray, decoding: Decoding) -> Pairs:
        """Return those of some pairs whose pixels are the same, as far as their files are known."""
        is_known = np.array([image.path is not None for image in self._images], bool)[ends].all(axis=1)
        ends, inliers = ends[is_known], inliers[is_known]
        files = Files([image.path or "" for image in self._images], [image.info for image in self._images])
        same = files.same(Pairs(ends[:, 0], ends[:, 1], np.arange(len(ends))), decoding).score
        self._note(ends[same], [self._by_size(*pair) for pair in ends[same].tolist()])
        return self._pairs(ends[same], inliers[same])

    def _by_size(self, one: int, other: int) -> _Told:
        """Return what two images with the same pixels are to each other."""
        sizes = [(info.width, info.height) for info in (self._images[one].info, self._images[other].info)]
        return _Told(0, is_pair=True, relation=RE_ENCODED if sizes[0] == sizes[1] else RESIZED)

    def _pairs(self, ends: np.ndarray, inliers: np.ndarray) -> Pairs:
        right = ends[:, 1] - (self._count if self._is_cross else 0)
        return Pairs(ends[:, 0], right, inliers.astype(np.int32))


def voted(images: np.ndarray, others: np.ndarray | None, voting: Voting) -> Iterator[np.ndarray]:
    """Yield the pairs of images whose keypoints vote for them, int64 (m, 2) each.

    Args:
        images: objects (n,), each a ``JudgedImage``.
        others: as images, for pairs of an image and one of these; None for pairs among images.
        voting: how they vote.
    """
    left = _coded(images)
    right = None if others is None else _coded(others)
    together = left if right is None else CodedImages(
        np.concatenate([left.codes, right.codes]), np.concatenate([left.images, right.images + len(images)])
    )  # fmt: skip
    says = ~are_common(together, voting.max_images_per_code)
    left, says_right = _those(left, says[: len(left.codes)]), says[len(left.codes) :]
    limits = voting.max_code_distance, voting.min_votes
    blocks = self_votes(left, *limits) if right is None else cross_votes(left, _those(right, says_right), *limits)
    for block in blocks:
        yield np.stack([block.left, block.right], axis=1)


def _coded(images: np.ndarray) -> CodedImages:
    codes = [image.features.codes for image in images]
    counts = [len(each) for each in codes]
    return CodedImages(np.concatenate([np.empty(0, np.uint64), *codes]), np.repeat(np.arange(len(images)), counts))


def _those(coded: CodedImages, wanted: np.ndarray) -> CodedImages:
    return CodedImages(coded.codes[wanted], coded.images[wanted])
