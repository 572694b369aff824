"""The report's figures: columns that the page draws with its own colours, so that they suit light, dark and phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dedup_core.report.model import Evaluation, MethodResult

LEVEL_STEP = 0.01
"""How finely similarities are counted. Distances are whole numbers."""

_LABELS = 12


@dataclass(frozen=True)
class Column:
    """A column of a chart.

    Attributes:
        label: what it stands for.
        value: what it counts, in few letters.
        exact: the same in full.
        height: its height in percent of the tallest.
        show_label: whether the label is drawn; of many columns, every few are.
    """

    label: str
    value: str
    exact: str
    height: float
    show_label: bool


@dataclass(frozen=True)
class Chart:
    """A figure: its title, what its columns are, a sentence on how to read it, and the columns."""

    title: str
    axis: str
    note: str
    columns: tuple[Column, ...]


def charts(result: MethodResult, evaluation: Evaluation | None = None) -> list[Chart]:
    """Return the figures of one method; none if it found no pairs.

    Args:
        result: what it found.
        evaluation: of these very pairs, if there is one: it knows what each threshold removes, and not the most only.
    """
    if not result.scores:
        return []
    counted = {row.threshold: row.removed_share for row in evaluation.rows} if evaluation else {}
    exact = {threshold: share for threshold, share in counted.items() if share is not None}
    is_whole = bool(exact) and len(exact) == len(counted)
    return [_scores(result), _sizes(result), _removed(result, exact) if is_whole else _removable(result)]


def level_text(level: float, ascending: bool) -> str:
    """Return a score level as the page writes it: a whole distance, or a similarity with two decimals."""
    return f"{level:.0f}" if ascending else f"{level:.2f}"


def short(count: float) -> str:
    """Return a count in few letters: 1,234 is 1.2k."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return f"{count:.0f}"


def _scores(result: MethodResult) -> Chart:
    levels = _levels(result)
    labels = [level_text(level, result.ascending) for level in levels]
    counts = [result.scores.get(level, 0) for level in levels]
    return Chart(
        "Pairs by score",
        _score_name(result),
        "How many pairs have which score. Heights are logarithmic.",
        _count_columns(labels, counts),
    )


def _sizes(result: MethodResult) -> Chart:
    largest = max(result.sizes, default=2)
    bins = [2, 3, 4, *(2**power for power in range(3, largest.bit_length()))]
    bins = [size for size in bins if size <= largest]
    labels = [str(size) if size <= 4 else f"{short(size // 2 + 1)}+" for size in bins]
    counts = [result.sizes.get(size, 0) for size in bins]
    return Chart(
        "Groups by size",
        "images in a group, from",
        "How many groups have how many images. Heights are logarithmic.",
        _count_columns(labels, counts),
    )


def _removable(result: MethodResult) -> Chart:
    levels = _strict_first(result)
    total, shares = 0, []
    for level in levels:
        total += result.earlier.get(level, 0)
        shares.append(total / result.images if result.images else 0.0)
    note = (
        "At most this share could go at a stricter threshold: the images with a duplicate at an earlier path. "
        f"At the threshold of this run {result.removals / max(result.images, 1):.1%} could."
    )
    return _share_chart(result, levels, shares, note)


def _removed(result: MethodResult, exact: Mapping[float, float]) -> Chart:
    levels = _strict_first(result)
    # A level of similarities is rounded down: that of the search may lie below its threshold.
    loosest = (max if result.ascending else min)(exact)
    shares = [exact.get(level, exact[loosest]) for level in levels]
    return _share_chart(result, levels, shares, "The share of the images that each threshold would remove.")


def _share_chart(result: MethodResult, levels: Sequence[float], shares: Sequence[float], note: str) -> Chart:
    labels = [level_text(level, result.ascending) for level in levels]
    values = [f"{share:.1%}" if share < 0.0995 else f"{share:.0%}" for share in shares]
    columns = _columns(labels, values, [f"{share:.2%}" for share in shares], shares)
    return Chart("Images removed, by threshold", f"{_score_name(result)} threshold", note, columns)


def _strict_first(result: MethodResult) -> list[float]:
    return _levels(result) if result.ascending else _levels(result)[::-1]


def _levels(result: MethodResult) -> list[float]:
    """Return every level from the first to the last, so that a gap is seen as one.

    The distances of phash are always even: where all are, odd ones would be no gap but noise.
    """
    found = sorted(result.scores)
    if not result.ascending:
        first, last = round(found[0] / LEVEL_STEP), round(found[-1] / LEVEL_STEP)
        return [round(step * LEVEL_STEP, 6) for step in range(first, last + 1)]
    last = max(int(found[-1]), int(result.threshold or 0))
    step = 2 if all(level % 2 == 0 for level in found) else 1
    return [float(level) for level in range(0, last + 1, step)]


def _score_name(result: MethodResult) -> str:
    return "distance" if result.ascending else "similarity"


def _count_columns(labels: Sequence[str], counts: Sequence[int]) -> tuple[Column, ...]:
    return _columns(
        labels,
        [short(count) for count in counts],
        [f"{count:,}" for count in counts],
        [math.log1p(count) for count in counts],
    )


def _columns(
    labels: Sequence[str], values: Sequence[str], exact: Sequence[str], heights: Sequence[float]
) -> tuple[Column, ...]:
    tallest = max(heights, default=0.0) or 1.0
    every = -(-len(labels) // _LABELS)
    rows = enumerate(zip(labels, values, exact, heights, strict=True))
    return tuple(
        Column(label, value, full, round(100 * height / tallest, 1), index % every == 0)
        for index, (label, value, full, height) in rows
    )
