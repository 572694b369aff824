"""Duplicates, and the truth where there is one, to metrics, a sweep over all thresholds, figures and samples."""

import sys

import click

from dedup_core.settings.command import run_job
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.job import run_evaluate
from dedup_core.spark.session import session


def evaluate(settings: EvaluateSettings) -> None:
    """Evaluate what was found under --output (or --duplicates), and write evaluation/ there."""
    with session("dedup evaluate") as spark:
        run_evaluate(spark, settings, say=click.echo)


if __name__ == "__main__":
    run_job(EvaluateSettings, evaluate, sys.argv[1:])
