"""Images a second of the Spark encoding job, against a plain pool of as many processes doing the same work.

    python benchmarks/encode.py [--photographs FOLDER] [--images 2000] [--rounds 3] [--cnn-weights FILE]

Both read the same files, decode them once and compute the same hashes, or with weights MobileNet's embeddings: the
same calls, on one core a process. Workers are warm on both sides: a first
round over a part of the files is not counted. Rounds alternate, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.encoders.encoder import Encoder, encode_batch
from dedup_core.encoders.network_file import load_network
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.picture import read
from dedup_core.metric import HAMMING
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.tasks import EncodePlan, encode_contents
from dedup_core.spark.session import session
from dedup_core.spark.tables import CONTENTS, conform

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has loaded TensorFlow hangs
BATCH = 64
HASHES = [name for name, method in ENCODERS.items() if method.metric is HAMMING]
MAX_BYTES = 1 << 28


@functools.cache
def encoders_of(weights: str | None) -> list[Encoder]:
    """Return what each process runs; a network is loaded once in it."""
    return [load_network(weights).opened(threads=1)] if weights else [ENCODERS[name].encoder() for name in HASHES]


def encode_files(paths: list[str], weights: str | None) -> int:
    """Encode some files, as a worker of the pool does."""
    return len(encode_batch((read(path, MAX_BYTES) for path in paths), encoders_of(weights)))


def collect_images(photographs: list[Path], count: int, folder: Path) -> list[str]:
    """Make edited copies until there are enough files."""
    files: list[str] = []
    for seed in range(count):
        make_corpus(photographs, list(EDITS.values())[:12], folder / str(seed), seed)
        files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
        if len(files) >= count:
            break
    return files[:count]


def pool_round(pool: ProcessPoolExecutor, files: list[str], weights: str | None) -> Callable[[], None]:
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    return lambda: _exhaust(pool.map(functools.partial(encode_files, weights=weights), batches), len(files))


def spark_round(spark, files: list[str], weights: str | None) -> Callable[[], None]:
    chosen = {"method": ("cnn",), "cnn_weights": weights} if weights else {"method": tuple(HASHES)}
    plan = EncodePlan.of(EncodeSettings(input="unused", output="unused", **chosen))
    named = spark.createDataFrame([(path, Path(path).as_uri()) for path in files], "path STRING, uri STRING")
    contents = conform(named, CONTENTS).repartition(-(-len(files) // 128)).cache()
    contents.count()
    return lambda: encode_contents(contents, plan).write.format("noop").mode("overwrite").save()


def _exhaust(counts, expected: int) -> None:
    if sum(counts) != expected:
        raise RuntimeError("the pool lost files")


def timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of photographs (default: those of installed packages)")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cnn-weights", help="encode by MobileNet with these weights instead of the hashes")
    given = parser.parse_args(arguments)
    photographs = sorted(given.photographs.iterdir()) if given.photographs else installed_photographs()
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with (
        tempfile.TemporaryDirectory() as folder,
        session("benchmark") as spark,
        ProcessPoolExecutor(workers, SPAWN) as pool,
    ):
        files = collect_images(photographs, given.images, Path(folder))
        weights = given.cnn_weights
        sides = {"pool": pool_round(pool, files, weights), "spark": spark_round(spark, files, weights)}
        for warm_up in (pool_round(pool, files[:256], weights), spark_round(spark, files[:256], weights)):
            warm_up()
        seconds = {name: [] for name in sides}
        for _ in range(given.rounds):
            for name, action in sides.items():
                seconds[name].append(timed(action))
    rates = {name: len(files) / statistics.median(times) for name, times in seconds.items()}
    what = "MobileNet's embeddings" if weights else "four hashes over one decode"
    print(f"{len(files):,} images, {what}, {workers} processes, median of {given.rounds} rounds")
    for name, rate in rates.items():
        print(f"  {name:<6} {rate:8.1f} images/s")
    print(f"  spark / pool = {rates['spark'] / rates['pool']:.2f}")


if __name__ == "__main__":
    main()
