"""Batches of pictures through encoders: each image its own features, or its own failure."""

import io

import numpy as np
import pytest
from PIL import Image

from dedup_core.encoders.encoder import Encoder, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.picture import Failure


def png(shade):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_picture_whose_embedding_no_search_could_take_is_a_failure_and_spoils_no_other(spoilt):
    def embed(pixels):
        shades = pixels[:, 0, 0].astype(np.float32)
        return np.stack([shades, np.where(shades == 7, np.float32(spoilt), 1.0)], axis=1)

    model = Encoder("model", lambda picture: picture.gray((1, 1)), embed, "model-v1")
    before, failure, after = encode_batch([png(1), png(7), png(9)], [ENCODERS["ahash"].encoder(), model])
    assert failure == Failure("not_encoded", "the picture was read, but its model embedding holds NaN or infinity")
    assert (before.features["model"].tolist(), after.features["model"].tolist()) == ([1.0, 1.0], [9.0, 1.0])
