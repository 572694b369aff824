"""Photographs, edits of them made by code, and labelled benchmarks of both."""

from dedup_core.corpus.benchmark import Benchmark, edit_of, make_benchmark
from dedup_core.corpus.edits import EDITS, Edit
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus

__all__ = [
    "EDITS",
    "Benchmark",
    "Edit",
    "add_broken_files",
    "edit_of",
    "installed_photographs",
    "make_benchmark",
    "make_corpus",
]
