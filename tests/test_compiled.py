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
from dedup_core.hamming.blocks import PairBuffer, scan
codes = np.zeros(40, np.uint64)
print(scan((codes[:2], codes), False, np.uint64(0), PairBuffer.empty(99, np.int64), np.zeros(2, np.uint64)))
print(sum(scan.stats.cache_hits.values()), "from the cache")
"""


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "dedup_core", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[1]


def change(copy, file):
    path = copy / "dedup_core" / file
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")


def test_a_kernel_is_compiled_again_when_a_file_of_kernels_changes_in_any_folder(copy):
    assert run(copy) == "0 from the cache"
    assert run(copy) == "1 from the cache"
    for file in ("hamming/popcount.py", "cosine/kernels.py", "images/resizing/layout.py", "jit/compiled.py"):
        change(copy, file)
        assert run(copy) == "0 from the cache", file
    (copy / "dedup_core/hamming/wide").mkdir()
    (copy / "dedup_core/hamming/wide/kernels.py").write_text(
        "from dedup_core.jit.compiled import compiled\n\n\n@compiled\ndef twice(x):\n    return 2 * x\n",
        encoding="utf-8",
    )
    assert run(copy) == "0 from the cache"


def test_other_files_leave_the_cache_as_it_is(copy):
    run(copy)
    change(copy, "errors.py")
    change(copy, "spark/summary.py")
    assert run(copy) == "1 from the cache"
