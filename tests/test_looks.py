"""What is kept of every picture: a small look at it, what speaks against trusting a hash, and which files are one."""

import io

import numpy as np
import pytest
from by_hand import saved, soft
from PIL import Image

from dedup_core.corpus.kinds import KINDS
from dedup_core.encoders.encoder import Decoding, encode_batch
from dedup_core.images.decoding import decode, frames_of
from dedup_core.images.looks import CAUTIONS, LOOK_BYTES, SIDE, as_cells, file_digest, look_at, pixel_digest, traits_of
from dedup_core.images.picture import Failure, from_array

PAGE = (255, 255, 255)


def traits(content):
    """As a run keeps them: with the digest."""
    (encoded,) = encode_batch([content], [])
    return encoded.traits


def caution(image, form="PNG", **options):
    return set(traits_of(decode(saved(image, form, **options))).caution)


def plain(colour=PAGE, size=(300, 200), mode="RGB"):
    return Image.new(mode, size, colour)


def marked(share, size=(320, 320)):
    """A white page with ink on such a share of its sides, in a corner."""
    page = plain(size=size)
    page.paste((0, 0, 0), (0, 0, round(share * size[0]), round(share * size[1])))
    return page


# Looks


def test_a_look_is_a_picture_of_32_by_32_cells():
    cells = look_at(decode(saved(soft((640, 480)), "PNG")))
    assert cells.shape == (SIDE, SIDE, 4)
    assert cells.nbytes == LOOK_BYTES
    means = soft((640, 480)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    assert np.abs(cells[..., :3].astype(int) - np.asarray(means, int)).max() <= 1
    assert (cells[..., 3] == 255).all()


def test_a_look_comes_back_from_its_bytes():
    picture = decode(saved(soft(), "PNG"))
    assert np.array_equal(as_cells(traits_of(picture).look), look_at(picture))


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 30, 90)])
def test_a_look_shows_transparent_pictures_on_grey(ink):
    image = plain((*ink, 0), (64, 64), "RGBA")
    image.paste((*ink, 255), (0, 0, 32, 64))
    cells = look_at(decode(saved(image, "PNG")))
    assert cells[16, 4].tolist() == [*ink, 255]
    assert cells[16, 28].tolist() == [128, 128, 128, 0]


def test_looks_of_other_colours_beneath_nothing_are_equal():
    one, other = (
        look_at(from_array(np.full((40, 40, 4), (*colour, 0), np.uint8))) for colour in ((0,) * 3, (255,) * 3)
    )
    assert np.array_equal(one, other)


# Cautions


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (soft(), set()),
        (plain(), {"flat"}),
        (plain((0, 0, 0)), {"flat"}),
        (plain(size=(1, 1)), {"flat"}),
        (marked(0.1), {"few_details"}),
        (marked(0.5), set()),
        (marked(0.9), set()),
        (plain((9, 9, 9, 128), mode="RGBA"), {"flat", "transparent"}),
        (soft(mode="RGBA"), set()),
        (KINDS["icons"].picture(0), {"transparent"}),
        (Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80) * 13), {"deep"}),
        (Image.fromarray(np.full((60, 80), 999, np.uint16)), {"flat", "deep"}),
    ],
    ids=lambda value: None if isinstance(value, set) else f"{value.mode}{value.size}",
)
def test_what_speaks_against_a_hash(image, expected):
    assert caution(image) == expected


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_frames_are_told(form):
    assert "several_frames" in caution(soft(), form, save_all=True, append_images=[soft().rotate(180)])
    assert "several_frames" not in caution(soft(), form)


def test_cautions_come_in_their_order():
    several = saved(
        Image.new("RGBA", (20, 20), (0, 0, 0, 9)), "PNG", save_all=True, append_images=[plain(size=(20, 20))]
    )
    found = traits_of(decode(several)).caution
    assert found == tuple(name for name in CAUTIONS if name in found) == ("flat", "transparent", "several_frames")


@pytest.mark.parametrize("number", range(6))
def test_pictures_that_are_drawn_flat_are_flat_or_have_few_details(number):
    assert caution(KINDS["flat"].picture(number)) & {"flat", "few_details"}


@pytest.mark.parametrize("name", ["text_pages", "charts", "captions", "icons", "recolours", "sprites", "screens"])
def test_other_drawn_pictures_are_not_flat(name):
    for number in range(4):
        assert not caution(KINDS[name].picture(number)) & {"flat", "few_details"}


