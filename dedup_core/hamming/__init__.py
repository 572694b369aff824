"""Exact joins of 64-bit codes by Hamming distance: README.md in this folder is the page to begin with."""

from dedup_core.hamming.join import cross_join, cross_join_blocks, self_join, self_join_blocks

__all__ = ["cross_join", "cross_join_blocks", "self_join", "self_join_blocks"]
