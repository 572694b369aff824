"""Run the pipeline over growing numbers of small pictures, and tell the memory: it should stay. On Linux alone.

    python benchmarks/many_images.py [--sizes 10000 30000 100000] [--driver-memory 1g]

The pictures are of 64 pixels, made by code, a tenth of them copies of others in another quality. Memory is that of all
processes together, by PSS.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.process_tree import Measured, measured

ROOT = Path(__file__).resolve().parents[1]
A_FOLDER = 1000
COPY_EVERY = 10


def fill(folder: Path, images: int) -> None:
    """Make so many pictures, a thousand in each folder."""
    chance = np.random.default_rng(0)
    picture = Image.new("RGB", (64, 64))
    for number in range(images):
        place = folder / f"{number // A_FOLDER:03}"
        place.mkdir(parents=True, exist_ok=True)
        is_copy = number % COPY_EVERY == 1
        if not is_copy:
            colours = chance.integers(0, 256, (8, 8, 3), np.uint8)
            picture = Image.fromarray(colours).resize((64, 64), Image.Resampling.BICUBIC)
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=60 if is_copy else 90)
        (place / f"{number:07}.jpg").write_bytes(written.getvalue())


def over(images: int, driver_memory: str) -> Measured:
    """Run the pipeline over so many pictures."""
    with tempfile.TemporaryDirectory() as place:
        fill(Path(place, "images"), images)
        job = [str(ROOT / "jobs/pipeline.py"), "--input", f"{place}/images", "--output", f"{place}/out"]
        options = ["--driver-memory", driver_memory]
        command = [str(ROOT / "spark-submit.sh"), *options, *job, "--method", "phash", "--no-report"]
        return measured(command, Path(place, "log"), 0.5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--driver-memory", default="1g")
    given = parser.parse_args(arguments)
    for images in given.sizes:
        took = over(images, given.driver_memory)
        driver, workers, whole = (held / 1e9 for held in (took.peak.driver, took.peak.workers, took.peak.whole))
        print(
            f"{images:>9,} images: {took.seconds:6.0f} s, {took.core_seconds:6.0f} s of cores, at most {whole:.2f} GB "
            f"(Java and the driver {driver:.2f}, workers {workers:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
