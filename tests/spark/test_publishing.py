"""Publishing: our own files make room for new ones, and nobody else's file is moved, replaced or deleted."""

import os
from pathlib import Path

import pytest

from dedup_core.current import CURRENT
from dedup_core.errors import InputError, SettingsError
from dedup_core.ledger import MARKER, Ledger
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark import publishing
from dedup_core.spark.publishing import publish, refuse_foreign
from dedup_core.spark.runs import Run
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "out"))


def files(store):
    """Every file in the folder with its content, and every link with its target: without what says what is ours."""
    top = Path(store.url)
    found = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_symlink() or path.is_file()}
    return {
        name: f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
        for name, path in sorted(found.items())
        if name not in (MARKER, CURRENT) and not name.startswith("_staging")
    }


def ours(store):
    """The files that the marker lists, but for the one that says what the folder holds."""
    return store.read_ledger().files - {CURRENT}


DEEP = "/".join(f"d{number}" for number in range(30)) + "/photo.jpg"


def stage(store, files, name="work"):
    """Leave files ready to be published. No Spark is needed for that."""
    for file, text in files.items():
        store.write_text(f"_staging/{name}/ready/{file}", text)
    return Staging(None, store, name)


def published(store, files, **others):
    return publish(store, [stage(store, files)], **others)


# What is refused


@pytest.mark.parametrize(
    "name",
    [
        "failures/keep.png", "failures/deep/er/keep.png", "pairs/method=phash/part-0.parquet", "groups",
        "runs/notes.txt", "runs/exp1/events.out", "pairs/notes.txt", "duplicates.json", "duplicates.json/x.txt",
        f"failures/{DEEP}", "failures/_DSC1234.jpg", "pairs/_old/a.parquet", "pairs/method=phash/_DSC1234.jpg",
        "_staging/mine.txt", "_staging/.mine",
    ],
)  # fmt: skip
def test_somebodys_own_file_under_our_names_is_refused_and_named(store, name):
    store.write_text(name, "mine")
    with pytest.raises(SettingsError, match=f"holds files that no run has made.*: {name}. Move them away, or choose"):
        refuse_foreign(store, ["failures", "pairs", "groups"], ["phash"], ["duplicates.json"])
    assert files(store) == ({} if name.startswith("_") else {name: "mine"})


def test_many_of_them_are_counted(store):
    for number in range(5):
        store.write_text(f"failures/{number}.png", "mine")
    with pytest.raises(SettingsError, match=r"failures/0\.png, failures/1\.png, failures/2\.png and 2 more\."):
        refuse_foreign(store, ["failures"], [])


@pytest.mark.parametrize(
    "name",
    [
        "album/a.png", "pairs/method=cnn/x", "pairs/.DS_Store", "pairs/.album/a.png", "pairs/_SUCCESS",
        "pairs/.part-0.crc", "evaluation/notes.ipynb",
    ],
)  # fmt: skip
def test_what_is_in_nobodys_way_is_not(store, name):
    store.write_text(name, "mine")
    refuse_foreign(store, ["failures", "pairs"], ["phash"], ["evaluation/metrics.json"])


def test_what_a_run_published_is_ours(store):
    tables = {"failures/part-0": "ours", "pairs/method=phash/part-0": "ours", "runs/1.json": "ours"}
    published(store, tables)
    refuse_foreign(store, ["failures", "pairs"], ["phash"])
    store.write_text("failures/keep.png", "mine")
    with pytest.raises(SettingsError, match=r": failures/keep\.png\."):
        refuse_foreign(store, ["failures"], [])


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("failures", "../photos"),
        ("failures/a.jpg", "/an/unmounted/disk/a.jpg"),
        ("failures/album", "../../photos"),
        ("failures/round", ".."),
        ("pairs", "../photos"),
        ("pairs/method=phash", "../../photos"),
        ("evaluation", "../photos"),
        ("evaluation/metrics.json", "/an/unmounted/disk/metrics.json"),
    ],
)
def test_a_link_where_a_run_writes_is_refused_and_never_followed(store, tmp_path, place, target):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "metrics.json").write_text("mine")
    store.mark()
    os.makedirs(os.path.dirname(f"{store.url}/{place}"), exist_ok=True)
    os.symlink(target, f"{store.url}/{place}")
    with pytest.raises(SettingsError, match=f"no run has made.*: {place}. Move"):
        refuse_foreign(store, ["failures", "pairs"], ["phash"], ["evaluation/metrics.json"])
    assert files(store) == {place: f"-> {target}"}


