"""The steps as functions over DataFrames of one's own: no output folder, and no setting, cache or view is left.

Each function runs its Spark jobs before it returns, so that nothing is computed twice. What it returns, and the steps
on the way, lie in the executors' storage (``DataFrame.localCheckpoint``) until nobody holds the DataFrame any more.
With ``folder``, any path that Spark and Arrow can write, they lie there as Parquet instead: for more than the
executors can hold, for clusters that let executors go, and for Spark Connect before Spark 4. What is in the folder is
then the caller's to delete, when the DataFrames are no longer needed.

In the examples ``folder`` holds five files: ``astronaut.png`` and a copy of it, ``astronaut.jpeg``; two more pictures;
and ``notes.jpg``, which is none. That of `encode` makes ``images``, ``features`` and ``failures``, `find`'s ``found``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame

from dedup_core.errors import SettingsError
from dedup_core.spark.encode.given_images import GivenImages, encode_given, path_column
from dedup_core.spark.encode.tasks import EncodePlan
from dedup_core.spark.evaluate.given_duplicates import EVALUATED, evaluated, truth_of
from dedup_core.spark.given_arguments import dataframe, dataframe_or_none, text
from dedup_core.spark.given_search import GivenSearch, encode_settings, steps_in, vectors_as_features
from dedup_core.spark.results import EncodedTables, FoundTables
from dedup_core.spark.session import small_table


def encode(
    images: DataFrame,
    methods: str | Sequence[str] = ("phash",),
    *,
    path: str = "path",
    content: str = "content",
    folder: str | None = None,
    **options: Any,
) -> EncodedTables:
    """Make features of images: each is read and decoded once, however many methods there are.

    Args:
        images: a row an image, such as ``spark.read.format("binaryFile").load(...)``. Rows are encoded in the tasks
            that read them: how many these are is how they are partitioned. A timestamp column ``modified_at`` or
            ``modificationTime`` tells how old each is.
        methods: "phash", "ahash", "dhash", "whash", "cnn", "onnx", "orb", or several; "combined" for what it needs.
        path: the column that names an image (STRING, or a whole number).
        content: the column with the bytes of the file (BINARY). If the DataFrame has no column ``content``, files are
            read from where ``path`` says, in the workers: a path on a disk that they share, or a URL.
        folder: where to leave the steps and the result, instead of with the executors; see this module.
        **options: the job's settings: ``orientation``, ``transparency``, ``decode``, ``orientations``, ``max_pixels``,
            ``max_file_bytes``, ``max_image_seconds``, ``max_image_memory``, ``cnn_weights``, ``cnn_model``,
            ``cnn_batch_size``, ``cnn_precision``, ``onnx_model`` ("onnx" needs it), ``onnx_batch_size``.

    Returns:
        Two tables. ``features`` has a row an image and method, and the columns
        ``id BIGINT, path STRING, size BIGINT, modified_at TIMESTAMP, identity STRING, other_names ARRAY<STRING>,
        is_unseen BOOLEAN, width INT, height INT, format STRING, frames INT, caution ARRAY<STRING>, look BINARY,
        digest STRING, method STRING, fingerprint STRING, hash BIGINT, turned ARRAY<BIGINT>, embedding ARRAY<FLOAT>,
        local STRUCT<...>, run_id STRING``; a column that a method does not fill is null, as ``run_id`` is.

        ``failures`` has a row an image that could not be encoded, and the columns
        ``path STRING, size BIGINT, modified_at TIMESTAMP, reason STRING, message STRING, run_id STRING``.
        Equal rows of one path are one image; a path that stands for different images is one failure.

    Raises:
        InputError: if the DataFrame lacks a column, or has it in another type.
        SettingsError: if a method or an option is wrong.
        TypeError: if there is no such option, or an argument is of another kind.

    Example:
        >>> images = spark.read.format("binaryFile").load(folder)
        >>> features, failures = encode(images, ["phash", "dhash"])
        >>> features.groupBy("method").count().orderBy("method").show()
        +------+-----+
        |method|count|
        +------+-----+
        | dhash|    4|
        | phash|    4|
        +------+-----+
        <BLANKLINE>
        >>> failures.select("reason").show()
        +------------+
        |      reason|
        +------------+
        |not_an_image|
        +------------+
        <BLANKLINE>
    """
    settings = encode_settings(methods, options)
    columns = text(path, "path"), text(content, "content")
    with steps_in(dataframe(images, "images").sparkSession, folder) as steps:
        return EncodedTables(*encode_given(GivenImages.of(images, *columns), EncodePlan.of(settings), steps))


def given_embeddings(
    vectors: DataFrame,
    name: str = "embeddings",
    *,
    path: str = "path",
    embedding: str = "embedding",
    features: DataFrame | None = None,
    folder: str | None = None,
) -> EncodedTables:
    """Take embeddings that were made elsewhere as features: ``name`` is then a method like another.

    Args:
        vectors: a row an image.
        name: what to call them, one name a network: vectors of one name are compared. `find` takes it as a method and
            as ``embeddings_name``.
        path: the column that names an image (STRING, or a whole number), as the images do.
        embedding: the column with its vector (an ARRAY of numbers, or a vector of Spark ML), of any length.
        features: of the same images by other methods, as `encode` returns them. What these know of an image stands
            beside its vector then; an image without one is a failure, and other rows are passed over.
        folder: where to leave the steps and the result, instead of with the executors; see this module.

    Returns:
        Two tables, as `encode` does: ``features`` with a row an image of this one method, and ``failures`` with one for
        what can't be compared (null, empty, NaN, of another length, two vectors of one path).

    Raises:
        InputError: if the DataFrame lacks a column, or has it in another type, or no row of it can be used.
        SettingsError, TypeError: if they can't be called so, or an argument is of another kind.

    Example:
        >>> rows = [("a.png", [1.0, 0.0, 2.0]), ("b.png", [1.0, 0.1, 2.0]), ("c.png", [0.0, 3.0, 0.0]), ("d.png", [])]
        >>> own = given_embeddings(spark.createDataFrame(rows, "path STRING, v ARRAY<FLOAT>"), "sscd", embedding="v")
        >>> alike = find_pairs(own.features, "sscd", embeddings_name="sscd", min_similarity_threshold=0.95)
        >>> alike.count(), *alike.select("method", "path_a", "path_b").first()
        (1, 'sscd', 'a.png', 'b.png')
        >>> tuple(own.failures.select("path", "reason").first())
        ('d.png', 'no_embedding')
    """
    columns = text(path, "path"), text(embedding, "embedding")
    known = dataframe_or_none(features, "features")
    named = text(name, "name", "a name, such as 'sscd'")
    with steps_in(dataframe(vectors, "vectors").sparkSession, folder) as steps:
        return EncodedTables(*vectors_as_features(vectors, named, columns, known, steps))


def find(
    features: DataFrame,
    methods: str | Sequence[str] = ("phash",),
    *,
    images: DataFrame | None = None,
    folder: str | None = None,
    **options: Any,
) -> FoundTables:
    """Find what is alike among encoded images: one search, and all four tables that come of it.

    Args:
        features: as `encode` returns them, or read from where they were saved; read several times.
        methods: by which to compare, one or several of those that were encoded; of `given_embeddings`, the name.
        images: the same images once more, in columns ``path`` and ``content``, or ``path`` alone where it says where a
            file is. Pairs that small looks can't tell apart are then compared by their pixels. Without, equal files
            alone are ``same``, and can be removed. Further columns may be named in ``keep``.
        folder: where to leave the steps and the result, instead of with the executors; see this module.
        **options: settings of the job of the same names: ``max_distance_threshold``, ``min_similarity_threshold``,
            ``max_pairs``, ``removals``, ``keep``, ``group_by``, ``verify``, ``most_copies`` and the others of a search;
            ``embeddings_name``, one or several, for methods that `given_embeddings` has made; ``max_pixels`` and
            ``max_file_bytes`` as for `encode`.

    Returns:
        Four tables. ``pairs`` has a row a pair, and the columns
        ``method STRING, path_a STRING, path_b STRING, score DOUBLE, verdict STRING, difference DOUBLE, level INT,
        tile ARRAY<FLOAT>``, where a verdict is "same" or "similar"; what geometry says, null where it was not asked,
        ``inliers INT, overlap_a DOUBLE, overlap_b DOUBLE, likeness DOUBLE,
        worst_tile DOUBLE, relation STRING, derived STRING, degrees DOUBLE, mirrored BOOLEAN, transform ARRAY<DOUBLE>``;
        and ``turn STRING``.

        ``duplicates``, a row an encoded image, those without any too: ``method STRING, path STRING, duplicates
        ARRAY<STRUCT<path STRING, score DOUBLE, verdict STRING, ...>>``, the best first.

        ``groups``, a row an image in a group: ``method STRING, group_id STRING, path STRING, group_size BIGINT,
        keep BOOLEAN, loosest_score DOUBLE``.

        ``removals``, a row an image that can be removed: ``method STRING, path STRING, kept_path STRING,
        reason STRING``.

    Raises:
        InputError: if the features lack a column, or rows of them what a search needs.
        SettingsError: if an option is wrong, or there are no features of a method.
        LimitError: if there would be more pairs than ``max_pairs``.
        TypeError: if there is no such option, or an argument is of another kind.

    Example:
        >>> found = find(features, images=images)
        >>> told = found.groups.selectExpr("substring_index(path, '/', -1) AS name", "group_size", "keep")
        >>> told.orderBy("name").show()
        +--------------+----------+-----+
        |          name|group_size| keep|
        +--------------+----------+-----+
        |astronaut.jpeg|         2|false|
        | astronaut.png|         2| true|
        +--------------+----------+-----+
        <BLANKLINE>
    """
    search = GivenSearch.of(methods, images, options, list_pairs=True)
    with steps_in(dataframe(features, "features").sparkSession, folder) as steps:
        return FoundTables(**search.tables(features, steps))


def find_pairs(features: DataFrame, methods: str | Sequence[str] = ("phash",), **options: Any) -> DataFrame:
    """Find the pairs of images that are alike. If you want groups or removals too, `find` makes all in one search.

    Args:
        features: as for `find`.
        methods: as for `find`.
        **options: ``images``, ``folder`` and the options of `find`.

    Returns:
        The ``pairs`` of `find`, every pair within the threshold and no other, each once, path_a < path_b.

    Raises:
        DedupError: as `find` does.

    Example:
        >>> pairs = find_pairs(features, images=images)
        >>> pairs.select("method", "verdict").show()
        +------+-------+
        |method|verdict|
        +------+-------+
        | phash|   same|
        +------+-------+
        <BLANKLINE>
    """
    return find(features, methods, **options).pairs


def duplicates(features: DataFrame, methods: str | Sequence[str] = ("phash",), **options: Any) -> DataFrame:
    """Find the duplicates of each image, best first. If you want pairs or groups too, `find` makes all in one search.

    Args:
        features: as for `find`.
        methods: as for `find`.
        **options: ``images``, ``folder`` and the options of `find`.

    Returns:
        The ``duplicates`` of `find`. Every encoded image has a row; one without duplicates has an empty list.

    Raises:
        DedupError: as `find` does.

    Example:
        >>> of_each = duplicates(features)
        >>> of_each.selectExpr("size(duplicates) AS found").groupBy("found").count().orderBy("found").show()
        +-----+-----+
        |found|count|
        +-----+-----+
        |    0|    2|
        |    1|    2|
        +-----+-----+
        <BLANKLINE>
    """
    return find(features, methods, **options).duplicates


def groups(features: DataFrame, methods: str | Sequence[str] = ("phash",), **options: Any) -> DataFrame:
    """Find the groups that images form, and which of each stays. No pair is listed for it.

    Args:
        features: as for `find`.
        methods: as for `find`.
        **options: ``images``, ``folder`` and the options of `find`.

    Returns:
        The ``groups`` of `find`, a row an image that shares a group; ``keep`` is false for those that can be removed.

    Raises:
        DedupError: as `find` does.

    Example:
        >>> kept = groups(features, images=images, keep=["size:asc"]).where("keep")
        >>> kept.selectExpr("substring_index(path, '/', -1) AS name").show()
        +--------------+
        |          name|
        +--------------+
        |astronaut.jpeg|
        +--------------+
        <BLANKLINE>
    """
    return _unlisted(features, methods, **options)["groups"]


def removals(features: DataFrame, methods: str | Sequence[str] = ("phash",), **options: Any) -> DataFrame:
    """Find images that can be removed: their pixels show the same as those of one that stays. No pair is listed for it.

    Args:
        features: as for `find`.
        methods: as for `find`. Follow the removals of one method alone: what one keeps another may remove.
        **options: ``images``, ``folder`` and the options of `find`. Without ``images`` equal files alone are the same.

    Returns:
        The ``removals`` of `find`, each image that can be removed, what stays instead, and why that one stays.

    Raises:
        DedupError: as `find` does.

    Example:
        >>> gone = removals(features, images=images)
        >>> last = "substring_index({0}, '/', -1) AS {0}"
        >>> gone.selectExpr(last.format("path"), last.format("kept_path")).show()
        +--------------+-------------+
        |          path|    kept_path|
        +--------------+-------------+
        |astronaut.jpeg|astronaut.png|
        +--------------+-------------+
        <BLANKLINE>
    """
    return _unlisted(features, methods, **options)["removals"]


def without(images: DataFrame, removals: DataFrame, *, path: str = "path") -> DataFrame:
    """Return the rows of a table less the removals, in the shape of the table. Nothing is deleted anywhere.

    Args:
        images: any table, such as the one that was encoded.
        removals: of one method, with the column ``path``.
        path: the column of ``images`` that names an image.

    Returns:
        A DataFrame with the columns of ``images``, computed when it is used; the rows that no removal names, those
        whose path is null too.

    Raises:
        InputError: if there is no such column.
        TypeError: if an argument is of another kind.
        SettingsError: if the removals are of several methods: of two images each might be removed for the other.

    Example:
        >>> left = without(images, found.removals)
        >>> images.count(), left.count(), left.columns == images.columns
        (5, 4, True)
    """
    named = path_column(dataframe(images, "images"), text(path, "path"), "the DataFrame")
    if "method" in dataframe(removals, "removals", ["path"]).columns:
        methods = sorted(str(row["method"]) for row in removals.select("method").distinct().collect())
        if len(methods) > 1:
            raise SettingsError(
                f"the removals are of several methods ({', '.join(methods)}), which may name two images for each "
                "other: take those of one, as removals.where(\"method = 'phash'\")"
            )
    column = "path of what goes"  # no table of somebody else's has such a one
    gone = removals.select(path_column(removals, "path", "the removals").alias(column)).distinct()
    return images.withColumn(column, named).join(gone, on=column, how="left_anti").drop(column)


def evaluate(
    duplicates: DataFrame,
    truth: DataFrame,
    *,
    failures: DataFrame | None = None,
    threshold: float | None = None,
    folder: str | None = None,
) -> DataFrame:
    """Hold what was found against the truth, at every threshold up to that of the search.

    Args:
        duplicates: as `duplicates` or `find` returns them; of many equal images too, if ``most_copies`` listed each.
        truth: path_a and path_b, a row a pair; or path and label, a row an image: those of one label are duplicates of
            each other. It must know the images that were compared, and no other.
        failures: path of images that could not be encoded: they are left out of the truth.
        threshold: of the search; by default the loosest score of a pair.
        folder: where to leave the steps, instead of with the executors; see this module.

    Returns:
        A row a method and threshold, strict before loose, with the columns ``method STRING, threshold DOUBLE,
        pairs BIGINT, true_pairs BIGINT, precision DOUBLE, recall DOUBLE, f1 DOUBLE, map DOUBLE, ndcg DOUBLE,
        jaccard DOUBLE``; the last two at the last threshold alone.

    Raises:
        InputError: if the truth lacks a column, contradicts itself or is about other images, or nothing was compared.
        TypeError, ValueError: if an argument is of another kind, or the threshold no score of the method.

    Example:
        >>> truth = images.selectExpr("path", "regexp_extract(path, '([a-z]+)[.]', 1) AS label")
        >>> figures = evaluate(found.duplicates, truth, failures=failures, threshold=10)
        >>> tuple(figures.where("threshold = 10").select("pairs", "precision", "recall").first())
        (1, 1.0, 1.0)
    """
    dataframe(duplicates, "duplicates", ("method", "path", "duplicates"))
    dataframe(truth, "truth")
    failed = dataframe_or_none(failures, "failures", ["path"])
    with steps_in(duplicates.sparkSession, folder) as steps:
        known = truth_of(truth, steps)
        paths = None if failed is None else failed.select("path")
        rows = [tuple(row.values()) for row in evaluated(duplicates, known, paths, threshold)]  # one a threshold
    return small_table(duplicates.sparkSession, rows, EVALUATED)


def _unlisted(
    features: DataFrame,
    methods: str | Sequence[str],
    images: DataFrame | None = None,
    folder: str | None = None,
    **options: Any,
) -> dict[str, DataFrame]:
    """Search, and return groups and removals by name."""
    search = GivenSearch.of(methods, images, options, list_pairs=False)
    with steps_in(dataframe(features, "features").sparkSession, folder) as steps:
        return search.tables(features, steps)
