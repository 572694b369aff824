"""The benchmark of the cosine join runs, and its mixture is one."""

import subprocess
import sys

import naive
import numpy as np
import pytest

from benchmarks import cosine


def test_half_of_the_mixtures_pairs_are_near_six_tenths():
    similarities = naive.cosine_similarities(*2 * [cosine.mixture(300)])
    assert 0.4 < np.mean(np.abs(similarities - 0.6) < 0.08) < 0.6


def test_it_prints_a_ratio_for_each_peer():
    pytest.importorskip("faiss")
    options = ["--mixture", "--rows", "300", "--queries", "100", "--thresholds", "0.6"]
    done = subprocess.run([sys.executable, cosine.__file__, *options], capture_output=True, text=True, check=True)
    assert "| flat |" in done.stdout
    assert done.stdout.startswith("300 vectors of 1024, 1 thread(s), FAISS")