def test_a_name_that_is_no_text_is_told(store):
    os.makedirs(f"{store.url}/failures")
    Path(os.fsdecode(os.fsencode(store.url) + b"/failures/caf\xe9.png")).touch()
    with pytest.raises(SettingsError, match=r"failures/caf\\xe9\.png"):
        refuse_foreign(store, ["failures"], [])


def a_folder(path):
    (path / "inside").mkdir(parents=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text('{"my": "settings"}'),
        lambda path: path.write_bytes(b'{"files": ["\xff"], "runs": []}'),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.symlink_to("nowhere"),
        Path.mkdir,
        a_folder,
    ],
    ids=["another", "no UTF-8", "nested", "a dead link", "an empty folder", "a folder"],
)
def test_a_marker_of_somebody_else_is_refused(store, make):
    os.makedirs(store.url)
    make(Path(store.url, MARKER))
    with pytest.raises(SettingsError, match=r"dedup-core\.json should list what is ours there and can't be read"):
        refuse_foreign(store, [], [])


@pytest.mark.parametrize("content", [b"[" * 100_000, b'"\xff"', b"{", None])
def test_a_record_that_can_not_be_read_is_named(store, content):
    place = Path(store.url, "runs", "1.json")
    a_folder(place) if content is None else store.write_text("runs/1.json", "") or place.write_bytes(content)
    with pytest.raises(InputError, match=r"can't read .*runs/1\.json"):
        store.read_json("runs", "1.json")


def test_the_marker_is_the_first_thing_that_a_run_writes(store, monkeypatch):
    def power_cut(self, name, pieces):
        assert name == MARKER
        write(self, name, pieces)
        raise OSError("power cut")

    write = Store.write_lines
    run = Run(None, store, EncodeSettings(input="photos", output=store.url), print, "/photos")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_lines", power_cut)
        with (
            pytest.raises(SettingsError, match=r"can't write to the output folder .*: power cut"),
            run.output(["failures"], []),
        ):
            pass
    with run.output(["failures"], []):
        assert store.files() == ["_staging/lock/" + run.run_id + ".json", MARKER]
    assert store.files() == [MARKER]


# What is replaced


def test_a_table_makes_room_for_the_next_one_and_other_partitions_stay(store):
    published(store, {"pairs/method=phash/a": "1", "pairs/method=dhash/a": "1", "failures/a": "1"})
    published(store, {"pairs/method=phash/b": "2", "failures/a": "2"})
    assert files(store) == {"failures/a": "2", "pairs/method=dhash/a": "1", "pairs/method=phash/b": "2"}
    assert ours(store) == set(files(store))


def test_marks_and_checksums_beside_parts_are_not_published(store):
    part = "pairs/method=phash/part-0.snappy.parquet"
    marks = ["pairs/method=phash/._SUCCESS.crc", "pairs/method=phash/.part-0.snappy.parquet.crc"]
    marks += ["pairs/method=phash/_SUCCESS", "failures/_metadata"]
    kept = {part: "rows", "failures/part-0.parquet": "", "groups/_SUCCESS": "", "evaluation/.x.crc": ""}
    publish(store, [stage(store, kept | dict.fromkeys(marks, "mark"))])
    assert files(store) == kept, "a table without parts keeps its mark: it is there, and empty"
    assert ours(store) == kept.keys()


def test_marks_that_an_earlier_version_has_published_go_with_their_table(store):
    before = {"pairs/method=phash/part-0.parquet": "1", "pairs/method=phash/_SUCCESS": ""}
    for name, text in before.items():
        store.write_text(name, text)
    store.write_ledger(Ledger(frozenset(before)))
    published(store, {"pairs/method=phash/part-1.parquet": "2", "pairs/method=phash/_SUCCESS": ""})
    assert files(store) == {"pairs/method=phash/part-1.parquet": "2"}


