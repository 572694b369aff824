"""The benchmark of encoding, as somebody runs it who has no weights of a network."""

import shutil

from benchmarks import encode


def test_the_benchmark_of_hashes_needs_no_weights(spark, photographs, tmp_path, capsys):
    shutil.copy(photographs[0], tmp_path)
    encode.main(["--photographs", str(tmp_path), "--images", "10", "--rounds", "1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("10 images, four hashes over one decode, ")
    assert [line.split()[0] for line in said[1:]] == ["pool", "spark", "spark"]
    assert float(said[-1].rsplit(" = ")[1]) > 0
