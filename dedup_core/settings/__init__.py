"""Settings of the jobs: declared once, frozen, validated; from defaults, a file and the command line."""

from dedup_core.settings.layers import option, resolve
from dedup_core.settings.settings import (
    BenchmarkSettings,
    EncodeSettings,
    EvaluateSettings,
    FindSettings,
    JobSettings,
    MethodSettings,
    PipelineSettings,
    ReportSettings,
    SearchSettings,
)

__all__ = [
    "BenchmarkSettings", "EncodeSettings", "EvaluateSettings", "FindSettings", "JobSettings", "MethodSettings",
    "PipelineSettings", "ReportSettings", "SearchSettings", "option", "resolve",
]  # fmt: skip
