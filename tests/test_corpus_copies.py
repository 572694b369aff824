"""Plain copies: what each keeps of a picture, and of its transparency."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.originals import Original
from dedup_core.corpus.plain_copies import PLAIN_COPIES, on_white

every_copy = pytest.mark.parametrize("name", PLAIN_COPIES)
every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(image, number=0):
    return Original.drawn("picture.png", image, number)


def opened(copy):
    image = Image.open(io.BytesIO(copy.content))
    image.load()
    return image


def noise(mode, wide, high, seed=0):
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (high, wide, channels), dtype=np.uint8)
    return Image.fromarray(values)


images = st.builds(noise, st.sampled_from(["RGB", "RGBA"]), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))


def test_no_edit_has_the_name_of_a_plain_copy():
    assert {name: copy.name for name, copy in PLAIN_COPIES.items()} == {name: name for name in PLAIN_COPIES}
    assert set(PLAIN_COPIES).isdisjoint(EDITS)


@every_copy
@given(image=images, number=st.integers(0, 3))
@settings(deadline=None)
def test_a_copy_repeats_and_its_ending_says_what_it_is(name, image, number):
    copy = PLAIN_COPIES[name].copy_of(drawn(image, number))
    assert copy == PLAIN_COPIES[name].copy_of(drawn(image.copy(), number))
    assert {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[opened(copy).format] == copy.ending


@given(image=images, number=st.integers(0, 9))
@settings(deadline=None)
def test_lossless_copies_keep_every_value_in_other_bytes(image, number):
    copy = PLAIN_COPIES["lossless"].copy_of(drawn(image, number))
    assert opened(copy).format == ("PNG" if number % 2 else "WEBP")
    assert (opened(copy).mode, opened(copy).tobytes()) == (image.mode, image.tobytes())


@every_kind
@pytest.mark.parametrize("number", [0, 1])
def test_lossless_copies_are_other_files(kind, number):
    image = KINDS[kind].picture(number)
    original = drawn(image, number)
    copy = PLAIN_COPIES["lossless"].copy_of(original)
    assert copy.content != original.content
    assert opened(copy).tobytes() == image.tobytes()


def test_exact_copies_are_the_same_file():
    original = Original("cat.jpeg", b"whatever it holds", noise("RGB", 3, 3), 0)
    assert PLAIN_COPIES["exact"].copy_of(original) == (b"whatever it holds", ".jpeg")


@given(image=images)
@settings(deadline=None)
def test_halved_copies_have_half_the_sides_and_all_bands(image):
    halved = opened(PLAIN_COPIES["halved"].copy_of(drawn(image)))
    assert halved.size == (max(1, image.width // 2), max(1, image.height // 2))
    assert halved.mode == image.mode


def test_halved_icons_keep_their_transparency():
    for number in range(20):
        icon = KINDS["icons"].picture(number)
        halved = opened(PLAIN_COPIES["halved"].copy_of(drawn(icon, number))).getchannel("A")
        smaller = icon.getchannel("A").resize(halved.size, Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(halved, int) - np.asarray(smaller, int)).max() <= 2


def test_a_jpeg_shows_what_is_seen_on_white():
    icon = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    icon.paste((0, 0, 0, 255), (16, 16, 48, 48))
    shown = np.asarray(opened(PLAIN_COPIES["jpeg_85"].copy_of(drawn(icon))).convert("L"))
    assert shown[2, 2] > 250
    assert shown[32, 32] < 5


def test_white_on_white_is_no_copy_but_a_blank_page_is():
    icon = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    icon.paste((255, 255, 255, 255), (16, 16, 48, 48))
    assert PLAIN_COPIES["jpeg_85"].copy_of(drawn(icon)) is None
    assert PLAIN_COPIES["jpeg_85"].copy_of(drawn(Image.new("RGB", (64, 64), "white"))) is not None


def test_a_picture_without_transparency_looks_the_same_on_white():
    image = noise("RGB", 9, 7)
    assert on_white(image).tobytes() == image.tobytes()


def test_the_number_of_a_photograph_is_that_of_its_name():
    one, two = (Original.photographed("cat.jpg", content, noise("RGB", 2, 2)) for content in (b"a", b"b"))
    assert one.number == two.number != Original.photographed("dog.jpg", b"a", one.image).number
