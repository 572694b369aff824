"""The few lines that a job ends with."""

from __future__ import annotations

from typing import Any

from dedup_core.commands import job_named
from dedup_core.current import CURRENT
from dedup_core.errors import tally
from dedup_core.report.verdicts import caution_texts
from dedup_core.spark.published import Published
from dedup_core.spark.runs import Run


def summary(run: Run) -> str:
    """Return what a run did, where the results are, and what to do next."""
    listed = getattr(run.settings, "list_pairs", True)
    lines = [*_images(run.counts), *_searched(run.counts, listed), "", *_places(run)]
    total = sum(run.seconds.values())
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.seconds.items())
    return "\n".join([*lines, "", f"Run {run.run_id}: {total:.1f} s ({stages})"])


def _images(counts: dict[str, Any]) -> list[str]:
    if "seen" not in counts:
        return []
    failed = sum(counts["failed"].values())
    lines = [
        "",
        f"Images   {counts['seen']:>10,}  seen",
        f"         {counts['encoded']:>10,}  encoded" + _of_these(counts),
        f"         {failed:>10,}  failed",
    ]
    lines += [
        f"         {'':>10}  - {count:,} {reason.replace('_', ' ')}" for reason, count in counts["failed"].items()
    ]
    lines += [f"         {count:>10,}  {text}" for count, text in caution_texts(counts.get("caution", {}))]
    if counts["repeated"]:
        lines.append(f"         {counts['repeated']:>10,}  were further names of a file, or the same row again")
    return lines


def _of_these(counts: dict[str, Any]) -> str:
    parts = {
        "by an earlier run": counts["reused"],
        "by a run that was stopped": counts["resumed"],
        "of folders that can't be listed now, by an earlier run": counts["kept"],
    }
    told = [f"{count:,} {by}" for by, count in parts.items() if count]
    return f", of them {', '.join(told)}" if told else ""


def _searched(counts: dict[str, Any], listed: bool) -> list[str]:
    lines: list[str] = []
    for method, result in counts.get("found", {}).items():
        noun = "group" if result["groups"] == 1 else "groups"
        lines += [
            "",
            f"{method:<8} {result['pairs']:>10,}  pairs in reach{_listed(result, listed)}",
            f"         {result['same']:>10,}  of them are the same picture, by their pixels",
            f"         {result['similar']:>10,}  are similar: for a person to look at{_unseen(result)}",
            f"         {result['groups']:>10,}  {noun}, of {result['in_groups']:,} images",
            f"         {result['removals']:>10,}  could be removed (nothing is deleted here)",
        ]
        lines += [_relations(result["relations"])] if result.get("relations") else []
        lines += [_hub(hub) for hub in result["hubs"]]
        if "recall" in result:
            lines.append(_recall(result["recall"], result["recall_pairs"]))
    return lines


def _listed(result: dict[str, Any], listed: bool) -> str:
    if not listed:
        return ", counted and not listed"
    return "" if result["listed"] == result["pairs"] else f", {result['listed']:,} of them listed (--most-copies)"


def _unseen(result: dict[str, Any]) -> str:
    """Return what to say of pairs whose pixels could not be compared, of those found and of those only proposed."""
    told = f" ({result['unseen']:,} could not be compared by pixels)" if result.get("unseen") else ""
    if proposed := result.get("unseen_proposals"):
        told += f"\n         {proposed:>10,}  more were proposed and could not be compared: they are left out"
    return told


def _relations(counts: dict[str, int]) -> str:
    return f"         {'':>10}  geometry says: {tally(counts)}"


def _hub(hub: dict[str, Any]) -> str:
    return (
        f"         {hub['images']:>10,}  images are one group, around {hub['group_id']}: {hub['reason']} "
        f"({hub['removals']:,} could be removed)"
    )


def _recall(share: float | None, pairs: int) -> str:
    told = "unknown" if share is None else f"{share:.4f}"
    sample = f"on a sample with {pairs:,} pairs" if pairs else "the sample has no pairs"
    return f"         {told:>10}  recall ({sample}): the search was clustered, not exact, and may have missed pairs"


def _places(run: Run) -> list[str]:
    store = run.store
    tables = Published.of(store).tables()
    single = [name for name in sorted(store.read_ledger().files) if "/" not in name and name != CURRENT]
    exports = [name for name in single if store.exists(name)]
    lines = [f"Tables   {store.url}/", f"         {', '.join(tables)}"]
    lines += [f"Stale    {sentence}" for sentence in store.read_current().stale()]
    if store.exists("report", "index.html"):
        stale = "" if "report" in run.seconds else f" (of an earlier run: {job_named('report')} makes it anew)"
        lines.append(f"Report   {store.url}/report/index.html{stale}")
    return lines + ([f"         {', '.join(exports)}"] if exports else [])
