"""Encode files that were made to hurt, and tell what became of them, in how much memory and time. On Linux alone.

    python benchmarks/hostile.py [--files 10000] [--bombs 12] [--seed 0] [--folder FOLDER]

Files of every format that Pillow writes, in every mode, and these cut, flipped bit by bit, with fields of their headers
set to extremes, and joined; pictures of nearly as many pixels as are allowed, and of more; JPEGs of thousands of scans,
animations of thousands of frames, chains of chunks; broken EXIF and colour profiles; names of every kind; links, to
files, to folders, to nothing and to themselves; pipes, sockets, and folders that are called like images.

Each listed name must end in the features, as a further name of an image, or in the failures: else the benchmark fails.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import socket
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.process_tree import measured
from dedup_core.errors import tally
from dedup_core.images.names import readable
from dedup_core.images.picture import MAX_PIXELS

SIDE = 13_900  # of a bomb: 193 million pixels, of 200 that are allowed
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "PCX", "TGA", "SGI", "ICO", "JPEG2000", "AVIF", "DIB", "MPO",
    "EPS", "PDF", "IM", "MSP", "SPIDER", "XBM", "DDS",
)  # fmt: skip
MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
NAMES = (
    b"line\nbreak.png", b"\xff\xfe not utf-8.jpg", b"tab\t.png", b" spaces .png", b"%41%00.png", b"a*[b]?.jpg",
    "\u202egnp.png".encode(), "👩‍👩‍👧 🐈.png".encode(), "é.png".encode(), "e\u0301.png".encode(), b"back\\slash.png",
    b"'quotes\".png", b"-rf.png", b"=1+1.csv", b"x" * 251 + b".png", b"no ending", b"\x01\x7f.png", b"NUL.png",
    b"$HOME.png",
)  # fmt: skip
COLOURS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG's kind: its samples a pixel

Maker = Callable[[random.Random], bytes]


# Sound files


def sound(chance: random.Random) -> bytes:
    """Return a picture of any format and mode; if Pillow won't write the two together, of another."""
    while True:
        form, mode = chance.choice(FORMATS), chance.choice(MODES)
        try:
            return saved(drawn(chance, mode), form)
        except Exception:  # noqa: BLE001 - writers refuse in many ways
            continue


def drawn(chance: random.Random, mode: str) -> Image.Image:
    size = chance.randint(1, 90), chance.randint(1, 90)
    pixels = np.random.default_rng(chance.getrandbits(32)).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size)
    if mode in ("I;16", "I", "F"):
        return Image.fromarray(np.asarray(image.convert("L")).astype({"I;16": "u2", "I": "i4", "F": "f4"}[mode]) * 200)
    return Image.merge("LAB", image.split()) if mode == "LAB" else image.convert(mode)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


# What is done to them


def cut(chance: random.Random) -> bytes:
    content = sound(chance)
    return content[: chance.randrange(len(content))]


