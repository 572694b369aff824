"""Pairs of keys brought together with the members of these keys, group by group, where they are written out.

A key is a code, and its members are contents; or a content, and its members are images. Small groups share a block, so
that a member is sent once, however many pairs its key has. A crowded group is cut by its members into parts, and each
two parts are a block: no task writes out more than so many members with as many others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.expansion import Members, expanded
from dedup_core.spark.batches import MOST_TASKS, gathered
from dedup_core.spark.blocks import BLOCK, Decide, Places, decided_together
from dedup_core.spark.session import small_table

_PARTS = "root BIGINT, parts INT"
_SIDES = (("key_a", "low"), ("key_b", "high"))
_PACK_ROWS = 1 << 18
_BLOCKS_A_TASK = 8  # one after the other: a task of its own for each would cost more than the block
_BLOCKS_A_PART = 64
_NUMPY = {"bigint": np.int64, "double": np.float64, "int": np.int32, "float": np.float32}

Arrays = dict[str, np.ndarray]
Write = Callable[[pa.RecordBatch | pa.Table, Iterator[Arrays]], Iterator[pa.RecordBatch]]
"""Takes the members of a block, and some pairs of them at a time: what is known of the pairs of their keys, and
``left`` and ``right``, the positions of the two members. Yields what it writes of them."""


@dataclass(frozen=True)
class GroupBlocks:
    """Members in groups, and the pairs of their keys.

    Attributes:
        members: root (of the group), key, id, and what is known; each id once.
        pairs: root, key_a, key_b, and more. A key with itself stands for each two of its members.
        places: how many members the groups have.
        block_members: how many members a block holds, and as many others.
        are_few: whether one block holds all, and they are few rows, that come to its task without a shuffle.
    """

    members: DataFrame
    pairs: DataFrame
    places: Places
    block_members: int
    are_few: bool = False

    @classmethod
    def of(
        cls, members: DataFrame, pairs: DataFrame, block_members: int, most: int | None = None, are_few: bool = False
    ) -> GroupBlocks:
        """Count the members of each group, unless one block holds all.

        Args:
            members: root, key, id, and what is known.
            pairs: root, key_a, key_b, and more.
            block_members: how many members a block holds, and as many others.
            most: how many members there are at most, where that is known.
            are_few: whether what they are read from has few rows too.
        """
        if most is not None and most <= block_members:
            return cls(members, pairs, Places(most, ()), block_members, are_few)
        sizes = members.groupBy(F.col("root").alias("place")).count()
        return cls(members, pairs, Places.counted(sizes, block_members), block_members)

    def written(self, write: Write, schema: str) -> DataFrame:
        """Return what is written of the pairs of members.

        Args:
            write: writes pairs of a block.
            schema: of what it returns.
        """
        names = [name for name in self.pairs.columns if name != "root"]
        types = dict(self.pairs.dtypes)
        packed = ", ".join(["place BIGINT, low BIGINT, high BIGINT", *(f"{name} BINARY" for name in names)])
        pairs = self._pairs().mapInArrow(_packer(names), packed)
        kinds = {name: _NUMPY[types[name]] for name in names}
        return decided_together(self._members(), pairs, self._tasks, _writer(write, kinds), schema)

    @property
    def _tasks(self) -> int | None:
        if self.are_few:
            return None
        parts = [-(-count // self.block_members) for _, count in self.places.crowded]
        # Of the blocks of very many parts most are empty, and all together hold no more pairs than there are.
        blocks = -(-self.places.small // self.block_members)
        blocks += sum(min(part * (part + 1) // 2, _BLOCKS_A_PART * part) for part in parts)
        return min(MOST_TASKS, max(1, -(-blocks // _BLOCKS_A_TASK)))

    @property
    def _crowded(self) -> DataFrame:
        """The groups that are cut: root, parts."""
        parts = [(root, -(-count // self.block_members)) for root, count in self.places.crowded]
        return F.broadcast(small_table(self.members.sparkSession, parts, _PARTS))

    def _members(self) -> DataFrame:
        shared = self._shared(self.members).withColumn("part", F.lit(0).cast("bigint"))
        if not self.places.crowded:
            return shared
        cut = self._cut_members()
        # A member is wanted once in a block, however many pairs its key has there.
        pairs = self._cut_pairs()
        low, high = (pairs.select(*BLOCK, F.col(key).alias("key"), F.col(part).alias("part")) for key, part in _SIDES)
        wanted = low.unionByName(high).distinct()
        return shared.unionByName(wanted.join(cut, on=["key", "part"], how="inner").select(shared.columns))

    def _pairs(self) -> DataFrame:
        shared = self._shared(self.pairs)
        return shared.unionByName(self._cut_pairs().select(shared.columns)) if self.places.crowded else shared

    def _shared(self, rows: DataFrame) -> DataFrame:
        """Return the rows of small groups with the block that they share with others."""
        small = rows.join(self._crowded, on="root", how="left_anti") if self.places.crowded else rows
        blocks = max(1, -(-self.places.small // self.block_members))
        nowhere = F.lit(0).cast("bigint")
        place = F.pmod(F.xxhash64("root"), F.lit(blocks))
        return small.select(place.alias("place"), nowhere.alias("low"), nowhere.alias("high"), *rows.columns)

    def _cut_members(self) -> DataFrame:
        part = F.pmod(F.xxhash64("id"), F.col("parts")).cast("bigint")
        return self.members.join(self._crowded, on="root", how="inner").withColumn("part", part)

    def _cut_pairs(self) -> DataFrame:
        """Return the pairs of crowded groups, once for every two parts that hold members of their keys."""
        parts = self._cut_members().select("key", "part").distinct()
        pairs = self.pairs.join(self._crowded, on="root", how="left_semi")
        for end in "ab":
            of_end = parts.select(F.col("key").alias(f"key_{end}"), F.col("part").alias(f"part_{end}"))
            pairs = pairs.join(of_end, on=f"key_{end}", how="inner")
        pairs = pairs.where((F.col("key_a") != F.col("key_b")) | (F.col("part_a") <= F.col("part_b")))
        turned = F.col("part_a") > F.col("part_b")
        ends = {f"key_{end}": F.when(turned, F.col(f"key_{other}")).otherwise(F.col(f"key_{end}"))
                for end, other in ("ab", "ba")}  # fmt: skip
        low, high = F.least("part_a", "part_b").alias("low"), F.greatest("part_a", "part_b").alias("high")
        others = [name for name in self.pairs.columns if name not in ends]
        return pairs.select(
            F.col("root").alias("place"), low, high, *(of.alias(name) for name, of in ends.items()), *others
        )


def _packer(names: Sequence[str]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Pack the pairs of each block into blobs: a shuffle of blobs costs a fraction of a shuffle of rows."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (_packed(rows, names) for rows in gathered(batches, _PACK_ROWS) if len(rows))

    return pack


def _packed(rows: pa.Table, names: Sequence[str]) -> pa.RecordBatch:
    blocks = [rows.column(name).to_numpy() for name in BLOCK]
    order = np.lexsort(blocks[::-1])
    blocks = [block[order] for block in blocks]
    changes = np.any([np.diff(block, prepend=block[0] - 1) != 0 for block in blocks], axis=0)
    starts = np.flatnonzero(changes)
    columns = [pa.array(block[starts]) for block in blocks]
    for name in names:
        parts = np.split(rows.column(name).to_numpy()[order], starts[1:])
        columns.append(pa.array([part.tobytes() for part in parts], pa.binary()))
    return pa.RecordBatch.from_arrays(columns, [*BLOCK, *names])


def _writer(write: Write, kinds: Mapping[str, Any]) -> Decide:
    def written(known: pa.RecordBatch | pa.Table, packed: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, part = known.column("key").to_numpy(), known.column("part").to_numpy()
        sides = [Members.of(keys[part == side], np.flatnonzero(part == side)) for side in np.unique(part)]
        return write(known, _members_of(sides, (some for batch in packed for some in _unpacked(batch, kinds))))

    return written


def _unpacked(packed: pa.RecordBatch, kinds: Mapping[str, Any]) -> Iterator[Arrays]:
    """Yield the pairs of keys in blobs, some blobs at a time: a blob holds no more than is held at a time."""
    sizes = pc.binary_length(packed.column("key_a")).to_numpy() // np.dtype(np.int64).itemsize
    at = np.cumsum(sizes) // _PACK_ROWS
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(at)) + 1).tolist(), len(packed)]):
        some = packed.slice(start, end - start)
        yield {name: np.frombuffer(b"".join(some.column(name).to_pylist()), kind) for name, kind in kinds.items()}


def _members_of(sides: list[Members], of_keys: Iterator[Arrays]) -> Iterator[Arrays]:
    for pairs in of_keys:
        for pair, left, right in expanded(sides[0], sides[-1], pairs["key_a"], pairs["key_b"]):
            yield {name: values[pair] for name, values in pairs.items()} | {"left": left, "right": right}
