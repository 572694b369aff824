"""A search of features in a DataFrame of somebody else's, and features of embeddings in one."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.registry import ENCODERS, encoders_of
from dedup_core.errors import SettingsError
from dedup_core.settings.embeddings import EmbeddingSettings, embeddings_named
from dedup_core.settings.layers import of_arguments
from dedup_core.settings.settings import EncodeSettings, SearchSettings
from dedup_core.spark.batches import are_few
from dedup_core.spark.encode.given_images import CONTENT, GivenImages, columns_of_images
from dedup_core.spark.explained import explained
from dedup_core.spark.given_arguments import dataframe_or_none, folder_or_none, names
from dedup_core.spark.held import HeldSteps
from dedup_core.spark.search import given_embeddings
from dedup_core.spark.search.find import Again, check_features, find_method
from dedup_core.spark.search.given_features import given_features
from dedup_core.spark.session import workers_like_this
from dedup_core.spark.staging import READY, Staging
from dedup_core.spark.store import Store
from dedup_core.spark.tables import FAILURES, FEATURES, TABLES, columns_of, conform

_LOG = logging.getLogger("dedup_core.spark")
_PLACES = {"input": "the DataFrame", "output": "no folder"}  # which the settings of jobs require
_OF_JOBS = ("input", "input_format", "path_column", "content_column", "recursive", "reuse", "output", "overwrite",
            "verbose", "method", "max_failed_share", "images_per_task", "checkpoint_seconds", "export_json", "scores",
            "verdicts", "max_export_images", "max_export_pairs", "list_pairs",
            *EmbeddingSettings.model_fields)  # fmt: skip
_ENCODING = frozenset(EncodeSettings.model_fields).difference(_OF_JOBS, ["embeddings_name"])
_SEARCHING = frozenset(SearchSettings.model_fields).difference(_OF_JOBS)
_READING = ("max_pixels", "max_file_bytes")
_CALLED = {"method": "methods"}
_LISTED, _UNLISTED = ("pairs", "duplicates", "groups", "removals"), ("groups", "removals")


@dataclass(frozen=True)
class _Logged:
    """Who watches a search that nobody waits at: its lines go to the log."""

    say: Callable[[str], None] = _LOG.info

    def stage(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - no stage is timed
        return nullcontext()


@dataclass(frozen=True)
class GivenSearch:
    """What to search, as a caller says it.

    Attributes:
        settings: of the search.
        images: the images once more; None where they can't be read again.
        reading: settings of how they are read.
    """

    settings: SearchSettings
    images: DataFrame | None
    reading: Mapping[str, Any]

    @classmethod
    def of(
        cls, methods: str | Sequence[str], images: DataFrame | None, options: Mapping[str, Any], list_pairs: bool
    ) -> GivenSearch:
        """Check what a caller says.

        Args:
            methods: by which to compare.
            images: as the attribute.
            options: settings of the search, and of how images are read.
            list_pairs: whether pairs and duplicates are wanted.

        Raises:
            TypeError: if there is no such option.
            SettingsError: if one is wrong.
        """
        if made_before := [name for name in options if name in EmbeddingSettings.model_fields]:
            raise TypeError(f"unexpected argument {made_before[0]!r}: given_embeddings makes features of vectors first")
        reading = {name: value for name, value in options.items() if name in _READING}
        searching = {name: value for name, value in options.items() if name not in _READING}
        fixed = {"output": _PLACES["output"], "method": names(methods, "methods"), "export_json": False}
        settings = of_arguments(SearchSettings, searching, fixed | {"list_pairs": list_pairs}, _SEARCHING, _CALLED)
        read_settings(reading)
        return cls(settings, dataframe_or_none(images, "images"), reading)

    def tables(self, features: DataFrame, steps: Staging) -> dict[str, DataFrame]:
        """Search, and return the tables by name.

        Args:
            features: any DataFrame.
            steps: where results of steps are left.

        Raises:
            InputError: if these are no features that can be searched.
            SettingsError: if there are none of a method.
            LimitError: if there would be too many pairs.
        """
        settings = self.settings
        known = given_features(features, settings.encoded)
        rows = check_features(known, settings.encoded, settings.encoded_together)
        steps, again = replace(steps, holds_few=are_few(rows)), self._again(known)
        known = steps.together(known)
        with steps.joining():
            for method in settings.method:
                find_method(settings, method, known, steps, _Logged(), again)
        made = _LISTED if settings.list_pairs else _UNLISTED
        return {name: _table(steps, name, settings.method) for name in made}

    def _again(self, features: DataFrame) -> Again:
        """Return what can be had of the images once more."""
        named = [step.column for step in self.settings.order if not step.is_of_features]
        if self.images is None:
            if named:
                raise SettingsError(f"keep names {', '.join(named)}, a column of the images: give these by images=")
            return Again(None)
        reread = GivenImages.of(self.images, "path", CONTENT).reread(self._as_encoded(features))
        return Again(reread, columns_of_images(self.images, "path", named) if named else None)

    def _as_encoded(self, features: DataFrame) -> EncodeSettings:
        """Return how images are read as they were: by which orientation says the fingerprint of what encoded them."""
        encoded = [name for name in self.settings.encoded if name in ENCODERS]
        own = F.col("method").isin(encoded[:1]) if encoded else ~F.col("fingerprint").startswith("given-")
        first = features.where(own).select("fingerprint").first()
        is_upright = first is not None and "exif" in first["fingerprint"].split("+")
        return read_settings(self.reading, "exif" if is_upright else "stored")


def encode_settings(methods: str | Sequence[str], options: Mapping[str, Any]) -> EncodeSettings:
    """Return how to encode images, as a caller says it.

    Raises:
        TypeError: if there is no such option.
        SettingsError: if one is wrong, or nothing makes features of a method from images.
    """
    named = {"method": names(methods, "methods")}
    settings = of_arguments(EncodeSettings, options, {**_PLACES, **named}, _ENCODING, _CALLED)
    if given := [name for name in encoders_of(settings.method) if name not in ENCODERS]:
        raise SettingsError(
            f"methods: nothing makes {given[0]!r} of images; given_embeddings takes vectors as features"
        )
    return settings


def read_settings(reading: Mapping[str, Any], orientation: str = "stored") -> EncodeSettings:
    """Return how images are read once more, by whatever methods they were encoded.

    Args:
        reading: settings of it, by name.
        orientation: as they were encoded.

    Raises:
        SettingsError: if one is wrong.
    """
    return of_arguments(EncodeSettings, reading, {**_PLACES, "orientation": orientation}, _READING)


@contextmanager
def steps_in(spark: SparkSession, folder: str | None) -> Iterator[Staging]:
    """Yield where steps are left while they are made: with the executors, or in a place of its own in a folder.

    Raises:
        TypeError: if the folder is no path.
        DedupError: what Spark raises meanwhile for a reason that is known, as one line.
    """
    place, own = folder_or_none(folder), f"functions-{secrets.token_hex(8)}"
    with explained(), workers_like_this(spark):
        yield HeldSteps.by(spark) if place is None else Staging(spark, Store(place), own)


def vectors_as_features(
    vectors: DataFrame, name: str, columns: tuple[str, str], features: DataFrame | None, steps: Staging
) -> tuple[DataFrame, DataFrame]:
    """Return the ``features`` and the ``failures`` of embeddings that were made elsewhere.

    Args:
        vectors: any DataFrame.
        name: of the method.
        columns: with the paths, and with the vectors.
        features: of the same images by other methods, if there are some.
        steps: where they are made.

    Raises:
        SettingsError: if it can't be called so.
        InputError: if a column is missing, or no row can be used.
    """
    try:
        table = given_embeddings.GivenTable(embeddings_named(name), "", *columns, frame=vectors)
    except ValueError as error:
        raise SettingsError(f"name: {error}") from error
    known = None if features is None else given_features(features, ())
    given = given_embeddings.given_features(table, known, None, steps)
    given_embeddings.tell(given.counts, _LOG.info)
    return conform(given.features, FEATURES), steps.read(f"{READY}/failures", FAILURES)


def _table(steps: Staging, name: str, methods: Iterable[str]) -> DataFrame:
    """Return a table of all methods, as the search left it."""
    columns = ", ".join(f"{column} {kind}" for column, kind in columns_of(TABLES[name]).items() if column != "method")
    parts = [
        steps.read(f"{READY}/{name}/method={method}", columns).withColumn("method", F.lit(method)) for method in methods
    ]
    table = conform(parts[0], TABLES[name])
    for part in parts[1:]:
        table = table.unionByName(conform(part, TABLES[name]))
    return table
