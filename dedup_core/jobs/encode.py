"""Images to features and failures."""

import click

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.sources import check_there
from dedup_core.spark.pipeline import run_encode
from dedup_core.spark.session import session
from dedup_core.spark.summary import summary


def run(settings: EncodeSettings) -> None:
    """Encode images, and say how many and where the tables are."""
    check_there(settings)
    with session("dedup encode") as spark:
        done = run_encode(spark, settings, say=click.echo)
    click.echo(summary(done))
