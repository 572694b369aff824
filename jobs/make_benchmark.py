"""Photographs to a labelled corpus: copies made by edits, and the ground truth in every form."""

import sys
from pathlib import Path

import click

from dedup_core.corpus.benchmark import AS_LABELS, IMAGES, make_benchmark
from dedup_core.settings.command import run_job
from dedup_core.settings.settings import BenchmarkSettings


def benchmark(settings: BenchmarkSettings) -> None:
    """Copy and edit the images under --photographs, and write them with their ground truth to --output."""
    photographs = Path(settings.photographs) if settings.photographs else None
    made = make_benchmark(photographs, Path(settings.output), settings.edits, settings.seed, settings.overwrite)
    click.echo(
        f"\nImages   {made.images:>10,}  in {made.folder / IMAGES}/\n"
        f"         {made.photographs:>10,}  photographs, each with an exact copy and {len(made.edits)} edited ones\n"
        f"         {made.pairs:>10,}  true pairs\n"
        "\nNext     ./spark-submit.sh jobs/pipeline.py --method phash,dhash --input "
        f"{made.folder / IMAGES} --output RESULTS\n"
        f"         ./spark-submit.sh jobs/evaluate.py --method phash,dhash --output RESULTS --ground-truth "
        f"{made.folder / AS_LABELS}"
    )


if __name__ == "__main__":
    run_job(BenchmarkSettings, benchmark, sys.argv[1:])
