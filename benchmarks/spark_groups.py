"""Time connected components in Spark over made-up graphs, beside scipy on one core with all edges in memory.

    ./spark-submit.sh benchmarks/spark_groups.py [--edges 10000000] [--edges-a-task 1000000]

Every graph is settled twice: with the default size of a task, where a graph that fits one needs no round, and with
small tasks, so that the rounds that a cluster makes are seen. The numbers of codes and components must be scipy's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dedup_core.spark.search import groups
from dedup_core.spark.session import session
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

Edges = tuple[np.ndarray, np.ndarray]
ROWS_A_FILE = 2_000_000


def clusters(random: np.random.Generator, edges: int) -> Edges:
    """Two thirds as many codes as edges: one giant component, and many small ones."""
    left, right = random.integers(0, edges * 2 // 3, (2, edges))
    return left[left != right], right[left != right]


def path(random: np.random.Generator, _edges: int) -> Edges:
    """100,000 codes in a row."""
    codes = random.permutation(100_000)
    return codes[:-1], codes[1:]


def star(random: np.random.Generator, _edges: int) -> Edges:
    """One code with 1,000,000 neighbours."""
    codes = random.permutation(1_000_001)
    return np.full(1_000_000, codes[0]), codes[1:]


def couples(random: np.random.Generator, _edges: int) -> Edges:
    """1,000,000 pairs."""
    codes = random.permutation(2_000_000)
    return codes[::2], codes[1::2]


GRAPHS: dict[str, Callable[[np.random.Generator, int], Edges]] = {
    "random": clusters,
    "path": path,
    "star": star,
    "pairs": couples,
}


def write_edges(edges: Edges, ids: np.ndarray, folder: Path) -> None:
    """Write edges as the search leaves them: code_a, code_b, by ids that are any 64 bits."""
    folder.mkdir()
    for start in range(0, len(edges[0]), ROWS_A_FILE):
        part = [ids[side[start : start + ROWS_A_FILE]] for side in edges]
        pq.write_table(pa.table(part, names=["code_a", "code_b"]), folder / f"{start}.parquet")


def by_scipy(edges: Edges, ids: np.ndarray) -> tuple[float, int]:
    """Return seconds and how many components have an edge."""
    started = time.perf_counter()
    matrix = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(len(ids), len(ids)))
    _, labels = connected_components(matrix, directed=False)
    count = len(np.unique(labels[np.concatenate(edges)]))
    return time.perf_counter() - started, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=10_000_000, help="of the random graph")
    parser.add_argument("--edges-a-task", type=int, default=1_000_000, help="for the second time")
    given = parser.parse_args()
    random = np.random.default_rng(0)
    print("| graph | edges | edges a task | rounds | seconds | components | scipy, one core (s) |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with session("benchmark of groups") as spark, tempfile.TemporaryDirectory() as folder:
        for name, make in GRAPHS.items():
            edges = make(random, given.edges)
            ids = random.permutation(np.unique(random.integers(-(2**63), 2**63, int(edges[0].size * 2.1), np.int64)))
            write_edges(edges, ids, Path(folder) / name)
            seconds, count = by_scipy(edges, ids)
            codes = len(np.unique(np.concatenate(edges)))
            for a_task in (5_000_000, min(given.edges_a_task, max(1, len(edges[0]) // 5))):
                staging = Staging(spark, Store(folder), f"{name}-{a_task}")
                started = time.perf_counter()
                table = staging.write(
                    "labels", groups.components(spark.read.parquet(f"{folder}/{name}"), staging, a_task)
                )
                took = time.perf_counter() - started
                if (table.count(), table.select("root").distinct().count()) != (codes, count):
                    raise SystemExit(f"{name}: not the components of scipy")
                rounds = sum(step.startswith("round-") for step in staging.store.entries("_staging", staging.name))
                print(
                    f"| {name} | {len(edges[0]):,} | {a_task:,} | {rounds} | {took:.1f} | {count:,} | {seconds:.1f} |",
                    flush=True,
                )
                staging.clear()


if __name__ == "__main__":
    main()
