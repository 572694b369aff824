"""Which images share keypoints: codes that are close vote for pairs of images, each keypoint at most once a pair.

A keypoint of an image has a partner in another one if a code there differs from its own in few bits. A pair has as many
votes as the image has keypoints with a partner in the other one, or the other way round, whichever are fewer: fifty
keypoints that all resemble one say no more than one. The codes of the mirrored picture are counted apart, and the
greater number counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np

from dedup_core.hamming.join import cross_join_blocks, self_join_blocks
from dedup_core.jit.compiled import compiled
from dedup_core.local.pattern import mirrored
from dedup_core.pairs import Pairs

_MOST_IMAGES, _MOST_CODES = 2048, 1 << 20  # of a part: two of them take some 150 MB, however many votes there are


@dataclass(frozen=True)
class Votes:
    """Pairs of images with enough votes, as four arrays of one length.

    Attributes:
        left: int64 (m,), images. Among one set of images the smaller of two.
        right: int64 (m,), images.
        votes: int32 (m,), of the straight or of the mirrored codes, the greater.
    """

    left: np.ndarray
    right: np.ndarray
    votes: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    @classmethod
    def concatenate(cls, blocks: Iterable[Votes]) -> Votes:
        """Return the blocks as one, ordered by (left, right)."""
        none = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
        parts = [none, *blocks]
        whole = [np.concatenate([vars(part)[name] for part in parts]) for name in vars(none)]
        order = np.lexsort((whole[1], whole[0]))
        return cls(*(column[order] for column in whole))


@dataclass(frozen=True)
class CodedImages:
    """Codes, and whose they are.

    Attributes:
        codes: uint64 (n,).
        images: int64 or int32 (n,), the image of each, ascending.

    Raises:
        ValueError: if the two differ in length, or the images don't ascend.
    """

    codes: np.ndarray
    images: np.ndarray

    def __post_init__(self) -> None:
        if len(self.codes) != len(self.images):
            raise ValueError(f"codes and images differ in length: {len(self.codes)}, {len(self.images)}")
        if (self.images[:-1] > self.images[1:]).any():
            raise ValueError("the images of codes must ascend: sort the codes by image")

    @property
    def mirrored(self) -> np.ndarray:
        """The codes of the mirrored pictures, uint64 (n,).

        Mirroring commutes with XOR: a code is as far from a mirrored one as, mirrored, from the code itself.
        """
        return mirrored(self.codes)

    def parts(self) -> list[CodedImages]:
        """Cut where images change, so that two parts fit the memory that counting takes."""
        firsts = np.flatnonzero(np.diff(self.images, prepend=self.images[:1] - 1))
        sizes = np.diff(np.append(firsts, len(self.images)))
        part = np.floor(np.cumsum(sizes / _MOST_CODES + 1 / _MOST_IMAGES))
        cuts = firsts[np.flatnonzero(np.diff(part, prepend=part[:1]))]
        columns = (np.split(column, cuts) for column in (self.codes, self.images))
        return [CodedImages(*of_part) for of_part in zip(*columns, strict=True) if len(of_part[0])]

    def numbered(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the images, int64 (m,), and for each code the position of its image, int64 (n,)."""
        images, positions = np.unique(self.images, return_inverse=True)
        return images.astype(np.int64), positions.astype(np.int64).reshape(-1)


def are_common(coded: CodedImages, max_images: int) -> np.ndarray:
    """Return which codes say nothing, bool (n,): those that stand, bit for bit, in more than so many images."""
    order = np.lexsort((coded.images, coded.codes))
    codes, images = coded.codes[order], coded.images[order]
    is_other_code = np.concatenate([[True], codes[1:] != codes[:-1]])[: len(codes)]
    is_other_image = is_other_code | np.concatenate([[True], images[1:] != images[:-1]])[: len(codes)]
    run = np.cumsum(is_other_code) - 1
    holders = np.bincount(run, weights=is_other_image)
    common = np.empty(len(codes), np.bool_)
    common[order] = holders[run] > max_images
    return common


