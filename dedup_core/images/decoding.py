"""Bytes to Picture: one decode feeds every encoder.

This is the only place that opens images. What can't be opened comes back as a ``Failure``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from dedup_core.images import ancillary, foreign, jpeg, jpeg_averages
from dedup_core.images import deep as deep_images
from dedup_core.images.frames import frame_numbers
from dedup_core.images.jpeg_header import Header, usual
from dedup_core.images.losses import loss_of
from dedup_core.images.opening import declared_size, formats_not_read, jpeg_scans, open_image, undisturbed
from dedup_core.images.picture import MAX_PIXELS, MAX_SIDE, Failure, Orientation, Picture, Transparency, apart, shown
from dedup_core.images.strips import array_in_parts, is_large
from dedup_core.images.upright import turn_of, turned_box, turned_in_parts, turned_pixels

Shrink = Callable[[int, int], int]
"""Of a JPEG's width and height: by which of ``jpeg.TIMES`` it is decoded smaller."""

Decoder = Callable[[bytes, Header, int], "np.ndarray | None"]
"""Of a usual JPEG, what ``usual`` found in it, and how much smaller: its pixels, or None where Pillow is to decode."""

MAX_SCANS = 200
"""Scans of a JPEG above which it is refused. A progressive one has about ten, and each passes over all its pixels:
in a file of 160 KB there is room for thousands, which take minutes."""


def decode(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    orientation: Orientation = "stored",
    transparency: Transparency = "drop",
    shrink: Shrink | None = None,
) -> Picture | Failure:
    """Decode an image file's content.

    Metadata has no say: of all of it only the orientation is read, and a file that can be decoded without what is
    ancillary in it is decoded so.

    Args:
        data: the whole file.
        max_pixels: a file that declares more pixels is refused before any is decoded, as is one with a side of more
            than ``MAX_SIDE``.
        orientation: "stored" leaves the pixels as they are in the file, as imagededup does; "exif" turns them as
            the camera says.
        transparency: "drop" shows encoders the pixels beneath transparency, as imagededup does; "grey" what is seen of
            the picture on grey.
        shrink: says of a JPEG how much smaller its pixels may be, of which fewer are then computed. Other formats are
            decoded whole.

    Returns:
        The picture (of several frames the first), or a Failure.
    """
    picture = _decode(data, max_pixels, orientation, shrink)
    return _shown_to_encoders(picture, transparency)


def decode_coarsely(
    data: bytes,
    side: int,
    max_pixels: int = MAX_PIXELS,
    orientation: Orientation = "stored",
    transparency: Transparency = "drop",
) -> Picture | Failure:
    """Decode as ``decode`` does, but of a JPEG as few pixels as leave ``side`` of its shorter side, or twice as many.

    At an eighth these are the averages of its tiles. What is nearly but not quite a JPEG's picture is a Failure only
    where that is seen in what is read of it.
    """
    shrink = partial(_times_for_least, side=side)
    picture = _decode(data, max_pixels, orientation, shrink, _averages)
    return _shown_to_encoders(picture, transparency)


def _shown_to_encoders(picture: Picture | Failure, transparency: Transparency) -> Picture | Failure:
    if isinstance(picture, Failure) or picture.transparency == transparency:
        return picture
    return replace(picture, transparency=transparency)


def _averages(data: bytes, header: Header, times: int) -> np.ndarray | None:
    pixels = jpeg_averages.averaged(data, header) if times == jpeg_averages.TIMES else None
    return jpeg.decoded(data, header, times) if pixels is None else pixels


def _decode(
    data: bytes, max_pixels: int, orientation: Orientation, shrink: Shrink | None, decoder: Decoder = jpeg.decoded
) -> Picture | Failure:
    if not data:
        return Failure("empty", "the file has no content")
    return usual_jpeg(data, max_pixels, orientation, shrink, decoder) or by_pillow(
        data, max_pixels, orientation, shrink
    )


