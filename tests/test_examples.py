"""Examples in docstrings run; those of the other modules run in the tests of these."""

import doctest
import importlib

import numpy as np
import pytest


@pytest.mark.parametrize("name", ["metric", "relations", "cosine.join", "spark.inputs.dialects"])
def test_examples_run(name):
    module = importlib.import_module(f"dedup_core.{name}")
    results = doctest.testmod(module, extraglobs={"np": np})
    assert results.attempted > 0
    assert results.failed == 0
