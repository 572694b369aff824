"""Images that end the process that decodes them, or hold it up: each costs itself alone."""

import os
from functools import partial

import deadly
import pytest
from album import scene

from dedup_core.encoders.encoder import Decoding, encode_looked, look_at
from dedup_core.encoders.guarded import Guard, ImageLimits
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.picture import Failure
from dedup_core.methods import DHash, PHash
from dedup_core.methods.encoding import encode_images_with
from dedup_core.processes import Beside

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends processes by POSIX signals")
ENDS = {
    deadly.SEGFAULT: Failure("crashed_decoder", "whatever process decodes it dies (SIGSEGV)"),
    deadly.KILL: Failure("crashed_decoder", "whatever process decodes it dies (SIGKILL, maybe for want of memory)"),
    deadly.EXIT: Failure("crashed_decoder", "whatever process decodes it dies (exit code 3)"),
    deadly.HANG: Failure("crashed_decoder", "not decoded in 3 seconds"),
    deadly.HOG: Failure("too_large", "not enough memory to decode the image"),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of deadly files among sound ones, and processes that are started from now on die of them."""
    monkeypatch.setenv("PYTHONPATH", deadly.path_with_it(tmp_path / "site"))
    folder = deadly.save(tmp_path / "images", *ENDS, deadly.ONCE, deadly.SOUND)
    scene("beach").save(folder / "25.png")
    return folder


def test_each_end_is_told_and_what_comes_after_is_as_ever(files):
    encoders = [ENCODERS[name].encoder() for name in ("phash", "ahash")]
    paths = sorted(files.iterdir())
    contents = [*(path.read_bytes() for path in paths), Failure("vanished", "gone")]
    with Guard(encoders, Decoding(), ImageLimits(seconds=3, memory=100 << 20)) as guard:
        looked = [guard.look(content) for content in contents]
    assert {int(path.stem): end for path, end in zip(paths, looked, strict=False) if isinstance(end, Failure)} == ENDS
    assert looked[-1] == contents[-1]
    sound = [position for position, end in enumerate(looked) if not isinstance(end, Failure)]
    assert len(sound) == 3  # the one too that ends a process but once
    here = encode_looked(look_at([contents[position] for position in sound], encoders, Decoding()), encoders)
    beside = encode_looked([looked[position] for position in sound], encoders)
    assert [(one.features, one.traits) for one in beside] == [(one.features, one.traits) for one in here]


def test_a_process_that_can_not_start_is_no_images_failure():
    with Beside(partial(os._exit, 7)) as beside, pytest.raises(OSError, match="ended with 7 as it started"):
        beside.ask(b"")


def test_processes_of_a_folder_lose_the_deadly_files_alone(files):
    (files / f"{deadly.HANG}.pcx").unlink()
    (files / f"{deadly.HOG}.pcx").unlink()
    found = encode_images_with([PHash(verbose=False), DHash(verbose=False)], files, num_enc_workers=2)
    assert sorted(found["phash"]) == sorted(found["dhash"]) == ["25.pcx", "25.png", "26.pcx"]
    assert {name: failure.reason for name, failure in found["phash"].failures.items()} == dict.fromkeys(
        ["20.pcx", "21.pcx", "22.pcx"], "crashed_decoder"
    )