def test_photographs_need_no_caution(photographs):
    for path in photographs[:6]:
        assert traits_of(decode(path.read_bytes())).caution == ()


@pytest.mark.parametrize("levels", [6, 7])
def test_flat_is_what_differs_by_no_more_than_six_levels(levels):
    pixels = np.full((64, 64, 3), 100, np.uint8)
    pixels[:, 32:, 1] += levels
    assert traits_of(from_array(pixels)).is_flat == (levels == 6)


def test_a_white_icon_on_nothing_is_not_flat():
    """Beneath its transparency it is as white as a blank page."""
    icon = plain((255, 255, 255, 0), (64, 64), "RGBA")
    icon.paste((255, 255, 255, 255), (16, 16, 48, 48))
    assert caution(icon) == {"transparent"}


# Digests


def test_digests_of_flat_pictures_go_by_their_pixels():
    page = plain((250, 250, 245))
    forms = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}
    digests = {traits(saved(page, form, **options)).digest for form, options in forms.items()}
    digests.add(traits(saved(page, "PNG", compress_level=0)).digest)
    assert len(digests) == 1
    assert digests.pop().startswith("pixels:")


def test_a_flat_picture_whose_opaque_pixels_are_told_is_the_same():
    assert traits(saved(plain(), "PNG")).digest == traits(saved(plain((*PAGE, 255), mode="RGBA"), "PNG")).digest


def test_flat_pictures_that_differ_in_anything_have_digests_of_their_own():
    nearly = plain()
    nearly.putpixel((299, 199), (254, 255, 255))
    two = saved(plain(), "TIFF", save_all=True, append_images=[plain((0, 0, 0))])
    blank = saved(plain(), "TIFF", save_all=True, append_images=[plain()])
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = [
        saved(plain(), "PNG"), saved(nearly, "PNG"), saved(plain((254, 255, 255)), "PNG"),
        saved(plain(size=(200, 300)), "PNG"), saved(plain(size=(300, 201)), "PNG"), two, blank,
        saved(plain((*PAGE, 254), mode="RGBA"), "PNG"), saved(plain((*PAGE, 0), mode="RGBA"), "PNG"),
        saved(plain(), "PNG", exif=exif),
    ]  # fmt: skip
    digests = [traits(content).digest for content in contents]
    assert all(digest.startswith("pixels:") for digest in digests)
    assert len(set(digests)) == len(contents)


def test_digests_of_other_pictures_go_by_their_bytes():
    one, other = saved(soft(), "PNG"), saved(soft(), "BMP")
    assert traits(one).digest == file_digest(one) == traits(bytes(one)).digest
    assert traits(one).digest != traits(other).digest
    assert traits(one).digest.startswith("file:")


def test_a_flat_file_of_which_a_frame_is_broken_goes_by_its_bytes():
    assert pixel_digest(iter([decode(saved(plain(), "PNG")), Failure("corrupt", "cut short")])) is None
    assert pixel_digest(frames_of(saved(plain(), "PNG"))).startswith("pixels:")


def test_digests_go_by_pixels_as_they_are_turned():
    exif = Image.Exif()
    exif[0x0112] = 3
    turned, upright = saved(plain(), "JPEG", exif=exif), saved(plain(), "JPEG")
    by_turn = {
        orientation: [
            entry.traits.digest for entry in encode_batch([turned, upright], [], Decoding(orientation=orientation))
        ]
        for orientation in ("stored", "exif")
    }
    assert by_turn["exif"][0] == by_turn["exif"][1] == by_turn["stored"][1]
    assert by_turn["stored"][0] != by_turn["stored"][1]


def test_what_is_kept_does_not_depend_on_how_transparency_is_hashed():
    icon = saved(KINDS["icons"].picture(1), "PNG")
    dropped, grey = (encode_batch([icon], [], Decoding(transparency=way))[0].traits for way in ("drop", "grey"))
    assert dropped == grey


def test_a_look_of_a_file_is_kept_with_its_frames():
    content = saved(soft(), "GIF", save_all=True, append_images=[soft().rotate(180)])
    assert traits(content).frames == 2
    with Image.open(io.BytesIO(content)) as image:
        first = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR), int)
    assert np.abs(as_cells(traits(content).look)[..., :3] - first).max() <= 1
