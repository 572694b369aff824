"""Delta tables put in place without Spark, on a disk and a store: cut off at every change, and begun again."""

import itertools
import json
import shutil
import sys
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from power_cuts import Disk, Fuse

from dedup_core.current import CURRENT, Provenance
from dedup_core.errors import DedupError, InUseError, SettingsError
from dedup_core.spark import delta, settling
from dedup_core.spark.conditional import StoredObject, store_options
from dedup_core.spark.delta import check_delta, check_logs, sweep
from dedup_core.spark.locks import settled
from dedup_core.spark.published import Published
from dedup_core.spark.publishing import publish, refuse_foreign
from dedup_core.spark.settling import settle
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

RUNS = {name: f"20260101T00000{name}Z-abcdef" for name in "123"}
EACH_ON_A_STORE = 3  # of some thirty places to stop at: a server in Python takes three seconds for one
PARTITIONS = ("pairs/method=phash", "pairs/method=ahash", "groups/method=phash")
SPARKS = {
    "type": "struct",
    "fields": [{"name": "path", "type": "string", "nullable": False, "metadata": {}},
               {"name": "tile", "type": {"type": "array", "elementType": "float", "containsNull": False},
                "nullable": True, "metadata": {}}],
}  # fmt: skip


class CutError(BaseException):
    """What no code of ours catches: the end of a process. deltalake can't be used in one that was forked."""


class RaisingFuse(Fuse):
    def burn(self):
        if not self.left:
            raise CutError
        self.left -= 1


@pytest.fixture(params=["a disk", "S3"])
def fresh(request, tmp_path):
    """Return what opens an output folder of a name."""
    if request.param == "S3":
        request.getfixturevalue("s3")
        return lambda name: Store(f"s3a://lake/{tmp_path.name}/{name}")
    return lambda name: Store(str(tmp_path / name))


def table(rows):
    columns = {"path": pa.array(rows, pa.string()), "tile": pa.array([[0.5]] * len(rows), pa.list_(pa.float32()))}
    noted = {b"org.apache.spark.sql.parquet.row.metadata": json.dumps(SPARKS).encode()}
    return pa.table(columns).replace_schema_metadata(noted)


def staged(store, run, places):
    """Leave rows where Spark would, that say which run and place they are of, and return the work."""
    work = Staging(None, store, "find", version=f"_{RUNS[run]}.find")
    for place in places:
        for number in range(1 + int(run) % 2):
            with store.open_output(*work.place("ready", place), f"part-{number}-{run}.parquet") as file:
                pq.write_table(table([f"{run} {place} {number}"]), file)
    work.finish_file(f"runs/{RUNS[run]}.json", [run])
    work.finish_file("duplicates.json", [run])
    return work


def publishes(store, run, places=PARTITIONS, gone=()):
    made = {place: Provenance(run_id=RUNS[run], source="photos") for place in places}
    publish(store, [staged(store, run, places)], RUNS[run], made, gone)


def rows_in_log(store, name):
    """What anybody reads of a Delta table."""
    return sorted(pa.table(log_of(store, name).to_pyarrow_table())["path"].to_pylist())


def log_of(store, name):
    where = store.object_url(name)
    return DeltaTable(where, storage_options=store_options(where))


def rows_of_ours(store, name):
    """What readers of ours find in the folders that current.json names."""
    folders = Published.of(store)._folders(name).values()
    files = [file for folder in folders for file in store.files(folder) if file.endswith(".parquet")]
    return sorted(
        path for file in files for path in pq.read_table(pa.BufferReader(store.content(file)))["path"].to_pylist()
    )


def expected(run, name, places=PARTITIONS):
    return sorted(f"{run} {place} {number}" for place in places if place.startswith(name)
                  for number in range(1 + int(run) % 2))  # fmt: skip


