"""benchmarks/decode.py in a tiny size: it runs, and prints what it promises."""

from benchmarks import decode


def test_each_decoder_has_a_row(capsys):
    decode.main(["--count", "2", "--rounds", "1", "--large", "640", "480"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    for name in (*decode.WAYS, "phash: fast, times exact", "bits apart, median and 99th percentile"):
        assert rows.count(name) == 2, name
