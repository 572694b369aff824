"""The benchmark of the Hamming join at size, with few codes: it writes the pairs, and says if one is missing."""

import importlib
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def at_size(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("hamming_at_size")


def test_it_writes_all_pairs_and_compares_with_a_scan(at_size, monkeypatch, tmp_path, capsys):
    path = tmp_path / "pairs.parquet"
    given = ["--codes", "25000", "--lance-codes", "1000", "--out", str(path)]
    monkeypatch.setattr(sys, "argv", ["hamming_at_size.py", *given])
    at_size.main()
    told = capsys.readouterr().out
    pairs = pq.read_table(path)
    assert f"pairs: {len(pairs):,}," in told
    assert "planted pairs within 10: 250, of which 250 were found" in told
    assert "our scan of all pairs *:" in told
    assert pairs.column("distance").to_numpy().max() <= 10


@pytest.mark.parametrize("change", ["missing", "twice"])
def test_it_says_so_where_the_file_is_not_exact(at_size, tmp_path, change):
    codes, planted = at_size.planted_codes(25_000)
    path = tmp_path / "pairs.parquet"
    at_size.join_to_file(codes, 10, path)
    pairs = pq.read_table(path)
    row = pairs.column("left").to_numpy().argmin()  # the first code is always among the scanned rows
    kept = [*range(row), *range(row + 1, len(pairs))] if change == "missing" else [*range(len(pairs)), row]
    pq.write_table(pairs.take(kept), path)
    with pytest.raises(AssertionError, match="is not exact"):
        at_size.check(codes, planted, 10, path)
