"""The marker of an output folder: what it lists is ours, and nothing else."""

import json

import pytest

from dedup_core.errors import SettingsError
from dedup_core.ledger import Ledger

FILES = ["failures/part-0", "pairs/method=phash/part-0", "pairs/method=dhash/part-0", "duplicates.json", "pairs2/x"]


def test_what_is_written_is_read_again():
    ledger = Ledger().with_files([*FILES, "ü/\\xff"]).with_run("b").with_run("a")
    assert Ledger.from_json(ledger.to_json(), "out") == ledger
    assert ledger.runs == ("b", "a")


def test_a_place_holds_its_own_files_alone():
    ledger = Ledger().with_files(FILES)
    assert ledger.under("pairs") == ["pairs/method=dhash/part-0", "pairs/method=phash/part-0"]
    assert ledger.under("pairs/method=phash", "duplicates.json") == ["duplicates.json", "pairs/method=phash/part-0"]
    assert ledger.under("pair", "duplicates", "") == []
    assert ledger.under() == []


def test_files_come_and_go():
    ledger = Ledger().with_files(FILES).without_files([*FILES[1:], "never/there"])
    assert ledger.files == {FILES[0]}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "no json", '{"files": ["a"]}', '{"files": [1], "runs": []}', '{"files": 1, "runs": []}',
        *(json.dumps({"files": [name], "runs": []}) for name in ("../x", "/etc/x", "a/../../x", "")),
    ],
)  # fmt: skip
def test_a_marker_that_is_none_of_ours_is_refused(text):
    with pytest.raises(SettingsError, match=r"out/dedup-core\.json should list what is ours"):
        Ledger.from_json(text, "out")
