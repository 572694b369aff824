"""Tables for the report, written by hand."""

import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.spark.report.opened import Tables
from dedup_core.spark.tables import TABLES, names


def tables_of(spark, folder, pairs, groups, removals, metrics):
    """Write tables by hand, which takes Spark less time than rows of Python, and return them.

    Rows may be shorter than those of the tables: older ones were.
    """
    frames = []
    for name, rows in {"pairs": pairs, "groups": groups, "removals": removals}.items():
        columns = dict(zip(names(TABLES[name]), map(list, zip(*rows, strict=True)), strict=False))
        pq.write_table(
            pa.table({key: pa.array(values, KINDS.get(key)) for key, values in columns.items()}), folder / name
        )
        frames.append(spark.read.schema(TABLES[name]).parquet(str(folder / name)))
    return Tables(*frames, metrics=metrics)


KINDS = {
    "score": pa.float64(), "verdict": pa.string(), "difference": pa.float64(), "level": pa.int32(),
    "tile": pa.list_(pa.float32()), "group_size": pa.int64(), "loosest_score": pa.float64(), "reason": pa.string(),
    "inliers": pa.int32(), "overlap_a": pa.float64(), "overlap_b": pa.float64(), "likeness": pa.float64(),
    "worst_tile": pa.float64(), "relation": pa.string(), "derived": pa.string(), "degrees": pa.float64(),
    "mirrored": pa.bool_(), "transform": pa.list_(pa.float64()),
}  # fmt: skip
