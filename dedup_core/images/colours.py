"""Images of all modes brought into RGB, and how opaque they are; large ones strip by strip, when it is asked for."""

from __future__ import annotations

from PIL import Image

from dedup_core.images import deep as deep_images
from dedup_core.images.strips import Cuttable, Piece, Striped, is_large, part_of, strips_of

GREY = 128
"""What transparent pictures are laid on: in the middle, so that neither black nor white drawings vanish."""

_OPAQUE_MODES = ("RGB", "L", "1", "CMYK", "YCbCr")  # unless some colour is said to be transparent
_OPAQUE = 255, 255


def taken_apart(image: Image.Image) -> tuple[Cuttable, Cuttable | None]:
    """Return the pixels of a loaded image of 8 bits in RGB, and how opaque they are where not all of them are whole."""
    if is_large(image):
        return _striped(image)
    rgba = _in_rgba(image)
    alpha = None if rgba is None else rgba.getchannel("A")
    return _in_rgb(image, rgba), None if alpha is None or alpha.getextrema() == _OPAQUE else alpha


def _striped(image: Image.Image) -> tuple[Cuttable, Striped | None]:
    in_rgba = _in_rgba if _may_be_transparent(image) else _not_at_all
    alpha = Striped(image.size, "L", lambda box: _opacity(part_of(image, box)))
    is_opaque = in_rgba is _not_at_all or all(strip.getextrema() == _OPAQUE for _, strip in strips_of(alpha))
    if image.mode == "RGB":
        return image, None if is_opaque else alpha

    def rgb(box: Piece) -> Image.Image:
        part = part_of(image, box)
        return _in_rgb(part, in_rgba(part))

    return Striped(image.size, "RGB", rgb), None if is_opaque else alpha


def stretched(image: Image.Image, low: float, high: float) -> Cuttable:
    """Return a loaded image of more than 8 bits in RGB: what `deep.stretched` makes of it."""
    if not is_large(image):
        return _stretched(image, low, high)
    return Striped(image.size, "RGB", lambda box: _stretched(part_of(image, box), low, high))


def on_grey(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Return what is seen of an RGB image on a grey page, by how opaque each pixel is."""
    if alpha is None:
        return image
    page = Image.new("RGB", image.size, (GREY,) * 3)
    page.paste(image, mask=alpha)
    return page


def laid_on_grey(image: Cuttable, alpha: Cuttable) -> Cuttable:
    """Return what `on_grey` does; of what is made in strips, in strips."""
    if isinstance(image, Image.Image) and isinstance(alpha, Image.Image):
        return on_grey(image, alpha)
    return Striped(image.size, "RGB", lambda box: on_grey(part_of(image, box), part_of(alpha, box)))


def with_alpha(image: Cuttable, alpha: Cuttable | None) -> Cuttable:
    """Return an RGB image in RGBA, as opaque as is said; as it is, if nothing is."""
    if alpha is None:
        return image
    if isinstance(image, Image.Image) and isinstance(alpha, Image.Image):
        return _with_alpha(image, alpha)
    return Striped(image.size, "RGBA", lambda box: _with_alpha(part_of(image, box), part_of(alpha, box)))


def _with_alpha(image: Image.Image, alpha: Image.Image) -> Image.Image:
    made = image.convert("RGBA")
    made.putalpha(alpha)
    return made


def _stretched(image: Image.Image, low: float, high: float) -> Image.Image:
    return deep_images.stretched(image, low, high).convert("RGB")


def _in_rgb(image: Image.Image, rgba: Image.Image | None) -> Image.Image:
    """Return an image in RGB, where it is transparent the pixels beneath: by way of RGBA, if there is such a way."""
    if image.mode == "RGB":
        return image
    return (image if rgba is None else rgba).convert("RGB")


def _in_rgba(image: Image.Image) -> Image.Image | None:
    """Return an image in RGBA; None where no pixel can be transparent."""
    if image.mode == "RGBA":
        return image
    if image.mode in _OPAQUE_MODES and "transparency" not in image.info:
        return None
    try:
        return image.convert("RGBA")
    except ValueError:  # Pillow has no way from this mode to RGBA (LAB, HSV)
        return None


def _not_at_all(_image: Image.Image) -> None:
    return None


def _opacity(image: Image.Image) -> Image.Image:
    """Return how opaque each pixel is, in mode L."""
    rgba = _in_rgba(image)
    return Image.new("L", image.size, 255) if rgba is None else rgba.getchannel("A")


def _may_be_transparent(image: Image.Image) -> bool:
    """Return whether some pixel may be, as far as the mode tells, and the palette."""
    if image.mode != "P" or "transparency" in image.info:
        return image.mode not in _OPAQUE_MODES or "transparency" in image.info
    every = part_of(image, (0, 0, 1, 1)).resize((256, 1))
    every.putdata(range(256))
    return _opacity(every).getextrema() != _OPAQUE
