"""Features on their way: through processes, and to Parquet and back, ours and the Spark jobs'."""

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from album import BROKEN, GOOD, make_album, scene
from hostile import forbid
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.images.files import ImageFile, list_images
from dedup_core.images.looks import LOOK_BYTES, file_digest
from dedup_core.images.picture import Failure
from dedup_core.ledger import MARKER, Ledger
from dedup_core.methods import DHash, PHash, encode_files, encode_images_with
from dedup_core.methods.encodings import ImageInfo
from dedup_core.methods.feature_table import MethodFeatures

SCRIPT = """
from dedup_core.methods import PHash
print(len(PHash(verbose=False).encode_images({folder!r}, num_enc_workers=2)), flush=True)
"""


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return make_album(tmp_path_factory.mktemp("album"))


@pytest.fixture
def phash():
    return PHash(verbose=False)


class TestProcesses:
    @pytest.mark.parametrize("workers", [None, 1, 2])
    def test_threads_and_any_number_of_processes_give_the_same(self, album, monkeypatch, workers):
        monkeypatch.setattr(encode_files, "_CHUNK_FILES", 2)
        methods = [PHash(verbose=False), DHash(verbose=False)]
        alone = encode_images_with(methods, album, num_enc_workers=0)
        together = encode_images_with(methods, album, num_enc_workers=workers)
        assert together == alone
        assert together["phash"].images == alone["phash"].images
        assert list(together["phash"].failures) == list(BROKEN)

    def test_script_without_main_guard_runs_once(self, album, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(folder=str(album)))
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=_environment())
        assert (done.stdout, done.stderr) == (f"{len(GOOD)}\n", "")

    @pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal to a process group")
    def test_ctrl_c_ends_all_processes_soon(self, tmp_path):
        big = tmp_path / "0.jpg"
        scene("street").resize((4000, 3000)).save(big)
        for position in range(1, 200):
            shutil.copyfile(big, tmp_path / f"{position}.jpg")
        running = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(folder=str(tmp_path))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=_environment(),
        )  # fmt: skip
        time.sleep(3)
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert errors.count("Traceback") == 1
        assert errors.rstrip().endswith("KeyboardInterrupt")

    def test_death_of_a_process_costs_no_image(self, album, monkeypatch):
        expected = PHash(verbose=False).encode_images(album)
        monkeypatch.setattr(encode_files, "_encode_here", _die)
        assert PHash(verbose=False).encode_images(album, num_enc_workers=1) == expected

    @pytest.mark.parametrize(("cores", "pay"), [(1, False), (2, False), (8, False), (16, True)])
    def test_processes_are_started_only_where_they_pay(self, album, cores, pay):
        files = list_images(str(album))
        assert not encode_files._pay_processes(files, cores)
        assert encode_files._pay_processes(files * 10_000, cores) == pay

    @given(st.lists(st.none() | st.integers(0, 20 << 20), max_size=200), st.integers(0, 20))
    def test_files_are_shared_by_all_workers_in_order_and_within_bounds(self, sizes, workers):
        files = [ImageFile(str(number), "", size) for number, size in enumerate(sizes)]
        chunks = list(encode_files._chunks(files, workers))
        assert [file for chunk in chunks for file in chunk] == files
        assert all(0 < len(chunk) <= encode_files._CHUNK_FILES for chunk in chunks)
        assert all(sum(file.size or 0 for file in chunk[:-1]) <= encode_files._CHUNK_BYTES for chunk in chunks)
        assert len(chunks) >= min(workers, len(files))


