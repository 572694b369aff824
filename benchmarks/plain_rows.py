"""Time how long Spark takes to write plain rows: less no table of as many rows can cost.

    ./spark-submit.sh benchmarks/plain_rows.py FOLDER 1000000 3000000

A row has what a row of the ``groups`` table has. The seconds are printed as a JSON list, after a first write that is
not counted.
"""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession

from dedup_core.spark.session import session

_COLUMNS = (
    "concat('library/2019/07/folder-', id, '-holiday/IMG_20190704_', id, '.jpg') AS group_id",
    "concat('library/2020/08/folder-', id, '-holiday/IMG_20200805_', id, '.jpg') AS path",
    "id % 1000 AS group_size",
    "id % 2 = 0 AS keep",
    "CAST(id % 11 AS DOUBLE) AS loosest_score",
)


def seconds_to_write(spark: SparkSession, rows: int, folder: str) -> float:
    """Return the seconds in which Spark writes so many rows to Parquet."""
    started = time.perf_counter()
    spark.range(rows).selectExpr(*_COLUMNS).write.mode("overwrite").parquet(folder)
    return time.perf_counter() - started


def main() -> None:
    folder, *counts = sys.argv[1:]
    with session("benchmark of plain rows") as spark:
        seconds_to_write(spark, 1_000, folder)
        print(json.dumps([seconds_to_write(spark, int(count), folder) for count in counts]))


if __name__ == "__main__":
    main()
