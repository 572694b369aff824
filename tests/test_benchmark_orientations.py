"""The benchmark of turned pictures: their recall, and that they cost little."""

import pytest

from benchmarks import orientations


def figures(capsys, *arguments):
    orientations.main([*arguments, "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rows = {first: others for first, *others in cells}
    return lines[0], rows


def test_turned_photographs_are_found(capsys):
    said, rows = figures(capsys, "--count", "5")
    assert said == "5 photographs, distance 10"
    assert rows[""] == ["phash", "ahash", "dhash", "whash"]
    recalls = [rows[f"{kind}: recall"] for kind in ("half size", *orientations.TURNS[1:])]
    assert {share for row in recalls for share in row} == {"100.0%"}
    assert len(rows["encoding with turns, times that without"]) == 4


def test_turned_photographs_of_the_shared_folder_are_found_at_the_same_precision(shared, capsys):
    folder = shared / "data" / "photos"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared/data/photos, which is absent")
    _, rows = figures(capsys, "--photographs", str(folder), "--count", "40")
    for kind in orientations.TURNS[1:]:
        assert min(float(share.rstrip("%")) for share in rows[f"{kind}: recall"]) >= 99
    with_turns, lying = (rows[name] for name in rows if name.startswith("**precision"))
    for place, name in enumerate(rows[""]):
        if name in ("phash", "dhash"):
            assert with_turns[place] == lying[place] == "100.0%"
