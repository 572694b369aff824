"""The benchmark that kills the driver, with one kill; and that it sees what doesn't agree."""

import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from submitting import IS_PREPARED

from benchmarks import killed

IS_ONE_STATE = (
    r"1 runs of \d+ s, [01] killed: [01] times the tables of the run before, [01] times the new ones, 0 times"
)


@pytest.mark.skipif(not IS_PREPARED, reason="needs the environment of spark-submit.sh: ./tests/run.sh")
def test_a_driver_that_is_killed_leaves_the_tables_of_one_run(capsys, tmp_path, monkeypatch):
    checked = []

    def check(output):
        shutil.copytree(output, tmp_path / f"{len(checked)}")
        checked.append(real(output))
        return checked[-1]

    real = killed.check
    monkeypatch.setattr(killed, "check", check)
    killed.main(["--kills", "1"])
    assert len(checked) == 2
    assert re.match(IS_ONE_STATE, capsys.readouterr().out)
    other = tmp_path / "0" / "duplicates" / "method=phash"
    pq.write_table(pa.table({"path": ["another run's"]}), other / "part-1.parquet")
    with pytest.raises(AssertionError, match="duplicates are of other images than features"):
        real(tmp_path / "0")
