"""Join many millions of codes on one core, stream the pairs to a Parquet file, and look whether all are there.

    python benchmarks/hamming_at_size.py                                        # 100 million codes within distance 10
    python benchmarks/hamming_at_size.py --codes 30000 --lance-codes 10000      # seconds, for CI

What is counted is the time of a core, of all threads together: a busy machine hardly changes it. Memory is the peak of
the whole process until the last pair is written, the codes included. With NUMBA_CPU_NAME=znver3 and
NUMBA_CPU_FEATURES=+popcnt,+avx2,+bmi,+bmi2,+lzcnt,+fma the kernels are compiled for a processor that has AVX2 alone.

The answer is compared with all pairs of some rows, which our own scan of all pairs finds, and must have every planted
pair. Peers are timed on as much as they do in some seconds and scaled up: our own scan, FAISS IndexBinaryFlat, and
Lance's clustering of a range (`pip install pylance`), which compares all pairs too, on fewer codes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hamming_scan import scanned_tiles
from made_codes import planted_codes

from dedup_core.hamming import self_join, self_join_blocks
from dedup_core.hamming.plan import choose_plan
from dedup_core.pairs import Pairs

SCHEMA = pa.schema([("left", pa.uint32()), ("right", pa.uint32()), ("distance", pa.uint8())])
SCANNED_PAIRS = 10_000_000_000  # pairs of the slice that the scan compares: some seconds
FLAT_PAIRS = 2_000_000_000
LANCE_CODES = 100_000


@dataclass(frozen=True)
class Joined:
    """What the join took and found.

    Attributes:
        core_seconds: of all threads, the writing included.
        seconds: by the clock.
        peak: bytes of memory, of the whole process.
        pairs: how many were written.
        written: bytes of the file.
    """

    core_seconds: float
    seconds: float
    peak: int
    pairs: int
    written: int


def core_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def warm_up(distance: int) -> None:
    """Compile all kernels, or load the compiled ones, by joins with sketches, with bands and without."""
    for size in (1_000_000, 50_000, 1_000):
        self_join(planted_codes(size)[0], distance)


def join_to_file(codes: np.ndarray, distance: int, path: Path) -> Joined:
    """Write every pair as it comes."""
    cores, clock, pairs = time.process_time(), time.perf_counter(), 0
    with pq.ParquetWriter(path, SCHEMA, use_dictionary=False) as writer:
        for block in self_join_blocks(codes, distance):
            columns = [block.left.astype(np.uint32), block.right.astype(np.uint32), block.score.astype(np.uint8)]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
            pairs += len(block)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    took = time.process_time() - cores, time.perf_counter() - clock
    return Joined(*took, peak, pairs, path.stat().st_size)


def missing_planted(planted: np.ndarray, codes: np.ndarray, distance: int, path: Path) -> tuple[int, int]:
    """Return how many planted pairs lie within the distance, and how many of those the file lacks."""
    near = np.bitwise_count(codes[planted[:, 0]] ^ codes[planted[:, 1]]) <= distance
    step, found = int(planted[0, 1]), np.zeros(len(planted), bool)  # the neighbour of code k stands at k + step
    for batch in pq.ParquetFile(path).iter_batches():
        left, right = (batch[name].to_numpy() for name in ("left", "right"))
        found[left[(left < len(planted)) & (right == left.astype(np.int64) + step)]] = True
    return int(near.sum()), int((near & ~found).sum())


def scan_some_rows(codes: np.ndarray, distance: int) -> tuple[np.ndarray, set[tuple[int, int]], float]:
    """Return some rows, all pairs of theirs, and the core-seconds that a scan of all rows would take.

    Half of the rows are planted, so that there are pairs to find; the others come from all over.
    """
    count = max(2, min(len(codes) // 100, SCANNED_PAIRS // len(codes)))
    rows = np.unique(np.r_[: count // 2, np.linspace(0, len(codes) - 1, count - count // 2).astype(int)])
    found: list[Pairs] = []
    took = core_seconds(lambda: found.extend(scanned_tiles(codes[rows], codes, distance)))
    pairs = Pairs.concatenate(iter(found), np.int16)
    left, right = rows[pairs.left], pairs.right
    ends = np.sort(np.stack([left, right], axis=1)[left != right], axis=1)
    return rows, set(map(tuple, ends.tolist())), took * len(codes) / len(rows) / 2


def pairs_of_rows(rows: np.ndarray, size: int, path: Path) -> list[tuple[int, int]]:
    """Return those pairs of the file that have one of the rows."""
    wanted, found = np.zeros(size, bool), []
    wanted[rows] = True
    for batch in pq.ParquetFile(path).iter_batches():
        left, right = (batch[name].to_numpy() for name in ("left", "right"))
        chosen = wanted[left] | wanted[right]
        found += zip(left[chosen].tolist(), right[chosen].tolist(), strict=True)
    return found


def time_flat(codes: np.ndarray, distance: int) -> float | None:
    """Return the core-seconds of FAISS, scaled up from a slice of queries; None without FAISS."""
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(64)
    index.add(codes.view(np.uint8).reshape(-1, 8))
    rows = np.linspace(0, len(codes) - 1, max(1, min(len(codes), FLAT_PAIRS // len(codes)))).astype(int)
    queries = codes[rows].view(np.uint8).reshape(-1, 8)
    # FAISS takes the radius as a strict bound.
    return core_seconds(lambda: index.range_search(queries, distance + 1)) * len(codes) / len(rows)


def time_lance(codes: np.ndarray, distance: int, size: int) -> tuple[float, float] | None:
    """Return the core-seconds of Lance and ours on the first codes; None without Lance.

    Its answer are groups, which it makes of the pairs; ours are the pairs.
    """
    try:
        import lance
    except ImportError:
        return None
    few = codes[:size].copy()
    column = pa.FixedSizeListArray.from_arrays(pa.array(few.view(np.uint8)), 8)
    with tempfile.TemporaryDirectory() as folder:
        data = lance.write_dataset(pa.table({"code": column}), f"{folder}/codes.lance")
        fragment = data.get_fragments()[0].fragment_id
        cluster = data._ds.hamming_clustering_for_range
        theirs = core_seconds(lambda: cluster("code", fragment, 0, len(few), distance).read_all())
    return theirs, core_seconds(lambda: self_join(few, distance))


def check(codes: np.ndarray, planted: np.ndarray, distance: int, path: Path) -> float:
    """Print what is there and return the core-seconds of our scan; raise if a pair is missing or comes twice."""
    near, missing = missing_planted(planted, codes, distance, path)
    print(f"planted pairs within {distance}: {near:,}, of which {near - missing:,} were found")
    rows, expected, scan = scan_some_rows(codes, distance)
    found = pairs_of_rows(rows, len(codes), path)
    print(f"all pairs of {len(rows):,} rows by a scan: {len(expected):,}; in the file: {len(found):,}")
    if missing or len(found) != len(expected) or set(found) != expected:
        raise AssertionError(f"the join of {len(codes):,} codes within {distance} is not exact")
    return scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, default=100_000_000, help="how many codes")
    parser.add_argument("--distance", type=int, default=10, help="the largest distance")
    parser.add_argument("--out", type=Path, help="the Parquet file; by default one that is deleted at the end")
    parser.add_argument("--lance-codes", type=int, default=LANCE_CODES, help="how many codes Lance is given")
    options = parser.parse_args()
    warm_up(options.distance)
    codes, planted = planted_codes(options.codes)
    bands = ", ".join(f"{len(band.bits)} bits" for band in choose_plan(codes, None, options.distance))
    print(f"{options.codes:,} codes within {options.distance}; bands: {bands or 'none'}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = options.out or Path(folder) / "pairs.parquet"
        ours = join_to_file(codes, options.distance, path)
        print(f"pairs: {ours.pairs:,}, {ours.written / 1e6:,.0f} MB on disk")
        print(f"core-seconds: {ours.core_seconds:,.1f}; seconds by the clock: {ours.seconds:,.1f}")
        print(f"peak memory: {ours.peak / 2**30:.2f} GiB", flush=True)
        scan = check(codes, planted, options.distance, path)
    print("\nHow many times as long as ours the peers take, by the time of a core:")
    print(f"our scan of all pairs *: {scan / ours.core_seconds:,.1f}", flush=True)
    flat, lance = time_flat(codes, options.distance), time_lance(codes, options.distance, options.lance_codes)
    print("FAISS flat *: " + (f"{flat / ours.core_seconds:,.1f}" if flat else "not installed"))
    if lance:
        theirs, few = lance
        print(f"Lance, {options.lance_codes:,} codes: {theirs / few:,.1f} ({theirs:.2f} s to {few:.3f} s)")
        scaled = theirs * (options.codes / options.lance_codes) ** 2
        print(f"Lance, all codes, by the square of their number *: {scaled / ours.core_seconds:,.1f}")
    else:
        print("Lance: not installed")
    print("* timed on a slice and scaled up")


if __name__ == "__main__":
    main()
