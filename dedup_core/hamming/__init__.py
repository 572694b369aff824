"""Exact joins of 64-bit codes by Hamming distance: README.md in this folder is the page to begin with."""

from dedup_core.hamming.bands import SCAN, Band, Bands
from dedup_core.hamming.join import cross_join, cross_join_blocks, self_join, self_join_blocks
from dedup_core.hamming.plan import choose_plan

__all__ = [
    "SCAN",
    "Band",
    "Bands",
    "choose_plan",
    "cross_join",
    "cross_join_blocks",
    "self_join",
    "self_join_blocks",
]
