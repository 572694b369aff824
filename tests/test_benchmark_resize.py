"""The benchmark that measures the resize, on the smallest of its photographs."""

import sys

from benchmarks import resize


def test_it_compares_with_pillow_and_with_the_decode(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["resize", "--small"])
    resize.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if " x " in line]
    assert [row[1] for row in rows if row[0] == "500 x 375"] == list(resize.WANTED)
    assert all(float(number) > 0 for row in rows for number in row[2:])
