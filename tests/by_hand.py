"""Image files written by hand, with whatever a test wants in them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SHORT, LONG, FLOAT = 3, 4, 11


def soft(size=(64, 48), mode="RGB"):
    """Return a soft picture of many colours that is unlike itself in every turn."""
    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


# PNG


def chunk(kind, content, crc=None):
    """Return a PNG's chunk; its checksum is right unless one is given."""
    checksum = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(width, height, pixels=b"\0" * 10, colours=2, depth=8):
    """Return a PNG that declares any size, whatever it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def png_of_zeros(width, height, colours=0, depth=1):
    """Return a whole PNG, as small as it can be."""
    bits = width * depth * {0: 1, 2: 3}[colours]
    return png(width, height, bytes((1 + (bits + 7) // 8) * height), colours, depth)


def with_chunks(content, *chunks, at_end=False):
    """Return a PNG with more chunks, before its pixels or after them."""
    place = len(content) - 12 if at_end else 33
    return content[:place] + b"".join(chunks) + content[place:]


# JPEG


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def with_segments(content, *segments):
    """Return a JPEG with more segments right at its beginning."""
    return content[:2] + b"".join(segments) + content[2:]


def with_frame(content, marker=0xC0, bits=8, bands=None):
    """Return a JPEG that says that it is of another process, depth or number of bands."""
    place = content.index(b"\xff\xc0")
    end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    sides, components = content[place + 5 : place + 9], content[place + 10 : end]
    if bands is not None:
        components = b"".join(bytes([number, 0x11, 0]) for number in range(1, bands + 1))
    frame = segment(marker, bytes([bits]) + sides + bytes([len(components) // 3]) + components)
    return content[:place] + frame + content[end:]


# TIFF, and EXIF blocks, which are the same


def entry(tag, kind, *values):
    """Return an entry of a directory with its value in place: numbers of that kind, or four bytes as they are."""
    form = {SHORT: "H", LONG: "I", FLOAT: "f"}.get(kind)
    content = values[0] if form is None else struct.pack(f"<{len(values)}{form}", *values)
    return struct.pack("<HHI", tag, kind, len(values) if form else len(content)) + content.ljust(4, b"\0")


def exif(*entries):
    """Return an EXIF block with such entries."""
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(sorted(entries, key=_tag)) + bytes(4)


def turned(orientation):
    return entry(0x0112, SHORT, orientation)


def _tag(raw):
    return struct.unpack("<H", raw[:2])


def with_tags(content, *entries):
    """Return a little-endian TIFF with more tags, in a directory at its end."""
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    old = [content[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12)]
    both = sorted([*old, *entries], key=_tag)
    moved = content[:4] + struct.pack("<I", len(content)) + content[8:]
    return moved + struct.pack("<H", len(both)) + b"".join(both) + bytes(4)


def tiff(pixels, photometric=1, compression=1, order="<"):
    """Return a TIFF of (height, width, bands) of any dtype, uncompressed whatever it says."""
    height, width, bands = pixels.shape
    numbers = {"u": 1, "i": 2, "f": 3, "c": 6, "b": 1}[pixels.dtype.kind]
    lists = {258: [pixels.itemsize * 8] * bands, 339: [numbers] * bands}
    plain = {256: width, 257: height, 259: compression, 262: photometric, 277: bands, 278: height, 279: pixels.nbytes}
    start = 8 + 2 + 12 * (len(plain) + len(lists) + 1) + 4
    tails, places = b"", {}
    for tag, values in lists.items():
        packed = struct.pack(f"{order}{bands}H", *values)
        places[tag] = packed.ljust(4, b"\0") if bands <= 2 else struct.pack(order + "I", start + len(tails))
        tails += packed if bands > 2 else b""
    plain[273] = start + len(tails)
    raws = {tag: struct.pack(order + "HHII", tag, LONG, 1, value) for tag, value in plain.items()}
    raws |= {tag: struct.pack(order + "HHI", tag, SHORT, bands) + places[tag] for tag in lists}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(raws))
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    return head + b"".join(raws[tag] for tag in sorted(raws)) + bytes(4) + tails + body


# WebP, GIF, ICO


def riff(*chunks):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(kind, content, length=None):
    size = len(content) if length is None else length
    return kind + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def webp(flags, *after, image=None):
    """Return a WebP of the extended kind, with more chunks after its pixels."""
    plain = saved(image or soft(), "WEBP", lossless=True)
    size = struct.pack("<I", 63)[:3] + struct.pack("<I", 47)[:3]
    return riff(riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size), plain[12:], *after)


def with_extensions(content, *extensions):
    """Return a GIF with more extensions before its first picture."""
    place = 13 + (3 << (content[10] & 7) + 1)
    return content[:place] + b"".join(extensions) + content[place:]


def ico_around(content):
    """Return an icon that declares 16 x 16 pixels and holds an image file of any size."""
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 22) + content
