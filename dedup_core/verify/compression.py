"""The compression of one file, done to another picture: what it loses is then lost by both."""

from __future__ import annotations

import io

from PIL import Image

from dedup_core.images.losses import Loss

_LARGEST_STEP = 255


def compressed(image: Image.Image, loss: Loss) -> Image.Image | None:
    """Return an image after a JPEG of given tables; None where Pillow can't write one.

    Args:
        image: of mode RGB; one with transparency loses it in no JPEG that would be the same.
        loss: the tables, and how much smaller colours are stored.
    """
    if loss.sampling is None or image.mode != "RGB" or max(*loss.luma, *loss.chroma) > _LARGEST_STEP:
        return None
    file = io.BytesIO()
    image.save(file, "JPEG", qtables=[list(loss.luma), list(loss.chroma)], subsampling=loss.sampling)
    again = Image.open(file, formats=["JPEG"])
    again.load()
    return again
