"""Kernels are cached under a name that changes with any file that takes part in compiling them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dedup_core

PACKAGE = Path(dedup_core.__file__).parent
SCRIPT = """
import numpy as np
from dedup_core.hamming_blocks import Found, scan
codes = np.zeros(40, np.uint64)
print(scan((codes[:2], codes), False, np.uint64(0), Found.empty(99, np.int64), np.zeros(2, np.uint64)))
print(sum(scan.stats.cache_hits.values()), "from the cache")
"""


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "dedup_core", ignore=shutil.ignore_patterns("__pycache__", "spark"))
    return tmp_path


def run(folder):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[1]


@pytest.mark.parametrize("changed", ["popcount.py", "hamming_buckets.py", "compiled.py"])
def test_a_kernel_is_compiled_again_when_a_file_of_kernels_changes(copy, changed):
    assert run(copy) == "0 from the cache"
    assert run(copy) == "1 from the cache"
    called = copy / "dedup_core" / changed
    called.write_text(called.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert run(copy) == "0 from the cache"


def test_other_files_leave_the_cache_as_it_is(copy):
    run(copy)
    other = copy / "dedup_core/spark/summary.py"
    other.write_text(other.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert run(copy) == "1 from the cache"
