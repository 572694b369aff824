"""Machine code that is kept: found again, loaded without numba, and made anew where it can't be used."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dedup_core.images.resizing import native, plan, small
from dedup_core.jit import stored, version
from dedup_core.jit.machine_code import MachineCode

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
    assert len(kept(cache)) == len(native.entries())
    assert run(cache) == "True False {77}"


@pytest.mark.parametrize("changed", ["cut", "other fields"])
def test_a_file_that_is_not_whole_is_made_anew(cache, changed):
    run(cache)
    before = kept(cache)
    file = next(path for path in before if path.name.startswith("entries.gray-"))
    content = b"[1, 2]"
    other = stored._digest(content) + b"\n" + content
    file.write_bytes(file.read_bytes()[:-100] if changed == "cut" else other)
    assert run(cache) == "True True {77}"
    assert kept(cache) == before
    assert run(cache) == "True False {77}"


def test_what_the_code_depends_on_chooses_another_file(monkeypatch):
    first = stored._fitting()
    monkeypatch.setenv("NUMBA_OPT", "1")
    second = stored._fitting()
    monkeypatch.setattr(stored, "version_of_kernels", lambda: "another")
    assert len({first, second, stored._fitting()}) == 3


def test_how_many_threads_numba_has_chooses_no_other_file(monkeypatch):
    first = stored._fitting()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert stored._fitting() == first


CODE = MachineCode("symbol", ("int64",), True, ("NRT_x",), b"code")


def test_a_place_that_cannot_be_written_to_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    stored._keep(CODE, iter([tmp_path / "file" / "a.code", tmp_path / "folder" / "b.code"]))
    assert stored._read(tmp_path / "file" / "a.code") is None
    assert stored._read(tmp_path / "folder" / "b.code") == CODE
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["b.code"]


def test_a_home_that_may_not_be_entered_is_no_error(monkeypatch):
    def refused(module, name):
        raise PermissionError(module, name)

    monkeypatch.setattr(stored, "_places", refused)
    assert not stored.are_kept("dedup_core.images.resizing.entries", ["gray"])


def test_a_call_with_too_many_or_too_few_arguments_is_refused():
    for arguments in ((1, 2, 0, 0), (1, 2)):
        with pytest.raises(TypeError, match=r"uint8\*"):
            native.entries()["gray"](*arguments)


def test_a_numba_that_is_switched_off_is_said(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(RuntimeError, match="NUMBA_DISABLE_JIT"):
        stored.functions("dedup_core.images.resizing.entries", ["gray"])


def test_code_of_a_zipped_package_is_kept_for_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(stored, "PACKAGE", tmp_path / "package.zip" / "dedup_core")
    (place,) = stored._places("dedup_core.images.resizing.entries", "gray")
    assert place.parent == tmp_path / "dedup_core"


def test_the_version_of_a_zipped_package_is_that_of_its_archive(monkeypatch, tmp_path):
    archive = tmp_path / "package.zip"
    monkeypatch.setattr(version, "PACKAGE", archive / "dedup_core")
    found = set()
    for content in (b"one", b"two"):
        archive.write_bytes(content)
        version.version_of_kernels.cache_clear()
        found.add(version.version_of_kernels())
    version.version_of_kernels.cache_clear()
    assert len(found) == 2


def test_a_plans_addresses_are_those_of_its_arrays_whichever_thread_asks():
    for width in range(300, 340):
        shared = plan.plan_of((width, 50), [small.LOOK])
        with ThreadPoolExecutor(4) as pool:
            asked = set(pool.map(lambda _, shared=shared: shared.addresses, range(8)))
        assert asked == {tuple(array.ctypes.data for array in (shared.across, shared.down, shared.taps, shared.sizes))}


def test_arrays_that_must_not_be_written_to_have_an_address_too():
    pixels = np.arange(30, dtype=np.uint8)
    address = native.address(pixels)
    pixels.flags.writeable = False
    assert native.address(pixels) == address == pixels.ctypes.data
