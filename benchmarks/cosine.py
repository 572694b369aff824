"""Time the cosine join against FAISS IndexFlatIP.range_search, with the same threads in the same run.

    python benchmarks/cosine.py --embeddings FILE.npy   # float32 (n, d); those of real pictures tell the truth
    python benchmarks/cosine.py                         # synthetic clusters
    python benchmarks/cosine.py --small                 # a few thousand vectors, for CI

FAISS compares each pair twice and gives float32 scores; its answer is checked against ours except for pairs within its
rounding of the threshold. Seconds of ours hold everything: checking, fitting the basis, sketches, search, order.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# numpy, FAISS and ours are imported inside: they read the number of threads from the environment as they load.


def clustered(rows: int, dimension: int = 1024, seed: int = 0) -> np.ndarray:
    """Return positive vectors about centres, with the falling spectrum of a network's features, float32."""
    import numpy as np

    rng = np.random.default_rng(seed)
    scales = (1.0 + np.arange(dimension)) ** -0.4
    centres = rng.standard_normal((rows // 100 + 1, dimension))
    spread = rng.choice([0.2, 0.5, 0.9], rows)[:, None]
    noise = rng.standard_normal((rows, dimension))
    vectors = (centres[rng.integers(0, len(centres), rows)] + spread * noise) * scales
    return np.maximum(vectors + 0.5 * scales, 0.0).astype(np.float32)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return wall seconds, processor seconds and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def measure(vectors: np.ndarray, thresholds: list[float], threads: int) -> None:
    import faiss
    import numpy as np

    from dedup_core import cosine

    faiss.omp_set_num_threads(threads)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(units)
    cosine.self_join(vectors[:4000], 0.9)  # compile
    print(f"{len(vectors)} vectors of {vectors.shape[1]}, {threads} thread(s); wall (processor) seconds")
    print("| threshold | pairs | FAISS | ours | ratio | of processor |\n|---|---|---|---|---|---|")
    for threshold in thresholds:
        wall, processor, ours = timed(lambda least=threshold: cosine.self_join(vectors, least, threads))
        their_wall, their_processor, (limits, _, found) = timed(
            lambda least=threshold: index.range_search(units, least)
        )
        rows = np.repeat(np.arange(len(vectors)), np.diff(limits).astype(np.int64))
        upper = np.count_nonzero(rows < found)
        near = np.count_nonzero(ours.score < threshold + 1e-5)
        if abs(upper - len(ours)) > 2 * near + 100:
            raise SystemExit(f"at {threshold} FAISS finds {upper} pairs, ours {len(ours)}")
        print(
            f"| {threshold} | {len(ours):,} | {their_wall:.2f} ({their_processor:.2f}) | {wall:.2f} ({processor:.2f}) "
            f"| {their_wall / wall:.1f} | {their_processor / processor:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", help=".npy file of float32 (n, d)")
    parser.add_argument("--rows", type=int, default=30_000, help="vectors to make, or to take of the file")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.95, 0.9, 0.5])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="5,000 vectors")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    import numpy as np

    rows = 5_000 if options.small else options.rows
    vectors = np.load(options.embeddings)[:rows] if options.embeddings else clustered(rows)
    measure(np.ascontiguousarray(vectors, np.float32), options.thresholds, options.threads)


if __name__ == "__main__":
    main()