def test_a_table_changes_by_one_transaction_that_says_its_run(fresh):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == expected("1", "pairs")
    publishes(store, "2", ["pairs/method=phash"])
    both = sorted(expected("2", "pairs", ["pairs/method=phash"]) + expected("1", "pairs", ["pairs/method=ahash"]))
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == both
    assert rows_in_log(store, "groups") == expected("1", "groups")
    log = log_of(store, "pairs")
    assert [commit["run_id"] for commit in log.history()] == [RUNS["2"], RUNS["1"]]
    assert log.schema().to_json() == log_of(store, "groups").schema().to_json()
    assert all(field.nullable for field in log.schema().fields)
    current = store.read_current()
    assert current.versions == {"pairs": 1, "groups": 0}
    assert current.is_delta
    assert current.tables["pairs/method=ahash"].run_id == RUNS["1"]
    assert store.content("duplicates.json") == b"2"


def test_a_table_that_goes_is_emptied_and_no_longer_shown(fresh):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    publishes(store, "2", ["groups/method=phash"], gone=["pairs/method=phash", "duplicates.json"])
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == expected("1", "pairs", ["pairs/method=ahash"])
    assert Published.of(store).methods("pairs") == ["ahash"]
    publishes(store, "3", [], gone=["pairs"])
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == []
    assert Published.of(store).tables() == ["groups"]
    publishes(store, "1")
    assert rows_in_log(store, "pairs") == expected("1", "pairs")


def test_rows_that_were_replaced_stay_for_a_day_for_who_reads_them(fresh, monkeypatch):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    store.write_text("pairs/mine.txt", "mine")
    first, second = (f"pairs/_{RUNS[run]}.find/method=phash" for run in "12")
    store.write_text(f"{first}/mine.txt", "mine")
    publishes(store, "2")
    publishes(store, "3")
    assert len(store.files(first)) == 3
    assert store.files(second)
    monkeypatch.setattr(delta, "KEPT_SECONDS", -5)
    left = staged(store, "1", ["pairs/method=ahash"])  # by a run that died
    sweep(store, store.read_current())
    assert not store.files(*left.place("ready", "pairs/method=ahash"))
    assert (store.files(first), store.files(second)) == ([f"{first}/mine.txt"], [])
    assert rows_of_ours(store, "pairs") == expected("3", "pairs")
    assert store.content("pairs/mine.txt") == b"mine"
    refuse_foreign(store, ["pairs"], ["phash"])  # it is the table's matter


def test_nothing_is_swept_where_somebody_has_moved_current_json_away(tmp_path):
    store = Store(str(tmp_path))
    store.mark()
    publishes(store, "1")
    (tmp_path / CURRENT).unlink()
    sweep(store, store.read_current())
    assert rows_in_log(store, "pairs") == expected("1", "pairs")
    with pytest.raises(SettingsError, match=r"Delta tables \(pairs, groups\), and current\.json, .* is gone: put it"):
        Published.of(store)
    left = staged(Store(str(tmp_path / "new")), "1", ["pairs/method=ahash"])  # by a first run that died
    sweep(left.store, left.store.read_current())
    assert not left.store.files("pairs")


def test_a_table_of_somebody_elses_is_not_committed_to(tmp_path):
    store = Store(str(tmp_path))
    store.mark()
    publishes(store, "1", ["groups/method=phash"])
    write_deltalake(str(tmp_path / "pairs"), pa.table({"path": ["mine"]}))
    with pytest.raises(SettingsError, match="holds files that no run has made, where this one would write: pairs/_del"):
        refuse_foreign(store, ["pairs", "groups"], ["phash"])
    with pytest.raises(
        SettingsError, match=r"pairs has the partitions \[\], and \['method'\] are wanted: move it away"
    ):
        check_logs(store, ["pairs"])
    check_logs(store, ["groups", "features"])
    log_of(store, "groups").alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(SettingsError, match=r"append-only, and a run replaces rows: unset delta\.appendOnly"):
        check_logs(store, ["groups"])
    log_of(store, "groups").alter.set_table_properties({"delta.appendOnly": "false"})
    (tmp_path / "groups/_delta_log/00000000000000000001.json").write_text("{")
    with pytest.raises(SettingsError, match=r"can't open the Delta table .*groups: .* move that folder away") as told:
        check_logs(store, ["groups"])
    assert "\n" not in str(told.value)


