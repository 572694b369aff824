"""Kill the pipeline's driver at random moments, and look each time whether the output folder holds one run's tables.

    python benchmarks/killed.py [--kills 100]

Every run is over one picture more or less than the one before, so that no two leave the same tables. Half of them are
killed at any moment of their course, a quarter within seconds of their last file's being there, where they publish,
and a quarter within a second of the new tables' coming to count, where they move them. After each, before anything of
ours opens the folder, a plain reader of Parquet reads every table; then a reader of ours opens it, and all tables must
agree with each other, with the run that ``current.json`` names, and with its record. The run's Python workers are
killed with it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.current import CURRENT
from dedup_core.spark.locks import settled
from dedup_core.spark.store import Store

ROOT = Path(__file__).parents[1]
TABLES = ("features", "failures", "pairs", "duplicates", "groups", "removals")
LAST_READY = "_staging/find/ready/to_remove.json"
PUBLISHING_SECONDS, MOVING_SECONDS = 3.0, 1.0


def started(images: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start the pipeline in a process group of its own."""
    job = [
        str(ROOT / "spark-submit.sh"),
        str(ROOT / "jobs/pipeline.py"),
        "--input",
        str(images),
        "--output",
        str(output),
    ]
    with (output.parent / "log").open("ab") as log:
        return subprocess.Popen(
            [*job, "--method", "phash", "--no-report"], stdout=log, stderr=log, start_new_session=True
        )


def moments(output: Path, seconds: float) -> Iterator[tuple[Callable[[], bool], float]]:
    """Yield without end from when on the next run is to be killed, and within how many seconds, the kinds by turns."""
    while True:
        for place, most in ((LAST_READY, PUBLISHING_SECONDS), (CURRENT, MOVING_SECONDS)):
            yield (lambda: True), seconds
            yield is_renewed(output / place), most


def is_renewed(path: Path) -> Callable[[], bool]:
    """Return what says whether something has come to be at a path since now, in place of what a run before left."""
    before = _identity(path)
    return lambda: _identity(path) not in (None, before)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_ctime_ns


def kill_at(process: subprocess.Popen[bytes], has_come: Callable[[], bool], moment: float) -> bool:
    """Kill a run so many seconds after something has come, and return whether it still ran."""
    try:
        while process.poll() is None and not has_come():
            time.sleep(0.002)
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < moment:
            time.sleep(0.005)
        return process.poll() is None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def paths_in(output: Path, table: str, column: str = "path") -> list[str]:
    """Return what a plain reader of Parquet finds in a table; nothing where it has no part."""
    parts = sorted((output / table).rglob("*.parquet"))
    return [path for part in parts for path in pq.ParquetFile(part).read([column])[column].to_pylist()]


def check(output: Path) -> str:
    """Open the folder as a job of ours does, see that all tables are of one run, and return its id.

    Raises:
        AssertionError: says what doesn't agree.
    """
    for table in TABLES:
        paths_in(output, table, "path_a" if table == "pairs" else "path")
    store = Store(str(output))
    with settled(store):
        current = store.read_current()
        record = store.read_json("runs", f"{current.run_id}.json")
    images, named = paths_in(output, "features"), {name: set(paths_in(output, name)) for name in TABLES[3:]}
    assert current.stale() == [], current.stale()
    assert {what.run_id for what in current.tables.values()} == {current.run_id}
    assert record["counts"]["encoded"] == len(images) == len(set(images)), "features are of another run than the record"
    assert named["duplicates"] == set(images), "duplicates are of other images than features"
    assert named["removals"] <= named["groups"] <= named["duplicates"]
    assert record["counts"]["found"]["phash"]["removals"] == len(named["removals"])
    assert record["counts"]["found"]["phash"]["listed"] == len(paths_in(output, "pairs", "path_a"))
    return str(current.run_id)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    draw, came = random.Random(given.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        images, output = Path(place, "images"), Path(place, "out")
        make_corpus(installed_photographs()[:4], [EDITS["half_size"], EDITS["recompressed"]], images)
        extra = [Path(copy) for copy in sorted(map(str, images.rglob("*"))) if Path(copy).is_file()][-3:]
        contents = {path: path.read_bytes() for path in extra}
        output.mkdir()
        begun = time.monotonic()
        if started(images, output).wait():
            raise SystemExit(f"the first run failed: {Path(place, 'log').read_text()}")
        took, newest = time.monotonic() - begun, check(output)
        kinds = moments(output, took)
        for number in range(given.kills):
            path = extra[number % len(extra)]
            path.unlink() if path.exists() else path.write_bytes(contents[path])
            has_come, most = next(kinds)
            killed = kill_at(started(images, output), has_come, draw.uniform(0, most))
            now = check(output)
            came["new tables" if now != newest else "old tables"] += 1
            came["killed"] += killed
            newest = now
    print(
        f"{given.kills} runs of {took:.0f} s, {came['killed']} killed: {came['old tables']} times the tables of the "
        f"run before, {came['new tables']} times the new ones, 0 times any other state"
    )


if __name__ == "__main__":
    main()
