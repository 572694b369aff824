"""What the records of runs say, for the report: how each method was searched, and which runs are worth showing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dedup_core.metric import Metric
from dedup_core.report.model import Hub, RunFacts
from dedup_core.spark.runs import newest_search

_RUNS_SHOWN = 3
Record = Mapping[str, Any]


@dataclass(frozen=True)
class SearchFacts:
    """A method's newest search, as its record tells; without a record, an exact one that listed its pairs.

    Attributes:
        threshold: the one that the pairs were searched with, where known.
        pairs: how many pairs it counted.
        lists_pairs: False if it counted them and listed none.
        lists_all: False if it listed some of them: of many equal images each with the first of them alone.
        is_exact: False if the search may have missed pairs.
        recall: of such a search, measured on a sample, where known.
        same: how many pairs it found to be the same picture, where it gave verdicts.
        similar: how many it found to be only similar.
        unseen: how many of these it could not compare.
        hubs: the largest groups, where a person should look at them first.
        rule: what can be removed: "same" or "similar", where known.
        run_id: of the run that searched, where known.
    """

    threshold: float | None = None
    pairs: int = 0
    lists_pairs: bool = True
    lists_all: bool = True
    is_exact: bool = True
    recall: float | None = None
    same: int | None = None
    similar: int | None = None
    unseen: int = 0
    hubs: tuple[Hub, ...] = ()
    rule: str | None = None
    run_id: str | None = None


def search_facts(method: str, metric: Metric, records: Sequence[Record]) -> SearchFacts:
    """Return what is known of a method's newest search.

    Args:
        method: its name.
        metric: how it compares.
        records: of all runs, newest first.
    """
    record = newest_search(method, records)
    if not record:
        return SearchFacts()
    settings, counts = record.get("settings", {}), record["counts"]["found"][method]
    return SearchFacts(
        threshold=settings.get(metric.option),
        pairs=counts.get("pairs", 0),
        lists_pairs=_lists_pairs(record),
        lists_all=counts.get("listed", 0) >= counts.get("pairs", 0) or "listed" not in counts,
        is_exact="recall" not in counts,
        recall=counts.get("recall"),
        same=counts.get("same"),
        similar=counts.get("similar"),
        unseen=counts.get("unseen", 0),
        hubs=tuple(_hub(hub) for hub in counts.get("hubs", ())),
        rule=_rule(settings.get("removals")),
        run_id=record.get("run_id"),
    )


def _rule(removals: str | Sequence[str] | None) -> str | None:
    """Return what can be removed, in the words of the setting; an earlier version named one thing alone."""
    return removals if removals is None or isinstance(removals, str) else ", ".join(removals)


def _hub(hub: Record) -> Hub:
    return Hub(str(hub["group_id"]), int(hub["images"]), int(hub["removals"]), str(hub["reason"]))


def unlisted_images(records: Sequence[Record]) -> dict[str, int]:
    """Return method to number of images compared, of methods whose newest search listed no pairs."""
    methods = {method for record in records for method in record.get("counts", {}).get("found", {})}
    newest = {method: newest_search(method, records) for method in methods}
    return {
        method: record["counts"]["found"][method]["images"]
        for method, record in newest.items()
        if not _lists_pairs(record)
    }


def _lists_pairs(record: Record) -> bool:
    return bool(record.get("settings", {}).get("list_pairs", True))


def encoding_record(records: Sequence[Record]) -> Record | None:
    """Return the record of the newest run that read images; None if there is none."""
    return next((record for record in records if "input" in record["settings"]), None)


def embeddings_given(records: Sequence[Record]) -> set[str]:
    """Return the names of embeddings that were given, as methods that runs have searched."""
    return {
        name
        for record in records
        for name in record["settings"].get("embeddings_name", ())
        if name in record.get("counts", {}).get("found", {})
    }


def features_elsewhere(records: Sequence[Record]) -> str | None:
    """Return the folder of another run's features that the newest run to name one has searched; None if none does."""
    return next((r["settings"]["features"] for r in records if r["settings"].get("features")), None)


def runs_shown(records: Sequence[Record]) -> tuple[RunFacts, ...]:
    """Return the newest runs: those that made tables, and of the evaluations the last one alone."""
    evaluated = [record for record in records if "evaluated" in record.get("counts", {})]
    shown = [record for record in records if record not in evaluated[1:]][:_RUNS_SHOWN]
    return tuple(_run_facts(record) for record in shown)


def _run_facts(record: Record) -> RunFacts:
    parts = {name: record.get(name, {}) for name in ("settings", "versions", "seconds")}
    return RunFacts(run_id=str(record.get("run_id")), source=str(record.get("source")), **parts)
