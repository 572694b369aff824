"""The report of an output folder: from the published tables to one page."""

from dedup_core.spark.report.page import write_report

__all__ = ["write_report"]
