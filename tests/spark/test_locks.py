"""One run at a time in an output folder; the dead don't hold it, and nobody is shut out for ever."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dedup_core.errors import InUseError, SettingsError
from dedup_core.holder import LOCK, SILENCE_SECONDS, Holder
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark import locks
from dedup_core.spark.locks import Lock, held, new_run_id, settled
from dedup_core.spark.runs import Run
from dedup_core.spark.store import Store

WAITS = "import sys, time; from dedup_core.spark.locks import held; from dedup_core.spark.store import Store\n" \
        "with held(Store(sys.argv[1]), 'first'): print('in', flush=True); time.sleep(600)"  # fmt: skip


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / "out"))
    made.mark()
    return made


@pytest.fixture
def other_process(store):
    """A process that holds the folder."""
    started = subprocess.Popen([sys.executable, "-c", WAITS, store.url], stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "in\n"
    yield started
    started.kill()
    started.wait()


def leave_lock(store, silence, **changes):
    """Leave the lock of a run that has been silent for so many seconds."""
    holder = dataclasses.replace(Holder.me("first"), **changes)
    store.write_text(f"{LOCK}/first.json", holder.to_json())
    then = time.time() - silence
    os.utime(f"{store.url}/{LOCK}/first.json", (then, then))


def test_the_second_is_refused_and_told_who_holds_it(store, other_process):
    who = rf"out is in use: run first has worked there since 20..-.* UTC, process {other_process.pid} on .*Wait until"
    with pytest.raises(InUseError, match=who), held(store, "second"):
        pass
    assert store.files(LOCK) == [f"{LOCK}/first.json"]
    other_process.send_signal(signal.SIGINT)
    other_process.wait()
    with held(store, "second"):
        assert store.files(LOCK) == [f"{LOCK}/second.json"]
    assert not store.exists("_staging"), "nothing is left behind"


def test_a_killed_holder_is_followed_at_once(store, other_process):
    other_process.kill()  # and not yet waited for: it is a zombie, whose number is still taken
    time.sleep(0.2)
    with held(store, "second"):
        assert store.files(LOCK) == [f"{LOCK}/second.json"]


def test_a_process_of_the_same_number_is_not_the_holder(store):
    leave_lock(store, 0, started="1")
    with held(store, "second"):
        pass


@pytest.mark.parametrize(("silence", "is_free"), [(0, False), (60, False), (SILENCE_SECONDS + 10, True)])
def test_a_holder_elsewhere_is_dead_when_it_has_been_silent_for_long(store, silence, is_free):
    leave_lock(store, silence, machine="elsewhere", host="node-7")
    if is_free:
        with held(store, "second"):
            assert store.files(LOCK) == [f"{LOCK}/second.json"]
        return
    with pytest.raises(InUseError, match="on node-7"), held(store, "second"):
        pass


@pytest.mark.parametrize(("silence", "is_free"), [(60, False), (SILENCE_SECONDS + 10, True)])
def test_where_nobody_can_tell_when_a_process_started_its_silence_decides(store, silence, is_free):
    leave_lock(store, silence, started="")
    if is_free:
        with held(store, "second"):
            return
    with pytest.raises(InUseError), held(store, "second"):
        pass


def test_a_holder_here_is_alive_however_silent(store):
    leave_lock(store, 86_400)
    with pytest.raises(InUseError), held(store, "second"):
        pass


def test_a_holder_gives_signs_of_life_and_none_when_it_has_left(store, monkeypatch):
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.01)
    with held(store, "first"):
        os.utime(f"{store.url}/{LOCK}/first.json", (0, 0))
        until = time.monotonic() + 30
        while os.stat(f"{store.url}/{LOCK}/first.json").st_mtime == 0:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert store.files(LOCK) == []


def test_of_many_that_come_at_once_one_at_most_is_let_in(store):
    inside, most = [], []

    def comes(_):
        try:
            with held(store, new_run_id()):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.05)
                inside.pop()
                return True
        except InUseError:
            return False

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(comes, range(40)))
    assert any(came)
    assert set(most) == {1}


def test_of_two_that_come_at_the_same_moment_the_first_waits_for_the_other_to_step_back(store, monkeypatch):
    others = [Holder.me("b")]
    monkeypatch.setattr(Lock, "_others", lambda self: [others.pop()] if others else [])
    with held(store, "a"):
        assert store.files(LOCK) == [f"{LOCK}/a.json"]
    others.append(Holder.me("b"))
    with pytest.raises(InUseError), held(store, "c"):
        pass


def test_of_two_that_did_not_see_each_other_the_earlier_one_publishes(store, monkeypatch):
    with held(store, "m") as lock:
        leave_lock(store, 0, since="9999-01-01 00:00:00 UTC")
        lock.check()
        monkeypatch.setattr(locks, "_TIE_SECONDS", 0.01)
        leave_lock(store, 0, since="2000-01-01 00:00:00 UTC")
        with pytest.raises(InUseError, match="run first has worked there since 2000-01-01"):
            lock.check()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run_id": "x"}'])
def test_half_a_lock_holds_for_a_while(store, content):
    store.write_text(f"{LOCK}/half.json", content)
    with held(store, "second"):
        assert store.exists(LOCK, "half.json")
    os.utime(f"{store.url}/{LOCK}/half.json", (0, 0))
    with held(store, "second"):
        assert not store.exists(LOCK, "half.json")


def test_a_run_that_was_given_up_publishes_nothing(store):
    run = Run(None, store, EncodeSettings(input="photos", output=store.url), print, "/photos")
    with run.output(["failures"], []):
        store.delete_files(store.files(LOCK))
        with pytest.raises(InUseError, match="was given up for this run, of which nothing was seen for too long"):
            run.publish([])
        leave_lock(store, 0)
        with pytest.raises(InUseError, match="run first has worked there since"):
            run.publish([])


def test_what_runs_that_are_gone_have_left_is_cleared_and_an_encoding_is_kept_for_two_weeks(store):
    left = [
        "find/ready/pairs/a",
        "evaluate-1/x",
        "replaced/pairs/a",
        "encode-new/encoded/1/a",
        "encode-old/encoded/1/a",
    ]
    for name in left:
        store.write_text(f"_staging/{name}", "left")
    os.utime(f"{store.url}/_staging/encode-old/encoded/1/a", (0, 0))
    said = []
    run = Run(None, store, EncodeSettings(input="photos", output=store.url), said.append, "/photos")
    with run.output(["failures"], []):
        assert store.files("_staging") == ["_staging/encode-new/encoded/1/a", f"{LOCK}/{run.run_id}.json"]
    assert said == ["Cleared encode-old in the staging place: the run that left it was stopped two weeks ago or more"]


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(SettingsError, match=r"can't write to the output folder .*file/out"),
        held(Store(str(tmp_path / "file" / "out")), "second"),
    ):
        pass


def test_a_folder_where_nothing_was_ever_made_is_left_alone(tmp_path):
    with settled(Store(str(tmp_path / "typo"))):
        assert not (tmp_path / "typo").exists()
