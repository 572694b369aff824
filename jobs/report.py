"""Tables to a page for people: report/index.html."""

import sys

import click

from dedup_core.settings.command import run_job
from dedup_core.settings.settings import ReportSettings
from dedup_core.spark.report.page import write_report
from dedup_core.spark.session import session


def report(settings: ReportSettings) -> None:
    """Show the tables under --output on one page with pictures, in their folder report/."""
    with session("dedup report") as spark:
        write_report(spark, settings, say=click.echo)


if __name__ == "__main__":
    run_job(ReportSettings, report, sys.argv[1:])
