"""Plain copies: a picture kept, saved anew or made smaller, and changed in nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from dedup_core.corpus.originals import Copy, Original, saved


@dataclass(frozen=True)
class PlainCopy:
    """A way to copy a picture. What makes the copy returns None where nothing would be seen on it."""

    name: str
    make: Callable[[Original], Copy | None]

    def copy_of(self, original: Original, seed: int = 0) -> Copy | None:  # noqa: ARG002 - an edit needs the seed
        """Return the copy, in which nothing is random."""
        return self.make(original)


def on_white(image: Image.Image) -> Image.Image:
    """Return what is seen of a picture that lies on a white page."""
    if "A" not in image.getbands():
        return image.convert("RGB")
    page = Image.new("RGB", image.size, "white")
    page.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return page


def _exact(original: Original) -> Copy:
    return Copy(original.content, original.ending)


def _lossless(original: Original) -> Copy:
    """Save the same pixels, also those beneath full transparency, as WebP (even numbers) or as PNG."""
    if original.number % 2 == 0:
        return Copy(saved(original.image, "WEBP", lossless=True, exact=True), ".webp")
    return Copy(saved(original.image, "PNG", compress_level=9), ".png")


def _jpeg(original: Original) -> Copy | None:
    page = on_white(original.image)
    if page.mode != original.image.mode and page.getextrema() == ((255, 255),) * 3:
        return None  # white on white
    return Copy(saved(page, "JPEG", quality=85), ".jpg")


def _halved(original: Original) -> Copy:
    size = (max(1, original.image.width // 2), max(1, original.image.height // 2))
    return Copy(saved(original.image.resize(size, Image.Resampling.LANCZOS), "PNG"), ".png")


PLAIN_COPIES: dict[str, PlainCopy] = {
    copy.name: copy
    for copy in (
        PlainCopy("exact", _exact),
        PlainCopy("lossless", _lossless),
        PlainCopy("jpeg_85", _jpeg),
        PlainCopy("halved", _halved),
    )
}
"""Every way, by its name. Transparency is kept by all but the JPEG."""
