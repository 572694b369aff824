"""Small tables made by hand, and tables as plain Python values."""

import datetime

from dedup_core.encoders.registry import ENCODERS
from dedup_core.metric import HAMMING
from dedup_core.spark.ids import id_of
from dedup_core.spark.search import groups, listing
from dedup_core.spark.search.found import Found
from dedup_core.spark.tables import FEATURES
from dedup_core.spark.verify.contents import Contents
from dedup_core.spark.verify.verdicts import verdicts

UNNUMBERED = FEATURES.removeprefix("id BIGINT, ")
NOON = datetime.datetime(2024, 5, 1, 12)


def signed(code):
    return code - (1 << 64) if code >= 1 << 63 else code


def features_of(spark, codes, method="phash", digest_of=lambda _path: None):
    """Return a features table of {path: code}, of images that nobody can look at."""
    fingerprint = ENCODERS[method].encoder().fingerprint
    rows = [(*an_image(path, digest_of(path)), method, fingerprint, signed(code), None, None, None, "run")
            for path, code in codes.items()]  # fmt: skip
    return numbered(spark.createDataFrame(rows, UNNUMBERED))


def numbered(features):
    """Return features with the ids of the images."""
    return features.withColumn("id", id_of("path"))


def an_image(path, digest=None):
    """Return what a features table says of an image before the method."""
    return path, 1, NOON, None, None, None, 8, 8, "PNG", 1, [], None, digest


def contents_of(codes, code_pairs, features, staging):
    """Return the contents of the images in groups, and the pairs of codes with the roots of their groups."""
    labels = groups.components(code_pairs, staging)
    grouped = staging.write("grouped", groups.code_groups(codes.table, labels, codes.count))
    coded = groups.group_members(codes.images, grouped, codes.count)
    contents = Contents.of(coded, features.select("id", "digest").limit(0), features, staging)
    return contents, groups.rooted_pairs(code_pairs, grouped, codes.count)


def proposed_pairs(features, codes, code_pairs, staging, metric=HAMMING, method="phash"):
    """Return the pairs table of what a search proposed, before anything is verified."""
    contents, rooted = contents_of(codes, code_pairs, features, staging)
    found = Found(method, features, contents, verdicts(rooted, contents, metric.closest, None, staging))
    return listing.pair_table(found, listing.listed(found, metric, 1000))


def pairs_of(frame):
    return {(row["path_a"], row["path_b"]): row["score"] for row in frame.collect()}


def rows_of(spark, folder, table):
    """Return a published table as a sorted list of tuples, without its run's name."""
    frame = spark.read.parquet(f"{folder}/{table}")
    names = sorted(name for name in frame.columns if name != "run_id")
    return sorted((tuple(map(str, row)) for row in frame.select(names).collect()), key=str)
