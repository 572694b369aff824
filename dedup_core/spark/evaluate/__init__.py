"""The evaluation job: the pairs of a search, held against the truth about duplicates on a cluster."""

from dedup_core.spark.evaluate.job import run_evaluate

__all__ = ["run_evaluate"]
