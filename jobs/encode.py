"""Images to features and failures."""

import sys

import click

from dedup_core.settings.command import run_job
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.pipeline import run_encode
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def encode(settings: EncodeSettings) -> None:
    """Encode the images under --input, and write the features and failures tables to --output."""
    with session("dedup encode") as spark:
        run = run_encode(spark, settings, say=click.echo)
    click.echo(summary(run))


if __name__ == "__main__":
    run_job(EncodeSettings, encode, sys.argv[1:])
