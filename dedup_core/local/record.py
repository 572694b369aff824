"""Local features as one array of fixed length, as encoders hand on what they make of a picture."""

from __future__ import annotations

import numpy as np

from dedup_core.local.features import MOST_KEYPOINTS, MOST_PICTURE_BYTES, LocalFeatures

_COUNTS = np.dtype("<u4").itemsize * 2
RECORD_BYTES = _COUNTS + MOST_KEYPOINTS * (8 + 32) + MOST_PICTURE_BYTES
"""Bytes of a record: below 24 KB."""


def packed(features: LocalFeatures) -> np.ndarray:
    """Return the features as uint8 (RECORD_BYTES,): two counts, keypoints, descriptors, the picture, and zeros."""
    counts = np.array([len(features.keypoints), len(features.picture)], "<u4").tobytes()
    keypoints, descriptors = features.keypoints.astype("<i2").tobytes(), features.descriptors.astype("<u8").tobytes()
    content = b"".join((counts, keypoints, descriptors, features.picture))
    return np.frombuffer(content.ljust(RECORD_BYTES, b"\0"), np.uint8)


def unpacked(record: np.ndarray) -> LocalFeatures:
    """Return what `packed` made a record of."""
    content = record.tobytes()
    n_keypoints, n_bytes = np.frombuffer(content, "<u4", 2).tolist()
    descriptors_at = _COUNTS + n_keypoints * 8
    picture_at = descriptors_at + n_keypoints * 32
    keypoints = np.frombuffer(content, "<i2", n_keypoints * 4, _COUNTS).astype(np.int16).reshape(-1, 4)
    descriptors = np.frombuffer(content, "<u8", n_keypoints * 4, descriptors_at).astype(np.uint64).reshape(-1, 4)
    return LocalFeatures(keypoints, descriptors, content[picture_at : picture_at + n_bytes])
