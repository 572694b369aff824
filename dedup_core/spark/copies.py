"""How many pairs equal images are, and how many of them are listed: of many each with the first of them alone."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def pairs_of(count: Column) -> Column:
    """Return how many pairs so many things are, DOUBLE."""
    return count.cast("double") * (count - F.lit(1)) / F.lit(2)


def are_many(count: Column, most_copies: int) -> Column:
    """Return whether of so many copies one stands for all."""
    return count > F.lit(most_copies)


def listed_of(count: Column, most_copies: int) -> Column:
    """Return how many of so many copies are listed with other images: all of few, and one of many; BIGINT."""
    return F.when(are_many(count, most_copies), F.lit(1)).otherwise(count).cast("bigint")


def listed_pairs_of(count: Column, most_copies: int) -> Column:
    """Return how many pairs of so many copies are listed, DOUBLE."""
    return F.when(are_many(count, most_copies), (count - F.lit(1)).cast("double")).otherwise(pairs_of(count))
