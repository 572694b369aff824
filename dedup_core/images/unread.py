"""Whole files of formats that are read, but of kinds that are not: told from their headers and their decoders' words.

Pure functions of bytes.
"""

from __future__ import annotations

import re

from dedup_core.images.ancillary import Directory, directory, jpeg_segments

_COMPRESSIONS = {
    1: "uncompressed", 2: "CCITT RLE", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 6: "old JPEG", 7: "JPEG",
    8: "deflate", 32771: "CCITT RLE of words", 32773: "PackBits", 32809: "ThunderScan", 32946: "deflate",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
_COMPRESSIONS_READ = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000}
_NUMBERS = {1: "integers", 2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex floats"}
_JPEG_PROCESSES = {
    0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xC9: "arithmetic",
    0xCA: "arithmetic", 0xCB: "lossless", 0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical",
    0xDE: "hierarchical", 0xF7: "JPEG-LS",
}  # fmt: skip
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2, *_JPEG_PROCESSES}
_REFUSED = re.compile(
    r"unsupported|not (yet )?supported|not implemented|notimplemented|not installed|not available|no codec|"
    r"unknown (pcx|tga|pixel) mode|cannot handle|unable to determine|codec configuration|unknown tga|"
    r"un(known|recognized) raw|cannot load this image",
    re.IGNORECASE,
)
_DAMAGED = re.compile(r"palette size|header type \(\d{4,}\)", re.IGNORECASE)


def is_cut(data: bytes, form: str) -> bool:
    """Return whether a file breaks off before its end, as far as its format tells."""
    if form in ("JPEG", "MPO"):
        scans = [end for marker, _, end in jpeg_segments(data) if marker == 0xDA]
        return not scans or data.find(b"\xff\xd9", scans[0]) < 0
    if form == "PNG":
        return data.rfind(b"IEND") < 0
    return form == "TIFF" and _is_cut_tiff(directory(data))


def unread_kind(data: bytes, form: str, error: BaseException, was_opened: bool) -> str | None:
    """Return what a file is, if its kind is the reason why it isn't read.

    Args:
        data: the whole file, which doesn't break off.
        form: the format whose signature it bears.
        error: what the format's decoder said.
        was_opened: whether it said so only when it was to decode.
    """
    said = str(error)
    refuses = isinstance(error, NotImplementedError) or bool(_REFUSED.search(said) and not _DAMAGED.search(said))
    if form == "TIFF":
        found = directory(data)
        return _described_tiff(found) if found and (refuses or not was_opened or _is_packed_oddly(found)) else None
    if form in ("JPEG", "MPO"):
        return _odd_jpeg(data) or (f"{form} of a rare kind ({said})" if "not available" in said else None)
    if form == "PNG" and data[12:16] == b"CgBI":
        return "a PNG of Apple's own kind (CgBI)"
    return f"{form} of a rare kind ({said})" if refuses else None


def _is_cut_tiff(found: Directory | None) -> bool:
    if found is None or not found.is_whole:
        return True
    for offsets, counts in ((273, 279), (324, 325)):
        starts, sizes = found.numbers(offsets), found.numbers(counts)
        if starts is None or sizes is None:
            return True
        ends = [start + size for start, size in zip(starts, sizes or (1,) * len(starts), strict=False)]
        if max(ends, default=0) > len(found.data):
            return True
    return False


def _is_packed_oddly(found: Directory) -> bool:
    return (found.numbers(259) or (1,))[0] not in _COMPRESSIONS_READ


def _described_tiff(found: Directory) -> str | None:
    """Say what a TIFF is by its tags; None if no picture has such tags, so that these are damaged."""
    bits = found.numbers(258) or (1,)
    bands = (found.numbers(277) or (len(bits),))[0]
    if 50706 in found.entries or (found.numbers(262) or (1,))[0] == 32803:
        return "a camera raw (DNG or its like)"
    sides = (*(found.numbers(256) or (0,)), *(found.numbers(257) or (0,)))
    if min(*sides, bands) < 1 or bands >= 2**16 or not all(0 < each <= 128 for each in bits):
        return None
    numbers = _NUMBERS.get((found.numbers(339) or (1,))[0], "numbers of no known kind")
    number = (found.numbers(259) or (1,))[0]
    how = _COMPRESSIONS.get(number, f"compression {number}")
    depths = str(bits[0]) if len(set(bits)) == 1 else ", ".join(map(str, bits[:8]))
    form = "big-endian BigTIFF" if found.is_big and found.order == ">" else "TIFF"
    return f"a {form} with {bands} band{'s' * (bands > 1)} of {depths} bit{'s' * (depths != '1')} ({numbers}, {how})"


def _odd_jpeg(data: bytes) -> str | None:
    for marker, start, _ in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            bits, bands = data[start + 4], data[start + 9]
            process = _JPEG_PROCESSES.get(marker, "")
            if process or (1 < bits <= 16 and bits != 8) or (bands and bands not in (1, 3, 4)):
                return f"a JPEG with {bands} band{'s' * (bands > 1)} of {bits} bits{process and f' ({process})'}"
    return None
