"""Hubs: groups so large that what their images share is hardly the picture: a frame, a form, a blank."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.images.looks import CAUTIONS

MOST_IMAGES, SHARE, FEWEST_IMAGES = 50, 0.01, 10
_SHOWN = 5
_MOSTLY = 0.5
_UNTOLD = "they share a frame, a form or a page, and what differs is too small for the method"
_JUDGED = "many edits of one picture, or pictures of which each shares a part with the next"
_REASONS = {
    "flat": "they are of nearly one colour, and their pixels are equal",
    "transparent": "most are transparent, and the method looks beneath (--transparency grey hashes what is seen)",
    "few_details": "most have few details: pages with little on them, small figures",
    "deep": "most hold more than 8 bits a pixel, of which the brightest decide",
    "several_frames": "most hold several frames, of which the first alone is compared",
}


def most_alike(images: int) -> int:
    """Return how many images a group may hold before it is a hub: 50, or a hundredth of all, but not below 10."""
    return min(MOST_IMAGES, max(FEWEST_IMAGES, int(SHARE * images)))


def hubs_of(groups: DataFrame, most: int, are_judged: bool = False) -> list[dict[str, Any]]:
    """Return the largest hubs: each with its group_id, its images, what could be removed, and the likely reason.

    Args:
        groups: the ``groups`` table, with ``code``, ``content``, ``caution`` and ``kept_path``.
        most: how many images a group may hold.
        are_judged: whether geometry has judged their pairs, which tells frames and forms apart.
    """
    large = groups.where(F.col("group_size") > F.lit(most))
    top = large.groupBy("group_id").agg(F.max("group_size").alias("images")).orderBy(F.desc("images"), "group_id")
    shown = [row["group_id"] for row in top.limit(_SHOWN).collect()]
    if not shown:
        return []
    known = large.where(F.col("group_id").isin(shown))
    cautions = [F.count_if(F.array_contains("caution", name)).alias(name) for name in CAUTIONS]
    counted = known.groupBy("group_id").agg(
        F.count("*").alias("images"), F.countDistinct("code").alias("codes"),
        F.countDistinct("content").alias("contents"), F.count("kept_path").alias("removals"), *cautions,
    ).orderBy(F.desc("images"), "group_id")  # fmt: skip
    return [_told(row.asDict(), are_judged) for row in counted.collect()]


def _told(row: dict[str, Any], are_judged: bool) -> dict[str, Any]:
    told = {name: row[name] for name in ("group_id", "images", "codes", "removals")}
    return told | {"reason": _reason(row) or (_JUDGED if are_judged else _UNTOLD)}


def _reason(row: dict[str, Any]) -> str | None:
    """Return why the images are alike, so far as is known of them."""
    if row["contents"] == 1:
        return "their files are equal"
    if row["removals"] > _MOSTLY * row["images"]:
        kept = row["images"] - row["removals"]
        return "copies of one picture" if kept == 1 else f"copies of {kept:,} pictures that are only similar"
    for name, text in _REASONS.items():
        if row[name] > _MOSTLY * row["images"]:
            return text
    return None
