"""Time the whole pipeline over the 164 images of the demo, from process start to its end, and count its Spark jobs.

    python benchmarks/spark_few.py [--runs 3] [--against FOLDER]

``--against`` names another checkout, whose spark-submit.sh is run by turns with this one's; the ratio is then printed.
Of such short runs a busy machine changes the seconds, and the processor time less. Each starts from an empty folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from process_tree import Measured, measured

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus

ROOT = Path(__file__).parents[1]
SHOWN = ("recompressed", "webp", "half_size", "thumbnail", "crop_2", "brighter", "gray")
EVENTS = "SparkListenerJobStart", "SparkListenerSQLExecutionStart"


def run_of(checkout: Path, images: Path, folder: Path, options: Sequence[str] = ()) -> Measured:
    """Run the pipeline of a checkout, and return what it took."""
    job = [str(checkout / "jobs/pipeline.py"), "--input", str(images), "--output", str(folder / "out")]
    return measured([str(checkout / "spark-submit.sh"), *options, *job, "--method", "phash"], folder / "log", 0.2)


def jobs_of(checkout: Path, images: Path, folder: Path) -> tuple[int, int]:
    """Return how many Spark jobs a run makes, and for how many queries, its page included."""
    (folder / "events").mkdir()
    settings = {"enabled": "true", "dir": f"file://{folder}/events", "compress": "false"}
    options = [word for name, value in settings.items() for word in ("--conf", f"spark.eventLog.{name}={value}")]
    run_of(checkout, images, folder, options)
    files = (path for path in (folder / "events").rglob("*") if path.is_file() and not path.name.startswith("."))
    events = [json.loads(line)["Event"].rpartition(".")[2] for path in files for line in path.open(encoding="utf-8")]
    jobs, queries = map(events.count, EVENTS)
    return jobs, queries


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--photographs", type=int, default=18, help="of which all are made")
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args(arguments)
    checkouts = [ROOT, given.against] if given.against else [ROOT]
    took: dict[Path, list[Measured]] = {checkout: [] for checkout in checkouts}
    with tempfile.TemporaryDirectory() as place:
        images = Path(place) / "images"
        make_corpus(installed_photographs()[: given.photographs], [EDITS[name] for name in SHOWN], images)
        add_broken_files(images)
        for _ in range(given.runs):
            for checkout in checkouts:
                took[checkout].append(run_of(checkout, images, Path(tempfile.mkdtemp(dir=place))))
        counts = {checkout: jobs_of(checkout, images, Path(tempfile.mkdtemp(dir=place))) for checkout in checkouts}
    for checkout, runs in took.items():
        seconds, cores = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "core_seconds"))
        jobs, queries = counts[checkout]
        print(f"{checkout}: {seconds:.1f} s, {cores:.1f} s of a core, {jobs} Spark jobs for {queries} queries")
    if given.against:
        for name in ("seconds", "core_seconds"):
            ours, theirs = ([getattr(run, name) for run in runs] for runs in took.values())
            ratio = statistics.median(other / own for own, other in zip(ours, theirs, strict=True))
            print(f"{name}: the other checkout / this one = {ratio:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
