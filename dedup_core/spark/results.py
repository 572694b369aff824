"""What functions over DataFrames return that make several."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import DataFrame


class EncodedTables(NamedTuple):
    """What `encode` and `given_embeddings` return.

    Attributes:
        features: a row an image and method, the columns of the table ``features``.
        failures: a row an image that has no features, the columns of the table ``failures``.
    """

    features: DataFrame
    failures: DataFrame


class FoundTables(NamedTuple):
    """What `find` returns, each with the columns of the table of its name.

    Attributes:
        pairs: a row a pair.
        duplicates: a row an encoded image, those without duplicates too.
        groups: a row an image that is in a group.
        removals: a row an image that can be removed.
    """

    pairs: DataFrame
    duplicates: DataFrame
    groups: DataFrame
    removals: DataFrame
