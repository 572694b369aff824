"""Local features as a method: what the encoder is called, and what its features depend on."""

from __future__ import annotations

import numpy as np

from dedup_core.encoders.encoder import Encoder
from dedup_core.images.picture import Picture
from dedup_core.local.features import local_features, opencv
from dedup_core.local.record import packed


def orb_encoder() -> Encoder:
    """Return the encoder. Its features are records, uint8 (n, RECORD_BYTES).

    Raises:
        SettingsError: if OpenCV is not installed.
    """
    return Encoder("orb", _record, _unchanged, f"orb-400-v1-opencv-{opencv().__version__}")


def _record(picture: Picture) -> np.ndarray:
    return packed(local_features(picture.encoded_pixels))


def _unchanged(records: np.ndarray) -> np.ndarray:
    return records