def test_a_folder_that_was_deleted_is_no_hindrance_and_its_log_is_made_anew(fresh):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    for name in store.files("pairs"):
        store._fs.delete_file(store._inside(name))
    publishes(store, "2", ["groups/method=phash"], gone=["pairs"])
    assert Published.of(store).tables() == ["groups"]
    publishes(store, "2")
    for name in store.files("pairs", "_delta_log"):
        store._fs.delete_file(store._inside(name))
    publishes(store, "3", ["pairs/method=phash"])
    both = sorted(expected("3", "pairs", ["pairs/method=phash"]) + expected("2", "pairs", ["pairs/method=ahash"]))
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == both
    assert store.read_current().tables["pairs/method=ahash"].run_id == RUNS["2"]


@pytest.mark.parametrize("name", ["with space", "100%", "a+b", "café", "a:b", "a%20b"])
def test_odd_names_of_methods_are_found_in_the_log(tmp_path, name):
    store = Store(str(tmp_path))
    store.mark()
    publishes(store, "1", [f"pairs/method={name}"])
    version = store.read_current().versions
    work = Staging(None, store, "find", version=f"_{RUNS['1']}.find")
    publish(store, [work], RUNS["1"], {})
    rows = expected("1", "pairs", [f"pairs/method={name}"])
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == rows
    assert store.read_current().versions == version, "nothing was to be done"


@pytest.fixture
def wired(monkeypatch):
    """Return what has a process end after so many changes of a filesystem or a log."""

    def wires(store, changes):
        fuse = RaisingFuse(changes)
        store._fs = Disk(store._fs, fuse)
        for owner, name in ((delta, "_committed"), (StoredObject, "replace")):
            real = getattr(owner, name)

            def change(*arguments, real=real):
                fuse.burn()
                told = real(*arguments)
                fuse.burn()
                return told

            monkeypatch.setattr(owner, name, change)
        return fuse

    yield wires
    monkeypatch.undo()


def copied(store, folder, fresh):
    """A copy of an output folder, under another name."""
    other = fresh(folder)
    if other._is_local:
        shutil.copytree(store.url, other.url)
    else:
        client = boto3.client("s3")
        for name in store.files():
            (bucket, source), (_, target) = (each._inside(name).split("/", 1) for each in (store, other))
            client.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})
    return other


def test_a_publication_that_dies_at_any_change_leaves_the_tables_of_one_run(fresh, monkeypatch, wired):
    model = fresh("model")
    places = ("pairs/method=phash", "groups/method=phash")
    model.mark()
    publishes(model, "1", places)
    staged(model, "2", places)
    reached = []
    for changes in itertools.count(step=1 if model._is_local else EACH_ON_A_STORE):
        store = copied(model, f"{changes}", fresh)
        wired(store, changes)
        work = Staging(None, store, "find", version=f"_{RUNS['2']}.find")
        made = {place: Provenance(run_id=RUNS["2"], source="photos") for place in places}
        is_done = False
        try:
            publish(store, [work], RUNS["2"], made)
            is_done = True
        except CutError:
            pass
        monkeypatch.undo()
        store = Store(store.url)
        for name in ("pairs", "groups"):  # whoever reads one table sees one run, at any moment
            assert rows_in_log(store, name) in [expected(run, name, places) for run in "12"]
        with settled(store):
            run = {RUNS[name]: name for name in "12"}[store.read_current().run_id]
        for name in ("pairs", "groups"):
            assert rows_in_log(store, name) == rows_of_ours(store, name) == expected(run, name, places)
        assert store.content("duplicates.json") == run.encode()
        assert {made.run_id for made in store.read_current().tables.values()} == {RUNS[run]}
        reached.append(run)
        if is_done:
            break
    assert reached == sorted(reached), "what has been is not undone"
    assert set(reached) == {"1", "2"}
    assert len(reached) > 8, "each change was a place to stop at"


