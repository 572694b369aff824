"""The benchmark of encoding, as somebody runs it who has no weights of a network."""

import shutil
import sys
from dataclasses import replace

import pytest

from benchmarks import encode, encode_remote, one_machine


def test_the_benchmark_of_hashes_needs_no_weights(spark, photographs, tmp_path, capsys):
    shutil.copy(photographs[0], tmp_path)
    encode.main(["--photographs", str(tmp_path), "--images", "10", "--rounds", "1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("10 images of ")
    assert [line.split()[0] for line in said[2:5]] == ["decode", "one", "four"]
    assert [line.split(" ms")[1].split()[1:] for line in said[2:5]] == [["x", "the", "decode"]] * 3
    assert [line.split()[:2] for line in said[6:]] == [["one", "hash"], ["four", "hashes"]]
    assert all(float(line.rsplit(" = ")[1].split(",")[0]) > 0 for line in said[6:])


def test_the_benchmark_beside_imagededup_compares_what_both_find(photographs, tmp_path):
    """Ours stands on both sides here, where imagededup is not installed."""
    shutil.copy(photographs[0], tmp_path)
    one = one_machine.run("ours", tmp_path, sys.executable, ["PHash"])
    other = one_machine.run("ours", tmp_path, sys.executable, ["AHash"])
    together = one_machine.added([one, other])
    assert together.wall == one.wall + other.wall
    one_machine.must_agree(together, one_machine.run("ours", tmp_path, sys.executable, ["PHash", "AHash"]), tmp_path)
    with pytest.raises(RuntimeError, match="imagededup's hashes are others"):
        one_machine.must_agree(replace(together, digests=together.digests | {"AHash": ""}), other, tmp_path)
    said = one_machine.line("all four", [together], [one])
    assert f"{together.wall / one.wall:6.2f} x" in said
    with pytest.raises(RuntimeError, match="ended with 1"):
        one_machine.run("ours", tmp_path / "nowhere", sys.executable, ["PHash"])


def test_the_benchmark_of_stores_and_tables_moves_no_image(spark, capsys):
    encode_remote.main(["--images", "12"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("12 images of ")
    assert [line.split()[0] for line in said[1:]] == ["store", "table"]
    for line in said[1:]:
        assert float(line.split(" = ")[1].split("%")[0]) < 3  # a dozen images: what is shuffled is mostly headers
