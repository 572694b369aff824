"""Pairs that a method has found, held against the pixels of their images: those of the same picture stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dedup_core.encoders.encoder import Decoding
from dedup_core.images.decoding import frames_of
from dedup_core.images.looks import is_still
from dedup_core.images.picture import Failure, Picture, read
from dedup_core.methods.encode_files import MAX_FILE_BYTES
from dedup_core.methods.encodings import Encodings, ImageInfo
from dedup_core.pairs import Pairs
from dedup_core.verify.held import HeldViews
from dedup_core.verify.looks import Looks, refuted
from dedup_core.verify.views import HELD_SIDE
from dedup_core.workers import map_in_threads, n_cores

_A_THREAD = 64  # pairs at a time: neighbours share an image
_UNKNOWN = ImageInfo()


@dataclass(frozen=True)
class Files:
    """Images whose files can be read again.

    Attributes:
        paths: where they lie.
        infos: what is known of them.
    """

    paths: Sequence[str]
    infos: Sequence[ImageInfo]

    @classmethod
    def of(cls, encodings: object, names: Sequence[str], argument: str) -> Files:
        """Return the files behind encodings, in the order of names.

        Raises:
            ValueError: if it is not known where they lie.
        """
        if not isinstance(encodings, Encodings) or encodings.image_dir is None:
            raise ValueError(
                f"verified=True reads the images, and {argument} does not say where they lie: give image_dir, or what "
                "encode_images returned"
            )
        paths = [path for name in names if (path := encodings.path_of(name)) is not None]
        return cls(paths, [encodings.images.get(name, _UNKNOWN) for name in names])

    def followed_by(self, other: Files) -> Files:
        """Return these and others."""
        return Files([*self.paths, *other.paths], [*self.infos, *other.infos])

    @cached_property
    def contents(self) -> np.ndarray:
        """The position of the first file that is equal to each, int64 (n,): its own where that is not known."""
        first: dict[str, int] = {}
        known = (info.digest for info in self.infos)
        return np.array(
            [at if digest is None else first.setdefault(digest, at) for at, digest in enumerate(known)], np.int64
        )

    @cached_property
    def looks(self) -> Looks:
        """What is known of the images before they are read again."""
        numbers = [[info.width or 0, info.height or 0, info.frames or 0] for info in self.infos]
        looks, formats = (info.look for info in self.infos), (info.format for info in self.infos)
        return Looks.of(looks, np.array(numbers, np.int64).reshape(-1, 3), formats)

    def marked(self, caution: str) -> np.ndarray:
        """Return which images bear a caution, bool (n,)."""
        return np.array([caution in (info.caution or ()) for info in self.infos], bool)

    def same(self, pairs: Pairs, decoding: Decoding) -> Pairs:
        """Return the pairs of images that are the same picture, in their order.

        Args:
            pairs: of positions.
            decoding: how files become pictures.
        """
        left, right = self.contents[pairs.left], self.contents[pairs.right]
        is_same, is_flat = left == right, self.marked("flat")
        waiting = ~is_same & ~is_flat[left] & ~is_flat[right]
        is_refuted, _, _ = refuted(self.looks, left[waiting], right[waiting])
        has_look = np.array([info.look is not None for info in self.infos], bool)
        is_refuted &= has_look[left[waiting]] & has_look[right[waiting]]
        waiting[np.flatnonzero(waiting)[is_refuted]] = False
        ends = np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1)[waiting]
        distinct, number = np.unique(ends, axis=0, return_inverse=True)
        is_same[waiting] = _by_pixels(distinct, self, decoding)[number.ravel()]
        return Pairs(pairs.left[is_same], pairs.right[is_same], pairs.score[is_same])

    def same_across(self, pairs: Pairs, others: Files, decoding: Decoding) -> Pairs:
        """Return the pairs of an image and one of the others, at their positions, that are the same picture."""
        count = len(self.paths)
        together = Pairs(pairs.left, pairs.right + count, pairs.score)
        same = self.followed_by(others).same(together, decoding)
        return Pairs(same.left, same.right - count, same.score)


def _by_pixels(ends: np.ndarray, files: Files, decoding: Decoding) -> np.ndarray:
    """Compare pairs of files, int64 (m, 2), and return which are the same, bool (m,)."""

    def frames(position: int) -> Iterator[Picture | Failure]:
        content = read(files.paths[position], MAX_FILE_BYTES)
        if isinstance(content, Failure):
            return iter([content])
        if not is_still(content, files.infos[position].digest):
            return iter([Failure("vanished", "the image is another one than when it was encoded")])
        return frames_of(content, decoding.max_pixels, decoding.orientation, HELD_SIDE)

    views: HeldViews[int] = HeldViews(frames)

    def compare(part: np.ndarray) -> list[bool]:
        return [views.verdict(one, other).is_same for one, other in part.tolist()]

    parts = [ends[start : start + _A_THREAD] for start in range(0, len(ends), _A_THREAD)]
    found: list[Any] = [same for part in map_in_threads(compare, parts, n_cores()) for same in part]
    return np.array(found, bool)
