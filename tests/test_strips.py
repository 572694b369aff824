"""Large images are taken strip by strip: with the bits of whole ones, and held once."""

import dataclasses
import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from album import scene
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders.encoder import Decoding, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images import strips
from dedup_core.images.decoding import decode, frames_of
from dedup_core.images.picture import from_array, shown
from dedup_core.images.resizing import pillow, small
from dedup_core.images.resizing.small import LOOK
from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted
from dedup_core.images.strips import Striped, pixels_of, strips_of, whole_of
from dedup_core.metric import HAMMING
from dedup_core.verify.views import View

ROOT = Path(__file__).parents[1]

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


@pytest.fixture(params=["kernels", "pillow"])
def resizers(request, monkeypatch):
    """What makes pictures small."""
    monkeypatch.setattr(small._SWITCH, "is_on", request.param == "kernels")
    monkeypatch.setattr(small, "ENOUGH", 0 if request.param == "kernels" else 1e15)
    monkeypatch.setattr(small, "ENOUGH_TO_LOAD", 1e15)
    return request.param


def seen(picture):
    """All that is asked of a picture, in no form that differs between a large one and a small one."""
    views = [picture.look(), *map(picture.rgb, [(9, 8), (224, 224), (160, 31)]), picture.roughly_gray((8, 9))]
    pages = [pixels_of(picture.on_grey) if isinstance(picture.on_grey, Striped) else np.asarray(picture.on_grey)]
    whole = [picture.pixels, np.asarray(picture.image), picture.encoded_pixels, np.asarray(picture.encoded_from)]
    return [*views, *pages, *whole]


@pytest.mark.usefixtures("resizers")
@pytest.mark.parametrize("transparency", ["drop", "grey"])
@pytest.mark.parametrize("kind", KINDS)
def test_strips_have_the_bits_of_the_whole(kind, transparency, in_strips):
    whole = dataclasses.replace(shown(KINDS[kind]), transparency=transparency)
    expected = seen(whole)
    in_strips()
    large = dataclasses.replace(shown(KINDS[kind]), transparency=transparency)
    assert isinstance(large.source, Image.Image if KINDS[kind].mode == "RGB" else Striped)
    assert isinstance(whole.source, Image.Image)
    assert (large.alpha is None) == (whole.alpha is None)
    assert large.alpha is None or whole_of(large.alpha).tobytes() == whole.alpha.tobytes()
    assert large.stretch == whole.stretch
    for one, other in zip(seen(large), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["RGB", "half", "P keyed", "I;16"])