def flipped(chance: random.Random) -> bytes:
    content = bytearray(sound(chance))
    for _ in range(chance.choice((1, 2, 8, 64))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def extreme_fields(chance: random.Random) -> bytes:
    """Set one to eight bytes near each other, mostly in the header."""
    content = bytearray(sound(chance))
    start = chance.randrange(min(len(content), chance.choice((64, 64, 1024))))
    length = chance.choice((1, 2, 4, 8))
    content[start : start + length] = bytes([chance.choice(EXTREMES)]) * length
    return bytes(content)


def joined(chance: random.Random) -> bytes:
    one, other = sound(chance), sound(chance)
    return one[: chance.randrange(len(one))] + other[chance.randrange(len(other)) :]


def noise(chance: random.Random) -> bytes:
    begins = chance.choice((b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF\0\0\1\0WEBPVP8 "))
    return begins + chance.randbytes(chance.choice((0, 1, 16, 300, 5000)))


# What one format allows


def png(width: int, height: int, colours: int, depth: int, rows: Iterator[bytes], before: bytes = b"") -> bytes:
    """Return a PNG of a flat picture, whatever its size: its rows are never held together."""
    packer = zlib.compressobj(1)
    packed = b"".join(map(packer.compress, rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(48))) if colours == 3 else b""
    parts = (chunk(b"IHDR", header), before, palette, chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(number: int) -> bytes:
    """Return a picture of nearly as many pixels as are allowed: of each kind of PNG in turn."""
    kinds = [(6, 8), (2, 8), (3, 8), (4, 8), (0, 16), (0, 8), (2, 16), (0, 1)]
    colours, depth = kinds[number % len(kinds)]
    row = b"\0" + bytes([number % 16]) * -(-SIDE * COLOURS[colours] * depth // 8)
    return png(SIDE, SIDE, colours, depth, (row for _ in range(SIDE)))


def too_large(chance: random.Random) -> bytes:
    """Declare more pixels than are allowed, or a side beyond all measure."""
    sides = [(2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (MAX_PIXELS, 2), (600_000, 3), (65_500, 65_500)]
    return png(*chance.choice(sides), 2, 8, iter([bytes(5000)]))


def chain(chance: random.Random) -> bytes:
    """Return a PNG behind thousands of chunks of text, some of which unpack to megabytes."""
    text = chance.choice((chunk(b"tEXt", b"a\0b"), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20)))))
    rows = (bytes([0, *chance.randbytes(30)]) for _ in range(10))
    return png(10, 10, 2, 8, rows, text * chance.choice((10, 300, 3000)))


def scans(chance: random.Random) -> bytes:
    """Return a progressive JPEG, one of its scans written hundreds or thousands of times."""
    content = saved(drawn(chance, "RGB").resize((800, 600)), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * chance.choice((5, 150, 4000)) + content[-2:]


def animated(chance: random.Random) -> bytes:
    """Return an animation of up to thousands of frames, of one colour or of many."""
    n_frames = chance.choice((2, 50, 101, 3000))
    frames = [Image.new("L", (40, 30), number % 250) for number in range(n_frames)]
    form = chance.choice(("GIF", "GIF", "PNG"))
    return saved(frames[0], form, save_all=True, append_images=frames[1:])


def odd_metadata(chance: random.Random) -> bytes:
    """Return a picture with EXIF and a colour profile that are noise, cut, or of endless directories."""
    blocks = chance.randbytes(200), b"II*\0\x08\0\0\0" + b"\xff" * 60, b"MM\0*\0\0\0\x08\0\1" + bytes(12)
    form = chance.choice(("JPEG", "PNG", "WEBP"))
    options = {"icc_profile": chance.randbytes(chance.choice((1, 130, 5000)))}
    return saved(drawn(chance, "RGB"), form, exif=b"Exif\0\0" + chance.choice(blocks), **options)


MAKERS: tuple[tuple[Maker, int], ...] = (
    (sound, 20), (cut, 20), (flipped, 20), (extreme_fields, 20), (joined, 8), (noise, 4), (too_large, 2), (chain, 1),
    (scans, 1), (animated, 1), (odd_metadata, 4),
)  # fmt: skip
"""And how many of each are made, of 101."""


def write_files(folder: Path, count: int, n_bombs: int, seed: int) -> None:
    """Write so many files with contents, and what else can lie in a folder."""
    chance = random.Random(seed)
    makers, weights = zip(*MAKERS, strict=True)
    folder.mkdir(parents=True)
    for number in range(count):
        (maker,) = chance.choices(makers, weights)
        place = folder / f"{number % 10}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06}-{maker.__name__}.png").write_bytes(maker(chance))
    for number in range(n_bombs):
        (folder / f"bomb-{number}.png").write_bytes(bomb(number))
    write_names(folder, chance)


def write_names(folder: Path, chance: random.Random) -> None:
    """Write files of odd names, and what bears an image's name and is none."""
    odd = os.fsencode(folder / "names")
    os.mkdir(odd)
    for name in NAMES:
        with open(os.path.join(odd, name), "wb") as file:
            file.write(saved(drawn(chance, "RGB"), "PNG"))
    (folder / "link.png").symlink_to("names/no ending")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "to a folder.png").symlink_to("names", target_is_directory=True)
    os.link(folder / "names" / "no ending", folder / "hard link.png")
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "inside.png").write_bytes(saved(drawn(chance, "RGB"), "PNG"))
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket may have but a hundred bytes
        try:
            listening.bind("socket.png")
        finally:
            os.chdir(here)


# What became of them


def listed(folder: Path) -> set[str]:
    """Return every name that is no folder, nor a link to one, as the tables spell it."""
    names = set()
    for place, _, files in os.walk(folder):
        names |= {readable(os.path.relpath(os.path.join(place, name), folder)) for name in files}
    return names


def told(output: Path) -> tuple[list[str], Counter[str], Counter[str]]:
    """Return the names that features and failures have, and how many failures have each reason, or crashed how."""
    features = pq.read_table(output / "features", columns=["path", "other_names"]).to_pylist()
    failures = pq.read_table(output / "failures", columns=["path", "reason", "message"]).to_pylist()
    names = [row["path"] for row in features + failures]
    names += [name for row in features for name in row["other_names"] or ()]
    crashed = Counter(row["message"] for row in failures if row["reason"] == "crashed_decoder")
    return names, Counter(row["reason"] for row in failures), crashed


def lines(folder: Path, given: argparse.Namespace) -> Iterator[str]:
    """Yield what is measured.

    Raises:
        SystemExit: if a name is lost, or said twice.
    """
    images, output = folder / "images", folder / "out"
    write_files(images, given.files, given.bombs, given.seed)
    expected = listed(images)
    yield f"{len(expected):,} names, {given.bombs} pictures of {SIDE * SIDE / 1e6:.0f} MP among them"
    java = f"PYSPARK_SUBMIT_ARGS=--driver-memory {given.driver_memory} pyspark-shell"
    command = [
        "env",
        java,
        sys.executable,
        "-m",
        "dedup_core",
        "encode",
        "--input",
        str(images),
        "--output",
        str(output),
    ]
    taken = measured(command, folder / "log", every=0.5)
    names, reasons, crashed = told(output)
    if len(names) != len(set(names)) or set(names) != expected:
        lost, strange = expected - set(names), set(names) - expected
        raise SystemExit(f"{len(names):,} names in the tables; lost {sorted(lost)[:5]}, strange {sorted(strange)[:5]}")
    yield f"  {len(names) - reasons.total():,} with features, {reasons.total():,} failed: {tally(reasons)}"
    yield from (f"  crashed: {count} x {message}" for message, count in crashed.items())
    peak = taken.peak
    figures = f"all {peak.whole / 1e9:.2f} GB, workers {peak.workers / 1e9:.2f}, JVM and driver {peak.driver / 1e9:.2f}"
    yield f"  {taken.seconds:.0f} s, {taken.core_seconds:.0f} s of a core; at most {figures}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--bombs", type=int, default=12, help="pictures of nearly as many pixels as are allowed")
    parser.add_argument("--driver-memory", default="1g", help="of Java, beside which Python decodes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="an empty one, where files and tables are left")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as passing:
        for line in lines(given.folder or Path(passing) / "hostile", given):
            print(line, flush=True)


if __name__ == "__main__":
    main()
