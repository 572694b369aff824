"""Which of two pictures of one thing shows no more than the other, made larger."""

import pytest
from copied import drawn, few, jpeg, judged, photographed, png, resized
from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import font
from dedup_core.images.decoding import decode, frames_of
from dedup_core.verify.pixels import compare
from dedup_core.verify.verdict import Verdict
from dedup_core.verify.views import HELD_SIDE, View

KINDS = ["captions", "recolours", "sprites", "charts", "screens", "sparse_pages"]
LARGER = ["LANCZOS", "BILINEAR", "NEAREST", "BICUBIC"]


def of(photographs, name):
    return next(photographed(path) for path in photographs if path.name == name)


def assert_enlarged(verdict, expected):
    assert verdict.is_same, verdict
    assert verdict.is_enlarged == expected


@pytest.mark.parametrize("way", LARGER)
def test_pictures_made_twice_as_large_are_told(photographs, way):
    for name in ("chelsea.png", "page.png"):
        original = of(photographs, name)
        doubled = png(resized(original.image, 2, Image.Resampling[way]))
        assert_enlarged(judged(original.content, doubled), True)
        assert_enlarged(judged(doubled, original.content), True)


@pytest.mark.parametrize("share", [1.25, 1.5, 3])
def test_pictures_made_larger_by_any_share_are_told(photographs, share):
    original = of(photographs, "coins.png")
    assert_enlarged(judged(original.content, png(resized(original.image, share, Image.Resampling.BICUBIC))), True)


@pytest.mark.parametrize("kind", ["captions", "recolours", "sprites", "icons"])
def test_drawings_made_larger_are_told(kind):
    original = drawn(kind, 1)
    doubled = png(resized(original.image, 2, Image.Resampling.BICUBIC))
    assert_enlarged(judged(original.content, doubled), True)


@pytest.mark.parametrize("way", ["LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING"])
def test_a_photograph_shows_more_than_its_half(photographs, way):
    for original in few(photographs):
        half = png(resized(original.image, 0.5, Image.Resampling[way]))
        assert_enlarged(judged(original.content, half), False)


@pytest.mark.parametrize("make", [png, jpeg, lambda image: jpeg(image, 40)])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_smooth_photograph_is_not_taken_for_its_smaller_copy_made_larger(photographs, make, share):
    """Its half shows hardly less: an original of that size could not look otherwise."""
    original = of(photographs, "cell.png")
    small = make(resized(original.image, share))
    assert not judged(original.content, small).is_enlarged


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [png, jpeg])
def test_a_drawing_shows_more_than_its_half(kind, make):
    original = drawn(kind, 0)
    assert_enlarged(judged(make(resized(original.image, 0.5)), original.content), False)


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255)])
def test_a_drawing_on_nothing_shows_more_than_its_half(ink):
    """However little of it there is, and whatever lies beneath."""
    mask = Image.new("L", (500, 500))
    ImageDraw.Draw(mask).text((300, 250), "small print", 255, font(10))
    drawing = Image.new("RGB", mask.size, ink)
    drawing.putalpha(mask)
    assert_enlarged(judged(png(drawing), png(resized(drawing, 0.5))), False)
    assert_enlarged(judged(png(drawing), png(resized(drawing, 2, Image.Resampling.BICUBIC))), True)


@pytest.mark.parametrize("place", [(0, 0), (130, 270), (399, 430)])
def test_the_busiest_square_is_where_most_edges_are(place):
    page = Image.new("RGB", (500, 500), "white")
    ImageDraw.Draw(page).text(place, "word", (90, 90, 90), font(10))
    left, top, right, bottom = View.of(decode(png(page))).busiest(128)
    assert (left // 128, top // 128) == (place[0] // 128, place[1] // 128)
    assert (right, bottom) == (min(left + 128, 500), min(top + 128, 500))


def test_a_photograph_shows_more_than_its_half_as_a_jpeg(photographs):
    for original in few(photographs):
        assert_enlarged(judged(jpeg(resized(original.image, 0.5)), original.content), False)


def test_pictures_of_one_size_are_not_enlarged(photographs):
    original = of(photographs, "chelsea.png")
    assert_enlarged(judged(original.content, jpeg(original.image)), False)


def test_pictures_that_differ_are_not_enlarged(photographs):
    one, other = of(photographs, "brick.png"), of(photographs, "grass.png")
    verdict = judged(one.content, png(resized(other.image, 2)))
    assert (verdict.is_same, verdict.is_enlarged) == (False, False)


# Pictures that are too large to be held whole


def tiled(photographs, size):
    """Some photographs side by side, each once more turned: a large picture with details everywhere."""
    large = Image.new("RGB", size)
    parts = [part for original in few(photographs) for part in (original.image, original.image.transpose(1))]
    places = [(x, y) for y in range(0, size[1], 360) for x in range(0, size[0], 420)]
    for number, place in enumerate(places):
        part = parts[number % len(parts)]
        large.paste(part.resize((420, 360), Image.Resampling.LANCZOS), place)
    return large


def held(content):
    return View.of(next(iter(frames_of(content, side=HELD_SIDE))))


@pytest.mark.parametrize("size", [(4301, 2867)])
def test_copies_of_large_pictures_are_the_same_whatever_their_size(photographs, size):
    """Sides that are no multiples of what is held are laid where they belong."""
    large = tiled(photographs, size)
    view = held(png(large, compress_level=1))
    assert not view.is_whole
    copies = {
        "jpeg_85": jpeg(large), "jpeg_40": jpeg(large, 40), "half": png(resized(large, 0.5), compress_level=1),
        "half_jpeg": jpeg(resized(large, 0.5)), "bicubic": jpeg(resized(large, 0.5, Image.Resampling.BICUBIC), 95),
        "thumbnail": jpeg(resized(large, 0.1)),
    }  # fmt: skip
    found = {name: Verdict.of(compare(view, held(content))) for name, content in copies.items()}
    assert {name for name, verdict in found.items() if not verdict.is_same} == set()
    assert not any(verdict.is_enlarged for verdict in found.values())


def test_a_large_picture_is_held_at_a_whole_fraction_of_its_size():
    for width, expected in [(2047, 2047), (4095, 4095), (4096, 2048), (5001, 2500), (8199, 2050)]:
        assert View.of(decode(png(Image.new("RGB", (width, 10))))).image.width == expected