def test_large_pictures_are_turned_part_by_part(kind, turn, in_strips):
    whole = shown(KINDS[kind], turn)
    expected = seen(whole)
    in_strips()
    large = shown(KINDS[kind], turn)
    assert (large.size, large.width, large.height) == (whole.size, whole.width, whole.height)
    assert large.alpha is None or whole_of(large.alpha).tobytes() == whole.alpha.tobytes()
    for one, other in zip(seen(large), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_large_jpegs_are_turned_as_small_ones(mode, turn, in_strips):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = saved("JPEG", KINDS["RGB"].resize((163, 117)).convert(mode), exif=exif)
    expected = seen(decode(content, orientation="exif"))
    in_strips()
    for one, other in zip(seen(decode(content, orientation="exif")), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.usefixtures("resizers")
def test_a_large_array_is_resized_where_it_lies(in_strips):
    pixels = np.asarray(scene("forest"))
    expected = seen(from_array(pixels))
    in_strips()
    for one, other in zip(seen(from_array(pixels)), expected, strict=True):
        assert np.array_equal(one, other)


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)), rows=st.integers(1, 90),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)), gap=st.floats(1, 12), mode=st.sampled_from(["RGB", "L"]),
)  # fmt: skip
@example(shape=(1, 300), rows=1, size=(90, 1), gap=3.0, mode="RGB")
@example(shape=(300, 1), rows=90, size=(1, 90), gap=3.0, mode="L")
@example(shape=(20, 300), rows=7, size=(9, 8), gap=3.0, mode="RGB")  # Pillow resizes the height first, from 13 on
@settings(deadline=None, max_examples=80)
def test_any_strips_give_any_size_that_pillow_gives(shape, rows, size, gap, mode):
    noise = np.random.default_rng(rows).integers(0, 256, (shape[1], shape[0], 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    wanted = [Wanted(size, LANCZOS), Wanted(size, BILINEAR, gap), LOOK, Wanted(size, LANCZOS, gap)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "_STRIP_PIXELS", shape[0] * rows)
        striped = Striped(shape, mode, image.crop)
        small_ones = [pillow.made_small(striped, wanted)]
        small_ones += [small.by_kernels(striped, wanted), small.by_kernels(image, wanted)] if mode == "RGB" else []
    for made in small_ones:
        for one, other in zip(made, pillow.made_small(image, wanted), strict=True):
            assert np.array_equal(one, other)


def test_strips_are_all_rows_in_their_order(in_strips):
    in_strips()
    image = KINDS["L"]
    for multiple, expected in ((1, 7), (5, 10), (32, 32)):
        found = list(strips_of(image, multiple))
        assert [top for top, _ in found] == list(range(0, 120, expected))
        assert b"".join(strip.tobytes() for _, strip in found) == image.tobytes()


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


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF", "PNG"])
def test_frames_of_large_files_stay_what_they_are_when_others_are_decoded(form, in_strips):
    frames = [KINDS["half"].rotate(angle) for angle in (0, 90, 180)]
    content = saved(form, *frames)
    expected = [seen(frame) for frame in frames_of(content)]
    in_strips()
    for frame, views in zip(list(frames_of(content)), expected, strict=True):
        for one, other in zip(seen(frame), views, strict=True):
            assert np.array_equal(one, other)


class Reloading(Image.Image):
    """An image whose decoder decodes it whenever it is asked for, as some of those of several frames do."""

    times = 0

    def load(self):
        Reloading.times += 1
        return super().load()


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA", "P keyed", "I;16"])
def test_a_large_file_is_decoded_once_however_many_strips_it_has(kind, in_strips, monkeypatch):
    monkeypatch.setattr(Reloading, "times", 0)
    image = KINDS[kind].copy()
    image.__class__ = Reloading
    in_strips()
    picture = shown(image)
    before = Reloading.times
    seen(picture)
    assert before <= 2
    assert Reloading.times == before


@pytest.mark.parametrize("kind", ["P keyed", "RGBA", "RGB", "L", "CMYK"])
def test_pillows_own_limit_of_pixels_has_no_say_once_a_large_file_is_decoded(kind, in_strips, monkeypatch):
    content = saved("TIFF" if kind == "CMYK" else "PNG", KINDS[kind])
    expected = seen(decode(content))
    in_strips()
    large = decode(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one, other in zip(seen(large), expected, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_compared_of_a_large_file_is_what_is_compared_of_a_small_one(kind, in_strips, monkeypatch):
    monkeypatch.setattr("dedup_core.verify.views.HELD_SIDE", 50)
    whole = View.of(shown(KINDS[kind]))
    in_strips()
    large = View.of(shown(KINDS[kind]))
    assert (large.image.mode, large.image.size) == (whole.image.mode, (53, 40))
    assert large.image.tobytes() == whole.image.tobytes()


HELD = """
import re, sys
from pathlib import Path
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.resizing.small import expect

def most():
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

encoders, (small, large) = [ENCODERS["phash"].encoder()], [Path(name).read_bytes() for name in sys.argv[1:]]
expect(10**6, [(32, 32)])
encode_batch([small], encoders)
before = most()
encode_batch([large], encoders)
print(most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(("mode", "pillows"), [("RGBA", 4), ("RGB", 4), ("LA", 4), ("P", 1), ("L", 1)])
def test_of_a_large_picture_no_more_is_held_than_what_pillow_decoded(mode, pillows, tmp_path):
    side = 6000
    for name, size in (("small", (64, 64)), ("large", (side, side))):
        picture = scene("beach").convert("RGBA")
        picture.putalpha(FADING)
        picture.convert(mode).resize(size, Image.Resampling.NEAREST).save(tmp_path / name, "PNG", compress_level=1)
    command = [sys.executable, "-c", HELD, str(tmp_path / "small"), str(tmp_path / "large")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert int(told) < (pillows + 0.8) * side * side
