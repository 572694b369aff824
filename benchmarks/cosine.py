"""Time the cosine join against FAISS's range searches, flat and Panorama, with the same threads in the same run.

    python benchmarks/cosine.py --embeddings FILE.npy   # float32 (n, d); those of real pictures tell the truth
    python benchmarks/cosine.py --mixture               # two centres: half of all pairs have a similarity near .6
    python benchmarks/cosine.py                         # synthetic clusters
    python benchmarks/cosine.py --small                 # a few thousand vectors, for CI

With NUMBA_CPU_NAME=haswell and NUMBA_CPU_FEATURES=+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+sse4.2 in the environment
ours runs as on a processor with AVX2 alone.

FAISS compares each pair twice and gives float32 scores; its answer is checked against ours except for pairs within its
rounding of the threshold. It is timed on a slice of queries, ``--queries``, and scaled up. Panorama gets its vectors
turned onto principal axes beforehand, which is what it prunes by; neither that nor adding vectors is counted. Seconds
of ours hold everything: checking, fitting the basis, sketches, search, order.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEVELS = 8  # of Panorama: the coordinates in so many parts

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


def mixture(rows: int, dimension: int = 1024, seed: int = 0) -> np.ndarray:
    """Return vectors about two centres at right angles: pairs about one centre have a similarity near .6, float32."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((dimension, 2)))[0].T
    noise = rng.standard_normal((rows, dimension)) * np.sqrt(0.4 / dimension)
    return (np.sqrt(0.6) * centres[rng.integers(0, 2, rows)] + noise).astype(np.float32)


def peers(units: np.ndarray) -> dict[str, tuple[Any, np.ndarray]]:
    """Return FAISS's indexes with the vectors in them, and the queries of each."""
    import faiss
    import numpy as np

    flat = faiss.IndexFlatIP(units.shape[1])
    flat.add(units)
    found = {"flat": (flat, units)}
    if hasattr(faiss, "IndexFlatIPPanorama"):
        axes = np.linalg.eigh(units.T.astype(np.float64) @ units)[1][:, ::-1]
        turned = np.ascontiguousarray(units @ axes, np.float32)
        panorama = faiss.IndexFlatIPPanorama(units.shape[1], LEVELS)
        panorama.add(turned)
        found["Panorama"] = panorama, turned
    return found


def measure(vectors: np.ndarray, thresholds: list[float], threads: int, queries: int) -> None:
    """Print seconds, and how many times as long each peer takes."""
    import faiss
    import numpy as np

    from dedup_core import cosine

    faiss.omp_set_num_threads(threads)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    indexes = peers(units)
    for few in (vectors[:4000], vectors[: cosine.join.PLAIN_ROWS + 1]):
        cosine.self_join(few, 0.9)  # compile
    print(f"{len(vectors)} vectors of {vectors.shape[1]}, {threads} thread(s), FAISS {faiss.__version__}")
    print("| threshold | pairs | peer | its seconds (processor) | ours | ratio | of processor |")
    print("|---|---|---|---|---|---|---|")
    queries = min(queries, len(vectors))
    for threshold in thresholds:
        wall, processor, ours = timed(lambda least=threshold: cosine.self_join(vectors, least, threads))
        expected = queries + np.count_nonzero(ours.left < queries) + np.count_nonzero(ours.right < queries)
        near = np.count_nonzero(ours.score < threshold + 1e-5)
        for name, (index, rows) in indexes.items():
            their_wall, their_processor, (_, scores, _) = timed(
                lambda index=index, rows=rows, least=threshold: index.range_search(rows[:queries], least)
            )
            if abs(len(scores) - expected) > 2 * near + 100:
                raise SystemExit(f"at {threshold} FAISS {name} finds {len(scores)} pairs, ours {expected}")
            share = queries / len(vectors)
            print(
                f"| {threshold} | {len(ours):,} | {name} | {their_wall / share:.2f} ({their_processor / share:.2f}) "
                f"| {wall:.2f} ({processor:.2f}) | {their_wall / share / wall:.1f} "
                f"| {their_processor / share / processor:.1f} |",
                flush=True,
            )
            del scores
        del ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", help=".npy file of float32 (n, d)")
    parser.add_argument("--mixture", action="store_true", help="half of all pairs near a similarity of .6")
    parser.add_argument("--rows", type=int, default=30_000, help="vectors to make, or to take of the file")
    parser.add_argument("--queries", type=int, default=2048, help="of FAISS's, scaled up to all")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.95, 0.9, 0.5])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="5,000 vectors")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    import numpy as np

    rows = 5_000 if options.small else options.rows
    made = mixture if options.mixture else clustered
    vectors = np.load(options.embeddings)[:rows] if options.embeddings else made(rows)
    measure(np.ascontiguousarray(vectors, np.float32), options.thresholds, options.threads, options.queries)


if __name__ == "__main__":
    main()
