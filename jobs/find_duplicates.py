"""Features to pairs, duplicates, groups and removals."""

import sys

import click

from dedup_core.settings.command import run_job
from dedup_core.settings.settings import FindSettings
from dedup_core.spark.pipeline import run_find
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def find_duplicates(settings: FindSettings) -> None:
    """Find the duplicates among the features under --output, and write the tables beside them."""
    with session("dedup find_duplicates") as spark:
        run = run_find(spark, settings, say=click.echo)
    click.echo(summary(run))


if __name__ == "__main__":
    run_job(FindSettings, find_duplicates, sys.argv[1:])