def usual_jpeg(
    data: bytes, max_pixels: int, orientation: Orientation, shrink: Shrink | None, decoder: Decoder = jpeg.decoded
) -> Picture | None:
    """Return what Pillow would give of a JPEG of which nothing is unusual; else None. Arguments as of ``decode``."""
    header = usual(data)
    if header is None or _refused(header.width, header.height, max_pixels):
        return None
    if header.has_scans and _too_many_scans(data, "JPEG"):
        return None
    size = header.width, header.height
    pixels = decoder(data, header, _times(shrink, *size))
    if pixels is None:
        return None
    done, turn = _turns(header.turn, orientation)
    box = _box(size, (pixels.shape[1], pixels.shape[0]), done)
    whole = array_in_parts(pixels)
    source = turned_in_parts(whole, done) if done != 1 and is_large(whole) else turned_pixels(pixels, done)
    return Picture(source, *size, "JPEG", turn=turn, loss=header.loss, box=box)


def _turns(asked: int, orientation: Orientation) -> tuple[int, int]:
    """Return by which turn a picture is turned here, and which one is left to do."""
    return (asked, 1) if orientation == "exif" else (1, asked)


def _box(stored: tuple[int, int], decoded: tuple[int, int], turn: int) -> tuple[float, float, float, float] | None:
    """Return where a picture lies in its turned pixels, if not in all of them."""
    times = round(stored[0] / decoded[0])
    if decoded == stored or (stored[0] % times == stored[1] % times == 0):
        return None
    return turned_box(stored[0] / times, stored[1] / times, decoded, turn)


def _times(shrink: Shrink | None, width: int, height: int) -> int:
    """Return how much smaller a JPEG is decoded: not at all, where less than 8 pixels would be left of a side.

    Of so few, other fractions than halves give as many, and simplejpeg might take these.
    """
    times = 1 if shrink is None else shrink(width, height)
    return times if 8 * times <= min(width, height) else 1


def by_pillow(data: bytes, max_pixels: int, orientation: Orientation, shrink: Shrink | None) -> Picture | Failure:
    """Return what Pillow makes of a file of any format; the arguments are those of ``decode``."""
    with undisturbed(max_pixels):
        first = _attempt(data, max_pixels, orientation, shrink)
        if isinstance(first, Picture) or first.reason in ("too_many_pixels", "too_large"):
            return first
        plain = ancillary.without(data)
        again = first if plain is None else _attempt(plain, max_pixels, orientation, shrink)
        if isinstance(again, Picture):  # of what was taken away nothing is known but that it isn't of the first frame
            return replace(again, frames=1 if _has_one_frame(again.format, data) else 0)
        return first


def _has_one_frame(form: str, data: bytes) -> bool:
    """Return whether a file of a format can have but one frame, whatever else is wrong with it."""
    return form in ("JPEG", "BMP", "DIB", "PPM", "TGA", "PCX", "SGI") or (form == "PNG" and b"acTL" not in data)


def _attempt(data: bytes, max_pixels: int, orientation: Orientation, shrink: Shrink | None) -> Picture | Failure:
    try:
        opened = open_image(data)
    except Image.DecompressionBombError:
        size = declared_size(data)
        refused = _refused(*size, max_pixels) if size else None
        return refused or Failure("too_many_pixels", f"declares more pixels than the limit of {max_pixels:,}")
    except MemoryError:
        return Failure("too_large", "not enough memory to open the image")
    if not isinstance(opened, Image.Image):
        return Failure(*foreign.unopened(data, opened, formats_not_read(data)))
    form = str(opened.format)
    try:
        with opened as image:
            loaded = _too_many_scans(data, form) or _load(image, max_pixels, orientation, shrink)
            return loaded if isinstance(loaded, Failure) else replace(loaded, loss=loss_of(image, data))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - decoders of foreign bytes raise whatever they meet, or panic
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            return Failure("too_large", "not enough memory to decode the image")
        return Failure(*foreign.undecoded(data, form, error))


def _too_many_scans(data: bytes, form: str) -> Failure | None:
    scans = jpeg_scans(data) if form in ("JPEG", "MPO") else 0
    if scans <= MAX_SCANS:
        return None
    return Failure("too_large", f"a JPEG of {scans:,} scans, over the limit of {MAX_SCANS}")


