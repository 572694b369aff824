"""Pictures that differ are only similar, however little it is: another drawing, a word, a dot, a colour, a turn."""

import itertools

import numpy as np
import pytest
from by_hand import saved
from copied import PHOTOGRAPHS, drawn, few, jpeg, judged, photographed, png, resized, with_pixels
from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import font
from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.kinds import KINDS
from dedup_core.images.decoding import decode
from dedup_core.verify.pixels import compare
from dedup_core.verify.views import View

NUMBERS = range(4)
CHANGES = ["crop_2", "crop_10", "border", "text", "logo", "brighter", "darker", "flip_horizontal", "flip_vertical",
           "rotate_2", "rotate_90", "aspect", "screenshot", "noise"]  # fmt: skip

every_change = pytest.mark.parametrize("name", CHANGES)
every_kind = pytest.mark.parametrize("kind", KINDS)


def half(original):
    return png(resized(original.image, 0.5))


def half_jpeg(original):
    return jpeg(resized(original.image, 0.5))


def as_jpeg(original):
    return jpeg(original.image)


def content(original):
    return original.content


def same_pairs(pairs):
    return [names for names, one, other in pairs if judged(one, other).is_same]


# Other pictures


@every_kind
@pytest.mark.parametrize(
    ("one_way", "other_way"), [(content, content), (content, half)], ids=["as they are", "with halves"]
)
def test_different_drawings_of_a_kind_are_never_the_same(kind, one_way, other_way):
    pairs = itertools.combinations([drawn(kind, number) for number in NUMBERS], 2)
    assert same_pairs(((a.name, b.name), one_way(a), other_way(b)) for a, b in pairs) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "icons"])
@pytest.mark.parametrize(
    ("one_way", "other_way"),
    [(as_jpeg, as_jpeg), (content, as_jpeg), (content, half_jpeg), (half_jpeg, half_jpeg), (as_jpeg, half_jpeg)],
    ids=["JPEGs", "with a JPEG", "with JPEGs of half the size", "JPEGs of half the size", "JPEGs of two sizes"],
)
def test_different_drawings_are_never_the_same_as_jpegs(kind, one_way, other_way):
    pairs = itertools.combinations([drawn(kind, number) for number in NUMBERS], 2)
    assert same_pairs(((a.name, b.name), one_way(a), other_way(b)) for a, b in pairs) == []


def test_different_photographs_are_never_the_same(photographs):
    files = {path.name: png(photographed(path).image.resize((300, 300))) for path in photographs}
    assert same_pairs((names, *map(files.get, names)) for names in itertools.combinations(files, 2)) == []


# Changes


@every_change
def test_changed_photographs_are_only_similar(photographs, name):
    changed = {o.name: judged(o.content, EDITS[name].copy_of(o).content) for o in few(photographs)}
    assert len(changed) == len(PHOTOGRAPHS)
    assert [name for name, verdict in changed.items() if verdict.is_same] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("icons", "flat")])
@every_change
def test_changed_drawings_are_only_similar(kind, name):
    original = drawn(kind, 2)
    assert not judged(original.content, EDITS[name].copy_of(original).content).is_same


@pytest.mark.parametrize("name", ["gray", "colour"])
def test_other_colours_are_only_similar(photographs, name):
    coloured = [original for original in few(photographs) if original.name != "page.png"]
    for original in [*coloured, drawn("recolours", 0), drawn("captions", 1)]:
        assert not judged(original.content, EDITS[name].copy_of(original).content).is_same


def test_a_change_of_hue_at_equal_brightness_is_seen():
    one, other = (png(Image.new("RGB", (64, 64), colour)) for colour in ((120, 120, 120), (180, 96, 93)))
    assert np.ptp([decode(one).gray((1, 1)), decode(other).gray((1, 1))]) <= 3
    assert not judged(one, other).is_same


@pytest.mark.parametrize("save", [png, lambda image: saved(image, "WEBP", lossless=True)], ids=["PNG", "WebP"])
@pytest.mark.parametrize("kind", ["text_pages", "forms", "screens"])
def test_a_small_word_more_on_a_page_is_seen(kind, save):
    page = drawn(kind, 0).image
    changed = page.copy()
    ImageDraw.Draw(changed).text((200, 400), "not", (60, 60, 60), font(10))
    assert not judged(save(page), save(changed)).is_same


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (299, 401), (594, 794)])
def test_a_dot_on_a_large_page_is_seen_wherever_it_is(place):
    page = Image.new("RGB", (600, 800), "white")
    dotted = page.copy()
    dotted.paste((0, 0, 0), (*place, place[0] + 6, place[1] + 6))
    verdict = judged(png(page), png(dotted))
    assert not verdict.is_same
    left, top, right, bottom = verdict.tile
    assert left - 0.03 <= (place[0] + 3) / 600 <= right + 0.03
    assert top - 0.03 <= (place[1] + 3) / 800 <= bottom + 0.03


def test_the_worst_tile_says_where_pictures_differ(photographs):
    (original,) = [one for one in few(photographs) if one.name == "astronaut.png"]

    def change(values):
        values[100:108, 300:308] ^= 16

    verdict = judged(original.content, png(with_pixels(original.image, change)))
    assert not verdict.is_same
    left, top, right, bottom = (512 * share for share in verdict.tile)
    assert max(left, 300) < min(right, 308)
    assert max(top, 100) < min(bottom, 108)
    assert (verdict.level, verdict.is_enlarged) == (512, False)
    assert 4 < verdict.difference < 20


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 12])
def test_pictures_of_one_size_that_lose_nothing_may_differ_by_what_rounding_leaves(levels):
    one, other = (png(Image.new("RGB", (40, 40), (100 + more,) * 3)) for more in (0, levels))
    assert judged(one, other).is_same == (levels == 1)
    assert judged(one, other).difference == pytest.approx(levels)


