"""The main job on photographs that are already on this machine, so that there is something to see at once."""

import sys
from pathlib import Path

import click
from pydantic import Field

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.errors import SettingsError
from dedup_core.settings.command import run_job
from dedup_core.settings.settings import JobSettings, PipelineSettings
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary

MARKER = ".dedup-demo"
SHOWN = ("recompressed", "webp", "half_size", "thumbnail", "crop_2", "brighter", "gray")


class DemoSettings(JobSettings, frozen=True):
    """Where the demo goes."""

    output: str = Field("dedup-demo", description="Folder for the demo's images and tables, which it makes again.")


def demo(settings: DemoSettings) -> None:
    """Copy and edit the photographs that ship in scikit-image and matplotlib, and find the duplicates among them."""
    folder = Path(settings.output)
    images, tables = folder / "images", folder / "tables"
    if folder.exists() and not (folder / MARKER).exists():
        raise SettingsError(f"{folder} was not made by the demo, which would write to it: choose another --output")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    photographs = installed_photographs()
    click.echo(f"Making {len(SHOWN) + 1} copies of each of {len(photographs)} photographs in {images}/")
    make_corpus(photographs, [EDITS[name] for name in SHOWN], images)
    add_broken_files(images)
    with session("dedup demo") as spark:
        run = run_pipeline(spark, PipelineSettings(input=str(images), output=str(tables)), say=click.echo)
    click.echo(summary(run))
    click.echo(
        f"\nNext     open {tables}/report/index.html in a browser, then try your own images:\n"
        "         ./spark-submit.sh jobs/pipeline.py --input FOLDER --output RESULTS --method phash\n"
        "         ./spark-submit.sh jobs/pipeline.py --help"
    )


if __name__ == "__main__":
    run_job(DemoSettings, demo, sys.argv[1:])
