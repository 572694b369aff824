"""Metadata that may not decide about pixels: of all of it the orientation is read, and the rest can be left out.

Pure functions of bytes. Whatever stands in them, none of these raises.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

ORIENTATION = 0x0112
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_MOST_NUMBERS = 2**20
_OF_PIXELS = frozenset(
    [254, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 338,
     339, 347, *range(512, 522), 529, 530, 531, 532, 50674]
)  # fmt: skip
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"


class Entry(NamedTuple):
    """An entry of a directory: its kind of numbers, how many there are, and its bytes as they stand in the file."""

    kind: int
    n: int
    raw: bytes


@dataclass(frozen=True)
class Directory:
    """The first directory of a TIFF, or of an EXIF block, which has the same form.

    Attributes:
        data: the whole file or block.
        order: "<" or ">", as ``struct`` has it.
        is_big: whether offsets have 64 bits (BigTIFF).
        start: where it begins.
        is_whole: whether all its entries lie within the data.
        entries: by tag; of a tag that stands twice the first.
    """

    data: bytes
    order: str
    is_big: bool
    start: int
    is_whole: bool
    entries: dict[int, Entry]

    def numbers(self, tag: int) -> tuple[int, ...] | None:
        """Return a tag's whole numbers, or a million of them: none if it has none, None if they lie beyond the end."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return ()
        form = f"{self.order}{min(entry.n, _MOST_NUMBERS)}{_INTEGERS[entry.kind]}"
        field = entry.raw[12:] if self.is_big else entry.raw[8:]
        if struct.calcsize(form) <= len(field):
            return struct.unpack_from(form, field)
        (place,) = struct.unpack(self.order + ("Q" if self.is_big else "I"), field)
        return struct.unpack_from(form, self.data, place) if place + struct.calcsize(form) <= len(self.data) else None


