"""Time the Hamming join against its peers, one thread each, on uniform codes with planted neighbours.

    python benchmarks/hamming.py                 # 100,000 and 1,000,000 codes; minutes
    python benchmarks/hamming.py --small         # a few thousand codes, for CI
    python benchmarks/hamming.py --sizes 10000000 --distances 10

The peers (our own scan of all pairs, FAISS IndexBinaryFlat and IndexBinaryMultiHash, numpy) are timed on a slice of
queries and scaled up to all of them (numpy at distance 0 sorts, in full); ours always runs in full. Every planted pair
must be in our answer.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
from hamming_scan import scanned_tiles
from made_codes import planted_codes

from dedup_core.hamming import self_join
from dedup_core.pairs import Pairs

ROUNDS = 3  # of ours, of which the median counts
SLICE_PAIRS = 400_000_000  # pairs a slice of queries looks at in FAISS
SCANNED_PAIRS = 4_000_000_000  # pairs that our own scan looks at
NUMPY_SLICE_PAIRS, NUMPY_FEWEST_ROWS = 50_000_000, 16
NUMPY_BLOCK = 1 << 16  # codes that stay in the cache
HASH_SLICE = 2_000  # queries of the slice for FAISS MultiHash
HASHES, HASH_BITS = 4, 16  # MultiHash: as many tables of as many bits, and at most so many flipped in a lookup:
MOST_HASH_FLIPS = 1  # exact up to distance 7; up to 3 no flip is


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds for all pairs of n codes, and MultiHash's share of the true ones."""

    codes: int
    distance: int
    pairs: int
    ours: float
    scan: float
    flat: float
    multi_hash: float
    recall: float
    numpy: float


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def warm_up() -> None:
    """Compile all kernels, or load the compiled ones, by a join that is large enough for bands and one that is not."""
    for size in (50_000, 1_000):
        self_join(planted_codes(size)[0], 10)


def as_bytes(codes: np.ndarray) -> np.ndarray:
    return codes.view(np.uint8).reshape(-1, 8)


