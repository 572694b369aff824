"""A sieve: lets rows pass that are wanted, and few others, so that what nobody wants is not sent anywhere.

It is a Bloom filter with one hash (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", CACM 1970),
kept as words of 64 bits in a small table that is sent to every task. The join that follows is the one that is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.batches import are_few

_MOST_WORDS = 1 << 22  # some 150 MB in each executor
_NUMBERS_A_WORD = 4  # of 64 bits: one row in 16 passes without being wanted


@dataclass(frozen=True)
class Sieve:
    """What is wanted of a column of numbers.

    Attributes:
        column: its name.
        words: word (its number), bits (BIGINT): those of wanted numbers are set.
        size: how many words there may be; 0 if all rows pass.
    """

    column: str
    words: DataFrame
    size: int

    @classmethod
    def of(cls, wanted: DataFrame, count: int, rows: int | None = None) -> Sieve:
        """Return the sieve that lets all of these pass.

        Args:
            wanted: one column of BIGINT.
            count: about how many there are.
            rows: how many rows it is for, at most, where that is known: of few all pass, as a sieve costs a job.
        """
        (column,) = wanted.columns
        if are_few(rows):
            return cls(column, wanted, 0)
        size = max(1, min(_MOST_WORDS, count // _NUMBERS_A_WORD))
        bits = F.expr(f"bit_or(shiftleft(1L, {_bit(column)}))").alias("bits")
        return cls(column, wanted.select(_word(column, size), column).groupBy("word").agg(bits), size)

    def marked(self, rows: DataFrame, name: str) -> DataFrame:
        """Return rows with a BOOLEAN column that says whether each passes; no row is sent anywhere for it."""
        if not self.size:
            return rows.withColumn(name, F.lit(True))
        passes = F.expr(f"coalesce(shiftright(bits, {_bit(self.column)}) & 1L, 0L) = 1L")
        found = rows.select("*", _word(self.column, self.size)).join(F.broadcast(self.words), on="word", how="left")
        return found.withColumn(name, passes).drop("word", "bits")

    def sifted(self, rows: DataFrame) -> DataFrame:
        """Return the rows that pass: all that are wanted, and few others."""
        return self.marked(rows, "passes").where("passes").drop("passes") if self.size else rows

    def others(self, rows: DataFrame, wanted: DataFrame) -> DataFrame:
        """Return the rows that are not wanted. Nearly all of them stay where they are: few meet the list of what is.

        Args:
            rows: of any kind.
            wanted: what the sieve was made of.
        """
        if not self.size:
            return rows.join(wanted, on=self.column, how="left_anti")
        marked = self.marked(rows, "passes")
        told_apart = marked.where("passes").join(wanted, on=self.column, how="left_anti")
        return marked.where(~F.col("passes")).unionByName(told_apart).drop("passes")


def _word(column: str, size: int) -> Column:
    return F.pmod(F.xxhash64(column), F.lit(size)).alias("word")


def _bit(column: str) -> str:
    """Return which bit of a word a number has: another part of its hash than that which chooses the word."""
    return f"CAST(pmod(shiftright(xxhash64(`{column}`), 32), 64) AS INT)"
