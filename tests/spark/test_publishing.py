"""Publishing: our own files make room for new ones, and nobody else's file is moved, replaced or deleted."""

import os

import pytest

from dedup_core.errors import SettingsError
from dedup_core.ledger import MARKER, Ledger
from dedup_core.spark import publishing
from dedup_core.spark.publishing import publish, refuse_foreign
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "out"))


def files(store):
    """Every file in the folder with its content, without the marker and what is staged."""
    found = {name: (store.url + "/" + name) for name in store.files()}
    return {
        name: open(path, encoding="utf-8").read()
        for name, path in sorted(found.items())
        if name != MARKER and not name.startswith("_staging")
    }


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
        "runs/notes.txt", "runs/exp1/events.out", "pairs/notes.txt", "duplicates.json", "_staging/mine.txt",
        "_staging/.mine",
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


@pytest.mark.parametrize("name", ["album/a.png", "pairs/method=cnn/x", "pairs/.DS_Store", "evaluation/notes.ipynb"])
def test_what_is_in_nobodys_way_is_not(store, name):
    store.write_text(name, "mine")
    refuse_foreign(store, ["failures", "pairs"], ["phash"], ["evaluation/metrics.json"])


def test_what_a_run_published_is_ours(store):
    published(store, {"failures/part-0": "ours", "pairs/method=phash/part-0": "ours"}, also=["runs/1.json"])
    store.write_text("runs/1.json", "ours")
    refuse_foreign(store, ["failures", "pairs"], ["phash"])
    store.write_text("failures/keep.png", "mine")
    with pytest.raises(SettingsError, match=r": failures/keep\.png\."):
        refuse_foreign(store, ["failures"], [])


def test_a_link_in_the_place_of_a_table_is_followed_and_refused(store, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "keep.png").write_text("mine")
    os.makedirs(store.url)
    os.symlink(tmp_path / "photos", f"{store.url}/failures")
    with pytest.raises(SettingsError, match=r"failures/keep\.png"):
        refuse_foreign(store, ["failures"], [])


def test_a_circle_of_links_ends(store):
    store.write_text("failures/keep.png", "mine")
    os.symlink("..", f"{store.url}/failures/round")
    with pytest.raises(SettingsError, match="failures"):
        refuse_foreign(store, ["failures"], [])


def test_a_marker_of_somebody_else_is_refused(store):
    store.write_text(MARKER, '{"my": "settings"}')
    with pytest.raises(SettingsError, match=r"dedup-core\.json should list what is ours there and can't be read"):
        refuse_foreign(store, [], [])


# What is replaced


def test_a_table_makes_room_for_the_next_one_and_other_partitions_stay(store):
    published(store, {"pairs/method=phash/a": "1", "pairs/method=dhash/a": "1", "failures/a": "1"})
    published(store, {"pairs/method=phash/b": "2", "failures/a": "2"})
    assert files(store) == {"failures/a": "2", "pairs/method=dhash/a": "1", "pairs/method=phash/b": "2"}
    assert store.read_ledger().files == set(files(store))


def test_hidden_files_and_such_as_came_meanwhile_stay_where_they_are(store):
    published(store, {"failures/a": "1"})
    store.write_text("failures/.DS_Store", "finder")
    store.write_text("failures/deep/keep.png", "mine")
    published(store, {"failures/b": "2"})
    assert files(store) == {"failures/.DS_Store": "finder", "failures/b": "2", "failures/deep/keep.png": "mine"}


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
    published(store, {"pairs/method=phash/a": "1", "groups/method=phash/a": "1"}, also=["duplicates.json"])
    store.write_text("duplicates.json", "1")
    store.write_text("pairs/method=phash/.mine", "mine")
    store.write_text("to_remove.json", "mine")
    published(store, {"failures/a": "2"}, gone=["pairs", "duplicates.json", "to_remove.json"])
    assert files(store) == {
        "failures/a": "2", "groups/method=phash/a": "1", "pairs/method=phash/.mine": "mine", "to_remove.json": "mine",
    }  # fmt: skip


def test_a_link_to_our_own_table_elsewhere_is_replaced_and_not_emptied(store, tmp_path):
    published(store, {"failures/a": "1"})
    os.rename(f"{store.url}/failures", tmp_path / "moved")
    (tmp_path / "moved" / "keep.png").write_text("mine")
    os.symlink(tmp_path / "moved", f"{store.url}/failures")
    published(store, {"failures/b": "2"})
    assert files(store)["failures/b"] == "2"
    assert "mine" in (*files(store).values(), *(p.read_text() for p in (tmp_path / "moved").iterdir()))


@pytest.mark.parametrize("moves", range(1, 7))
def test_a_publication_that_is_cut_short_leaves_nothing_that_the_next_one_takes_for_foreign(store, monkeypatch, moves):
    tables = {"failures/a": "1", "pairs/method=phash/a": "1", "groups/method=phash/a": "1"}
    published(store, tables)
    store.write_text("pairs/method=phash/.mine", "mine")
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
    newest = {name.replace("/b", "/c"): "3" for name in newer}
    store.delete_tree("_staging", "work", "ready")
    published(store, newest)
    assert files(store) == newest | {"pairs/method=phash/.mine": "mine"}


def test_an_object_store_copies_and_deletes(store, monkeypatch):
    store.renames_folders = False
    published(store, {"failures/a": "1", "failures/in/b": "1", "evaluation/metrics.json": "1"})
    store.write_text("failures/.mine", "mine")
    published(store, {"failures/c": "2", "evaluation/metrics.json": "2"}, gone=["evaluation"])
    assert files(store) == {"evaluation/metrics.json": "2", "failures/.mine": "mine", "failures/c": "2"}


def test_only_what_is_staged_is_ever_deleted_whole(store):
    store.write_text("failures/keep.png", "mine")
    with pytest.raises(ValueError, match="only what is staged"):
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
