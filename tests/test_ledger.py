"""The marker of an output folder: what it lists is ours, and nothing else."""

import json

import pytest

from dedup_core.errors import SettingsError
from dedup_core.ledger import Ledger, is_hidden

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
        *(json.dumps({"files": [name], "runs": []}) for name in ("../x", "/etc/x", "a/../../x", "", "a\0b")),
        '{"files": "ab", "runs": []}', '{"files": [], "runs": {"a": 1}}', "[" * 100_000, b"\xff", "9" * 5_000,
    ],
)  # fmt: skip
def test_a_marker_that_is_none_of_ours_is_refused(text):
    with pytest.raises(SettingsError, match=r"out/dedup-core\.json should list what is ours"):
        Ledger.from_json(text, "out")


@pytest.mark.parametrize("name", [".DS_Store", ".part-0.crc", "_SUCCESS", "_metadata", "_common_metadata"])
def test_what_no_reader_of_a_table_sees_is_hidden(name):
    assert is_hidden(name)


@pytest.mark.parametrize("name", ["_DSC1234.jpg", "_", "_success", "part-0.crc", "a._SUCCESS"])
def test_what_somebody_keeps_under_an_underscore_is_not(name):
    assert not is_hidden(name)


def test_a_name_that_is_no_utf8_is_read_again():
    ledger = Ledger().with_files(["failures/caf\udce9"])
    assert Ledger.from_json(ledger.to_json().encode("utf-8", "backslashreplace"), "out") == ledger
