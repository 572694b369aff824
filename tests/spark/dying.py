"""Images that kill workers, encoded on a Spark of its own: prints what became of each as one line of JSON."""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark import encode
from dedup_core.spark.encode.tasks import EncodePlan, encode_contents
from dedup_core.spark.tables import CONTENTS, conform


def on_connect(folder):
    """By a function over DataFrames."""
    spark = SparkSession.builder.remote("local[2]").getOrCreate()
    features, failures = encode(spark.read.format("binaryFile").load(folder), "phash")
    return {row["path"].rpartition("/")[2]: row["reason"] for row in failures.collect()}, features.count()


def by_trying_again(folder):
    """By the job alone, where Spark tries a task a second time, as a cluster does."""
    spark = SparkSession.builder.master("local[2,2]").getOrCreate()
    plan = EncodePlan.of(EncodeSettings(input=folder, output="unused", max_image_seconds=3))
    files = [(path.name, path.as_uri()) for path in sorted(Path(folder).iterdir())]
    contents = conform(spark.createDataFrame(files, "path STRING, uri STRING"), CONTENTS).repartition(2)
    rows = encode_contents(contents, plan).select("path", "reason").collect()
    failed = {row["path"]: row["reason"] for row in rows if row["reason"]}
    return failed, len(rows) - len(failed)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](sys.argv[2])) + "\n")
