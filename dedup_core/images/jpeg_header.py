"""What stands before the pixels of a JPEG of the usual kind, read without a decoder.

Pure functions of bytes. Whatever is unusual is left to Pillow, which is the judge of it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from dedup_core.images import ancillary
from dedup_core.images.losses import TYPICAL, Loss

_SOF = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, of Huffman's codes
_SOS, _DQT, _EXIF, _MPF = 0xDA, 0xDB, 0xE1, 0xE2
_SKIPPED = frozenset([0xC4, 0xDD, 0xFE, *range(0xE0, 0xF0)])  # codes, restarts, comments, applications
_SAMPLINGS = {
    b"\x11\x11\x11": 0, b"\x21\x11\x11": 1, b"\x22\x11\x11": 2, b"\x12\x11\x11": None, b"\x41\x11\x11": None,
}  # fmt: skip
"""4:4:4, 4:2:2, 4:2:0, 4:4:0 and 4:1:1, as Pillow numbers them."""

_ZIGZAG = (
    0, 1, 5, 6, 14, 15, 27, 28, 2, 4, 7, 13, 16, 26, 29, 42, 3, 8, 12, 17, 25, 30, 41, 43, 9, 11, 18, 24, 31, 40, 44,
    53, 10, 19, 23, 32, 39, 45, 52, 54, 20, 22, 33, 38, 46, 51, 55, 60, 21, 34, 37, 47, 50, 56, 59, 61, 35, 36, 48, 49,
    57, 58, 62, 63,
)  # fmt: skip
_row_by_row = itemgetter(*_ZIGZAG)


class Header(NamedTuple):
    """What a JPEG says of itself before its pixels.

    Attributes:
        width: in pixels, as it lies in the file.
        height: in pixels, as it lies in the file.
        turn: how its EXIF block asks for it to be turned, 1 to 8.
        loss: the steps to which its frequencies are rounded, and how much smaller its colours are.
        has_scans: whether there is more than one scan to come.
    """

    width: int
    height: int
    turn: int
    loss: Loss
    has_scans: bool


def usual(data: bytes) -> Header | None:
    """Return the header of a JPEG of the usual kind: 8 bits, one or three components, Huffman's codes, one picture.

    None for all else: for what Pillow would read otherwise, or refuse, as for what follows no rule.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        return _read(data)
    except IndexError:  # it breaks off
        return None


def _read(data: bytes) -> Header | None:
    place, frame, exif = 2, b"", b""
    tables: dict[int, tuple[int, ...]] = {}
    while data[place] == 0xFF:
        marker, start = data[place + 1], place + 4
        place += 2 + (data[place + 2] << 8 | data[place + 3])
        if place < start:
            return None
        if marker == _DQT:
            if not _add_tables(tables, data[start:place]):
                return None
        elif marker in _SOF and not frame:
            frame, is_progressive = data[start:place], marker == 0xC2
        elif marker == _SOS:
            has_scans = is_progressive or data[start] != frame[5] if frame else False
            return _header(frame, tables, exif, has_scans)
        elif marker not in _SKIPPED or (marker == _MPF and data.startswith(b"MPF\0", start)):
            return None
        elif marker == _EXIF and data.startswith(b"Exif\0\0", start):
            exif += data[start + 6 if exif else start : place]
    return None


def _add_tables(tables: dict[int, tuple[int, ...]], segment: bytes) -> bool:
    """Enter the tables of a segment, row by row from the lowest frequency; say whether all have 8 bits."""
    for place in range(0, len(segment), 65):
        if segment[place] > 3 or place + 65 > len(segment):
            return False
        tables[segment[place]] = _row_by_row(segment[place + 1 : place + 65])
    return True


def _header(frame: bytes, tables: dict[int, tuple[int, ...]], exif: bytes, has_scans: bool) -> Header | None:
    n_components = len(frame[6:]) // 3
    if n_components not in (1, 3) or len(frame) != 6 + 3 * frame[5] or frame[0] != 8:
        return None
    sampling = frame[7::3]
    if n_components == 3 and sampling not in _SAMPLINGS:
        return None
    luma = tables.get(0, TYPICAL.luma)
    loss = Loss(luma, luma, 0) if n_components == 1 else Loss(luma, tables.get(1, luma), _SAMPLINGS[sampling])
    height, width = frame[1] << 8 | frame[2], frame[3] << 8 | frame[4]
    return Header(width, height, ancillary.orientation(exif) if exif else 1, loss, has_scans)
