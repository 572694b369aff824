"""Two files, judged: whether their pixels are the same, how one lies on the other, and what that makes of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoded, encode_batch
from dedup_core.encoders.registry import ENCODERS, LOCAL_METHOD
from dedup_core.images.decoding import frames_of
from dedup_core.images.looks import pixel_digest
from dedup_core.images.picture import MAX_PIXELS, Failure, Orientation, read
from dedup_core.local.defaults import MIN_INLIERS
from dedup_core.local.features import MOST_KEYPOINTS
from dedup_core.local.record import unpacked
from dedup_core.methods.encode_files import MAX_FILE_BYTES
from dedup_core.relations import RE_ENCODED, RESIZED, SAME_PIXELS, said

if TYPE_CHECKING:
    from dedup_core.geometry.judge import Geometry
    from dedup_core.verify.verdict import Verdict


@dataclass(frozen=True)
class ScoredPair:
    """What two files, a and b, are to each other.

    Attributes:
        names: what the two are called: their paths.
        verdict: whether their pixels are the same.
        geometry: how a lies on b, with the transform from a to b; None where nothing lays one on the other, as for
            pictures without keypoints.
        relation: one of ``relations.RELATIONS``; None if they have nothing in common.
    """

    names: tuple[str, str]
    verdict: Verdict
    geometry: Geometry | None
    relation: str | None

    @property
    def score(self) -> int:
        """How many keypoints one transform lays on each other."""
        return 0 if self.geometry is None else self.geometry.inliers

    @property
    def said(self) -> str:
        """The relation in words: "b.jpg is a crop of a.jpg"."""
        if self.relation is None:
            return f"{self.names[0]} and {self.names[1]} have nothing in common"
        if self.geometry is None or self.relation != self.geometry.relation:
            return said(self.relation, None, 0.0, is_mirrored=False, names=self.names)
        geometry = self.geometry
        return said(self.relation, geometry.derived, geometry.degrees, geometry.is_mirrored, self.names)

    def __str__(self) -> str:
        """Return the relation in words, with what it rests on."""
        return f"{self.said} ({self.score} inliers, pixels {self.verdict.verdict})"


def score_pair(
    one: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    min_inliers: int = MIN_INLIERS,
    orientation: Orientation = "stored",
    max_pixels: int = MAX_PIXELS,
) -> ScoredPair:
    """Return what two image files are to each other.

    Args:
        one: an image file, a.
        other: another one, b.
        min_inliers: how many keypoints a transform must lay on each other, 3 to 400.
        orientation: "stored" takes the pixels as they lie in the files, "exif" as the camera says to turn them.
        max_pixels: as for encoding.

    Raises:
        TypeError, ValueError: if an argument is none of these, or a file can't be read or decoded.
        SettingsError: if OpenCV is not installed.
    """
    from dedup_core.geometry.judge import judge, prepared  # loads numba
    from dedup_core.verify.files import verify_files

    paths = str(arguments.file(one, "one", "an image")), str(arguments.file(other, "other", "an image"))
    fewest = arguments.whole_number(min_inliers, "min_inliers", 3, MOST_KEYPOINTS)
    decoding = Decoding(max_pixels, orientation)
    a, b = (_encoded(path, decoding) for path in paths)
    verdict = verify_files(one, other, orientation=orientation, max_pixels=max_pixels)
    ready = [prepared(unpacked(each.features[LOCAL_METHOD]), each.width, each.height) for each in (a, b)]
    geometry = judge(ready[0], ready[1], fewest)
    relation = None if geometry is None else geometry.relation
    if verdict.is_same and _have_equal_pixels(paths, decoding):
        relation = SAME_PIXELS
    elif verdict.is_same and (geometry is None or not geometry.is_reported):
        relation = RE_ENCODED if (a.width, a.height) == (b.width, b.height) else RESIZED
    return ScoredPair(paths, verdict, geometry, relation)


def _encoded(path: str, decoding: Decoding) -> Encoded:
    content = read(path, MAX_FILE_BYTES)
    (encoded,) = encode_batch([content], [ENCODERS[LOCAL_METHOD].encoder()], decoding)
    if isinstance(encoded, Failure):
        problem = "read" if isinstance(content, Failure) else "decoded"
        raise ValueError(f"{path!r} can't be {problem}: {encoded.message}")
    return encoded


def _have_equal_pixels(paths: tuple[str, str], decoding: Decoding) -> bool:
    one, other = (read(path, MAX_FILE_BYTES) for path in paths)
    if isinstance(one, Failure) or isinstance(other, Failure):
        return False
    digests = [pixel_digest(frames_of(each, decoding.max_pixels, decoding.orientation)) for each in (one, other)]
    return one == other or (digests[0] is not None and digests[0] == digests[1])
