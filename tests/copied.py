"""Pictures, what is done to them, and the verdict on two files."""

import functools
from functools import partial

import numpy as np
from by_hand import saved
from PIL import Image

from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.originals import Original
from dedup_core.images.decoding import decode, frames_of
from dedup_core.verify.verdict import verdict_by_pixels
from dedup_core.verify.views import View

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "page.png", "rocket.jpg"]
"""A few of those that are installed: a face, fur, soft light, small print, dark sky that is a JPEG."""


@functools.cache
def drawn(kind, number):
    return Original.drawn(f"{kind}-{number}.png", KINDS[kind].picture(number), number)


@functools.cache
def photographed(path):
    content = path.read_bytes()
    return Original.photographed(path.name, content, decode(content).image)


def few(photographs):
    """The photographs among those installed that these tests look at."""
    return [photographed(path) for path in photographs if path.name in PHOTOGRAPHS]


@functools.lru_cache(64)
def view(content):
    return View.of(decode(content))


def judged(one, other):
    """The verdict on two files, all their frames."""
    return verdict_by_pixels(view(one), view(other), (partial(frames_of, one), partial(frames_of, other)))


def resized(image, share, way=Image.Resampling.LANCZOS):
    return image.resize([max(1, int(share * side)) for side in image.size], way)


def with_pixels(image, change):
    """The picture after a change of its values, uint8 (h, w, channels), in place."""
    values = np.array(image)
    change(values)
    return Image.fromarray(values)


def png(image, **options):
    return saved(image, "PNG", **options)


def jpeg(image, quality=85, **options):
    return saved(image, "JPEG", quality=quality, **options)
