"""Time the exact cosine join in Spark's local mode over made-up embeddings, and count the bytes that it ships.

    python benchmarks/spark_cosine.py [--vectors 100000] [--similarity 0.9] [--chunk 65536]

The embeddings are those of benchmarks/cosine.py. Seconds are of each step, without the start of Spark; memory is the
peak of the whole process tree; bytes are what Spark wrote to its shuffles, read from its event log, against the bytes
of full float32 vectors sent to every pair of chunks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cosine import clustered
from spark_join import run

ROOT = Path(__file__).parents[1]
DIMENSION = 1024
ROWS_A_FILE = 10_000
WHOLE_BYTES = 1 << 26


def write_features(count: int, folder: Path) -> None:
    """Write the columns of a features table that the join reads."""
    folder.mkdir()
    for number, start in enumerate(range(0, count, ROWS_A_FILE)):
        vectors = clustered(min(ROWS_A_FILE, count - start), DIMENSION, seed=number)
        numbers = range(start, start + len(vectors))
        offsets = pa.array(np.arange(0, vectors.size + 1, DIMENSION, dtype=np.int32))
        columns = {
            "path": pa.array([f"{at // 1000:07d}/{at % 1000:03d}.jpg" for at in numbers]),
            "method": pa.array(["cnn"] * len(vectors)),
            "fingerprint": pa.array(["cnn-v1"] * len(vectors)),
            "embedding": pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1))),
        }
        pq.write_table(pa.table(columns), folder / f"part-{number:05d}.parquet")


def search(folder: Path, similarity: float, chunk: int) -> None:
    """Run the search inside a Spark process of its own and leave its figures in the folder."""
    from dedup_core.cosine.bounds import SAMPLE
    from dedup_core.spark.search.cosine.join import CosinePlan, code_pairs
    from dedup_core.spark.search.cosine.vectors import VECTORS, sample, with_codes
    from dedup_core.spark.session import session
    from dedup_core.spark.staging import Staging
    from dedup_core.spark.store import Store
    from dedup_core.spark.tables import FEATURES, conform

    figures: dict = {}
    with session("benchmark") as spark:
        steps = Staging(spark, Store(str(folder / "out")), "benchmark")
        features = conform(spark.read.parquet(str(folder / "features")), FEATURES)
        started = time.perf_counter()
        with_codes(features, steps)
        vectors = steps.read("vectors", VECTORS)
        figures["codes"] = count = vectors.count()
        figures["seconds to name the codes"] = time.perf_counter() - started
        plan = CosinePlan.of(sample(vectors, count, SAMPLE)[1], count, similarity, chunk)
        figures |= {"chunks": plan.chunks, "bytes that travel of a vector": 4 * plan.row_length}
        started = time.perf_counter()
        pairs = code_pairs(vectors, count, similarity, steps, chunk)
        figures["seconds to propose"] = time.perf_counter() - started
        figures["pairs"] = steps.write("code_pairs", pairs).count()
        figures["seconds in all"] = time.perf_counter() - started
        if plan.sketched:
            figures["candidates"] = spark.read.parquet(steps.path("candidates")).count()
    (folder / "figures.json").write_text(json.dumps(figures))


def shuffled_bytes(events: Path) -> dict[int, int]:
    """Return the bytes that each stage wrote for others, from Spark's event log."""
    written: dict[int, int] = {}
    for file in sorted(path for path in events.rglob("*") if path.is_file()):
        for line in file.read_text().splitlines():
            event = json.loads(line) if '"SparkListenerTaskEnd"' in line else {}
            shuffle = event.get("Task Metrics", {}).get("Shuffle Write Metrics", {})
            if shuffle.get("Shuffle Bytes Written"):
                stage = event["Stage ID"]
                written[stage] = written.get(stage, 0) + shuffle["Shuffle Bytes Written"]
    return written


def benchmark(count: int, similarity: float, chunk: int, cores: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_features(count, folder / "features")
        (folder / "events").mkdir()
        log = {"enabled": "true", "compress": "false", "dir": f"file://{folder}/events"}
        options = " ".join(f"--conf spark.eventLog.{key}={value}" for key, value in log.items())
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"--master local[{cores}] {options} pyspark-shell"
        os.environ.setdefault("SPARK_CONF_DIR", str(ROOT / "conf"))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        arguments = ["--inside", name, "--similarity", str(similarity), "--chunk", str(chunk)]
        seconds, peak = run([sys.executable, __file__, *arguments])
        figures = json.loads((folder / "figures.json").read_text())
        stages = shuffled_bytes(folder / "events")
    whole = figures["codes"] * 4 * DIMENSION
    print(f"{count:,} vectors of {DIMENSION}, similarity {similarity}, {cores} cores")
    for key, value in figures.items():
        print(f"  {key}: {value:,.1f}" if isinstance(value, float) else f"  {key}: {value}")
    print(f"  {seconds:.1f} s with the start of Spark, {peak / 2**30:.2f} GiB at the peak of all processes")
    shuffled = sum(stages.values())
    print(f"  shuffled: {shuffled:,} bytes; by stage: {stages}")
    for chunks, name in ((figures["chunks"], "chunks"), (-(-whole // WHOLE_BYTES), "chunks of 64 MiB")):
        print(f"  full vectors to pairs of {chunks} {name}: {whole * chunks:,}, {whole * chunks / shuffled:.1f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--similarity", type=float, default=0.9)
    parser.add_argument("--chunk", type=int, default=65_536, help="vectors in a chunk")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        search(given.inside, given.similarity, given.chunk)
    else:
        benchmark(given.vectors, given.similarity, given.chunk, given.cores)


if __name__ == "__main__":
    main()
