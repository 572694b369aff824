"""Features to pairs, duplicates, groups and removals."""

import click

from dedup_core.settings.settings import FindSettings
from dedup_core.spark.pipeline import run_find
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def run(settings: FindSettings) -> None:
    """Find duplicates among features, and say what was found and where the tables are."""
    with session("dedup find_duplicates") as spark:
        done = run_find(spark, settings, say=click.echo)
    click.echo(summary(done))
