"""Images to features, pairs, duplicates, groups and removals, in one run."""

import sys

import click

from dedup_core.settings.command import run_job
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def pipeline(settings: PipelineSettings) -> None:
    """Find the duplicate images under --input, and write every table to --output."""
    with session("dedup pipeline") as spark:
        run = run_pipeline(spark, settings, say=click.echo)
    click.echo(summary(run))


if __name__ == "__main__":
    run_job(PipelineSettings, pipeline, sys.argv[1:])
