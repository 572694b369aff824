"""Which frames a file holds: pages, steps of an animation, several views; not the small copies that cameras add."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

_MP_ENTRIES = 0xB002
_MP_VIEWS = "Multi-Frame"


def frame_numbers(image: Image.Image) -> Sequence[int]:
    """Return the numbers by which Pillow seeks an opened image's frames, that which it opened first; none if uncounted.

    A HEIC file says which of its pictures is the one to show, and that is not always the first that is stored.
    What a camera stores behind a JPEG, previews and maps of its light, is no frame.
    """
    try:
        if image.format == "ICO" and len(image.info.get("sizes", ())) > 1:
            return []  # pictures of several sizes, which may show different things
        count = int(getattr(image, "n_frames", 1))
        if image.format == "MPO":
            return [0, *(number for number in range(1, count) if _is_view(image, number))]
        opened = image.tell()
        return [opened, *(number for number in range(count) if number != opened)] if opened else range(count)
    except Exception:  # noqa: BLE001 - whatever lies behind the first frame, it may not end a run
        return []


def _is_view(image: Image.Image, number: int) -> bool:
    entries = getattr(image, "mpinfo", {}).get(_MP_ENTRIES, [])
    return number < len(entries) and str(entries[number]["Attribute"]["MPType"]).startswith(_MP_VIEWS)
