"""The benchmarks of local features, on a few pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks import descriptor_tests
from benchmarks import local_features as benchmark
from dedup_core.corpus.benchmark import Shown, make_benchmark
from dedup_core.corpus.photographs import installed_photographs
from dedup_core.local.pattern import TESTS


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of two small photographs."""
    folder = tmp_path_factory.mktemp("photographs")
    for path in installed_photographs():
        if path.name in ("chelsea.png", "coffee.png"):
            picture = Image.open(path).convert("RGB")
            picture.resize((picture.width // 2, picture.height // 2)).save(folder / path.name)
    return folder


def cells_of(lines):
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("| ").split("|")])}


def test_it_tells_what_features_cost_and_find(photographs, tmp_path, capsys):
    edits, shown = ("crop_10", "flip_horizontal"), Shown(("photographs", "forms"), 2)
    make_benchmark(photographs, tmp_path / "corpus", edits, shown=shown)
    benchmark.main(["--corpus", str(tmp_path / "corpus"), "--rounds", "1"])
    said = capsys.readouterr().out
    rows = cells_of(said.splitlines())
    assert rows["exact"] == ["100.0%", "100.0%", "same pixels 2"]
    assert rows["crop 10"] == ["100.0%", "100.0%", "cropped 2"]
    assert rows["flip horizontal"] == ["100.0%", "100.0%", "mirrored 2"]
    assert rows["photographs"] == ["12", "0", "100.00%", "100.0%", "100.0%"]
    assert rows["forms"][1] == "0"
    for line in ("local features / decode = ", "bytes an image: ", "ms a true pair", "beside any other photograph: 0"):
        assert line in said


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (300, 200)])
def test_a_paste_covers_its_share(size):
    """If it is as long and as wide as the page allows: a tall picture on a wide page covers less."""
    paste = benchmark.pixels_of(benchmark.pasted(flat("white", size), flat("black", (240, 160))))
    assert paste.shape == (160, 240, 3)
    expected = benchmark.COVERED if size[0] > size[1] else 160 * 160 * 40 / 60 / (240 * 160)
    assert paste.mean() / 255 == pytest.approx(expected, abs=0.02)


def flat(colour, size):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_tests_are_chosen_and_printed_as_the_table_has_them(photographs, capsys):
    descriptor_tests.main(["--photographs", str(photographs), "--candidates", "700"])
    table, said = capsys.readouterr().out.split("\n\n")
    made = np.array(table.split(), np.int8).reshape(-1, 4)
    assert made.shape == TESTS.shape
    assert len({tuple(test) for test in made.tolist()}) == len(made)
    assert "the table is another one" in said
    drawn = {tuple(test) for test in descriptor_tests.candidates(700).tolist()}
    assert drawn.issuperset(map(tuple, made.tolist()))
    assert "\n".join(descriptor_tests.table(TESTS)).split() == [str(number) for number in TESTS.ravel()]


def test_too_few_candidates_are_refused(photographs):
    with pytest.raises(ValueError, match="draw more --candidates"):
        descriptor_tests.main(["--photographs", str(photographs), "--candidates", "140"])
