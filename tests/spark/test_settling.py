"""All tables of one run or of the other: publications cut off at every change of the filesystem, and opened again."""

import itertools
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from power_cuts import cut_after

from dedup_core.current import CURRENT, Provenance
from dedup_core.errors import InputError, SettingsError
from dedup_core.ledger import MARKER
from dedup_core.spark.locks import Snapshot, held, settled
from dedup_core.spark.publishing import publish, refuse_foreign
from dedup_core.spark.settling import settle
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

TABLES = ["failures", "pairs", "groups"]
HIDDEN = "pairs/method=phash/.mine"
LIKE = {
    "a disk": {},
    "a disk that exchanges nothing": {"exchange": lambda one, other: False},
    "HDFS": {"exchange": lambda one, other: False, "replaces_files": False},
    "an object store": {"renames_folders": False},
}


def tables(run):
    """What a run publishes: more and fewer files than others, single ones of one name, and a table that is empty."""
    parts = {
        f"{table}/part-{number}-{run}.parquet": f"{table} {number} of {run}"
        for table in ("failures", "pairs/method=phash", "groups/method=phash")
        for number in range(1 if table == "failures" else 1 + int(run) % 2)
    }
    return {**parts, "evaluation/metrics.json": run, "duplicates.json": run, f"evaluation/sweep.parquet/{run}": run,
            "evaluation/figures/sweep.svg": run, f"runs/{run}.json": run}  # fmt: skip


def opened(folder, like="a disk"):
    store = Store(str(folder))
    for name, value in LIKE[like].items():
        setattr(store, name, value)
    return store


def stage(store, files):
    for file, text in files.items():
        store.write_text(f"_staging/work/ready/{file}", text)


def publication(run, gone=()):
    """What a run does at its end."""

    def publishes(store):
        made = {"pairs/method=phash": Provenance(run_id=run, source="photos")}
        publish(store, [Staging(None, store, "work")], run, made, gone)

    return publishes


def seen(store):
    """All files that readers see, with their content."""
    top = Path(store.url)
    files = {path.relative_to(top).as_posix(): path for path in sorted(top.rglob("*")) if path.is_file()}
    hidden = (MARKER, CURRENT, "_staging/", f"._{MARKER}", f"._{CURRENT}")
    return {name: path.read_text() for name, path in files.items() if not name.startswith(hidden)}


def of(shown, place):
    return {name: text for name, text in shown.items() if name == place or name.startswith(f"{place}/")}


def published_twice(folder, like="a disk", mine=""):
    """A folder with the tables of run 1, those of run 2 ready, and a file of somebody's."""
    model = folder.parent / "model"
    if not model.exists():
        _publish_twice(model, like, mine)
    shutil.copytree(model, folder)
    return opened(folder, like)


def _publish_twice(folder, like, mine):
    store = opened(folder, like)
    store.mark()
    stage(store, tables("1"))
    publication("1")(store)
    if mine:
        store.write_text(mine, "mine")
    stage(store, tables("2"))


def assert_is_one_state(store, states):
    """Open the folder as a job does, and return which of the states it is in."""
    with settled(store):
        shown = seen(store)
    matching = [name for name, state in states.items() if shown == state]
    assert len(matching) == 1, shown
    current, ledger = store.read_current(), store.read_ledger()
    mine = {name for name, text in shown.items() if text == "mine"}
    assert current.pending is None
    assert current.run_id == current.tables["pairs/method=phash"].run_id == ledger.runs[-1] == matching[0]
    assert ledger.files == (shown.keys() - mine) | {CURRENT}
    return matching[0]


@pytest.mark.parametrize(
    ("like", "mine"), [*((like, "") for like in LIKE), ("a disk", HIDDEN), ("an object store", HIDDEN)]
)
def test_a_publication_that_dies_at_any_change_leaves_the_old_state_or_the_new_one(tmp_path, like, mine):
    gone = ["groups/method=phash"]
    kept = {mine: "mine"} if mine else {}
    states = {"1": {**tables("1"), **kept}, "2": {**tables("2"), **kept, "runs/1.json": "1"}}
    reached, whole = [], ["failures", "pairs/method=phash", "groups/method=phash"]
    for changes in itertools.count():
        store = published_twice(tmp_path / f"{changes}", like, mine)
        is_done = cut_after(changes, store, publication("2", gone))
        shown = seen(store)
        if like == "a disk" and not mine:
            for place in whole:  # what any reader of Parquet sees at this moment
                assert of(shown, place) in [of(state, place) for state in states.values()], (changes, place)
        reached.append(assert_is_one_state(opened(store.url, like), states))
        refuse_foreign(store, TABLES, ["phash"])
        if is_done:
            break
    assert reached == sorted(reached), "what has been is not undone"
    assert set(reached) == {"1", "2"}
    assert len(reached) > 30, "each change was a place to stop at"


@pytest.mark.parametrize("like", LIKE)
def test_settling_that_dies_is_begun_again(tmp_path, like):
    states = {"1": tables("1"), "2": {**tables("2"), "runs/1.json": "1"}}
    for first, second in itertools.product((9, 16, 25, 34), range(0, 50, 7)):
        store = published_twice(tmp_path / f"{first}-{second}", like)
        if not cut_after(first, store, publication("2")):
            cut_after(second, opened(store.url, like), settle)
        assert_is_one_state(opened(store.url, like), states)