MINE = ["failures/.DS_Store", "failures/.album/a.jpg", f"failures/{DEEP}", "failures/_DSC1.jpg", "failures/_SUCCESS"]


@pytest.mark.parametrize("name", MINE)
def test_hidden_files_and_such_as_came_meanwhile_never_move(store, monkeypatch, name):
    published(store, {"failures/a": "1"})
    store.write_text(name, "mine")
    tables = {"failures/b": "2", "failures/_SUCCESS": ""}
    before = os.stat(f"{store.url}/{name}")

    def move(self, source, target):
        assert os.stat(f"{store.url}/{name}") == before
        real_move(self, source, target)

    real_move = Store.move
    monkeypatch.setattr(Store, "move", move)
    published(store, tables)
    assert files(store) == tables | {name: "mine"}
    assert ours(store) == tables.keys() - {name}


@pytest.mark.parametrize("renames", [True, False])
@pytest.mark.parametrize("target", ["photos", "nowhere"])
@pytest.mark.parametrize("link", ["failures/.album", "failures/album", "failures/deep/.album", "failures/a.jpg"])
def test_a_link_that_lies_in_a_table_stays_and_so_does_all_behind_it(store, tmp_path, link, target, renames):
    published(store, {"failures/a": "1", "failures/deep/a": "1"})
    store.renames_folders = renames
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_text("mine")
    os.symlink(tmp_path / target, f"{store.url}/{link}")
    published(store, {"failures/b": "2"}, gone=["failures"])
    assert files(store) == {link: f"-> {tmp_path / target}", "failures/b": "2"}
    assert (tmp_path / "photos" / "a.jpg").read_text() == "mine"


def test_an_empty_folder_of_somebody_stays(store):
    published(store, {"failures/a": "1"})
    os.makedirs(f"{store.url}/failures/album")
    published(store, {"failures/b": "2"})
    assert os.path.isdir(f"{store.url}/failures/album")
    assert files(store) == {"failures/b": "2"}


@pytest.mark.parametrize("place", ["failures", "pairs", "pairs/method=phash/deep"])
def test_a_link_that_came_to_lie_in_a_tables_place_ends_the_publication(store, tmp_path, place):
    tables = {"failures/a": "1", "pairs/method=phash/deep/a": "1"}
    published(store, tables)
    os.rename(f"{store.url}/{place}", tmp_path / "moved")
    os.symlink(tmp_path / "moved", f"{store.url}/{place}")
    before = files(store)
    with pytest.raises(SettingsError, match=f"no run has made.*: {place}. Move"):
        published(store, {"failures/b": "2", "pairs/method=phash/deep/b": "2"})
    assert files(store) == before
    store.delete_files(tables)
    assert [path.read_text() for path in (tmp_path / "moved").rglob("a")] == ["1"]


def test_the_evaluation_is_replaced_file_by_file(store):
    published(store, {"evaluation/metrics.json": "1", "evaluation/old.png": "1", "evaluation/sweep.parquet/a": "1"})
    store.write_text("evaluation/notes.ipynb", "mine")
    published(store, {"evaluation/metrics.json": "2", "evaluation/sweep.parquet/b": "2"}, gone=["evaluation"])
    assert files(store) == {
        "evaluation/metrics.json": "2",
        "evaluation/notes.ipynb": "mine",
        "evaluation/sweep.parquet/b": "2",
    }


def test_somebodys_own_result_of_the_same_name_is_not_replaced(store):
    store.write_text("evaluation/metrics.json", "mine")
    with pytest.raises(SettingsError, match=r"evaluation/metrics\.json"):
        published(store, {"evaluation/metrics.json": "2"})
    assert files(store) == {"evaluation/metrics.json": "mine"}


def test_what_no_longer_holds_goes_if_it_is_ours(store):
    published(store, {"pairs/method=phash/a": "1", "groups/method=phash/a": "1", "duplicates.json": "1"})
    store.write_text("pairs/method=phash/.mine", "mine")
    store.write_text("to_remove.json", "mine")
    published(store, {"failures/a": "2"}, gone=["pairs", "duplicates.json", "to_remove.json"])
    assert files(store) == {
        "failures/a": "2", "groups/method=phash/a": "1", "pairs/method=phash/.mine": "mine", "to_remove.json": "mine",
    }  # fmt: skip


