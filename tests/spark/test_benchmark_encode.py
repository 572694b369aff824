"""The benchmark of encoding, as somebody runs it who has no weights of a network."""

import shutil

from benchmarks import encode, encode_remote


def test_the_benchmark_of_hashes_needs_no_weights(spark, photographs, tmp_path, capsys):
    shutil.copy(photographs[0], tmp_path)
    encode.main(["--photographs", str(tmp_path), "--images", "10", "--rounds", "1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("10 images, four hashes over one decode, ")
    assert [line.split()[0] for line in said[1:]] == ["pool", "spark", "spark"]
    assert float(said[-1].rsplit(" = ")[1]) > 0


def test_the_benchmark_of_stores_and_tables_moves_no_image(spark, capsys):
    encode_remote.main(["--images", "12"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("12 images of ")
    assert [line.split()[0] for line in said[1:]] == ["store", "table"]
    for line in said[1:]:
        assert float(line.split(" = ")[1].split("%")[0]) < 3  # a dozen images: what is shuffled is mostly headers
