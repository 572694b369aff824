"""Sort 64-bit words in linear time, and carry a value along with each.

The highest bits first cut the words into parts that fit the cache; each part is then sorted by one byte after the
other, the lowest first. However the words are spread, each is moved at most nine times.
"""

from __future__ import annotations

import numpy as np

from dedup_core.jit.compiled import compiled

PART_WORDS = 1024  # a part is to hold about so many, so that it stays near to the core while it is sorted
MOST_PART_BITS = 10  # with more parts than this, writing to all of them at a time misses the cache
BYTE, BYTE_VALUES = 8, 256
ONE = np.uint64(1)
Columns = tuple[np.ndarray, np.ndarray]


def radix_sort(words: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the words in ascending order, and the values in the same order; those of equal words as they came.

    Args:
        words: uint64 (n,).
        values: (n,), of any number type.

    Example:
        >>> radix_sort(np.array([3, 1, 3], np.uint64), np.array([0.5, 1.5, 2.5]))[1].tolist()
        [1.5, 0.5, 2.5]
    """
    bits = int(words.max(initial=1)).bit_length()
    part_bits = min(bits, max(1, (len(words) // PART_WORDS).bit_length()), MOST_PART_BITS)
    starts = _starts(words, bits - part_bits, 1 << part_bits)
    longest = int(np.diff(starts).max())
    # Allocated by numpy, which asks the kernel for huge pages: what is written all over the place is faster.
    ordered, spare = ((np.empty(size, words.dtype), np.empty(size, values.dtype)) for size in (len(words), longest))
    _move(words, values, bits - part_bits, starts.copy(), ordered)
    _sort_parts(ordered, starts, spare, bits - part_bits)
    return ordered


@compiled
def _sort_parts(ordered: Columns, starts: np.ndarray, spare: Columns, low_bits: int) -> None:
    """Sort each part by the bits that the words of a part don't have in common."""
    words, values = ordered
    for part in range(len(starts) - 1):
        begin, end = starts[part], starts[part + 1]
        size = end - begin
        if size > ONE:
            _sort_part(words[begin:end], values[begin:end], (spare[0][:size], spare[1][:size]), low_bits)


@compiled
def _sort_part(words: np.ndarray, values: np.ndarray, spare: Columns, bits: int) -> None:
    """Sort in place by the lowest ``bits``, byte after byte, between the part and a spare place of its size."""
    other_words, other_values = spare
    moves = 0
    for shift in range(0, bits, BYTE):
        starts = _starts(words, shift, BYTE_VALUES)
        first = (words[0] >> np.uint64(shift)) & np.uint64(BYTE_VALUES - 1)
        if starts[first + ONE] - starts[first] == np.uint64(len(words)):
            continue  # all have this byte in common
        _move(words, values, shift, starts, (other_words, other_values))
        words, other_words = other_words, words
        values, other_values = other_values, values
        moves += 1
    if moves % 2:
        other_words[:] = words
        other_values[:] = values


@compiled
def _starts(words: np.ndarray, shift: int, digits: int) -> np.ndarray:
    """Return uint64 (digits + 1,): where the words with each digit, the bits from ``shift`` up, begin."""
    starts = np.zeros(digits + 1, np.uint64)
    mask = np.uint64(digits - 1)
    for word in words:
        starts[((word >> np.uint64(shift)) & mask) + ONE] += ONE
    for digit in range(1, digits + 1):
        starts[digit] += starts[digit - 1]
    return starts


@compiled
def _move(words: np.ndarray, values: np.ndarray, shift: int, free: np.ndarray, into: Columns) -> None:
    """Move each word and its value to the next free place of its digit; ``free`` is used up."""
    to_words, to_values = into
    mask = np.uint64(len(free) - 2)
    for i in range(np.uint64(len(words))):
        digit = (words[i] >> np.uint64(shift)) & mask
        place = free[digit]
        to_words[place] = words[i]
        to_values[place] = values[i]
        free[digit] = place + ONE
