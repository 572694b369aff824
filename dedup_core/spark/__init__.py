"""The distributed pipeline: DataFrame in, DataFrame out. Needs the extra ``spark``.

The names below are for jobs and notebooks of one's own, and stay as they are; ``dedup_core.spark.pipeline`` runs whole
jobs over an output folder.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup_core.spark.functions import (
        EncodedTables,
        FoundTables,
        duplicates,
        encode,
        evaluate,
        find,
        find_pairs,
        given_embeddings,
        groups,
        removals,
        without,
    )

__all__ = [
    "EncodedTables",
    "FoundTables",
    "duplicates",
    "encode",
    "evaluate",
    "find",
    "find_pairs",
    "given_embeddings",
    "groups",
    "removals",
    "without",
]

_PUBLIC = frozenset(__all__)


class _LoadsOnUse(ModuleType):
    """This package. Its functions load when one is asked for: a worker loads other modules in here, and needs none.

    Two functions have the names of folders in here, and as attributes they go before these, in whatever order both are
    loaded. So a folder's modules are imported from it, by ``from dedup_core.spark.encode import tasks``, which asks for
    no attribute; ``import dedup_core.spark.encode.tasks as tasks`` asks the function for one and raises ImportError.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in _PUBLIC:
            return getattr(import_module("dedup_core.spark.functions"), name)
        return super().__getattribute__(name)


sys.modules[__name__].__class__ = _LoadsOnUse