def test_a_publisher_that_is_killed_at_any_moment_leaves_one_state(tmp_path):
    draw = random.Random(0)
    store = opened(tmp_path)
    store.mark()
    newest = 0
    for _ in range(100):
        child = os.fork()
        if not child:
            for run in itertools.count(newest + 1):
                stage(store, tables(str(run)))
                publication(str(run))(store)
        time.sleep(draw.uniform(0.002, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with settled(opened(tmp_path)):
            shown = seen(store)
        run = int(store.read_current().run_id or 0)
        assert run >= newest
        newest = run
        records = {f"runs/{number}.json": str(number) for number in range(1, run + 1)}
        assert shown == ({**tables(str(run)), **records} if run else {})
        assert store.read_ledger().files - {CURRENT} == shown.keys()
        store.delete_tree("_staging", "work")
    assert newest > 3


def test_what_goes_is_out_of_the_truth_too(tmp_path):
    store = published_twice(tmp_path / "out")
    publication("2", ["groups"])(store)
    groups = {"groups/method=dhash": Provenance(run_id="1", source="photos")}
    store.write_current(store.read_current().model_copy(update={"tables": groups}))
    stage(store, {"failures/x": "3"})
    publication("3", ["groups"])(store)
    assert store.read_current().tables.keys() == {"pairs/method=phash"}


def leave_half_way(store):
    """Publish, and die as soon as the new tables count."""
    for changes in itertools.count(5):
        cut_after(changes, store, publication("2"))
        if store.read_current().pending:
            return


@pytest.mark.parametrize("like", LIKE)
def test_a_stray_file_among_staged_ones_keeps_no_table_from_its_place(tmp_path, like):
    store = published_twice(tmp_path / "out", like)
    leave_half_way(store)
    store.write_text("_staging/work/ready/pairs/method=phash/.DS_Store", "stray")
    with settled(opened(store.url, like)):
        assert seen(store) == {**tables("2"), "runs/1.json": "1"}
    assert store.read_current().stale() == []


def test_a_link_that_came_to_lie_on_the_way_is_not_followed(tmp_path):
    store = published_twice(tmp_path / "out")
    leave_half_way(store)
    (tmp_path / "elsewhere" / "method=phash").mkdir(parents=True)
    (tmp_path / "elsewhere" / "method=phash" / "precious.txt").write_text("mine")
    shutil.rmtree(tmp_path / "out" / "pairs")
    (tmp_path / "out" / "pairs").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(SettingsError, match=r"out/pairs is in the way of pairs/method=phash.*move it away"),
        settled(store),
    ):
        pass
    assert (tmp_path / "elsewhere" / "method=phash" / "precious.txt").read_text() == "mine"
    (tmp_path / "out" / "pairs").unlink()
    with settled(store):
        assert seen(store) == {**tables("2"), "runs/1.json": "1"}


def test_tables_that_were_deleted_on_their_way_are_named(tmp_path):
    store = published_twice(tmp_path / "out")
    leave_half_way(store)
    shutil.rmtree(tmp_path / "out" / "_staging")
    with settled(store):
        current = store.read_current()
    assert "pairs/method=phash of run 2 was deleted before it was in place: run that job again" in current.stale()
    assert seen(store) == tables("1"), "what was there before stays"
    stage(store, tables("3"))
    publication("3")(store)
    assert store.read_current().stale() == []
    assert seen(store) == {**tables("3"), "runs/1.json": "1"}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"source": "_staging/', '"source": "photos/'),
        ('"source": "_staging/', '"source": "_staging/../../'),
        ('"target": "failures', '"target": "../failures'),
        ('"target": "failures', '"target": "_staging/failures'),
        ('"works": [', '"works": ["../../photos",'),
        ("{", "["),
    ],
)
def test_a_file_that_was_tampered_with_moves_nothing(tmp_path, was, becomes):
    store = published_twice(tmp_path / "out")
    leave_half_way(store)
    path = tmp_path / "out" / CURRENT
    path.write_text(path.read_text().replace(was, becomes, 1))
    before = seen(store)
    with (
        pytest.raises(SettingsError, match=r"current\.json should name the tables there, and is damaged or none"),
        settled(store),
    ):
        pass
    assert seen(store) == before


def test_a_reader_of_a_folder_that_is_published_to_meanwhile_is_told(tmp_path):
    store = published_twice(tmp_path / "out")
    snapshot = Snapshot.of(store)
    snapshot.check()
    publication("2")(store)
    with pytest.raises(InputError, match=r"run 2 has published in .* while its tables were read here: start again"):
        snapshot.check()


def test_a_reader_of_a_folder_that_was_left_half_way_ends_it_first(tmp_path):
    store = published_twice(tmp_path / "out")
    leave_half_way(store)
    assert Snapshot.of(store).current.run_id == "2"
    assert seen(store) == {**tables("2"), "runs/1.json": "1"}


@pytest.mark.parametrize("text", ["not ours", '{"version": 3}'])
def test_somebodys_file_of_that_name_is_none_of_ours(tmp_path, text):
    (tmp_path / CURRENT).write_text(text)
    store = opened(tmp_path)
    Snapshot.of(store).check()
    store.mark()
    with pytest.raises(SettingsError, match="is damaged or none of ours"):
        Snapshot.of(store)


def test_a_reader_waits_for_who_publishes_at_this_moment(tmp_path, monkeypatch):
    store = published_twice(tmp_path / "out")
    leave_half_way(store)
    with held(store, "2"):
        monkeypatch.setattr("dedup_core.spark.locks.PATIENCE_SECONDS", 0)
        with pytest.raises(Exception, match="is in use: run 2 has worked there since"):
            Snapshot.of(store)
