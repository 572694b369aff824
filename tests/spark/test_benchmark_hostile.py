"""The benchmark of hostile files, on few of them: every name is accounted for, or it fails."""

import os
import random

import pytest

from benchmarks import hostile
from dedup_core.images.decoding import MAX_SCANS, decode
from dedup_core.images.opening import jpeg_scans
from dedup_core.images.picture import Picture

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes pipes and sockets, and reads /proc")


def test_every_name_is_accounted_for(tmp_path, capsys):
    hostile.main(["--files", "101", "--bombs", "0", "--folder", str(tmp_path / "hostile")])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("127 names, ")
    assert " with features, " in said[1]
    assert "1 vanished" in said[1]
    assert "GB, workers " in said[-1]


def test_bombs_are_pictures_of_each_kind_and_chains_and_scans_are_what_they_are_called(monkeypatch):
    monkeypatch.setattr(hostile, "SIDE", 100)
    made = [decode(hostile.bomb(number)) for number in range(8)]
    assert all(isinstance(picture, Picture) for picture in made)
    assert [picture.alpha is not None for picture in made].count(True) == 2
    chance = random.Random(1)
    chains, animations = ([decode(maker(chance)) for _ in range(3)] for maker in (hostile.chain, hostile.animated))
    assert all(isinstance(picture, Picture) for picture in chains + animations)
    assert max(picture.frames for picture in animations) > 1
    assert max(jpeg_scans(hostile.scans(chance)) for _ in range(9)) > MAX_SCANS
