"""Put codes into buckets by some of their bits, and keep others of their bits beside them as sketches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dedup_core.hamming.popcount import SPARE
from dedup_core.jit.compiled import compiled

ONE = np.uint64(1)


class Buckets(NamedTuple):
    """Codes ordered by their value in one band.

    Attributes:
        codes: uint64 (n + SPARE,), the codes, bucket after bucket, then spare zeros that a vector may read.
        compared: what is compared first: uint32 (n + SPARE,), a sketch of each code, or the codes themselves.
        ids: uint32 (n,), where each code stood before.
        starts: uint32 (2**width + 1,), where each bucket begins.
    """

    codes: np.ndarray
    compared: np.ndarray
    ids: np.ndarray
    starts: np.ndarray


class Room(NamedTuple):
    """Memory for the buckets of one band after the other: taken anew for each, it would cost as much as the sorting.

    Attributes:
        codes: uint64 (n + SPARE,).
        words: uint32 (n + SPARE,), for keys, then for sketches.
        ids: uint32 (n,).
    """

    codes: np.ndarray
    words: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, size: int) -> Room:
        """Return room for so many codes. It is numpy's, which asks for huge pages: numba's own arrays don't."""
        return cls(np.empty(size + SPARE, np.uint64), np.empty(size + SPARE, np.uint32), np.empty(size, np.uint32))


def into_buckets(codes: np.ndarray, bits: Sequence[int], sketch: Sequence[int], room: Room) -> Buckets:
    """Put codes into ``2**len(bits)`` buckets.

    Args:
        codes: uint64 (n,).
        bits: the positions in a code that name its bucket, at most 32; 0 is the lowest bit.
        sketch: those that make its sketch, at most 32; none for the code itself.
        room: for n codes. The buckets stand in it until it is used again.
    """
    keys = room.words[: len(codes)]
    _gather(codes, _tables(bits), keys)
    starts = np.zeros((1 << len(bits)) + 1, np.uint32)
    _fill(codes, keys, starts, room)
    if not sketch:
        return Buckets(room.codes, room.codes, room.ids, starts)
    _gather(room.codes, _tables(sketch), room.words)
    return Buckets(room.codes, room.words, room.ids, starts)


def _tables(bits: Sequence[int]) -> np.ndarray:
    """Return uint32 (8, 256): what each value of each byte of a code puts into the word that `_gather` makes."""
    tables = np.zeros((8, 256), np.uint32)
    for place, bit in enumerate(bits):
        tables[bit // 8] |= ((np.arange(256, dtype=np.uint32) >> np.uint32(bit % 8)) & 1) << np.uint32(place)
    return tables


@compiled
def _gather(codes: np.ndarray, tables: np.ndarray, words: np.ndarray) -> None:
    """Put some bits of each code into ``words``, uint32 (n,), through one table of 256 entries a byte."""
    for i in range(np.uint64(len(codes))):
        code = codes[i]
        word = np.uint32(0)
        for byte in range(8):
            word |= tables[byte, (code >> np.uint64(8 * byte)) & np.uint64(255)]
        words[i] = word


@compiled
def _fill(codes: np.ndarray, keys: np.ndarray, starts: np.ndarray, room: Room) -> None:
    """Put the codes and their ids in the order of their keys, by a counting sort, and zeros after the codes."""
    for key in keys:
        starts[np.uint64(key) + ONE] += np.uint32(1)
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    free = starts.copy()
    for i in range(np.uint64(len(codes))):
        place = free[keys[i]]
        free[keys[i]] = place + np.uint32(1)
        room.codes[place] = codes[i]
        room.ids[place] = i
    room.codes[len(codes) :] = 0
