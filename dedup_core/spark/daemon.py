"""The parent of Python workers on one machine: what tasks need is loaded before it forks them, and not by each again.

``spark.python.daemon.module`` names it in ``conf/spark-defaults.conf``; without it Spark's own does the same, later.
"""

from pyspark.daemon import manager

import dedup_core.spark.encode.tasks
import dedup_core.spark.search.hamming
import dedup_core.spark.search.listing
import dedup_core.spark.verify.verdicts  # noqa: F401 - they are loaded for those that are forked

if __name__ == "__main__":
    manager()
