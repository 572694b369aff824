"""How fast images are encoded: beside the bare decoder, beside imagededup, and in Spark beside a plain pool.

    python benchmarks/encode.py [--photographs FOLDER] [--images 5000] [--rounds 3] [--peer PEER/bin/python]
    python benchmarks/encode.py --cnn-weights FILE

- The decoder: CPU of one thread for the decode alone, and for the decode with one hash and with all four.
- One machine, with `--peer`: our API and imagededup's, from process start, on two cores (see `one_machine.py`).
- Spark beside a pool of as many processes: the same files and calls, on one core a process. Both are warm: a first
  round over all files is not counted. Rounds alternate, and the ratio is that of the medians, by the clock and by the
  time of the processor that all processes take, Java and this one among them. Take no more images than a pool encodes
  in a minute: after that Spark ends workers that have nothing to do.

With weights of MobileNet its embeddings take the place of the hashes, and only Spark and the pool are timed.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import one_machine
from benchmarks.process_tree import core_seconds
from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.encoders.encoder import Encoder, encode_batch
from dedup_core.encoders.network_file import load_network
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.decoding import decode
from dedup_core.images.jpeg import decoder
from dedup_core.images.picture import read
from dedup_core.metric import HAMMING
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.tasks import EncodePlan, encode_contents
from dedup_core.spark.session import session
from dedup_core.spark.tables import CONTENTS, conform
from dedup_core.workers import n_cores

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has loaded TensorFlow hangs
BATCH = 64
HASHES = tuple(name for name, method in ENCODERS.items() if method.metric is HAMMING)
MAX_BYTES = 1 << 28
IMAGES_A_TASK = 640  # as a run's tasks have once it knows what an image costs; the first ones have 128
HELD = 400  # files whose content the bare decoder is given

Methods = tuple[str, ...]
Action = Callable[[], object]
Time = TypeVar("Time", float, np.ndarray)


@functools.cache
def encoders_of(methods: Methods, weights: str | None) -> list[Encoder]:
    """Return what each process runs; a network is loaded once in it."""
    return [load_network(weights).opened(threads=1)] if weights else [ENCODERS[name].encoder() for name in methods]


def encode_files(paths: list[str], methods: Methods, weights: str | None) -> int:
    """Encode some files, as a worker of the pool does."""
    return len(encode_batch((read(path, MAX_BYTES) for path in paths), encoders_of(methods, weights)))


def collect_images(photographs: list[Path], count: int, folder: Path) -> list[str]:
    """Make edited copies, JPEGs all of them as photographs are, until there are enough files."""
    edits = [edit for edit in EDITS.values() if edit.ending == ".jpg"][:12]
    files: list[str] = []
    for seed in range(count):
        make_corpus(photographs, edits, folder / str(seed), seed)
        files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
        if len(files) >= count:
            break
    return files[:count]


# The decoder alone


def decoder_lines(files: list[str], rounds: int) -> Iterator[str]:
    """Yield CPU milliseconds an image, and how many times the bare decode that is."""
    contents = [Path(path).read_bytes() for path in files[:HELD]]
    sides: dict[str, Action] = {
        "decode alone": lambda: [decode(content) for content in contents],
        "one hash": lambda: encode_batch(contents, encoders_of(("phash",), None)),
        "four hashes": lambda: encode_batch(contents, encoders_of(HASHES, None)),
    }
    spent = alternated(sides, rounds + 1, time.process_time)  # a round more: the first one loads what is needed
    least = {name: min(seconds) for name, seconds in spent.items()}
    for name, seconds in least.items():
        ratio = seconds / least["decode alone"]
        yield f"  {name:<14}{seconds / len(contents) * 1000:8.2f} ms  {ratio:5.2f} x the decode"


# One machine


def machine_lines(files: list[str], counts: Sequence[int], peer: str, rounds: int) -> Iterator[str]:
    """Yield our API beside imagededup's, on so many of the files."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            for number, path in enumerate(files[:count]):
                os.symlink(path, Path(folder) / f"{number:06}{Path(path).suffix}")
            yield f"  {min(count, len(files)):,} images"
            yield from one_machine.compare(Path(folder), peer, rounds)


# Spark beside a pool