def time_scan(codes: np.ndarray, distance: int) -> float:
    rows = codes[np.linspace(0, len(codes) - 1, max(1, min(len(codes), SCANNED_PAIRS // len(codes)))).astype(int)]
    scan = seconds(lambda: deque(scanned_tiles(rows, codes, distance), maxlen=0))
    return scan * len(codes) / len(rows) / 2  # a self-join leaves out half of the pairs


def time_flat(codes: np.ndarray, distance: int) -> float:
    index = faiss.IndexBinaryFlat(64)
    index.add(as_bytes(codes))
    slice_size = min(len(codes), max(1, SLICE_PAIRS // len(codes)))
    queries = codes[np.linspace(0, len(codes) - 1, slice_size).astype(int)]  # from all over: codes may be skewed
    # FAISS takes the radius as a strict bound.
    return seconds(lambda: index.range_search(as_bytes(queries), distance + 1)) * len(codes) / len(queries)


def time_multi_hash(codes: np.ndarray, distance: int, pairs: Pairs) -> tuple[float, float]:
    """Return seconds and recall; the queries are the last codes, where the planted neighbours stand."""
    index = faiss.IndexBinaryMultiHash(64, HASHES, HASH_BITS)
    index.nflip = min(distance // HASHES, MOST_HASH_FLIPS)
    build = seconds(lambda: index.add(as_bytes(codes)))
    queries = np.arange(max(0, len(codes) - HASH_SLICE), len(codes))
    found = []
    search = seconds(lambda: found.append(index.range_search(as_bytes(codes[queries]), distance + 1)))
    limits, _, labels = found[0]
    returned = np.stack([np.repeat(queries, np.diff(limits.astype(np.int64))), labels], axis=1)
    returned = returned[returned[:, 0] != returned[:, 1]]
    both_ways = np.concatenate([np.stack([pairs.left, pairs.right]), np.stack([pairs.right, pairs.left])], axis=1)
    true = int((both_ways[0] >= queries[0]).sum())
    return build + search * len(codes) / len(queries), len(returned) / true if true else 1.0


def time_numpy(codes: np.ndarray, distance: int) -> float:
    if distance == 0:  # nobody would compare all pairs for equal codes
        return seconds(lambda: np.flatnonzero(np.diff(np.sort(codes)) == 0))
    rows = codes[: max(NUMPY_FEWEST_ROWS, NUMPY_SLICE_PAIRS // len(codes))]
    blocks = np.array_split(codes, -(-len(codes) // NUMPY_BLOCK))
    compared = seconds(
        lambda: [np.flatnonzero(np.bitwise_count(block ^ row) <= distance) for block in blocks for row in rows]
    )
    return compared * len(codes) / len(rows) / 2  # a self-join could leave out half of the pairs


def measure(size: int, distance: int) -> Row:
    """Time ours a few times and the others once; raise if ours misses a planted pair."""
    codes, planted = planted_codes(size)
    answer: deque[Pairs] = deque(maxlen=1)
    ours = statistics.median(seconds(lambda: answer.append(self_join(codes, distance))) for _ in range(ROUNDS))
    pairs = answer[0]
    near = planted[np.bitwise_count(codes[planted[:, 0]] ^ codes[planted[:, 1]]) <= distance]
    if len(np.setdiff1d(near @ [size, 1], pairs.left * size + pairs.right)):
        raise AssertionError(f"planted pairs are missing at {size} codes, distance {distance}")
    multi_hash, recall = time_multi_hash(codes, distance, pairs)
    scan, flat, numpy = (time(codes, distance) for time in (time_scan, time_flat, time_numpy))
    return Row(size, distance, len(pairs), ours, scan, flat, multi_hash, recall, numpy)


HEADER = """\
| codes | distance | pairs | ours | our scan * | FAISS flat * | FAISS MultiHash * (its recall) | numpy * |
|---|---|---|---|---|---|---|---|"""


def line(row: Row) -> str:
    """Return a row of the Markdown table: seconds, and how many times as long as ours."""
    scan, flat, multi_hash, numpy = (
        f"{told(peer)} ({times(peer / row.ours)})" for peer in (row.scan, row.flat, row.multi_hash, row.numpy)
    )
    return (
        f"| {row.codes:,} | {row.distance} | {row.pairs:,} | {told(row.ours)} | {scan} | {flat} "
        f"| {multi_hash[:-1]}, {row.recall:.1%}) | {numpy} |"
    )


def told(seconds: float) -> str:
    """Return seconds with two digits, or whole ones."""
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{float(f'{seconds:.2g}'):g} s"


def times(ratio: float) -> str:
    """Return how many times as long one takes."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


LABELS = {
    "ours": "ours",
    "scan": "our scan of all pairs",
    "flat": "FAISS flat",
    "multi_hash": "FAISS MultiHash (misses pairs)",
    "numpy": "numpy",
}


def growth(rows: list[Row]) -> str:
    """Return for each distance how many times as long each size takes as the one before it."""
    lines = []
    for distance in dict.fromkeys(row.distance for row in rows):
        of_distance = sorted((row for row in rows if row.distance == distance), key=lambda row: row.codes)
        for fewer, more in pairwise(of_distance):
            lines.append(
                f"distance {distance}: {more.codes:,} codes take {more.ours / fewer.ours:.1f} times as long as "
                f"{fewer.codes:,}"
            )
    return "\n".join(lines)


def draw(rows: list[Row], path: str) -> None:
    """Draw seconds over distance, one panel a size, to an image file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sizes = sorted({row.codes for row in rows})
    figure, axes = plt.subplots(1, len(sizes), figsize=(5 * len(sizes), 4), squeeze=False, sharey=True)
    for panel, size in zip(axes[0], sizes, strict=True):
        of_size = [row for row in rows if row.codes == size]
        for name, label in LABELS.items():
            panel.plot([row.distance for row in of_size], [getattr(row, name) for row in of_size], "o-", label=label)
        panel.set(title=f"{size:,} codes", xlabel="largest distance", yscale="log")
    axes[0][0].set_ylabel("seconds, one thread")
    axes[0][0].legend()
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="numbers of codes")
    parser.add_argument("--distances", type=int, nargs="+", default=[0, 3, 6, 10, 12, 16], help="largest distances")
    parser.add_argument("--small", action="store_true", help="5,000 and 20,000 codes, distances 3 and 10")
    parser.add_argument("--figure", default="benchmarks/out/hamming.png", help="where to draw the figure")
    options = parser.parse_args()
    if options.small:
        options.sizes, options.distances = [5_000, 20_000], [3, 10]
    faiss.omp_set_num_threads(1)
    warm_up()
    print(HEADER)
    rows = []
    for size in options.sizes:
        for distance in options.distances:
            rows.append(measure(size, distance))
            print(line(rows[-1]), flush=True)
    print("\n* in brackets how many times as long as ours; timed on a slice of queries and scaled up to all of them")
    if len(options.sizes) > 1:
        print(growth(rows))
    print(f"peak memory, peers included: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    draw(rows, options.figure)


if __name__ == "__main__":
    main()
