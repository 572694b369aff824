"""The functions on Spark Connect, in a process of its own: prints what they return as one line of JSON."""

import json
import sys

from given import names, settings_of
from pyspark.sql import SparkSession

from dedup_core.spark import encode, evaluate, find, given_embeddings, removals, without

GROUPS, REMOVALS = ("path", "group_size", "keep"), ("path", "kept_path")


def main(folder):
    spark = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    images = spark.read.format("binaryFile").load(folder)
    before = settings_of(spark)
    features, failures = encode(images, "phash")
    found = find(features, images=images)
    vectors = images.selectExpr("path", "ARRAY(1.0, IF(path LIKE '%astronaut%', 2.0, length)) AS v")
    own = given_embeddings(vectors, "sscd", embedding="v", features=features)
    gone = removals(own.features, "sscd", embeddings_name="sscd", images=images, min_similarity_threshold=1.0)
    truth = features.selectExpr("path", "regexp_extract(path, '([a-z]+)[.]', 1) AS label")
    told = {
        "is_connect": type(spark).__module__,
        "features": features.count(),
        "failures": names(failures.collect(), "path", "reason"),
        "groups": names(found.groups.collect(), *GROUPS),
        "removals": names(found.removals.collect(), *REMOVALS),
        "own": names(gone.collect(), *REMOVALS),
        "left": without(images, gone).count(),
        "f1": [row["f1"] for row in evaluate(found.duplicates, truth, failures=failures).collect()][-1],
        "is_as_before": settings_of(spark) == before and not spark.catalog.listTables(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
