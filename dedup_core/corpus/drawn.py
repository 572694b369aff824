"""Drawn pictures and plain copies of them as files, and which belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.originals import Copy, Original
from dedup_core.corpus.photographs import write_copy
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Picture


def draw_family(kind: str, number: int, copies: Sequence[str], folder: Path, seed: int = 0) -> dict[str, list[str]]:
    """Write one picture of a kind, and its copies.

    Args:
        kind: name of the kind.
        number: which of its pictures.
        copies: names of the plain copies to make.
        folder: where the images go: in a folder of the kind ``album/`` for the picture, ``copies/`` with a folder for
            each way to copy.
        seed: the same seed gives the same files.

    Returns:
        The truth: each file, relative to ``folder``, with the other files that show the same. A copy that has lost
        what its kind shows has no others; it has lost nothing where every pixel is the same.
    """
    of_kind, place = KINDS[kind], folder / kind
    original = Original.drawn(f"{kind}-{number:04d}.png", of_kind.picture(number, seed), number)
    path = place / "album" / original.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(original.content)
    family: list[str] = [path.relative_to(folder).as_posix()]
    alone: list[str] = []
    for name in copies:
        copy = PLAIN_COPIES[name].copy_of(original, seed)
        if copy is not None:
            written = write_copy(original, name, copy, place).relative_to(folder).as_posix()
            (alone if name in of_kind.lossy and not _same_pixels(original, copy) else family).append(written)
    family.sort()
    return {name: [other for other in family if other != name] for name in family} | {name: [] for name in alone}


def _same_pixels(original: Original, copy: Copy) -> bool:
    """Say whether a copy decodes to the very picture that was drawn: never if that has transparency."""
    picture = decode(copy.content)
    return isinstance(picture, Picture) and _pixels(picture.image) == _pixels(original.image)


def _pixels(image: Image.Image) -> tuple[str, tuple[int, int], bytes]:
    return image.mode, image.size, image.tobytes()