class TestListing:
    def test_odd_files_neither_hang_nor_vanish(self, tmp_path, phash):
        scene("street").save(tmp_path / "ünï çødé 😀.png")
        (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
        (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
        os.mkfifo(tmp_path / "pipe.jpg")
        assert list(phash.encode_images(tmp_path, recursive=True)) == ["ünï çødé 😀.png"]
        reasons = {name: failure.reason for name, failure in phash.failures.items()}
        assert reasons == {"gone.jpg": "vanished", "pipe.jpg": "unreadable"}

    def test_a_folder_that_can_not_be_listed_is_a_failure(self, album, phash, monkeypatch):
        forbid(monkeypatch, "inner")
        assert list(phash.encode_images(album, recursive=True)) == GOOD
        assert phash.failures["inner"] == Failure("unreadable", "the folder can't be listed: no permission")

    def test_a_file_of_several_names_is_one_image(self, album, tmp_path, phash):
        folder = shutil.copytree(album, tmp_path / "album")
        (folder / "0.png").symlink_to("beach.png")
        (folder / "z.png").hardlink_to(folder / "beach.png")
        encodings = phash.encode_images(folder)
        assert list(encodings) == GOOD
        assert encodings.other_names == {"beach.png": ("z.png", "0.png")}
        assert phash.find_duplicates_to_remove(folder) == ["0.png", "beach-small.jpg", "beach.png", "z.png"]


class TestEncodings:
    def test_know_their_images_and_survive_pickling(self, album, phash):
        encodings = pickle.loads(pickle.dumps(phash.encode_images(album)))
        status = (album / "beach.png").stat()
        known = encodings.images["beach.png"]
        digest = file_digest((album / "beach.png").read_bytes())
        assert known == ImageInfo(
            status.st_size, status.st_mtime_ns // 1000, 160, 120, "PNG", known.identity, 1, (), known.look, digest
        )
        assert known.identity
        assert len(known.look) == LOOK_BYTES
        assert encodings.fingerprint == phash.fingerprint
        assert set(encodings.failures) == set(BROKEN)


class TestParquet:
    def test_round_trip(self, album, tmp_path, phash):
        encodings = phash.encode_images(album)
        phash.save_encodings(encodings, tmp_path / "features")
        loaded = phash.load_encodings(str(tmp_path / "features"))
        assert loaded == encodings
        assert loaded.images == encodings.images
        assert loaded.fingerprint == encodings.fingerprint

    def test_plain_dictionary_and_all_64_bits(self, tmp_path, phash):
        encodings = {"a.jpg": "f" * 16, "b.jpg": "0" * 16, "c.jpg": "8" + "0" * 15}
        phash.save_encodings(encodings, tmp_path)
        assert phash.load_encodings(tmp_path) == encodings

    def test_no_images(self, tmp_path, phash):
        phash.save_encodings({}, tmp_path)
        assert phash.load_encodings(tmp_path) == {}

    def test_table_is_partitioned_by_method_and_has_the_columns_of_the_features_table(self, album, tmp_path):
        for method in (PHash(verbose=False), DHash(verbose=False)):
            method.save_encodings(method.encode_images(album), tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["method=dhash", "method=phash"]
        columns = pq.read_table(tmp_path, partitioning="hive").column_names
        assert columns == [
            "path", "size", "modified_at", "identity", "other_names", "is_unseen", "width", "height", "format",
            "frames", "caution", "look", "digest", "fingerprint", "hash", "turned", "embedding", "local", "run_id",
            "method",
        ]  # fmt: skip

    def test_embeddings(self, tmp_path):
        vectors = np.random.default_rng(1).random((3, 1024), np.float32)
        MethodFeatures("cnn", "cnn-v1", ["a", "b", "c"], vectors).save(tmp_path)
        loaded = MethodFeatures.load(tmp_path, "cnn", "cnn-v1")
        np.testing.assert_array_equal(loaded.values, vectors)
        assert loaded.names == ["a", "b", "c"]

    def test_overwriting_must_be_asked_for(self, tmp_path, phash):
        phash.save_encodings({"a.jpg": "0" * 16}, tmp_path)
        target = re.escape(str(tmp_path / "method=phash"))
        with pytest.raises(FileExistsError, match=f"^{target} is there already: overwrite=True replaces it$"):
            phash.save_encodings({"b.jpg": "1" * 16}, tmp_path)
        phash.save_encodings({"b.jpg": "1" * 16}, tmp_path, overwrite=True)
        assert phash.load_encodings(tmp_path) == {"b.jpg": "1" * 16}
        assert [path.name for path in tmp_path.iterdir()] == ["method=phash"]
        assert len(list((tmp_path / "method=phash").iterdir())) == 1

    @pytest.mark.parametrize("name", ["notes.txt", "mine.parquet", "photos/keep.png", "_DSC0001.jpg", "_/a.png"])
    def test_what_is_no_features_is_not_replaced(self, tmp_path, phash, name):
        phash.save_encodings({"a.jpg": "0" * 16}, tmp_path)
        mine = tmp_path / "method=phash" / name
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        first = re.escape(str(tmp_path / "method=phash" / Path(name).parts[0]))
        with pytest.raises(FileExistsError, match=f"^{first} holds no features and would be replaced: move it away"):
            phash.save_encodings({"b.jpg": "1" * 16}, tmp_path, overwrite=True)
        assert mine.read_text() == "mine"

    def test_hidden_files_stay_but_for_those_of_spark_and_of_a_save_that_was_stopped(self, tmp_path, phash):
        phash.save_encodings({"a.jpg": "0" * 16}, tmp_path)
        folder = tmp_path / "method=phash"
        gone = ["_SUCCESS", "._SUCCESS.crc", ".part-0.parquet.crc", ".saving-0a1b2c3d"]
        for name in (".DS_Store", ".album.parquet", *gone):
            (folder / name).write_text("text")
        (folder / ".album").symlink_to(tmp_path)
        phash.save_encodings({"b.jpg": "1" * 16}, tmp_path, overwrite=True)
        hidden = {path.name for path in folder.iterdir() if not path.name.startswith("part-")}
        assert hidden == {".DS_Store", ".album", ".album.parquet"}
        assert phash.load_encodings(tmp_path) == {"b.jpg": "1" * 16}

    def test_features_saved_into_an_output_folder_are_entered_in_its_marker(self, tmp_path, phash):
        (tmp_path / MARKER).write_text(Ledger().with_run("1").to_json())
        for code in "01":
            phash.save_encodings({"a.jpg": code * 16}, tmp_path / "features", overwrite=True)
        files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")}
        ledger = Ledger.from_json((tmp_path / MARKER).read_text(), "out")
        assert (ledger.files, ledger.runs, len(files)) == (files, ("1",), 1)
        assert sorted(path.name for path in tmp_path.iterdir()) == [MARKER, "features"]

    def test_a_save_that_is_cut_short_leaves_nothing_unknown_and_a_whole_marker(self, tmp_path, phash, monkeypatch):
        (tmp_path / MARKER).write_text(Ledger().to_json())
        phash.save_encodings({"a.jpg": "0" * 16}, tmp_path / "features")
        replace = Path.replace
        for moves in range(1, 4):
            done = []

            def cut_short(self, target, done=done, moves=moves):
                done.append(target)
                if len(done) == moves:
                    raise OSError("power cut")
                return replace(self, target)

            with monkeypatch.context() as patch:
                patch.setattr(Path, "rename", cut_short)
                patch.setattr(Path, "replace", cut_short)
                with pytest.raises(OSError, match="power cut"):
                    phash.save_encodings({"b.jpg": "1" * 16}, tmp_path / "features", overwrite=True)
            files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("part-*.parquet")}
            assert files <= Ledger.from_json((tmp_path / MARKER).read_text(), "out").files
            phash.save_encodings({"c.jpg": "2" * 16}, tmp_path / "features", overwrite=True)
        assert phash.load_encodings(tmp_path / "features") == {"c.jpg": "2" * 16}

    @pytest.mark.parametrize("content", [b"[]", b"\xff", b"[" * 100_000, None])
    def test_a_marker_of_somebody_else_is_refused_before_anything_is_written(self, tmp_path, phash, content):
        (tmp_path / MARKER).mkdir() if content is None else (tmp_path / MARKER).write_bytes(content)
        with pytest.raises(ValueError, match=r"dedup-core\.json should list what is ours there and can't be read"):
            phash.save_encodings({"a.jpg": "0" * 16}, tmp_path / "features")
        assert [path.name for path in tmp_path.iterdir()] == [MARKER]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"path": ["a", None]}, "has 1 rows without a path: encode these images again"),
            ({"hash": [None, 1]}, "has 1 rows without a hash: encode these images again"),
            ({"fingerprint": ["phash-64-v2", None]}, "has 1 rows without a fingerprint"),
            ({"path": ["a", "a"]}, "names 1 images more than once, such as 'a'"),
        ],
    )
    def test_rows_that_say_nothing_or_say_it_twice_are_refused(self, tmp_path, phash, columns, message):
        plain = {"path": ["a", "b"], "fingerprint": ["phash-64-v2"] * 2, "hash": [0, 1], "embedding": [None, None]}
        (tmp_path / "method=phash").mkdir()
        pq.write_table(pa.table(plain | columns), tmp_path / "method=phash" / "part-0.parquet")
        with pytest.raises(ValueError, match=message):
            phash.load_encodings(tmp_path)

    def test_a_table_without_the_columns_is_refused(self, tmp_path, phash):
        (tmp_path / "method=phash").mkdir()
        pq.write_table(pa.table({"path": ["a"], "Hash": [1]}), tmp_path / "method=phash" / "part-0.parquet")
        with pytest.raises(ValueError, match="is no features table: it has no column embedding, fingerprint, hash"):
            phash.load_encodings(tmp_path)

    def test_missing_and_foreign_features_are_refused(self, tmp_path, phash):
        missing = f"there are no phash features in {tmp_path}: it has no folder method=phash"
        with pytest.raises(FileNotFoundError, match=f"^{re.escape(missing)}$"):
            phash.load_encodings(tmp_path)
        MethodFeatures("phash", "phash-64-v2+exif", ["a.jpg"], np.zeros(1, np.uint64)).save(tmp_path)
        foreign = f"{tmp_path / 'method=phash'} holds features of 'phash-64-v2+exif', which can't be compared with"
        with pytest.raises(ValueError, match=f"^{re.escape(foreign)} 'phash-64-v2'$"):
            phash.load_encodings(tmp_path)

    def test_images_that_could_not_be_seen_are_left_out(self, tmp_path, phash):
        phash.save_encodings({"a.jpg": "0" * 16, "b.jpg": "1" * 16}, tmp_path)
        (file,) = (tmp_path / "method=phash").iterdir()
        rows = pq.read_table(file, partitioning=None)
        place = rows.column_names.index("is_unseen")
        pq.write_table(rows.set_column(place, "is_unseen", pa.array([True, None])), file)
        assert list(phash.load_encodings(tmp_path)) == ["b.jpg"]

    def test_name_that_is_no_utf8_is_saved_as_text(self, tmp_path, phash):
        phash.save_encodings({os.fsdecode(b"\xff.jpg"): "0" * 16}, tmp_path)
        assert list(phash.load_encodings(tmp_path)) == ["\\xff.jpg"]


def _die(*_, **__):
    os._exit(1)


def _environment():
    return os.environ | {"PYTHONPATH": str(Path(encode_files.__file__).parents[2])}
