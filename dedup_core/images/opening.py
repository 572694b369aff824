"""Where image files are opened: which formats are read, with which plugins, undisturbed by the process around.

A format counts by its content, never by a file's name. What no format wants is a value, not an error: what each
format that seemed to fit had to say about it.
"""

from __future__ import annotations

import functools
import io
import math
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from PIL import Image, ImageFile, UnidentifiedImageError, features

SAFE_FORMATS = (
    "JPEG", "PNG", "BMP", "MPO", "PPM", "TIFF", "GIF", "WEBP", "AVIF", "JPEG2000", "DIB", "ICO", "PCX", "SGI", "HEIF",
    "JXL", "TGA",
)  # fmt: skip
"""What is decoded: raster formats that Pillow reads in process. HEIF and JXL count where their plugins are installed.

Formats that start another program (EPS), need a guess at the layout (raw data) or are stubs stay shut."""

_JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # of a segment; not what stands inside compressed data

Refusals = Mapping[str, BaseException]
"""Why content could not be opened, by each format whose signature it bears."""


@functools.cache
def load_plugins() -> None:
    """Have Pillow read what the installed plugins read: pillow-heif, pillow-avif-plugin and pillow-jxl-plugin.

    Once a process, wherever something is decoded: a caller's own registration doesn't reach the processes that are
    started for it, nor Spark's. A plugin that fails to load is as if it were not installed; one that the caller has
    registered stays as it is.
    """
    Image.init()
    for form, register in (("HEIF", _register_heif), ("AVIF", _register_avif), ("JXL", _register_jxl)):
        before = Image.OPEN.get(form)
        if before is None or (form == "AVIF" and not features.check("avif")):
            try:
                register()
            except Exception:  # noqa: BLE001 - a broken installation fails in any way
                Image.OPEN.pop(form, None)
                if before is not None:
                    Image.OPEN[form] = before


def _register_heif() -> None:
    import_module("pillow_heif").register_heif_opener(decode_threads=1)  # a task has its cores, and no more


def _register_avif() -> None:
    try:
        import_module("pillow_avif")  # registers itself
    except ImportError:
        import_module("pillow_heif").register_avif_opener()


def _register_jxl() -> None:
    import_module("pillow_jxl.JpegXLImagePlugin").DECODE_THREADS = 0  # type: ignore[attr-defined]


@contextmanager
def undisturbed(max_pixels: int) -> Iterator[None]:
    """Decode by settings of ours: the caller's neither decide nor change, as they don't reach other processes either.

    These are Pillow's limit of pixels, its tolerance of truncated files, and warnings, which may be errors. None can be
    set for one call. So the first of several threads that decode at once sets them aside, and the last puts them back.

    Args:
        max_pixels: where Pillow is to refuse, at the latest: some formats are decoded as soon as they are opened.
    """
    _BESIDE.enter(max_pixels)
    try:
        yield
    finally:
        _BESIDE.leave()


class _Beside:
    """The settings of the process, put aside while any thread decodes."""

    def __init__(self) -> None:
        self._lock, self._n_inside = threading.Lock(), 0

    def enter(self, max_pixels: int) -> None:
        with self._lock:
            half = max_pixels // 2 + 1  # Pillow refuses twice its limit
            if self._n_inside == 0:
                self._before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = half, False
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, half)
            self._n_inside += 1

    def leave(self) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = self._before
                self._warnings.__exit__(None, None, None)


_BESIDE = _Beside()


def open_image(data: bytes) -> Image.Image | Refusals:
    """Open an image without decoding it, or return why it can't be.

    Raises:
        MemoryError, Image.DecompressionBombError: if the image is too large to be opened.
    """
    refusals: dict[str, BaseException] = {}
    for form in _formats_of(data):
        opened = _open_as(form, data)
        if isinstance(opened, Image.Image):
            return opened
        refusals[form] = opened
    return {form: error for form, error in refusals.items() if _accepts(form, data)}


def _open_as(form: str, data: bytes) -> Image.Image | BaseException:
    if form == "JXL":
        size = jxl_size(data)
        if size is None:
            return SyntaxError("it breaks off before its size")
        if size[0] * size[1] > 2 * (Image.MAX_IMAGE_PIXELS or math.inf):
            raise Image.DecompressionBombError("it would be decoded as soon as it is opened")
    try:
        return Image.open(io.BytesIO(data), formats=[form])
    except (MemoryError, Image.DecompressionBombError, KeyboardInterrupt, SystemExit):
        raise
    except UnidentifiedImageError as error:  # Pillow says only that the format refuses
        return _said_by(form, data) or error
    except BaseException as error:  # noqa: BLE001 - what is written in Rust panics, which is no Exception
        return error


def formats_not_read(data: bytes) -> list[str]:
    """Return the formats that Pillow knows by their signature, and we leave shut."""
    return [form for form in Image.OPEN if form not in SAFE_FORMATS and _accepts(form, data)]


def declared_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a file declares, where these can be had without its pixels."""
    try:
        form = _formats_of(data)[0]
        return jxl_size(data) if form == "JXL" else Image.OPEN[form][0](io.BytesIO(data), "").size
    except Exception:  # noqa: BLE001 - it was refused before, for whatever reason
        return None


def jpeg_scans(data: bytes) -> int:
    """Return how many scans a JPEG has, up to its end: each of them passes over the picture once more."""
    scans, place = 0, 2
    while (marker := _JPEG_MARKER.search(data, place)) and marker[1] != b"\xd9":
        scans += marker[1] == b"\xda"
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPEG XL declares, as a codestream or in its container; None if it is broken.

    Its plugin decodes it as soon as it is opened, and would do so with any number of pixels.
    """
    stream = data if data.startswith(b"\xff\x0a") else _jxl_stream(data)
    bits, place = int.from_bytes(stream[2:12], "little"), 0

    def take(n: int) -> int:
        nonlocal place
        place += n
        return bits >> (place - n) & ((1 << n) - 1)

    def side(is_small: int) -> int:
        return (take(5) + 1) * 8 if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    is_small = take(1)
    height = side(is_small)
    ratio = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    width = height * ratio[0] // ratio[1] or side(is_small)
    return (width, height) if len(stream) >= 12 else None


def _jxl_stream(data: bytes) -> bytes:
    """Return the beginning of the codestream in a container of boxes."""
    place = 0
    while place + 8 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            start = place + head + (4 if kind == b"jxlp" else 0)
            return data[start : start + 16]
        if size < head:
            break
        place += size
    return b""


def _formats_of(data: bytes) -> list[str]:
    """Return the formats whose signature the content bears, or those that have none where it bears no other."""
    load_plugins()
    readable = [form for form in SAFE_FORMATS if form in Image.OPEN]
    return [form for form in readable if _accepts(form, data)] or [
        form for form in readable if Image.OPEN[form][1] is None
    ]


def _accepts(form: str, data: bytes) -> bool:
    accept = Image.OPEN[form][1]
    try:
        return accept is not None and bool(accept(data[:16]))
    except Exception:  # noqa: BLE001 - a plugin's look at foreign bytes may fail in any way
        return False


def _said_by(form: str, data: bytes) -> BaseException | None:
    """Ask a format itself why it refuses the content."""
    factory, accept = Image.OPEN[form]
    said = accept(data[:16]) if accept else None
    if isinstance(said, str):
        return NotImplementedError(said)
    try:
        factory(io.BytesIO(data), "")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was asked for
        return error
    return None
