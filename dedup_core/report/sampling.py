"""What the page says of its groups: which of all that were found are on it, and how they were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dedup_core.report.model import Group, ReportData

_HASHED = "drawn at random from the rest (by a hash, so that every report of these tables draws the same)"


class Sample(NamedTuple):
    """What is said of one method's groups, and whether the page shows all that was found."""

    method: str
    text: str
    is_whole: bool


def samples(report: ReportData, shown: Sequence[Group]) -> list[Sample]:
    """Say for each method what part of its groups the page shows, and how it was chosen.

    Args:
        report: with how many groups there are.
        shown: the groups on the page.
    """
    rows = []
    for result in report.methods:
        mine = [group for group in shown if group.method == result.name]
        cut = sum(len(group.members) < group.size for group in mine)
        at_random = sum(group.at_random for group in mine)
        words = [_which(result.groups, len(mine) - at_random, at_random), _cut(cut, len(mine))]
        is_whole = not cut and len(mine) >= result.groups
        rows.append(Sample(result.name, " ".join(filter(None, words)), is_whole))
    return rows


def _which(total: int, largest: int, at_random: int) -> str:
    shown = largest + at_random
    if shown < total:
        return _part(total, largest, at_random) if shown else f"None of the {total:,} groups fits on this page."
    return {0: "There are no groups.", 1: "There is one group."}.get(total, f"This page shows all {total:,} groups.")


def _part(total: int, largest: int, at_random: int) -> str:
    chosen = []
    if largest:
        chosen.append("the largest" if largest == 1 else f"the {largest:,} largest")
    if at_random:
        chosen.append(f"{'one' if at_random == 1 else f'{at_random:,}'} {_HASHED}")
    return f"A sample of {largest + at_random:,} of {total:,} groups: {', and '.join(chosen)}."


def _cut(cut: int, shown: int) -> str:
    if not cut:
        return ""
    if shown == 1:
        return "Only some of its images are shown."
    return f"In {'one' if cut == 1 else f'{cut:,}'} of them only some images are shown."
