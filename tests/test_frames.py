"""Frames: how many a file holds, and each of them as a picture. What a camera stores behind a JPEG is none."""

import io
import itertools
import struct

import numpy as np
import pytest
from by_hand import saved, soft
from PIL import Image

from dedup_core.images.decoding import decode, frames_of
from dedup_core.images.frames import frame_numbers
from dedup_core.images.looks import traits_of
from dedup_core.images.picture import Failure, Picture

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
SEVERAL = ["GIF", "PNG", "WEBP", "TIFF"]


def frames(count=3, mode="RGB"):
    """Pictures of one size that differ in all that a palette of few colours keeps."""
    return [Image.new(mode, (64, 48), colour) for colour in itertools.islice(itertools.cycle(COLOURS), count)]


def file_of(images, form, **options):
    first, *rest = images
    lossless = {"lossless": True} if form == "WEBP" else {}
    return saved(first, form, save_all=True, append_images=rest, **lossless, **options)


def decoded(content, **options):
    found = list(frames_of(content, **options))
    assert all(isinstance(frame, Picture) for frame in found), found
    return found


def small(picture):
    return picture.image.resize((1, 1)).getpixel((0, 0))


@pytest.mark.parametrize("form", SEVERAL)
@pytest.mark.parametrize("count", [2, 3])
def test_every_frame_of_a_file_is_a_picture(form, count):
    content = file_of(frames(count), form)
    found = decoded(content)
    assert [frame.frames for frame in found] == [count] * count == [decode(content).frames] * count
    assert all(
        np.abs(np.subtract(small(frame), colour)).max() <= 2 for frame, colour in zip(found, COLOURS, strict=False)
    )
    assert {(frame.width, frame.height, frame.format) for frame in found} == {(64, 48, form)}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_of_one_picture_has_one_frame(form):
    content = saved(soft(), form)
    (only,) = decoded(content)
    assert only.frames == 1
    assert only.image.tobytes() == decode(content).image.tobytes()


@pytest.mark.parametrize("form", SEVERAL)
def test_the_first_frame_is_what_decode_returns(form):
    content = file_of([soft(), *frames(1)], form)
    first, picture = next(iter(frames_of(content))), decode(content)
    assert first.image.tobytes() == picture.image.tobytes()
    assert (first.frames, first.loss, first.turn) == (picture.frames, picture.loss, picture.turn)


def test_pages_may_have_sizes_and_depths_of_their_own():
    deep = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    content = saved(soft(), "TIFF", save_all=True, append_images=[soft((20, 10)), deep])
    found = decoded(content)
    assert [frame.image.size for frame in found] == [(64, 48), (20, 10), (30, 20)]
    assert [frame.stretch is None for frame in found] == [True, True, False]


def test_frames_keep_what_is_seen_through_them():
    clear = [
        Image.new("RGBA", (16, 16), (*colour, opaque)) for colour, opaque in zip(COLOURS, (255, 128, 0), strict=True)
    ]
    found = decoded(file_of(clear, "PNG", blend=0, disposal=1))
    assert [None if frame.alpha is None else frame.alpha.getpixel((3, 3)) for frame in found] == [None, 128, 0]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_cut_short_is_no_whole_one(form):
    content = file_of([soft(), *(soft().rotate(turn) for turn in (90, 180))], form)
    found = list(frames_of(content[: len(content) * 2 // 3]))
    assert isinstance(found[-1], Failure) or found[0].frames != 3
    assert all(isinstance(frame, Picture) for frame in found[:-1])


def test_what_cant_be_decoded_yields_its_failure_alone():
    (only,) = frames_of(b"no image")
    assert only == decode(b"no image")


def test_frames_that_cant_be_counted_are_none():
    class Uncountable:
        format = "GIF"

        @property
        def n_frames(self):
            raise OSError("cut short")

    assert len(frame_numbers(Uncountable())) == 0


# Cameras


def camera_file(kind, count=2):
    """A JPEG with so many pictures, all but the first marked as of some kind, in the numbers of the MPF standard."""
    first, *rest = [soft(), *frames(count - 1)]
    content = bytearray(saved(first, "MPO", save_all=True, append_images=rest))
    with Image.open(io.BytesIO(content)) as image:
        entries = image.mpinfo[0xB002]
    for entry in entries[1:]:
        place = content.index(struct.pack("<LL", entry["Size"], entry["DataOffset"])) - 4
        content[place : place + 4] = struct.pack("<L", kind)
    return bytes(content)


@pytest.mark.parametrize("kind", [0x020001, 0x020002, 0x020003], ids=["panorama", "disparity", "multi-angle"])
@pytest.mark.parametrize("count", [2, 3])
def test_views_of_a_camera_are_frames(kind, count):
    content = camera_file(kind, count)
    found = decoded(content)
    assert [frame.frames for frame in found] == [count] * count
    assert np.abs(np.subtract(small(found[1]), COLOURS[0])).max() <= 3
    assert "several_frames" in traits_of(decode(content)).caution


@pytest.mark.parametrize("kind", [0x000000, 0x010001, 0x010002], ids=["map of light", "preview", "large preview"])
def test_previews_and_maps_of_light_behind_a_jpeg_are_no_frames(kind):
    content = camera_file(kind, 3)
    assert [frame.frames for frame in decoded(content)] == [1]
    assert "several_frames" not in traits_of(decode(content)).caution


# Large JPEGs


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((1024, 768), 128, (256, 192)),
        ((1024, 768), 64, (128, 96)),
        ((1024, 768), 512, (1024, 768)),
        ((1025, 768), 128, (1025, 768)),
        ((1026, 768), 128, (513, 384)),
        ((1024, 768), None, (1024, 768)),
    ],
)
def test_a_jpeg_may_be_decoded_small_where_that_lays_no_pixel_elsewhere(size, side, expected):
    content = saved(soft(size), "JPEG", quality=90)
    (found,) = decoded(content, side=side)
    assert found.image.size == expected
    assert (found.width, found.height) == size
    assert max(expected) >= min(max(size), 2 * (side or 0))
    least = soft(size).resize((16, 12), Image.Resampling.BOX)
    assert np.abs(np.subtract(found.image.resize((16, 12), Image.Resampling.BOX), least, dtype=np.int64)).max() <= 4


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_other_formats_are_decoded_whole(form):
    (found,) = decoded(saved(soft((512, 384)), form), side=64)
    assert found.image.size == (512, 384)