def self_votes(coded: CodedImages, max_distance: int, min_votes: int) -> Iterator[Votes]:
    """Yield the pairs of images of one set that have enough votes, each pair in one block.

    Args:
        coded: the codes.
        max_distance: in how many bits two codes may differ, 0 to 64.
        min_votes: how many votes are enough, at least 1.
    """
    for one, other in combinations_with_replacement(coded.parts(), 2):
        yield _counted(one, None if one is other else other, max_distance, min_votes)


def cross_votes(left: CodedImages, right: CodedImages, max_distance: int, min_votes: int) -> Iterator[Votes]:
    """Yield the pairs of a left and a right image that have enough votes, each pair in one block.

    Args:
        left: the codes of one set of images.
        right: the codes of another one, which shares no image with it.
        max_distance: in how many bits two codes may differ, 0 to 64.
        min_votes: how many votes are enough, at least 1.
    """
    for one, other in product(left.parts(), right.parts()):
        yield _counted(one, other, max_distance, min_votes)


def _counted(left: CodedImages, right: CodedImages | None, max_distance: int, min_votes: int) -> Votes:
    """Count the votes of two parts, or of one part's own images."""
    is_self = right is None
    other = left if right is None else right
    sides = left.numbered(), other.numbered()
    if is_self:
        close = self_join_blocks(left.codes, max_distance)
    else:
        close = cross_join_blocks(left.codes, other.codes, max_distance)
    turned = cross_join_blocks(left.codes, other.mirrored, max_distance)
    votes = np.maximum(_votes(close, sides, is_self), _votes(turned, sides, is_self))
    a, b = np.nonzero(votes >= min_votes)
    return Votes(sides[0][0][a], sides[1][0][b], votes[a, b])


def _votes(
    close: Iterator[Pairs], sides: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], is_self: bool
) -> np.ndarray:
    """Return int32 (left images, right images): how many votes each pair has."""
    (left, of_left), (right, of_right) = sides
    bits = len(of_left) * len(right), len(of_right) * len(left)
    seen = np.zeros(bits[0] // 64 + 1, np.uint64), np.zeros(bits[1] // 64 + 1, np.uint64)
    counts = np.zeros((len(left), len(right)), np.int32), np.zeros((len(left), len(right)), np.int32)
    for pairs in close:
        _count((pairs.left, pairs.right), (of_left, of_right), is_self, seen, counts)
    return np.minimum(*counts)


@compiled
def _count(
    pairs: tuple[np.ndarray, np.ndarray],
    images: tuple[np.ndarray, np.ndarray],
    is_self: bool,
    seen: tuple[np.ndarray, np.ndarray],
    counts: tuple[np.ndarray, np.ndarray],
) -> None:
    """Count the keypoints that have a partner, each once a pair of images.

    Args:
        pairs: int64 (m,) each, positions of close codes.
        images: int64 (n,) each, the image of each code.
        is_self: whether both sides are the same images: of two that differ the smaller is left, none is with itself.
        seen: a bit for each left code and right image, and for each right code and left image: whether it is counted.
        counts: int32 (left images, right images) each: left codes with a partner on the right, and right codes with
            one on the left.
    """
    of_left, of_right = images
    one, low = np.uint64(1), np.uint64(63)
    n_left, n_right = counts[0].shape
    for k in range(len(pairs[0])):
        i, j = pairs[0][k], pairs[1][k]
        a, b = of_left[i], of_right[j]
        if is_self and a >= b:
            continue
        at = i * n_right + b
        bit = one << (np.uint64(at) & low)
        if not seen[0][at >> 6] & bit:
            seen[0][at >> 6] |= bit
            counts[0][a, b] += 1
        at = j * n_left + a
        bit = one << (np.uint64(at) & low)
        if not seen[1][at >> 6] & bit:
            seen[1][at >> 6] |= bit
            counts[1][a, b] += 1
