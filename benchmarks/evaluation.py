"""Seconds of the evaluation job over made-up tables: so many images, twice as many pairs, the truth as labels.

    python benchmarks/evaluation.py [--images 10000000] [--form labels|pairs]

Every five images are one group, with ten true pairs; four in five of these are predicted, and as many wrong ones as are
missing. The time is that of `run_evaluate` with all it writes; groups at each threshold are left out, as they are
above ``max_sweep_pairs``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.session import session

GROUP = 5
RECALL = 0.8
THRESHOLD = 10


def paths(positions: np.ndarray) -> pa.Array:
    names = pc.utf8_lpad(pa.array(positions).cast(pa.string()), 10, "0")
    return pc.binary_join_element_wise("images/", names, ".jpg", "")


def write(folder: Path, **columns: pa.Array) -> None:
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "part-0.parquet", row_group_size=1 << 20)


def make_tables(folder: Path, n_images: int, random: np.random.Generator) -> None:
    """Write the tables that evaluation reads, and both forms of the truth."""
    first = np.arange(0, n_images, GROUP)[:, None]
    left, right = ((first + [pair[side] for pair in combinations(range(GROUP), 2)]).ravel() for side in (0, 1))
    hits = random.random(len(left)) < RECALL
    wrong = np.sort(random.integers(0, n_images, ((~hits).sum(), 2)), axis=1)
    wrong = np.unique(wrong[wrong[:, 0] // GROUP != wrong[:, 1] // GROUP], axis=0)
    a, b = np.append(left[hits], wrong[:, 0]), np.append(right[hits], wrong[:, 1])
    score = random.integers(0, THRESHOLD + 1, len(a)).astype(np.float64)
    everyone = np.arange(n_images)
    write(folder / "out/pairs/method=phash", path_a=paths(a), path_b=paths(b), score=pa.array(score))
    write(folder / "out/duplicates/method=phash", path=paths(everyone))
    sizes, keep = np.full(n_images, GROUP), everyone % GROUP == 0
    write(
        folder / "out/groups/method=phash",
        path=paths(everyone), group_id=paths(everyone // GROUP * GROUP),
        group_size=pa.array(sizes), keep=pa.array(keep),
    )  # fmt: skip
    write(folder / "labels.parquet", path=paths(everyone), label=pa.array(everyone // GROUP))
    write(folder / "pairs.parquet", path_a=paths(left), path_b=paths(right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--form", choices=("labels", "pairs"), default="labels")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, session("benchmark") as spark:
        folder = Path(made)
        make_tables(folder, given.images, np.random.default_rng(0))
        settings = EvaluateSettings(output=str(folder / "out"), ground_truth=str(folder / f"{given.form}.parquet"))
        started = time.perf_counter()
        run = run_evaluate(spark, settings, say=print)
        seconds = time.perf_counter() - started
        print(f"\n{given.images:,} images, {given.form}: {seconds:.1f} s {json.dumps(run.seconds)}")


if __name__ == "__main__":
    main()
