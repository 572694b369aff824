"""Photographs and drawn pictures to a labelled corpus: copies of them, and the ground truth in every form."""

from pathlib import Path

import click

from dedup_core.commands import to_run
from dedup_core.corpus.benchmark import AS_LABELS, IMAGES, Benchmark, Shown, make_benchmark
from dedup_core.settings.settings import BenchmarkSettings


def run(settings: BenchmarkSettings) -> None:
    """Make a labelled corpus, and say what is in it."""
    photographs = Path(settings.photographs) if settings.photographs else None
    shown = Shown(settings.kind, settings.pictures)
    made = make_benchmark(photographs, Path(settings.output), settings.edits, settings.seed, settings.overwrite, shown)
    click.echo(summary(made))


def summary(made: Benchmark) -> str:
    """Return what was made, and what to do next."""
    lines = [f"\nImages   {made.images:>10,}  in {made.folder / IMAGES}/"]
    if made.photographs:
        edited = f"photographs, each with an exact copy and {len(made.edits)} edited ones"
        lines.append(f"         {made.photographs:>10,}  {edited}")
    if made.kinds:
        lines.append(f"         {made.pictures:>10,}  pictures each of {', '.join(made.kinds)}")
        lines.append(f"         {len(made.copies):>10,}  copies of each: {', '.join(made.copies)}")
    lines.append(f"         {made.pairs:>10,}  true pairs")
    lines.append(
        f"\nNext     {to_run('pipeline')} --method phash,dhash --input {made.folder / IMAGES} --output RESULTS\n"
        f"         {to_run('evaluate')} --method phash,dhash --output RESULTS --ground-truth {made.folder / AS_LABELS}"
    )
    return "\n".join(lines)