def directory(data: bytes) -> Directory | None:
    """Return the first directory of a TIFF or of an EXIF block, as far as it is there; None if it is no such thing."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    is_big = data[2:4] in (b"+\0", b"\0+")
    if not order or len(data) < 16 or not (is_big or data[2:4] in (b"*\0", b"\0*")):
        return None
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    counted, width = ("Q", 20) if is_big else ("H", 12)
    first = start + struct.calcsize(f"={counted}")
    if first > len(data):
        return Directory(data, order, is_big, start, False, {})
    (count,) = struct.unpack_from(order + counted, data, start)
    n_there = min(count, (len(data) - first) // width)
    entries: dict[int, Entry] = {}
    for place in range(first, first + n_there * width, width):
        tag, kind, n = struct.unpack_from(order + ("HHQ" if is_big else "HHI"), data, place)
        entries.setdefault(tag, Entry(kind, n, data[place : place + width]))
    return Directory(data, order, is_big, start, n_there == count, entries)


def orientation(exif: bytes) -> int:
    """Return how an EXIF block says that the picture is to be turned, 1 to 8; 1, as stored, if it says nothing sound.

    No other tag is looked at: nothing else in the block can cost the picture, or the turn.
    """
    found = directory(re.sub(rb"^(Exif\0\0){1,2}", b"", exif))
    numbers = found.numbers(ORIENTATION) if found else ()
    return numbers[0] if numbers and len(numbers) == 1 and 1 <= numbers[0] <= 8 else 1


def without(data: bytes) -> bytes | None:
    """Return a file without what is ancillary to its first picture; an EXIF block keeps its orientation alone.

    Args:
        data: the whole file: PNG, JPEG, WebP, GIF, TIFF, AVIF or HEIF.

    Returns:
        A file with the same pixels; None if nothing is ancillary, or if the file's outline is broken.
    """
    outline = next((outline for begins, outline in _OUTLINES if re.match(begins, data, re.DOTALL)), None)
    try:
        plain = outline(data) if outline else None
    except (struct.error, IndexError):  # the outline breaks off
        return None
    return None if plain == data else plain


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield a JPEG's segments up to the first scan as (marker, start, end); ends early where one breaks off."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):  # junk is skipped, as decoders do
        marker = data[place + 1]
        if marker in (0x00, 0xFF):
            place += 1
            continue
        is_alone = marker == 0x01 or 0xD0 <= marker <= 0xD9
        end = place + 2 + (0 if is_alone else int.from_bytes(data[place + 2 : place + 4], "big"))
        if end > len(data):
            return
        yield marker, place, end
        if marker == 0xDA:
            return
        place = end


def _png(data: bytes) -> bytes | None:
    kept, place, colours = [data[:8]], 8, data[25]
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        content = data[place + 8 : place + 8 + length]
        if end > len(data) or not kind.isalpha():
            return None
        if kind[:1].isupper() or (kind == b"tRNS" and _is_sound_transparency(colours, data[place:end])):
            kept.append(data[place:end])
        elif kind == b"eXIf" and orientation(content) > 1:
            kept.append(_png_chunk(b"eXIf", _exif_of(orientation(content))))
        if kind == b"IEND":
            break
        place = end
    return b"".join(kept)


def _is_sound_transparency(colours: int, chunk: bytes) -> bool:
    fits = {0: len(chunk) == 14, 2: len(chunk) == 18, 3: len(chunk) <= 268}.get(colours, False)
    return fits and _png_chunk(b"tRNS", chunk[8:-4]) == chunk


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _jpeg(data: bytes) -> bytes | None:
    kept, exif, marker, end = [data[:2]], b"", 0, 2
    for marker, start, end in jpeg_segments(data):
        content = data[start + 4 : end]
        if 0xD8 <= marker <= 0xD9:  # another file's: a segment is not as long as it says
            return None
        if marker == 0xE1 and content.startswith(_EXIF):
            exif += content[6:]
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or _tells_colours(marker, content):
            kept.append(data[start:end])
    if marker != 0xDA or data.find(b"\xff\xd9", end) < 0:  # the pixels break off
        return None
    if orientation(exif) > 1:
        block = _EXIF + _exif_of(orientation(exif))
        kept.insert(1, b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
    return b"".join([*kept, data[end:]])


def _tells_colours(marker: int, content: bytes) -> bool:
    """Return whether a segment tells decoders which colours a JPEG has: as long as these want it to be."""
    jfif = marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14
    return jfif or (marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12)


def _webp(data: bytes) -> bytes | None:
    size = struct.unpack_from("<I", data, 4)[0] + 8
    if size > len(data):
        return None
    kept, place, turn = [], 12, 1
    while place + 8 <= size:
        kind, length = struct.unpack_from("<4sI", data, place)
        end = place + 8 + length + length % 2
        if kind == b"EXIF":
            turn = orientation(data[place + 8 : min(end, size)])
        elif kind in (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"):
            kept.append(data[place:end])
        place = end
    if kept and kept[0].startswith(b"VP8X"):
        flags = kept[0][8] & ~0b101100 | (0b1000 if turn > 1 else 0)  # neither profile nor XMP, and EXIF as it is now
        kept[0] = kept[0][:8] + bytes([flags]) + kept[0][9:]
        if turn > 1:
            block = _exif_of(turn)
            kept.append(b"EXIF" + struct.pack("<I", len(block)) + block)
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(data: bytes) -> bytes | None:
    place = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    kept = [data[:place]]
    while data[place] == 0x21:  # an extension: a comment, a text, an application's, or one about transparency
        start, place = place, place + 2
        while data[place]:
            place += 1 + data[place]
        place += 1
        if data[start + 1] == 0xF9 and data[start + 2] == 4 and place - start == 8:
            kept.append(data[start:place])
    return b"".join([*kept, data[place:]])


def _tiff(data: bytes) -> bytes | None:
    found = directory(data)
    if found is None or not found.is_whole:
        return None
    kept = [entry.raw for tag, entry in sorted(found.entries.items()) if tag in _OF_PIXELS and _is_kept(found, tag)]
    count = struct.pack(found.order + ("Q" if found.is_big else "H"), len(kept))
    written = count + b"".join(kept) + bytes(8 if found.is_big else 4)  # no other directory follows
    return b"".join([data[: found.start], written, data[found.start + len(written) :]])


def _is_kept(found: Directory, tag: int) -> bool:
    return tag != ORIENTATION or found.numbers(tag) in [(turn,) for turn in range(1, 9)]


def _isobmff(data: bytes) -> bytes | None:
    """Give the items that hold EXIF a kind that nobody reads: how such a picture lies is told elsewhere."""
    return re.sub(rb"(infe(?:\x02.{3}.{4}|\x03.{3}.{6}))Exif", rb"\1Fixe", data, flags=re.DOTALL)


def _exif_of(turn: int) -> bytes:
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, ORIENTATION, 3, 1, turn) + bytes(4)


_OUTLINES: tuple[tuple[bytes, Callable[[bytes], bytes | None]], ...] = (
    (re.escape(_PNG), _png), (rb"\xff\xd8\xff", _jpeg), (b"RIFF....WEBP", _webp), (b"GIF8[79]a", _gif),
    (rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0", _tiff), (b"....ftyp(avi|hei|hev|m[is]f1)", _isobmff),
)  # fmt: skip
