"""The main job on photographs that are already on this machine, so that there is something to see at once."""

from pathlib import Path

import click

from dedup_core.commands import to_run
from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.errors import SettingsError
from dedup_core.settings.demo import DemoSettings
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary

MARKER = ".dedup-demo"
SHOWN = ("recompressed", "webp", "half_size", "thumbnail", "crop_2", "brighter", "gray")


def run(settings: DemoSettings) -> None:
    """Make copies of photographs, find the duplicates among them, and say what was found."""
    folder = Path(settings.output)
    images, tables = folder / "images", folder / "tables"
    if folder.exists() and not (folder / MARKER).exists():
        raise SettingsError(f"{folder} was not made by the demo, which would write to it: choose another --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).touch()
    except OSError as error:
        raise SettingsError(f"can't write to {folder} ({error.strerror}): choose another --output") from error
    photographs = installed_photographs()
    click.echo(f"Making {len(SHOWN) + 1} copies of each of {len(photographs)} photographs in {images}/")
    make_corpus(photographs, [EDITS[name] for name in SHOWN], images)
    add_broken_files(images)
    of_pipeline = PipelineSettings.model_validate({"input": str(images), "output": str(tables)})
    with session("dedup demo") as spark:
        done = run_pipeline(spark, of_pipeline, say=click.echo)
    click.echo(summary(done))
    click.echo(
        f"\nNext     open {tables}/report/index.html in a browser, then try your own images:\n"
        f"         {to_run('pipeline')} --input FOLDER --output RESULTS --method phash\n"
        f"         {to_run('pipeline')} --help"
    )
