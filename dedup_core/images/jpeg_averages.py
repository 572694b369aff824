"""A JPEG at an eighth of its sides, from the averages of its tiles alone: much sooner than by any whole decoder.

The colours may be stored smaller; they are then laid on the brightness without being smoothed, which no hash sees.
"""

from __future__ import annotations

import functools
import logging
import threading
from dataclasses import dataclass, field

import numpy as np

from dedup_core.images.ancillary import jpeg_segments
from dedup_core.images.jpeg_header import Header

TIMES = 8
_SOF, _DHT, _SOS, _DRI, _APP0, _APP14 = (0xC0, 0xC1, 0xC2), 0xC4, 0xDA, 0xDD, 0xE0, 0xEE
_END = b"\xff\xd9"
_OF_RGB = b"RGB"
_OF_VALUES = 0x10  # of a table's number: it is not of averages
_WHOLE, _FIRST = (0, 63, 0), (0, 0, 0)  # first and last value of a scan, and the bits that earlier ones told

_LOADING = threading.Lock()
_LOG = logging.getLogger(__name__)


@dataclass
class _Outline:
    """What the segments before the first scan say of it."""

    frame: bytes = b""
    is_progressive: bool = False
    interval: int = 0
    is_jfif: bool = False
    transform: int | None = None
    scan: bytes = b""
    start: int = 0
    tables: dict[int, bytes] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many of the lowest bits are left to later scans."""
        return self.scan[-1] & 15

    @property
    def is_read(self) -> bool:
        """Whether the first scan tells the averages of all planes, of brightness and two colours or of grey."""
        told = (*self.scan[-3:-1], self.scan[-1] >> 4)
        is_whole = told == (_FIRST if self.is_progressive else _WHOLE) and self.left_out <= 13 * self.is_progressive
        tables = self.frame[8::3]
        return (
            is_whole and self.scan[1:-3:2] == self.frame[6::3] and tables in (b"\0", b"\0\0\0", b"\0\1\1")
            and (len(tables) == 1 or self.has_brightness)
        )  # fmt: skip

    @property
    def has_brightness(self) -> bool:
        """Whether three planes are brightness and two colours, as decoders tell it."""
        if self.is_jfif or self.transform is None:
            return self.is_jfif or self.frame[6::3] != _OF_RGB
        return self.transform == 1


def averaged(data: bytes, header: Header) -> np.ndarray | None:
    """Return a JPEG's pixels at an eighth of its sides, as they lie in the file; None if that is left to others.

    Args:
        data: the whole file.
        header: what ``usual`` found in it.

    Returns:
        uint8 (height, width, 3), both sides divided by 8 and rounded up.
    """
    with _LOADING:  # all threads want them at once, and one warning is enough
        if not _are_loaded():
            return None
    try:
        outline = _outline(data)
        return _read(data, header, outline) if outline.is_read else None
    except (IndexError, KeyError, ValueError):  # segments that break off, tables that are not there or are none
        return None


@functools.cache
def _are_loaded() -> bool:
    """Return whether there are kernels in this process; if not, say so once."""
    try:
        import dedup_core.images.jpeg_kernels  # noqa: F401 - loads numba
    except Exception as error:  # noqa: BLE001 - a numba that doesn't fit numpy fails in many ways
        _LOG.warning(
            "no decoder of tiles can be compiled here (%s: %s): JPEGs are decoded further than they need be",
            type(error).__name__, error,
        )  # fmt: skip
        return False
    return True


def _outline(data: bytes) -> _Outline:
    found = _Outline()
    for marker, start, end in jpeg_segments(data):
        content = data[start + 4 : end]
        if marker in _SOF:
            found.frame, found.is_progressive = content, marker == 0xC2
        elif marker == _DHT:
            _add_tables(found.tables, content)
        elif marker == _DRI:
            found.interval = int.from_bytes(content[:2], "big")
        elif marker == _APP0 and content.startswith(b"JFIF\0"):
            found.is_jfif = True
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12:
            found.transform = content[11]
        elif marker == _SOS:
            found.scan, found.start = content, end
    return found


def _add_tables(tables: dict[int, bytes], segment: bytes) -> None:
    place = 0
    while place + 17 <= len(segment):
        end = place + 17 + sum(segment[place + 1 : place + 17])
        tables[segment[place]] = segment[place + 1 : end]
        place = end


@functools.lru_cache(maxsize=16)
def _tables(tables: tuple[bytes, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the looked-up form of tables as they stand in a file: how many codes of each length, and the symbols."""
    from dedup_core.images.jpeg_kernels import CHAIN_BITS, CODE_BITS, fill_chains, fill_codes  # loads numba

    codes = np.empty((len(tables), 1 << CODE_BITS), np.uint16)
    chains = np.empty((len(tables), 1 << CHAIN_BITS), np.uint32)
    for table, of_codes, of_chains in zip(tables, codes, chains, strict=True):
        lengths = np.repeat(np.arange(1, 17), list(table[:16]))
        symbols = np.frombuffer(table[16:], np.uint8)
        if len(lengths) != len(symbols) or sum(n << 16 - length for length, n in enumerate(table[:16], 1)) > 1 << 16:
            raise ValueError("no table of Huffman's codes")
        fill_codes(lengths, symbols, of_codes)
        fill_chains(of_codes, of_chains)
    return codes, chains


