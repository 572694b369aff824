"""The Hamming join compiled for processors that lack an instruction of this one: the pairs are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding

SCRIPT = """
import numpy as np
import naive
from dedup_core.hamming.popcount import SPARE, columns_within, rows_within
from dedup_core.jit.bits import popcount
from dedup_core.jit.compiled import compiled
from test_hamming import flipped, joined, plan_of, random_codes

@compiled
def both(rows, columns, limit):
    span = np.uint64(3), np.uint64(15)
    return columns_within(rows, span, columns, np.uint64(5), limit), rows_within(rows, np.uint64(3), columns[5], limit)

random = np.random.default_rng(0)
for dtype in (np.uint32, np.uint64):
    words = random.integers(0, np.iinfo(dtype).max, 300, dtype=dtype, endpoint=True)
    words[::7], words[3], words[5] = 0, ~dtype(0), 0  # the farthest that words can be
    for limit in (0, 1, 7, 8, 16, 31, 32, 63, 64):
        limit = np.uint64(limit)
        given = words[: 16 + SPARE], words[100:]
        assert both(*given, limit) == both.py_func(*given, limit), (dtype, limit)

codes = random_codes(random, 300)
codes = np.concatenate([codes, flipped(random, codes[:90], 6), flipped(random, codes[:90], 11)])
for sketches in ("all", "none"):
    plan = plan_of(10, 3, 7, sketches)
    assert joined(codes, None, 10, plan) == naive.hamming_self_join(codes, 10)
"""


@pytest.mark.parametrize("lacking", ["avx512vpopcntdq", "avx512", "avx"])
def test_a_processor_without_an_instruction_finds_the_same_pairs(lacking):
    features = binding.get_host_cpu_features()
    for name in features:
        features[name] = features[name] and not name.startswith(lacking)
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": features.flatten(),
        "PYTHONPATH": f"{here}{os.pathsep}{here.parent}",
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
