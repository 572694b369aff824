"""Local features of a picture: places that are found again in its copies, and what it looks like about each.

Keypoints are those of ORB (Rublee, Rabaud, Konolige, Bradski: "ORB: an efficient alternative to SIFT or SURF", ICCV
2011), as OpenCV finds them. Descriptors are of its kind, 256 comparisons of brightness, but symmetric ones: the
descriptor of the mirrored picture is the same words with their halves changed over, and so costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dedup_core.errors import SettingsError, to_install
from dedup_core.local.pattern import TESTS, mirrored

FRAME = 256
"""Pixels of the longer side of what keypoints are found in."""

SIDE = 128
"""Pixels of the longer side of the small picture."""

MOST_KEYPOINTS = 400
MOST_PICTURE_BYTES = 8_000
PARTS = 64
"""Into how many parts a pixel, a degree and a scale are divided where keypoints are stored."""

_LEVELS, _STEP = 6, 1.2
_SMOOTHED = 2.0
_EDGE, _FAST = 12, 10
_SMALLEST = 2 * _EDGE + 8  # of a frame that has keypoints
_QUALITIES = (92, 85, 75, 60, 40, 20, 5, 1)


@dataclass(frozen=True)
class LocalFeatures:
    """The local features of one picture, as they are stored.

    Attributes:
        keypoints: int16 (n, 4): x, y (pixels of the frame, in which the longer side has ``FRAME``), scale (1 is the
            finest) and angle (degrees), each in ``PARTS`` of one.
        descriptors: uint64 (n, 4): 256 bits each.
        picture: the picture, small, as a JPEG.
    """

    keypoints: np.ndarray
    descriptors: np.ndarray
    picture: bytes

    def __eq__(self, other: object) -> bool:
        """Return whether all of two pictures' features are equal."""
        if not isinstance(other, LocalFeatures) or self.picture != other.picture:
            return False
        columns = (self.keypoints, other.keypoints), (self.descriptors, other.descriptors)
        return all(np.array_equal(one, another) for one, another in columns)

    def __hash__(self) -> int:
        return hash(self.picture)

    @cached_property
    def codes(self) -> np.ndarray:
        """Of each descriptor the 64 bits by which it is searched: uint64 (n,)."""
        return np.ascontiguousarray(self.descriptors[:, 0])

    @cached_property
    def mirrored_codes(self) -> np.ndarray:
        """The codes of the mirrored picture, of the same keypoints: uint64 (n,)."""
        return mirrored(self.codes)

    def to_row(self) -> dict[str, Any]:
        """Return the struct of the ``features`` table."""
        descriptors = self.descriptors.astype("<u8").tobytes()
        return {"keypoints": self.keypoints.ravel(), "descriptors": descriptors, "picture": self.picture}

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> LocalFeatures:
        """Return what `to_row` made a row of."""
        keypoints = np.asarray(row["keypoints"], np.int16).reshape(-1, 4)
        descriptors = np.frombuffer(row["descriptors"], "<u8").astype(np.uint64).reshape(-1, 4)
        return cls(keypoints, descriptors, row["picture"])


def local_features(pixels: np.ndarray) -> LocalFeatures:
    """Return the local features of a picture.

    Args:
        pixels: uint8 (h, w, 3), RGB.

    Raises:
        SettingsError: if OpenCV is not installed.
    """
    cv2 = opencv()
    frame = fitted(pixels, FRAME)
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    keypoints = keypoints_of(gray)
    return LocalFeatures(_stored(keypoints), descriptors_of(gray, keypoints), _small(frame))


def opencv() -> Any:
    """Return OpenCV, on one thread: a worker takes the cores of its task and no more.

    Raises:
        SettingsError: if it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise SettingsError(f"local features need OpenCV: {to_install('local')}") from error
    cv2.setNumThreads(1)
    return cv2


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height of a picture made as large as so many pixels of its longer side."""
    share = side / max(width, height)
    return max(1, round(width * share)), max(1, round(height * share))


def fitted(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the picture with so many pixels of its longer side."""
    cv2 = opencv()
    height, width = pixels.shape[:2]
    size = fitted_size(width, height, side)
    if size == (width, height):
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if max(size) < max(width, height) else cv2.INTER_CUBIC)


def keypoints_of(gray: np.ndarray) -> list[Any]:
    """Return OpenCV's keypoints of a frame, uint8 (h, w), the strongest first."""
    if min(gray.shape) < _SMALLEST:
        return []
    cv2 = opencv()
    finder = cv2.ORB_create(MOST_KEYPOINTS, _STEP, _LEVELS, _EDGE, fastThreshold=_FAST)
    found = sorted(finder.detect(gray), key=lambda point: (-point.response, point.octave, point.pt))
    return found[:MOST_KEYPOINTS]


def _stored(keypoints: list[Any]) -> np.ndarray:
    told = [(*point.pt, _STEP**point.octave, point.angle) for point in keypoints]
    return np.rint(np.array(told, np.float64).reshape(-1, 4) * PARTS).astype(np.int16)


def descriptors_of(gray: np.ndarray, keypoints: list[Any], tests: np.ndarray = TESTS) -> np.ndarray:
    """Return the descriptors of a frame's keypoints by 128 tests: uint64 (n, 4)."""
    from dedup_core.local.describe import described  # loads numba

    cv2 = opencv()
    places = np.array([point.pt for point in keypoints], np.float32).reshape(-1, 2)
    angles = np.array([point.angle for point in keypoints], np.float32)
    octaves = np.array([point.octave for point in keypoints], np.int64)
    descriptors = np.zeros((len(keypoints), 4), np.uint64)
    for octave in np.unique(octaves):
        scale = _STEP**octave
        size = tuple(max(1, round(side / scale)) for side in gray.shape[::-1])
        level = gray if octave == 0 else cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR)
        smooth = cv2.GaussianBlur(level, (7, 7), _SMOOTHED)
        here = octaves == octave
        descriptors[here] = described(smooth, places[here] / np.float32(scale), angles[here], tests)
    return descriptors


def _small(frame: np.ndarray) -> bytes:
    """Return the small picture as a JPEG, of the best quality that fits."""
    cv2 = opencv()
    small = cv2.cvtColor(fitted(frame, SIDE), cv2.COLOR_RGB2BGR)
    for quality in _QUALITIES:
        content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(content) <= MOST_PICTURE_BYTES:
            break
    return content
