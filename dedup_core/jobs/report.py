"""Tables to a page for people: report/index.html."""

import click

from dedup_core.settings.settings import ReportSettings
from dedup_core.spark.report.page import write_report
from dedup_core.spark.session import session


def run(settings: ReportSettings) -> None:
    """Write the page, and say where it is."""
    with session("dedup report") as spark:
        write_report(spark, settings, say=click.echo)
