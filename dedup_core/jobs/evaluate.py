"""Duplicates, and the truth where there is one, to metrics, a sweep over all thresholds, figures and samples."""

import click

from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.session import session


def run(settings: EvaluateSettings) -> None:
    """Evaluate what was found, and say how good it is and where the figures are."""
    with session("dedup evaluate") as spark:
        run_evaluate(spark, settings, say=click.echo)