@pytest.mark.parametrize("mine", ["pairs/method=phash/.mine", "failures/.mine"])
@pytest.mark.parametrize("moves", range(7))
def test_a_publication_that_is_cut_short_leaves_nothing_foreign(store, monkeypatch, moves, mine):
    tables = {"failures/a": "1", "pairs/method=phash/a": "1", "groups/method=phash/a": "1"}
    published(store, tables)
    store.write_text(mine, "mine")
    move, done = Store.move, []

    def cut_short(self, source, target):
        done.append(target)
        if len(done) > moves:
            raise OSError("power cut")
        move(self, source, target)

    newer = {"failures/b": "2", "pairs/method=phash/b": "2", "groups/method=phash/b": "2"}
    with monkeypatch.context() as patch:
        patch.setattr(Store, "move", cut_short)
        try:
            published(store, newer)
        except OSError:
            refuse_foreign(store, ["failures", "pairs", "groups"], ["phash"])
    assert files(store)[mine] == "mine"
    store.delete_tree("_staging")
    newest = {name.replace("/b", "/c"): "3" for name in newer}
    published(store, newest)
    assert files(store) == newest | {mine: "mine"}


def test_an_object_store_copies_and_deletes(store, monkeypatch):
    store.renames_folders = False
    published(store, {"failures/a": "1", "failures/in/b": "1", "evaluation/metrics.json": "1"})
    store.write_text("failures/.mine", "mine")
    published(store, {"failures/c": "2", "evaluation/metrics.json": "2"}, gone=["evaluation"])
    assert files(store) == {"evaluation/metrics.json": "2", "failures/.mine": "mine", "failures/c": "2"}


def test_only_what_is_staged_is_ever_deleted_whole(store):
    store.write_text("failures/keep.png", "mine")
    with pytest.raises(ValueError, match="only what a run left out of sight"):
        store.delete_tree("failures")
    store.write_text("_staging/.mine", "mine")
    stage(store, {"failures/a": "1"}).clear()
    assert store.files() == ["_staging/.mine", "failures/keep.png"]


def test_all_places_of_a_table_are_told(store):
    tables = {"failures/a": "1", "pairs/method=phash/a": "1", "pairs/method=dhash/a": "1", "evaluation/m.json": "1"}
    expected = ["evaluation/m.json", "failures", "pairs/method=dhash", "pairs/method=phash"]
    assert sorted(published(store, tables)) == expected
    assert publishing.publish(store, []) == []
    assert isinstance(store.read_ledger(), Ledger)


# The marker on other filesystems


def test_hdfs_has_the_marker_aside_while_it_replaces_it(store, monkeypatch):
    store.replaces_files = False
    published(store, {"failures/a": "1"})
    ledger = store.read_ledger()

    class PowerCut:
        real = store._fs

        def __getattr__(self, name):
            return getattr(self.real, name)

        def move(self, source, target):
            raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_fs", PowerCut())
        with pytest.raises(OSError, match="power cut"):
            store.write_ledger(ledger.with_run("1"))
    assert not store.exists(MARKER)
    assert store.read_ledger() == ledger.with_run("1")
    refuse_foreign(store, ["failures"], [])
    store.mark()
    assert store.files() == [CURRENT, MARKER, "failures/a"]


def test_half_a_marker_aside_is_none(store):
    store.replaces_files = False
    store.write_text("._dedup-core.json", '{"files": [')
    assert (store.read_marker(), store.read_ledger()) == (None, Ledger())


def test_an_object_store_has_a_whole_marker_at_any_time(store, monkeypatch):
    store.renames_folders = False
    published(store, {"failures/a": "1"})
    monkeypatch.setattr(store, "delete_files", None)
    monkeypatch.setattr(Store, "_rename", None)
    store.mark()
    assert store.files() == [CURRENT, MARKER, "failures/a"]
