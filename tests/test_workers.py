"""Work by processes, and by threads where no process may be started: the same results in the same order."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
from album import GOOD, make_album
from PIL import Image

from dedup_core import processes
from dedup_core.encoders.encoder import Decoding
from dedup_core.images.files import ImageFile, list_images
from dedup_core.methods import PHash, encode_files
from dedup_core.workers import map_in_processes, map_in_threads

ROOT = Path(__file__).parents[1]
REFUSALS = [
    PermissionError("semaphores"), FileNotFoundError("/dev/shm"), OSError(28, "No space left on device"),
    BlockingIOError(11, "no process left"), ImportError("no sem_open"), NotImplementedError("semaphores"),
    AssertionError("daemonic processes are not allowed to have children"),
]  # fmt: skip


def refuse(monkeypatch, what, error, after=0):
    """Have something fail from a call on."""
    calls, plain = itertools.count(), getattr(*what)

    def fails(*given, **named):
        if next(calls) >= after:
            raise error
        return plain(*given, **named)

    monkeypatch.setattr(*what, fails)


def where(_):
    return os.getpid(), threading.current_thread() is threading.main_thread()


def test_processes_do_the_work_where_they_can():
    found = list(map_in_processes(abs, range(-50, 0), 2))
    assert found == list(range(50, 0, -1))


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_where_the_pool_can_not_be_made_threads_do_the_work(error, monkeypatch):
    refuse(monkeypatch, (processes, "ProcessPoolExecutor"), error)
    assert list(map_in_processes(lambda number: -number, range(50), 2)) == [-number for number in range(50)]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_where_no_process_starts_threads_do_the_work(error, monkeypatch):
    refuse(monkeypatch, (processes.SpawnProcess, "start"), error)
    used = {process for process, _ in map_in_processes(where, range(50), 2)}
    assert used == {os.getpid()}


def test_where_only_some_processes_start_every_item_is_done_once_and_in_order(monkeypatch):
    refuse(monkeypatch, (processes.SpawnProcess, "start"), BlockingIOError(11, "no process left"), after=1)
    assert list(map_in_processes(abs, range(-50, 0), 4)) == list(range(50, 0, -1))


def test_threads_that_stand_in_take_no_more_than_they_work_on(monkeypatch):
    refuse(monkeypatch, (processes.SpawnProcess, "start"), OSError())
    taken = itertools.count()
    results = map_in_processes(abs, taken, 2)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert next(taken) < 20
    results.close()


def test_an_error_of_the_work_is_no_reason_to_take_threads(monkeypatch):
    def fails(_):
        raise OSError("of the work")

    refuse(monkeypatch, (processes.SpawnProcess, "start"), AssertionError())
    for mapped in (map_in_processes(fails, range(3), 2), map_in_threads(fails, range(3), 2)):
        with pytest.raises(OSError, match="of the work"):
            list(mapped)


def test_a_process_that_dies_is_not_replaced_by_a_thread():
    with pytest.raises(BrokenProcessPool):
        list(map_in_processes(os._exit, range(1, 5), 2))


def test_a_folder_is_encoded_alike_without_processes(tmp_path, monkeypatch):
    album = make_album(tmp_path)
    expected = PHash(verbose=False).encode_images(album, num_enc_workers=0)
    refuse(monkeypatch, (multiprocessing.synchronize.SemLock, "__init__"), OSError(38, "Function not implemented"))
    assert PHash(verbose=False).encode_images(album, num_enc_workers=2) == expected


@pytest.mark.parametrize(
    ("n_cores", "megabytes", "pay"),
    [(1, 10_000, False), (8, 10_000, False), (9, 1500, False), (9, 2000, True), (64, 200, False), (64, 250, True)],
)
def test_processes_are_taken_where_they_are_done_before_eight_threads(n_cores, megabytes, pay):
    """A second of work a process is 24 MiB, and so long does its start take."""
    files = [ImageFile(f"{number}.jpg", f"{number}.jpg", megabytes * 2**20 // 200) for number in range(200)]
    assert encode_files._pay_processes(files, n_cores) == pay


def test_no_more_than_eight_threads_encode_on_64_cores(tmp_path, monkeypatch):
    for number in range(40):
        Image.new("RGB", (50, 40), (number, 0, 0)).save(tmp_path / f"{number:02}.png")
    expected = PHash(verbose=False).encode_images(tmp_path, num_enc_workers=0)
    monkeypatch.setattr(encode_files, "n_cores", lambda: 64)
    used = set()

    def noticed(picture):
        used.add(threading.get_ident())
        time.sleep(0.02)
        return PHash().encoder.pixels(picture)

    encoder = replace(PHash().encoder, pixels=noticed)
    made = list(encode_files.encode_files(list_images(str(tmp_path)), [encoder], Decoding()))
    assert [(file.name, f"{int(result.features['phash']):016x}") for file, result in made] == list(expected.items())
    assert 2 <= len(used) <= 8


def test_a_daemonic_process_encodes_a_folder(tmp_path):
    """A process of multiprocessing.Pool may have no children."""
    album = make_album(tmp_path / "album")
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing
from dedup_core.methods import PHash

def names(workers):
    return sorted(PHash(verbose=False).encode_images({str(album)!r}, num_enc_workers=workers))

if __name__ == "__main__":
    pool = multiprocessing.get_context("spawn").Pool(1)
    print(pool.map(names, [0, 2]) == [{GOOD!r}] * 2)
    pool.close()
    pool.join()
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "True\n"
