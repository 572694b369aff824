"""What a decode costs: ours, exact and fast, beside bare decoders, and what one hash of it costs in all.

    python benchmarks/decode.py [--photographs FOLDER] [--count 40] [--rounds 5] [--large 4000 3000]

Of each of two sizes, photographs as they are in FOLDER (JPEG) and one of them enlarged, with noise, to so many pixels.
Times are those of the processor, the least of several rounds, which alternate between all decoders; ratios are to
Pillow's bare decode, and of fast to exact.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from dedup_core.corpus.photographs import installed_photographs
from dedup_core.encoders.encoder import Decoding, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images import jpeg
from dedup_core.images.decoding import decode, decode_coarsely
from dedup_core.images.jpeg_header import usual
from dedup_core.images.resizing.small import expect

FAST = Decoding(mode="fast")
PHASH = ENCODERS["phash"].encoder()
Way = Callable[[Sequence[bytes]], object]


def each(decoder: Callable[[bytes], object]) -> Way:
    return lambda contents: [None for content in contents if decoder(content) is None]


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def by_opencv() -> dict[str, Way]:
    """Return OpenCV's decode, where it is installed."""
    try:
        import cv2
    except ImportError:
        return {}
    cv2.setNumThreads(1)
    kind = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return {"OpenCV": each(lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), kind))}


WAYS: dict[str, Way] = {
    "Pillow": each(by_pillow),
    "simplejpeg": each(lambda content: simplejpeg.decode_jpeg(content, "RGB")),
    "ours, exact": each(decode),
    "ours, fast": each(lambda content: decode_coarsely(content, PHASH.coarse_side or 0)),
    "phash, exact": lambda contents: encode_batch(contents, [PHASH]),
    "phash, fast": lambda contents: encode_batch(contents, [PHASH], FAST),
}


def least_times(contents: Sequence[bytes], ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Return the least processor time of each way, in milliseconds a picture."""
    times = dict.fromkeys(ways, float("inf"))
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way(contents)
            if number:  # the first round loads and compiles
                times[name] = min(times[name], 1000 * (time.process_time() - start) / len(contents))
    return times


def enlarged(content: bytes, size: tuple[int, int]) -> bytes:
    """Return a photograph at another size, with noise as cameras have it: without, its files would be small."""
    pixels = np.asarray(decode(content).image.resize(size, Image.Resampling.LANCZOS), np.int16)
    noise = np.random.default_rng(0).normal(0, 6, (*pixels.shape[:2], 1)).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def usual_jpegs(folder: Path | None, count: int) -> list[bytes]:
    """Return JPEGs of a folder, or photographs of installed packages made such."""
    paths = sorted(folder.iterdir()) if folder else installed_photographs()
    contents = [path.read_bytes() for path in paths[:count]]
    if folder is None:
        contents = [enlarged(content, (512, 384)) for content in contents]
    return [content for content in contents if usual(content)]


def apart(contents: Sequence[bytes]) -> np.ndarray:
    """Return by how many bits the fast hash of each picture differs from the exact one."""
    exact, fast = encode_batch(contents, [PHASH]), encode_batch(contents, [PHASH], FAST)
    pairs = zip(exact, fast, strict=True)
    return np.array([int(one.features["phash"] ^ other.features["phash"]).bit_count() for one, other in pairs])


def table(contents: Sequence[bytes], rounds: int) -> list[str]:
    """Return the lines of one size."""
    headers = [header for content in contents if (header := usual(content))]
    pixels, size = np.mean([one.width * one.height for one in headers]), np.mean([len(content) for content in contents])
    times = least_times(contents, WAYS | by_opencv(), rounds)
    lines = [f"{len(contents)} JPEGs of {pixels / 1e6:.2f} MP, {size / 1e3:,.0f} KB each", ""]
    lines += ["| | ms | Pillow's bare decode, times faster |", "|---|---:|---:|"]
    lines += [f"| {name} | {took:.2f} | {times['Pillow'] / took:.2f} |" for name, took in times.items()]
    for kind in ("ours", "phash"):
        lines.append(f"| {kind}: fast, times exact | | {times[f'{kind}, exact'] / times[f'{kind}, fast']:.2f} |")
    bits = apart(contents)
    return [
        *lines,
        f"| bits apart, median and 99th percentile | {np.median(bits):.0f} | {np.percentile(bits, 99):.0f} |",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of JPEGs (default: photographs of installed packages)")
    parser.add_argument("--count", type=int, default=40, help="how many of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, nargs=2, default=(4000, 3000), help="width and height of the large one")
    given = parser.parse_args(arguments)
    contents = usual_jpegs(given.photographs, given.count)
    expect(n_images=1_000_000, sizes=[(32, 32)])
    print(f"decoder: {jpeg.decoder()}")
    for some in (contents, [enlarged(contents[0], tuple(given.large))]):
        print("\n" + "\n".join(table(some, given.rounds)))


if __name__ == "__main__":
    main()
