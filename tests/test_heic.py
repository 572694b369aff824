"""HEIC pictures, as telephones save them: read once pillow-heif is installed, turned once, with all their frames."""

import functools
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from album import scene
from PIL import Image

from dedup_core.encoders import Decoding
from dedup_core.images.decoding import decode, frames_of
from dedup_core.methods import PHash
from dedup_core.verify import verify_files

pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install 'dedup-core[heif]'")
ROOT = Path(__file__).parents[1]
EXTRA = "pip install 'dedup-core[heif]'"


@functools.cache
def heic(*names, primary=0, orientation=None):
    """A HEIC file with a picture a name, of which one is to be shown."""
    file = pillow_heif.HeifFile()
    for name in names:
        file.add_from_pillow(scene(name))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    content = io.BytesIO()
    file.save(content, quality=95, primary_index=primary, exif=exif.tobytes())
    return content.getvalue()


def shown(picture):
    """Return which scene of "abcd" a picture shows."""
    coarse = np.asarray(picture.image.resize((16, 12)), float)
    far = {name: np.abs(coarse - np.asarray(scene(name).resize((16, 12)), float)).mean() for name in "abcd"}
    nearest = min(far, key=far.get)
    assert far[nearest] < 5
    return nearest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "IMG_1.heic").write_bytes(heic("a"))
    scene("a").save(tmp_path / "IMG_1.jpg", quality=95)
    return tmp_path


@pytest.mark.parametrize("workers", [None, 0, 1], ids=["threads", "here", "a process"])
def test_a_picture_is_hashed_like_its_jpeg_wherever_it_is_read(folder, workers):
    method = PHash(verbose=False)
    found = method.find_duplicates(folder, num_enc_workers=workers)
    assert found == {"IMG_1.heic": ["IMG_1.jpg"], "IMG_1.jpg": ["IMG_1.heic"]}
    assert method.encode_images(folder).images["IMG_1.heic"].format == "HEIF"


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_the_camera_turns_a_picture_once_and_its_hash_has_no_other_one(tmp_path, orientation):
    (tmp_path / "turned.heic").write_bytes(heic("a", orientation=orientation))
    hashes = {
        PHash(verbose=False, decoding=Decoding(orientation=way)).encode_image(tmp_path / "turned.heic")
        for way in ("stored", "exif")
    }
    assert len(hashes) == 1
    lies = Image.open(tmp_path / "turned.heic")
    assert (lies.size == (160, 120)) == (orientation <= 4)
    assert decode((tmp_path / "turned.heic").read_bytes(), orientation="exif").size == lies.size


@pytest.mark.parametrize(("primary", "order"), [(1, "bac"), (2, "cab")])
def test_all_pictures_of_a_file_are_its_frames_the_shown_one_first(primary, order):
    content = heic("a", "b", "c", primary=primary)
    picture = decode(content)
    assert (shown(picture), picture.frames) == (order[0], 3)
    assert "".join(map(shown, frames_of(content))) == order


def test_files_that_differ_in_a_frame_that_is_not_shown_are_not_the_same(tmp_path):
    for name, pictures in {"one": "abc", "other": "dbc", "again": "abc"}.items():
        (tmp_path / f"{name}.heic").write_bytes(heic(*pictures, primary=1) + bytes(name == "again"))
    assert PHash.hamming_distance(*(PHash(verbose=False).encode_image(tmp_path / f"{name}.heic")
                                    for name in ("one", "other"))) == 0  # fmt: skip
    assert not verify_files(tmp_path / "one.heic", tmp_path / "other.heic").is_same


def test_without_the_extra_the_failure_names_it(folder, tmp_path_factory):
    shadow = tmp_path_factory.mktemp("shadow")
    (shadow / "pillow_heif.py").write_text("raise ImportError('not installed')")
    script = """
import sys
sys.path[:0] = sys.argv[2:]
from dedup_core.methods import PHash
method = PHash(verbose=False)
print(*method.encode_images(sys.argv[1]))
failure = method.failures["IMG_1.heic"]
print(failure.reason, failure.message)
"""
    command = [sys.executable, "-c", script, str(folder), str(shadow), str(ROOT)]
    names, failure = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert names == "IMG_1.jpg"
    assert failure == f"unsupported the content is a HEIC picture, which is not read: {EXTRA} where images are read"


def test_a_copy_of_a_heic_file_is_the_same_picture(folder):
    shutil.copy(folder / "IMG_1.heic", folder / "copy.heic")
    removed = PHash(verbose=False).find_duplicates_to_remove(folder, verified=True)
    assert removed in (["copy.heic"], ["IMG_1.jpg", "copy.heic"], ["copy.heic", "IMG_1.jpg"])
