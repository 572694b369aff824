"""Time the whole find_duplicates job, from process start to published tables, over made-up features.

    python benchmarks/spark_join.py [--images 1000000] [--distance 10]

The codes are uniform with planted neighbours, a hundredth of all images, and another hundredth are exact copies. Wall
time and the peak memory of the whole process tree are printed; the number of pairs is checked against what was planted.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
ROWS_A_FILE = 1_000_000


def planted_codes(images: int, seed: int = 0) -> tuple[np.ndarray, int]:
    """Return uint64 (images,): uniform codes, some of them neighbours (up to 3 bits away) and some copies of others."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2**64, images, dtype=np.uint64)
    planted = images // 100
    flips = np.bitwise_xor.reduce(np.uint64(1) << random.integers(0, 64, (3, planted), dtype=np.uint64), axis=0)
    codes[-planted:] = codes[:planted] ^ flips
    codes[-2 * planted : -planted] = codes[planted : 2 * planted]
    return codes, 2 * planted


def write_features(codes: np.ndarray, table: Path) -> None:
    """Write a features table as the encoding job would."""
    folder = table / "method=phash"
    folder.mkdir(parents=True)
    for start in range(0, len(codes), ROWS_A_FILE):
        part = codes[start : start + ROWS_A_FILE].view(np.int64)
        count = len(part)
        columns = {
            "path": pa.array(
                [f"{number // 1000:07d}/{number % 1000:03d}.jpg" for number in range(start, start + count)]
            ),
            "size": pa.array(np.full(count, 100_000)),
            "modified_at": pa.array([datetime.datetime(2024, 5, 1)] * count, pa.timestamp("us", "UTC")),
            "width": pa.array(np.full(count, 640, np.int32)),
            "height": pa.array(np.full(count, 480, np.int32)),
            "format": pa.array(["JPEG"] * count),
            "fingerprint": pa.array(["phash-64-v2"] * count),
            "hash": pa.array(part),
            "embedding": pa.nulls(count, pa.list_(pa.float32())),
            "run_id": pa.array(["made-up"] * count),
        }
        pq.write_table(pa.table(columns), folder / f"part-{start}.parquet")


def run(command: list[str]) -> tuple[float, int]:
    """Run a command and return its seconds and the peak memory of it and all its children, in bytes."""
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        peak = max(peak, _tree_memory(psutil.Process(process.pid)))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"the job failed with exit code {process.returncode}")
    return time.perf_counter() - started, peak


def _tree_memory(process: psutil.Process) -> int:
    return sum(map(_memory, [process, *process.children(recursive=True)]))


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):  # it has ended meanwhile
        return process.memory_full_info().pss  # pages that forked workers share count once
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--distance", type=int, default=10)
    parser.add_argument("--submit", nargs="*", default=[], help="options for spark-submit, such as --conf")
    given = parser.parse_args()
    codes, planted = planted_codes(given.images)
    with tempfile.TemporaryDirectory() as folder:
        write_features(codes, Path(folder) / "features")
        job = ["jobs/find_duplicates.py", "--output", folder, "--max-distance-threshold", str(given.distance)]
        seconds, peak = run([str(ROOT / "spark-submit.sh"), *given.submit, str(ROOT / job[0]), *job[1:]])
        record = json.loads(next((Path(folder) / "runs").iterdir()).read_text())
    found = record["counts"]["found"]["phash"]
    if given.distance >= 3 and found["pairs"] < planted:
        raise SystemExit(f"{planted:,} pairs were planted, and only {found['pairs']:,} found")
    print(f"{given.images:,} images, distance {given.distance}: {found['pairs']:,} pairs, {found['groups']:,} groups")
    print(f"  {seconds:.1f} s from process start to published tables, {peak / 2**30:.2f} GiB at the peak")
    print(f"  stages: {record['seconds']}")


if __name__ == "__main__":
    main()