def test_settling_again_makes_no_second_transaction(fresh):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    told = store.read_current()
    folder = f"pairs/_{RUNS['1']}.find/method=phash"
    commit = {"table": "pairs", "folders": {"pairs/method=phash": folder}, "files": store.files(folder)}
    pending = {"moves": [], "gone": [], "works": [], "run_id": RUNS["1"], "commits": [commit]}
    store.write_current(told.model_validate({**told.model_dump(), "pending": pending}))
    assert settle(store)
    assert store.read_current() == told


def test_rows_that_were_deleted_before_their_commit_are_told_as_lost(fresh, monkeypatch):
    store = fresh("out")
    store.mark()
    publishes(store, "1")
    work = staged(store, "2", PARTITIONS)
    monkeypatch.setattr(settling, "transact", lambda *_told: pytest.fail("nothing is committed by who died"))
    with pytest.raises(pytest.fail.Exception):
        publish(store, [work], RUNS["2"], {})
    monkeypatch.undo()
    store.delete_tree(*work.place("ready", "groups"))
    with settled(store):
        pass
    assert rows_in_log(store, "pairs") == rows_of_ours(store, "pairs") == expected("2", "pairs")
    assert rows_in_log(store, "groups") == rows_of_ours(store, "groups") == expected("1", "groups")
    (told,) = store.read_current().stale()
    assert told.startswith("groups/method=phash of run 20260101T000002Z-abcdef was deleted")


def test_a_log_that_can_not_be_written_is_one_line_and_the_next_run_goes_on(tmp_path):
    store = Store(str(tmp_path / "out"))
    store.mark()
    publishes(store, "1")
    log = Path(store.url, "pairs/_delta_log/00000000000000000000.json")
    text = log.read_text()
    log.write_text("{")
    with pytest.raises(DedupError, match=r"can't commit the Delta table .*out/pairs: ") as told:
        publishes(store, "2")
    assert "\n" not in str(told.value)
    log.write_text(text)
    with settled(store):
        assert rows_in_log(store, "pairs") == expected("2", "pairs")


def test_a_run_that_sleeps_through_another_ones_beginning_publishes_no_more(s3):
    asleep, other = Store("s3://lake/asleep"), Store("s3://lake/asleep")
    asleep.mark()
    asleep.claim("1")
    work = staged(asleep, "1", PARTITIONS)

    def check():
        if other.read_current().opened_by == "1":  # between the last look at the lock and the publication
            other.claim("2")

    with pytest.raises(InUseError, match="another run has taken the folder over"):
        publish(asleep, [work], RUNS["1"], {}, check=check)
    assert other.read_current().run_id is None
    assert other.read_current().opened_by == "2"
    assert other.read_current().shown() == Store("s3://lake/nothing").read_current()


def test_without_deltalake_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(SettingsError, match=r"^Delta tables need deltalake: pip install .*delta.*; or else$"):
        check_delta("; or else")


def test_a_current_file_that_was_tampered_with_names_no_folder_elsewhere(tmp_path):
    store = Store(str(tmp_path))
    store.mark()
    for folder in ("../x", "pairs/method=phash", "pairs/_mine", f"photos/_{RUNS['1']}.find"):
        text = json.dumps({"tables": {}, "table_format": "delta", "folders": {"pairs/method=phash": folder}})
        (tmp_path / CURRENT).write_text(text)
        with pytest.raises(SettingsError, match="is damaged or none of ours"):
            store.read_current()