# Shapes, turns and ranges


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ((300, 200), (300, 200), True),
        ((300, 200), (150, 100), True),
        ((301, 201), (150, 100), True),
        ((300, 200), (301, 200), True),
        ((300, 200), (300, 204), False),
        ((300, 200), (200, 300), False),
        ((300, 200), (150, 104), False),
        ((1000, 10), (100, 1), True),
        ((1000, 10), (100, 3), False),
    ],
)
def test_only_pictures_of_one_shape_are_the_same(one, other, is_same):
    files = [png(Image.new("RGB", size, (90, 140, 200))) for size in (one, other)]
    verdict = judged(*files)
    assert verdict.is_same == judged(*files[::-1]).is_same == is_same
    assert (verdict.level is None) == (not is_same)


def turned(image, orientation, form="JPEG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, form, exif=exif, **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_that_are_to_be_turned_differently_are_only_similar(photographs, form):
    image = few(photographs)[0].image
    files = {orientation: turned(image, orientation, form) for orientation in (1, 3, 6)}
    plain = saved(image, form)
    assert judged(files[1], plain).is_same
    assert judged(files[6], turned(image, 6, form)).is_same
    assert [number for number in (3, 6) if judged(plain, files[number]).is_same] == []
    assert not judged(files[3], files[6]).is_same


def upright(content):
    return View.of(decode(content, orientation="exif"))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_pictures_that_are_shown_upright_are_compared_so(photographs, form, orientation):
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    image = resized(few(photographs)[1].image, 0.5)
    shown, plain, half = upright(turned(image.transpose(back), orientation, form)), png(image), png(resized(image, 0.5))
    assert shown.image.size == (shown.width, shown.height) == image.size
    assert compare(shown, upright(plain)).is_same
    assert compare(shown, upright(half)).is_same


def test_pictures_that_are_shown_in_two_shapes_are_only_similar():
    blank = Image.new("RGB", (200, 100), "white")
    assert compare(upright(png(blank)), upright(turned(blank, 6, "PNG"))) is None


def deep(low, high, dtype=np.uint16):
    ramp = np.linspace(low, high, 64 * 48).reshape(48, 64)
    return Image.fromarray(ramp.astype(dtype))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, 65_535), (0, 65_535)),
        ((0, 60_000), (0, 30_000)),
        ((0, 60_000), (5_000, 60_000)),
        ((1_000, 3_000), (11_000, 13_000)),
    ],
)
def test_deep_pictures_are_the_same_if_their_files_are_equal_and_not_by_eight_of_their_bits(one, other):
    files = [saved(deep(*ends), "PNG") for ends in (one, other)]
    assert not judged(*files).is_same
    assert not judged(*files[::-1]).is_same


def test_a_deep_picture_is_not_what_it_looks_like():
    """What was stretched to be seen is not the picture that was not."""
    image = deep(1_000, 3_000)
    assert not judged(saved(image, "PNG"), png(decode(saved(image, "PNG")).image)).is_same
    assert not judged(saved(image, "PNG"), saved(image, "TIFF")).is_same


# Transparency


def icon(colour=(0, 0, 0), beneath=(0, 0, 0), opaque=255):
    mask = Image.new("L", (96, 96))
    ImageDraw.Draw(mask).ellipse((16, 16, 80, 80), opaque)
    image = Image.new("RGB", mask.size, beneath)
    image.paste(colour, mask=mask.point(lambda value: 255 if value else 0))
    image.putalpha(mask)
    return image


def test_what_lies_beneath_nothing_has_no_say():
    black, white = icon(beneath=(0, 0, 0)), icon(beneath=(255, 255, 255))
    assert png(black) != png(white)
    for one, other in itertools.product((black, resized(black, 0.5)), (white, resized(white, 0.5))):
        verdict = judged(png(one), png(other))
        assert verdict.is_same, verdict
    assert judged(png(black), saved(white, "WEBP", lossless=True)).is_same


@pytest.mark.parametrize("opaque", [128, 200, 245])
def test_pictures_that_differ_in_how_opaque_they_are_are_only_similar(opaque):
    grey = (128, 128, 128)
    for colour in (grey, (0, 0, 0), (255, 255, 255)):
        whole, faint = icon(colour, colour), icon(colour, colour, opaque)
        assert whole.convert("RGB").tobytes() == faint.convert("RGB").tobytes()
        assert not judged(png(whole), png(faint)).is_same


def test_grey_on_nothing_is_not_a_grey_page():
    """Seen on grey, both are nothing but grey."""
    grey = (128, 128, 128)
    assert not judged(png(icon(grey, grey)), png(Image.new("RGB", (96, 96), grey))).is_same
    assert not judged(png(Image.new("RGBA", (96, 96), (*grey, 0))), png(Image.new("RGB", (96, 96), grey))).is_same


@pytest.mark.parametrize("number", range(4))
def test_an_icon_on_a_page_is_not_the_icon(number):
    original = drawn("icons", number)
    page = Image.new("RGB", original.image.size, "white")
    page.paste(original.image.convert("RGB"), mask=original.image.getchannel("A"))
    assert not judged(original.content, png(page)).is_same
    assert not judged(original.content, jpeg(page)).is_same
    assert not judged(original.content, png(original.image.convert("RGB"))).is_same
