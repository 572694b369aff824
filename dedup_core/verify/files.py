"""Two files, compared: what a person who holds two pictures asks."""

from __future__ import annotations

import os
from functools import partial
from typing import get_args

from dedup_core import arguments
from dedup_core.images.decoding import frames_of
from dedup_core.images.looks import file_digest
from dedup_core.images.picture import MAX_PIXELS, Failure, Orientation, read
from dedup_core.verify.held import HeldViews
from dedup_core.verify.verdict import EQUAL, Verdict
from dedup_core.verify.views import HELD_SIDE

MAX_FILE_BYTES = 256 * 2**20


def verify_files(
    one: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    orientation: Orientation = "stored",
    max_pixels: int = MAX_PIXELS,
) -> Verdict:
    """Return whether two files show the same picture, and what that rests on.

    Args:
        one: an image file.
        other: another one.
        orientation: "stored" compares the pixels as they lie in the files, "exif" as the camera says to turn them.
        max_pixels: as for encoding.

    Raises:
        TypeError, ValueError: if an argument is none of these, or a file can't be read or decoded.
    """
    arguments.choice(orientation, "orientation", get_args(Orientation))
    arguments.whole_number(max_pixels, "max_pixels", 1)
    paths = [str(arguments.file(path, name, "an image")) for name, path in (("one", one), ("other", other))]
    contents = [_content(path) for path in paths]
    if file_digest(contents[0]) == file_digest(contents[1]):
        return EQUAL
    frames = [partial(frames_of, content, max_pixels, orientation, HELD_SIDE) for content in contents]
    for path, decoded in zip(paths, frames, strict=True):
        first = next(decoded())
        if isinstance(first, Failure):
            raise ValueError(f"{path!r} can't be decoded: {first.message}")
    views: HeldViews[int] = HeldViews(lambda number: frames[number]())
    return views.verdict(0, 1)


def _content(path: str) -> bytes:
    content = read(path, MAX_FILE_BYTES)
    if isinstance(content, Failure):
        raise ValueError(f"{path!r} can't be read: {content.message}")
    return content
