"""The HTML report: what it shows as plain values, and the page that shows them."""

from dedup_core.report.model import ReportData
from dedup_core.report.page import render

__all__ = ["ReportData", "render"]
