"""Large images are brought into RGB strip by strip: with the bits of whole ones, and with less memory."""

import io

import numpy as np
import pytest
from album import scene
from PIL import Image

from dedup_core.encoders.encoder import Decoding, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images import strips
from dedup_core.images.picture import shown
from dedup_core.images.strips import Striped, whole_of
from dedup_core.metric import HAMMING

HASHES = [method.encoder() for method in ENCODERS.values() if method.metric is HAMMING]
FADING = Image.linear_gradient("L").resize((160, 120))
DEEP = np.outer(np.arange(120), np.arange(160)) * 3


def kinds():
    """A picture of every mode that Pillow loads, with and without transparency."""
    photo = scene("beach")
    translucent = photo.copy()
    translucent.putalpha(FADING)
    half = photo.convert("RGBA")
    half.paste((0, 0, 0, 0), (0, 60, 160, 120))  # the upper strips are opaque
    keyed = photo.convert("P")
    keyed.info["transparency"] = keyed.getpixel((5, 5))
    coloured = photo.copy()
    coloured.info["transparency"] = coloured.getpixel((80, 60))
    modes = {mode: photo.convert(mode) for mode in ("RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "LA", "RGBX")}
    lab = Image.merge("LAB", photo.split())
    deep = {"I": Image.fromarray(DEEP.astype(np.int32)), "F": Image.fromarray(DEEP.astype(np.float32)),
            "I;16": Image.fromarray(DEEP.astype(np.uint16))}  # fmt: skip
    more = {"LAB": lab, "RGBA": translucent, "half": half, "P keyed": keyed, "RGB keyed": coloured}
    return modes | deep | more


KINDS = kinds()


@pytest.fixture
def in_strips(monkeypatch):
    """A function from when on every picture is a large one."""

    def turn_on(rows=7):
        monkeypatch.setattr(strips, "LARGE", 1)
        monkeypatch.setattr(strips, "_STRIP_PIXELS", 160 * rows)

    return turn_on


@pytest.mark.parametrize("kind", KINDS)
def test_strips_have_the_bits_of_the_whole(kind, in_strips):
    whole = shown(KINDS[kind])
    looks = whole.look(), whole.rgb((9, 8)), np.asarray(whole.on_grey)
    in_strips()
    large = shown(KINDS[kind])
    assert isinstance(large.source, Image.Image if KINDS[kind].mode == "RGB" else Striped)
    assert isinstance(whole.source, Image.Image)
    assert np.array_equal(large.pixels, whole.pixels)
    assert (large.alpha is None) == (whole.alpha is None)
    assert large.alpha is None or whole_of(large.alpha).tobytes() == whole.alpha.tobytes()
    assert large.stretch == whole.stretch
    for one, other in zip((large.look(), large.rgb((9, 8)), np.asarray(whole_of(large.on_grey))), looks, strict=True):
        assert np.array_equal(one, other)


def saved(form, *frames, **options):
    file = io.BytesIO()
    frames[0].save(file, form, append_images=frames[1:], save_all=len(frames) > 1, **options)
    return file.getvalue()


@pytest.mark.parametrize("transparency", ["drop", "grey"])
@pytest.mark.parametrize("orientation", ["stored", "exif"])
def test_features_and_digests_of_large_files_are_those_of_small_ones(transparency, orientation, in_strips):
    exif = Image.Exif()
    exif[0x0112] = 6
    flat = [Image.new("RGB", (160, 120), (90, 90, level)) for level in (90, 91, 92)]
    clear = Image.new("RGBA", (160, 120), (90, 90, 90, 100))
    files = [saved("PNG", KINDS[kind]) for kind in ("P keyed", "RGBA", "I;16", "L", "half")]
    files += [saved("PNG", clear), saved("TIFF", *flat), saved("GIF", *flat), saved("WEBP", *flat, lossless=True)]
    files += [saved("JPEG", scene("forest").convert("CMYK"), exif=exif), saved("PNG", flat[0], exif=exif)]
    way = Decoding(orientation=orientation, transparency=transparency)
    whole = encode_batch(files, HASHES, way)
    in_strips(rows=50)
    large = encode_batch(files, HASHES, way)
    assert [(one.features, one.traits) for one in large] == [(one.features, one.traits) for one in whole]
    assert sum(one.traits.digest.startswith("pixels:") for one in whole) == 5
