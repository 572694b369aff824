"""Photographs and drawn pictures, copies of them made by code, and labelled benchmarks of both."""

from dedup_core.corpus.benchmark import Benchmark, Shown, edit_of, kind_of, make_benchmark
from dedup_core.corpus.edits import EDITS, Edit
from dedup_core.corpus.kinds import KINDS, Kind
from dedup_core.corpus.originals import Original
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.corpus.plain_copies import PLAIN_COPIES, PlainCopy

__all__ = [
    "EDITS",
    "KINDS",
    "PLAIN_COPIES",
    "Benchmark",
    "Edit",
    "Kind",
    "Original",
    "PlainCopy",
    "Shown",
    "add_broken_files",
    "edit_of",
    "installed_photographs",
    "kind_of",
    "make_benchmark",
    "make_corpus",
]
