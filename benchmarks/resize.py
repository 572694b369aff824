"""Time what making a picture small costs, beside Pillow and beside the decode of the same picture, in one process.

    python benchmarks/resize.py                            # photographs of 0.2, 2 and 12 megapixels; a minute
    NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma python benchmarks/resize.py     # as on a processor of AVX2
    python benchmarks/resize.py --small                    # for CI

Milliseconds are of process time, the least of some rounds, in which Pillow, the decoder and the kernels take turns.
Everything that is made is compared with Pillow's, bit for bit.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence

import numpy as np
from numba import config
from PIL import Image
from skimage import data

from dedup_core.images.decoding import decode
from dedup_core.images.picture import Picture
from dedup_core.images.resizing import kernels, pillow
from dedup_core.images.resizing.small import LOOK
from dedup_core.images.resizing.wanted import LANCZOS, Wanted

FOUR = [Wanted(size, LANCZOS) for size in ((32, 32), (8, 8), (9, 8), (256, 256))]
WANTED = {"four sizes and the look": [*FOUR, LOOK], "one size (32 x 32) and the look": [FOUR[0], LOOK],
          "the look": [LOOK]}  # fmt: skip
SHAPES = {0.2: (500, 375), 2.0: (1632, 1224), 12.0: (4000, 3000)}
QUALITY = 90


def photograph(shape: tuple[int, int], is_upright: bool = False) -> bytes:
    """Return a photograph of a shape as a JPEG."""
    image = Image.fromarray(data.astronaut()).resize(shape, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    (image.transpose(Image.Transpose.ROTATE_90) if is_upright else image).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def fastest(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return each one's milliseconds of process time: they take turns, and the least of the rounds counts."""
    least = [float("inf")] * len(works)
    for _ in range(rounds):
        for k, work in enumerate(works):
            start = time.process_time()
            work()
            least[k] = min(least[k], (time.process_time() - start) * 1000)
    return least


def compared(content: bytes, rounds: int) -> list[str]:
    """Return a line a set of sizes: our milliseconds, Pillow's times ours, and our share of the decode."""
    picture = decode(content)
    if not isinstance(picture, Picture):
        raise ValueError(picture.message)
    pixels, image = picture.pixels, picture.image
    lines = []
    for name, wanted in WANTED.items():
        for made, expected in zip(kernels.made_small(pixels, wanted), pillow.made_small(image, wanted), strict=True):
            np.testing.assert_array_equal(made, expected)
        works = (lambda: decode(content), lambda w=wanted: pillow.made_small(image, w),
                 lambda w=wanted: kernels.made_small(pixels, w))  # fmt: skip
        decoded, by_pillow, ours = fastest(works, rounds)
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        lines.append(
            f"| {size} | {name} | {ours:.3f} | {by_pillow / ours:.1f} | {decoded:.2f} | {ours / decoded:.2f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="one round of the smallest photographs")
    parser.add_argument("--megapixels", type=float, nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=60, help="at 0.2 megapixels; fewer of larger ones")
    arguments = parser.parse_args()
    print(f"kernels compiled for {config.CPU_NAME or 'this processor'} {config.CPU_FEATURES or ''}")
    print("| pixels | made | ms | Pillow's times ours | decode, ms | share of the decode |\n|---|---|---|---|---|---|")
    for megapixels in [0.2] if arguments.small else arguments.megapixels:
        rounds = 1 if arguments.small else max(5, round(arguments.rounds * 0.2 / megapixels))
        for is_upright in (False, True):
            print("\n".join(compared(photograph(SHAPES[megapixels], is_upright), rounds)))


if __name__ == "__main__":
    main()
