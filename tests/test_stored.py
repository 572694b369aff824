"""Machine code that is kept: found again, loaded without numba, and made anew where it can't be used."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dedup_core.images.resizing import native
from dedup_core.jit import stored
from dedup_core.jit.code import Code

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import sys
import numpy as np
from dedup_core.images.resizing import native
before = native.is_compiled()
pixels, luma = np.full(300, 77, np.uint8), np.zeros(100, np.uint8)
native.call("gray", pixels, luma, 100)
print(before, "numba" in sys.modules, set(luma.tolist()))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(cache, **environment):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)} | environment
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return done.stdout.strip()


def kept(cache):
    return [path for path in cache.rglob("*.code") if path.is_file()]


def test_code_is_compiled_once_and_then_loaded_without_numba(cache):
    assert run(cache) == "False True {77}"
    assert len(kept(cache)) == 1
    assert run(cache) == "True False {77}"


def test_a_file_that_is_not_whole_is_made_anew(cache):
    run(cache)
    (file,) = kept(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert run(cache) == "True True {77}"
    assert kept(cache) == [file]
    assert run(cache) == "True False {77}"


def test_what_the_code_depends_on_chooses_another_file(monkeypatch):
    first = stored._fitting()
    monkeypatch.setenv("NUMBA_OPT", "1")
    second = stored._fitting()
    monkeypatch.setattr(stored, "version_of_kernels", lambda: "another")
    assert len({first, second, stored._fitting()}) == 3


def test_a_place_that_cannot_be_written_to_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    codes = {"twice": Code("symbol", ("int64",), True, ("NRT_x",), b"code")}
    stored._keep(codes, [tmp_path / "file" / "a.code", tmp_path / "folder" / "b.code"])
    assert stored._read(tmp_path / "file" / "a.code") is None
    assert stored._read(tmp_path / "folder" / "b.code") == codes
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["b.code"]


def test_a_call_with_too_many_or_too_few_arguments_is_refused():
    for arguments in ((1, 2, 0, 0), (1, 2)):
        with pytest.raises(TypeError, match=r"uint8\*"):
            native.entries()["gray"](*arguments)


def test_a_numba_that_is_switched_off_is_said(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(RuntimeError, match="NUMBA_DISABLE_JIT"):
        stored.functions("dedup_core.images.resizing.entries")


def test_code_for_a_zipped_package_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "_PACKAGE", tmp_path / "package.zip" / "dedup_core")
    assert not stored.is_kept("dedup_core.images.resizing.entries")
    assert list(stored._places("dedup_core.images.resizing.entries")) == []


def test_arrays_that_must_not_be_written_to_have_an_address_too():
    pixels = np.arange(30, dtype=np.uint8)
    address = native.address(pixels)
    pixels.flags.writeable = False
    assert native.address(pixels) == address == pixels.ctypes.data
