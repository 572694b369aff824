"""The benchmark that measures verification, on a corpus of a few pictures."""

import csv
import sys

import pytest

from benchmarks import verification
from dedup_core.corpus.benchmark import Shown, make_benchmark


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    made = make_benchmark(None, tmp_path_factory.mktemp("kinds"), ("plain",), shown=Shown(("forms", "flat"), 4))
    return made.folder


def rows_of(lines):
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("| ").split("|")])}


def test_it_tells_wrong_removals_before_and_after(corpus, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["verification", "--corpus", str(corpus), "--methods", "phash"])
    verification.main()
    rows = rows_of(capsys.readouterr().out.splitlines())
    pairs_right, before, after, found = rows["forms"]
    assert float(pairs_right.rstrip("%")) < 100  # a hash takes forms for each other
    assert int(before.split(" of ")[0]) > 0
    assert after == "0 of 16"
    assert found == "100.0%"
    assert rows["all"][2].startswith("0 of ")


def test_every_label_of_the_corpus_is_read(corpus):
    labels = verification.Labels.read(corpus)
    with (corpus / "ground_truth_labels.csv").open(encoding="utf-8") as file:
        assert labels.names == sorted(row["path"] for row in csv.DictReader(file))
    assert set(labels.kind) == {"forms", "flat"}
