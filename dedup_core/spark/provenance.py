"""What made each table, and from what: so that tables that don't belong together are named.

It is written into ``current.json``, table by table and method by method.

A features table is told from another by its digest: how many rows it has, and the exclusive or of a hash of each. It
does not depend on how rows are spread, so that features that were all reused are the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.current import Provenance
from dedup_core.images.names import readable
from dedup_core.ledger import SEARCHED
from dedup_core.metric import Metric
from dedup_core.settings.settings import SearchSettings

_CONTENT = ("path", "digest", "fingerprint", "hash")


@dataclass(frozen=True)
class FeatureFacts:
    """What is known of one method's features.

    Attributes:
        fingerprint: how they were made.
        images: a digest of which images they are of; None of embeddings that were given, which tell no content.
        features: a digest of them.
    """

    fingerprint: str
    images: str | None
    features: str


def facts_of(features: DataFrame, given: Collection[str] = ()) -> dict[str, FeatureFacts]:
    """Return what is known of each method's features.

    Args:
        features: the ``features`` table.
        given: methods whose embeddings were given: only these are looked at number by number.
    """
    is_given = F.col("method").isin(list(given))
    numbers = [F.when(is_given, F.xxhash64("embedding"))] if given else []
    counted = features.groupBy("method").agg(
        F.min("fingerprint").alias("fingerprint"),
        _digest("path", "digest").alias("images"),
        _digest(*_CONTENT, *numbers).alias("features"),
    )
    return {
        row["method"]: FeatureFacts(
            row["fingerprint"], None if row["method"] in given else row["images"], row["features"]
        )
        for row in counted.collect()  # a row a method
    }


def _digest(*columns: Column | str) -> Column:
    return F.concat_ws("-", F.hex(F.count("*")), F.hex(F.bit_xor(F.xxhash64(*columns))))


def of_features(facts: Mapping[str, FeatureFacts], run_id: str, source: str) -> dict[str, Provenance]:
    """Return, by place, what made the ``features`` and ``failures`` tables; nothing of no features."""
    source = readable(source)
    made = {
        f"features/method={method}": Provenance(
            run_id=run_id,
            source=source,
            fingerprint=known.fingerprint,
            images=known.images,
            features={method: known.features},
        )
        for method, known in facts.items()
    }
    return {**made, "failures": Provenance(run_id=run_id, source=source)} if made else {}


def of_search(
    settings: SearchSettings, method: str, metric: Metric, facts: Mapping[str, FeatureFacts], run_id: str, source: str
) -> dict[str, Provenance]:
    """Return, by place, what made the tables that a search by one method writes."""
    used = settings.encoded if settings.is_judged(method) else (method,)
    own = facts.get(method)
    made = Provenance(
        run_id=run_id,
        source=readable(source),
        fingerprint=own.fingerprint if own else None,
        threshold=getattr(settings, metric.option),
        search=settings.search if settings.search in metric.searches else "exact",
        features={name: facts[name].features for name in used if name in facts},
    )
    return {f"{table}/method={method}": made for table in SEARCHED}