def _read(data: bytes, header: Header, outline: _Outline) -> np.ndarray | None:
    from dedup_core.images.jpeg_kernels import colours_of, read_averages

    samplings = [(value & 15, value >> 4) for value in outline.frame[7::3]] if outline.frame[5] == 3 else [(1, 1)]
    high, wide = samplings[0]
    rows, columns = -(-header.height // (8 * high)), -(-header.width // (8 * wide))
    per_part = outline.interval or rows * columns
    bits = _bits(data, outline, -(-rows * columns // per_part))
    if bits is None:
        return None
    planes = np.zeros((3, rows * high, columns * wide), np.int32)
    shape = rows, columns, per_part, not outline.is_progressive
    numbers, tables = _tables_of(outline)
    if not read_averages(*bits, _tiles(samplings, numbers), tables, shape, planes):
        return None
    if outline.left_out:
        planes = (planes << outline.left_out) + (1 << outline.left_out - 1)
    pixels = np.empty((-(-header.height // TIMES), -(-header.width // TIMES), 3), np.uint8)
    smaller = np.log2([(high / of_plane[0], wide / of_plane[1]) for of_plane in (samplings * 3)[:3]]).astype(np.int64)
    colours_of(planes, smaller, _steps(header, outline), pixels)
    return pixels


def _bits(data: bytes, outline: _Outline, n_parts: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a scan's bits as words, and where its parts begin; None if it breaks off or has other parts."""
    from dedup_core.images.jpeg_kernels import SPARE_WORDS, plain_bytes

    plain = np.zeros(-(-len(data) // 8) * 8 + 8 * SPARE_WORDS, np.uint8)
    starts = np.zeros(n_parts + 1, np.int64)
    end = plain_bytes(np.frombuffer(data, np.uint8), outline.start, plain, starts)
    if end < 0 or (data.find(_END, end) != end and not (outline.is_progressive and data.find(_END, end) >= 0)):
        return None
    words = plain[: starts[-1] // 8 * 8 + 8 * SPARE_WORDS].view(">u8").astype(np.uint64)
    return words, 8 * starts


def _tiles(samplings: list[tuple[int, int]], numbers: list[tuple[int, int]]) -> np.ndarray:
    """Return the tiles of a unit as `read_averages` takes them, by the tables of each plane."""
    return np.array([
        (plane, row, column, high, wide, *numbers[plane])
        for plane, (high, wide) in enumerate(samplings) for row in range(high) for column in range(wide)
    ])  # fmt: skip


def _tables_of(outline: _Outline) -> tuple[list[tuple[int, int]], tuple[np.ndarray, np.ndarray]]:
    """Return the numbers of the tables of each plane, for its averages and for all else, and the tables."""
    named = [(number >> 4, _OF_VALUES | number & 15) for number in outline.scan[2 : 2 + 2 * outline.frame[5] : 2]]
    if outline.is_progressive:
        named = [(of_averages, of_averages) for of_averages, _ in named]
    used = sorted({number for both in named for number in both})
    numbers = [(used.index(one), used.index(other)) for one, other in named]
    return numbers, _tables(tuple(outline.tables[number] for number in used))


def _steps(header: Header, outline: _Outline) -> np.ndarray:
    """Return what the averages of each plane are to be multiplied by; 0 for the colours of a grey picture."""
    luma, chroma = header.loss.luma[0], header.loss.chroma[0]
    if outline.frame[5] == 1:
        return np.array([luma, 0, 0])
    return np.array([luma, *(chroma if number else luma for number in outline.frame[11::3])])
