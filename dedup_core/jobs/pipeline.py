"""Images to features, pairs, duplicates, groups and removals, in one run."""

import click

from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.encode.sources import check_there
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def run(settings: PipelineSettings) -> None:
    """Find duplicates, and say what was found and where the tables are."""
    check_there(settings)
    with session("dedup pipeline") as spark:
        done = run_pipeline(spark, settings, say=click.echo)
    click.echo(summary(done))
