"""The progress bar, and what else is loaded only where it is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dedup_core
from dedup_core.methods.progress import Bar

NOT_NEEDED = (
    "cv2",
    "matplotlib",
    "multiprocessing",
    "numba",
    "pandas",
    "pyarrow",
    "pywt",
    "scipy",
    "tensorflow",
    "tqdm",
)
SCRIPT = """
import sys
from dedup_core.methods import AHash, DHash, PHash, WHash, encode_images_with
made = encode_images_with([method(verbose=False) for method in (PHash, AHash, DHash, WHash)], {folder!r})
print(len(made["whash"]), *(name for name in {names!r} if name in sys.modules))
"""


def test_a_bar_counts_what_is_done(capsys):
    with Bar("Encoding", 5, "images", silent=False) as bar:
        for done in (1, 3, 1):
            bar.add(done)
    said = capsys.readouterr().err
    assert "Encoding: 100%" in said
    assert "5/5" in said


@pytest.mark.parametrize(("total", "silent"), [(2, True), (0, False)])
def test_a_bar_that_is_silent_or_has_nothing_to_count_says_nothing(capsys, total, silent):
    with Bar("Encoding", total, "images", silent=silent) as bar:
        bar.add(total)
    assert capsys.readouterr().err == ""


def test_a_few_photographs_are_hashed_without_loading_what_they_dont_need(photographs, tmp_path):
    for path in photographs[:3]:
        shutil.copy(path, tmp_path)
    script = SCRIPT.format(folder=str(tmp_path), names=NOT_NEEDED)
    environment = os.environ | {"PYTHONPATH": str(Path(dedup_core.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "3\n"
