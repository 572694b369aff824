"""How good predictions are, held against the truth: `evaluate` takes duplicate maps, the others counts and scores."""

from dedup_core.evaluation.maps import evaluate
from dedup_core.evaluation.metrics import (
    Quality,
    Rankings,
    Sweep,
    average_precision,
    classification_report,
    jaccard,
    ndcg,
    sweep,
)

__all__ = [
    "Quality",
    "Rankings",
    "Sweep",
    "average_precision",
    "classification_report",
    "evaluate",
    "jaccard",
    "ndcg",
    "sweep",
]
