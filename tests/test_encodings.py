"""Features on their way: through processes, and to Parquet and back, ours and the Spark jobs'."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from album import BROKEN, GOOD, make_album, scene

from dedup_core import folder as folders
from dedup_core.encodings import ImageInfo
from dedup_core.errors import DedupError
from dedup_core.feature_table import MethodFeatures
from dedup_core.methods import DHash, PHash, encode_images_with

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
        monkeypatch.setattr(folders, "_CHUNK_FILES", 2)
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
        big = tmp_path / "0.png"
        scene("street").resize((4000, 3000)).save(big, compress_level=1)
        for position in range(1, 500):
            (tmp_path / f"{position}.png").hardlink_to(big)
        running = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(folder=str(tmp_path))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=_environment(),
        )  # fmt: skip
        time.sleep(3)
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert errors.count("Traceback") == 1
        assert errors.rstrip().endswith("KeyboardInterrupt")

    def test_death_of_a_process_is_said(self, album, monkeypatch):
        monkeypatch.setattr(folders, "_encode_sent", _die)
        with pytest.raises(
            DedupError, match=r"^an encoding process died, .*: num_enc_workers=0 encodes in this process$"
        ):
            PHash(verbose=False).encode_images(album, num_enc_workers=1)

    def test_processes_are_started_only_where_they_pay(self, album):
        files = folders.list_images(album)
        assert not folders._is_much(files)
        assert folders._is_much(files * 1000)


class TestListing:
    def test_odd_files_neither_hang_nor_vanish(self, tmp_path, phash):
        scene("street").save(tmp_path / "ünï çødé 😀.png")
        (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
        (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
        os.mkfifo(tmp_path / "pipe.jpg")
        assert list(phash.encode_images(tmp_path, recursive=True)) == ["ünï çødé 😀.png"]
        assert {name: failure.reason for name, failure in phash.failures.items()} == {"gone.jpg": "vanished"}


class TestEncodings:
    def test_know_their_images_and_survive_pickling(self, album, phash):
        encodings = pickle.loads(pickle.dumps(phash.encode_images(album)))
        status = (album / "beach.png").stat()
        changed = round(status.st_mtime * 1e6)
        assert encodings.images["beach.png"] == ImageInfo(status.st_size, changed, 160, 120, "PNG")
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
            "path", "size", "modified_at", "width", "height", "format", "fingerprint", "hash", "embedding", "run_id",
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

    def test_missing_and_foreign_features_are_refused(self, tmp_path, phash):
        missing = f"there are no phash features in {tmp_path}: it has no folder method=phash"
        with pytest.raises(FileNotFoundError, match=f"^{re.escape(missing)}$"):
            phash.load_encodings(tmp_path)
        MethodFeatures("phash", "phash-64-v1+exif", ["a.jpg"], np.zeros(1, np.uint64)).save(tmp_path)
        foreign = f"{tmp_path / 'method=phash'} holds features of 'phash-64-v1+exif', which can't be compared with"
        with pytest.raises(ValueError, match=f"^{re.escape(foreign)} 'phash-64-v1'$"):
            phash.load_encodings(tmp_path)

    def test_name_that_is_no_utf8_is_saved_as_text(self, tmp_path, phash):
        phash.save_encodings({os.fsdecode(b"\xff.jpg"): "0" * 16}, tmp_path)
        assert list(phash.load_encodings(tmp_path)) == ["\\xff.jpg"]


def _die(*_, **__):
    os._exit(1)


def _environment():
    return os.environ | {"PYTHONPATH": str(Path(folders.__file__).parents[1])}