def spark_line(files: list[str], methods: Methods, weights: str | None, rounds: int) -> str:
    """Return images a second and processor milliseconds an image, of the pool and of Spark, and their ratios."""
    cores: dict[str, list[float]] = {"pool": [], "spark": []}
    with session("benchmark") as spark, ProcessPoolExecutor(n_cores(), SPAWN) as pool:
        sides = {
            "pool": pool_round(pool, files, methods, weights),
            "spark": spark_round(spark, files, methods, weights),
        }
        alternated(sides, 1, time.perf_counter)
        counted = {name: functools.partial(count_cores, side, cores[name]) for name, side in sides.items()}
        seconds = alternated(counted, rounds, time.perf_counter)
    rates = {name: len(files) / statistics.median(times) for name, times in seconds.items()}
    costs = {name: statistics.median(times) / len(files) * 1000 for name, times in cores.items()}
    what = "embeddings" if weights else "one hash" if len(methods) == 1 else "four hashes"
    figures = "  ".join(f"{name} {rate:8.1f} images/s {costs[name]:6.2f} core ms" for name, rate in rates.items())
    ratios = f"{rates['spark'] / rates['pool']:.2f}, by processor time {costs['pool'] / costs['spark']:.2f}"
    return f"  {what:<14}{figures}  spark / pool = {ratios}"


def count_cores(action: Action, spent: list[float]) -> None:
    """Run one side, and note the processor seconds that this process and all that it started took."""
    started = core_seconds(os.getpid())
    action()
    spent.append(core_seconds(os.getpid()) - started)


def pool_round(pool: ProcessPoolExecutor, files: list[str], methods: Methods, weights: str | None) -> Action:
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    work = functools.partial(encode_files, methods=methods, weights=weights)
    return lambda: _exhaust(pool.map(work, batches), len(files))


def spark_round(spark, files: list[str], methods: Methods, weights: str | None) -> Action:
    chosen = {"method": ("cnn",), "cnn_weights": weights} if weights else {"method": methods}
    plan = EncodePlan.of(EncodeSettings(input="unused", output="unused", **chosen))
    named = spark.createDataFrame([(path, Path(path).as_uri()) for path in files], "path STRING, uri STRING")
    contents = conform(named, CONTENTS).repartition(-(-len(files) // IMAGES_A_TASK)).cache()
    contents.count()
    return lambda: encode_contents(contents, plan).write.format("noop").mode("overwrite").save()


def _exhaust(counts, expected: int) -> None:
    if sum(counts) != expected:
        raise RuntimeError("the pool lost files")


def alternated(sides: dict[str, Action], rounds: int, clock: Callable[[], Time]) -> dict[str, list[Time]]:
    """Return what a clock says that each side took, round by round; the sides take turns."""
    seconds: dict[str, list[Time]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, action in sides.items():
            started = clock()
            action()
            seconds[name].append(clock() - started)
    return seconds


def lines(files: list[str], given: argparse.Namespace) -> Iterator[str]:
    """Yield what is measured, as it comes."""
    mean = statistics.mean(os.path.getsize(path) for path in files)
    yield f"{len(files):,} images of {mean / 1000:.0f} KB, {n_cores()} cores, {decoder()}, rounds: {given.rounds}"
    if not given.cnn_weights:
        yield f"CPU of one thread, {min(HELD, len(files)):,} images"
        yield from decoder_lines(files, given.rounds)
    if given.peer:
        yield f"One machine, two cores, from process start:{'imagededup':>12}       ours   ratio"
        yield from machine_lines(files, given.counts, given.peer, given.rounds)
    yield f"Spark beside a pool of {n_cores()} processes"
    for methods in [HASHES] if given.cnn_weights else [("phash",), HASHES]:
        yield spark_line(files, methods, given.cnn_weights, given.rounds)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of photographs (default: those of installed packages)")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help="the Python that has imagededup: compares with it too")
    parser.add_argument("--counts", type=int, nargs="+", default=[20, 800, 5000], help="of images, for the peer")
    parser.add_argument("--cnn-weights", help="encode by MobileNet with these weights instead of the hashes")
    given = parser.parse_args(arguments)
    photographs = sorted(given.photographs.iterdir()) if given.photographs else installed_photographs()
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(collect_images(photographs, given.images, Path(folder)), given):
            print(line, flush=True)


if __name__ == "__main__":
    main()
