"""Time the Hamming join on codes that are far from uniform: hashes of crops and edits, and codes made to hurt.

    DEDUP_EXTRAS=bench ./spark-submit.sh --exec python benchmarks/skew.py [--photographs FOLDER] [--images 5000]

Hashes: crops and edits of photographs (those of installed packages, or a folder of yours), with flat, dark and blank
pictures among them, by each method. A join can't take less time than its pairs, so what counts is the time a pair and
how many pairs were looked at a second: n (n - 1) / 2 of them over the seconds, beside FAISS flat's own.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
from hamming import seconds, time_flat, warm_up
from PIL import Image, ImageEnhance, ImageOps

from dedup_core.corpus.photographs import installed_photographs
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.hamming import self_join_blocks
from dedup_core.metric import HAMMING

DISTANCE = 10


def crops_and_edits(photographs: list[Path], images: int, seed: int = 0) -> Iterator[bytes]:
    """Yield JPEG files: crops of half to all of a photograph, some edited; one picture in twenty is nearly flat."""
    random = np.random.default_rng(seed)
    opened = [Image.open(path).convert("RGB") for path in photographs]
    for picture in opened:
        picture.thumbnail((512, 512))
    edits: list[Callable[[Image.Image], Image.Image]] = [
        lambda picture: picture,
        ImageOps.grayscale,
        lambda picture: ImageEnhance.Brightness(picture).enhance(0.4),
        lambda picture: ImageEnhance.Contrast(picture).enhance(1.6),
        lambda picture: picture.resize((96, 96)),
    ]
    for number in range(images):
        if number % 20 == 0:
            value = int(random.integers(0, 256))
            made = Image.fromarray(random.integers(value, value + 2, (64, 64)).clip(0, 255).astype(np.uint8))
        else:
            picture = opened[int(random.integers(len(opened)))]
            share = random.uniform(0.5, 1.0)
            width, height = (max(8, int(side * share)) for side in picture.size)
            left = int(random.integers(picture.width - width + 1))
            top = int(random.integers(picture.height - height + 1))
            made = edits[int(random.integers(len(edits)))](picture.crop((left, top, left + width, top + height)))
        file = io.BytesIO()
        made.save(file, "JPEG", quality=int(random.integers(40, 96)))
        yield file.getvalue()


def made_to_hurt(size: int) -> dict[str, np.ndarray]:
    """Return codes, uint64 (size,), that leave a band nothing to divide by, or all too much."""
    random = np.random.default_rng(0)

    def uniform() -> np.ndarray:
        return random.integers(0, 2**64, size, dtype=np.uint64)

    def quarter() -> np.ndarray:
        return uniform() & uniform()

    order = np.argsort(random.random((size, 63)), axis=1)[:, :32].astype(np.uint64)
    ends = random.choice(np.array([0, 2**64 - 1], np.uint64), size)
    return {
        "constant": np.full(size // 100, 7, np.uint64),  # every pair is one
        "two bands all zero": uniform()[: size // 10] & np.uint64(0xFFFF_0000_FFFF_0000),  # one pair in 40 is one
        "two clusters": ends ^ quarter(),
        "33 bits of 64, one fixed": np.bitwise_or.reduce(np.uint64(1) << order, axis=1) | np.uint64(1 << 63),
    }


def measure(name: str, codes: np.ndarray) -> None:
    """Print a row of the table."""
    pairs: list[int] = []
    ours = seconds(lambda: pairs.append(sum(map(len, self_join_blocks(codes, DISTANCE)))))
    flat = time_flat(codes, DISTANCE)
    looked_at = len(codes) * (len(codes) - 1) / 2
    print(
        f"| {name} | {len(codes):,} | {len(np.unique(codes)):,} | {pairs[0]:,} | {ours:.3f} "
        f"| {looked_at / ours / 1e9:.1f} | {flat / ours:,.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photographs", type=Path, help="a folder of JPEG files (.jpg, .JPEG) (default: of installed packages)"
    )
    parser.add_argument("--images", type=int, default=5_000, help="crops and edits to hash")
    parser.add_argument("--codes", type=int, default=1_000_000, help="codes of each made-up set")
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    warm_up()
    photographs = sorted(given.photographs.glob("*.[jJ]*")) if given.photographs else installed_photographs()
    hashes = [method.encoder() for method in ENCODERS.values() if method.metric is HAMMING]
    encoded = encode_batch(crops_and_edits(photographs, given.images), hashes)
    print(f"{given.images:,} crops and edits of {len(photographs)} photographs; one thread, distance {DISTANCE}\n")
    print("| codes | n | distinct | pairs | ours (s) | pairs looked at, 1e9/s | FAISS flat / ours |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for method in hashes:
        measure(method.name, np.array([image.features[method.name] for image in encoded], np.uint64))
    for name, codes in made_to_hurt(given.codes).items():
        measure(name, codes)


if __name__ == "__main__":
    main()