def _load(image: Image.Image, max_pixels: int, orientation: Orientation, shrink: Shrink | None) -> Picture | Failure:
    width, height = image.size
    refused = _refused(width, height, max_pixels)
    if refused:
        return refused
    if shrink is not None:
        times = _times(shrink, width, height)
        image.draft(None, (width // times, height // times))
    frames = len(frame_numbers(image))
    is_cut = deep_images.is_cut(image)
    image.load()
    done, turn = _turns(turn_of(image), orientation)
    box = _box((width, height), image.size, done) if shrink else None
    picture = replace(shown(image, done), width=width, height=height, frames=frames, turn=turn, box=box)
    picture = replace(picture, format=str(image.format))
    return replace(picture, stretch=(math.nan, math.nan)) if is_cut else picture


def _refused(width: int, height: int, max_pixels: int) -> Failure | None:
    """Return why pictures of such a shape are not decoded, from what they declare."""
    declared = f"declares {width} x {height} pixels"
    if min(width, height) < 1:
        return Failure("corrupt", declared)
    if width * height > max_pixels:
        return Failure("too_many_pixels", f"{declared}, over the limit of {max_pixels:,}")
    if max(width, height) > MAX_SIDE:
        return Failure("too_many_pixels", f"{declared}, a side over the limit of {MAX_SIDE:,}")
    return None


def frames_of(
    data: bytes, max_pixels: int = MAX_PIXELS, orientation: Orientation = "stored", side: int | None = None
) -> Iterator[Picture | Failure]:
    """Yield all frames of a file one after the other, each as `decode` would return it; the last may be a Failure.

    Args:
        data: the whole file.
        max_pixels: as for ``decode``.
        orientation: as for ``decode``.
        side: to how many pixels of its longer side a larger picture will be made smaller. A JPEG may then have been
            decoded at a half, a quarter or an eighth, in which nothing is seen of that.
    """
    first = _decode(data, max_pixels, orientation, None if side is None else partial(_times_for_twice, side=side))
    yield first
    if isinstance(first, Failure) or first.frames == 1:
        return
    count = first.frames
    del first  # before others are decoded: it may be large
    with undisturbed(max_pixels):
        opened = open_image(data)
    numbers = frame_numbers(opened) if isinstance(opened, Image.Image) else ()
    if not isinstance(opened, Image.Image) or len(numbers) != count:
        yield Failure("corrupt", "its frames can't be told apart")
        return
    with opened:
        for number in numbers[1:]:
            frame = _frame(opened, number, max_pixels, orientation)
            if isinstance(frame, Failure):
                yield frame
                return
            yield replace(frame, frames=count, loss=loss_of(opened, data))


def _frame(image: Image.Image, number: int, max_pixels: int, orientation: Orientation) -> Picture | Failure:
    try:
        with undisturbed(max_pixels):
            image.seek(number)
            refused = _refused(*image.size, max_pixels)
            if refused:
                return refused
            image.load()
            done, turn = _turns(turn_of(image), orientation)
            picture = apart(shown(image, done), image)  # Pillow draws the next one on it
            return replace(picture, format=str(image.format), turn=turn)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - as for the first frame
        return Failure("corrupt", f"frame {number} can't be decoded: {type(error).__name__}: {error}")


def _times_for_twice(width: int, height: int, side: int) -> int:
    """Have a JPEG decoded at a half, a quarter or an eighth, if that has twice the side, and its sides are multiples.

    What is then made of it is nearly what would be made of all its pixels: the last of others would be laid elsewhere.
    """
    fits = (n for n in jpeg.TIMES if width % n == height % n == 0 and max(width, height) >= 2 * n * side)
    return next(fits, 1)


def _times_for_least(width: int, height: int, side: int) -> int:
    """Have a JPEG decoded as small as leaves so many pixels of its shorter side."""
    return next((times for times in jpeg.TIMES if min(width, height) >= times * side), 1)
