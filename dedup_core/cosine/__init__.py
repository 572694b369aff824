"""Exact joins of vectors by cosine similarity: README.md in this folder is the page to begin with."""

from dedup_core.cosine.bounds import Basis
from dedup_core.cosine.join import cross_join, cross_join_blocks, self_join, self_join_blocks, verify

__all__ = ["Basis", "cross_join", "cross_join_blocks", "self_join", "self_join_blocks", "verify"]
