"""The benchmark of growing sizes, in a tiny size: one run of the job, and what is read from its event log."""

import importlib
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from submitting import IS_PREPARED, QUICK_JAVA, ROOT

IMAGES = 6_000  # of fewer one task reads all, and nothing is shuffled
IS_LINUX = Path("/proc/self/smaps_rollup").exists()


@pytest.fixture(scope="module")
def modules():
    """The benchmark's modules import each other as scripts in one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        names = ("scale", "event_log", "made_features", "plain_rows")
        yield {name: importlib.import_module(name) for name in names}


@pytest.fixture(scope="module")
def scale(modules):
    return modules["scale"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scale")


@pytest.fixture(scope="module")
def result(scale, folder):
    if not (IS_PREPARED and IS_LINUX):
        pytest.skip("needs Linux, and the environment of spark-submit.sh: ./tests/run.sh")
    options = ["--conf", f"spark.driver.extraJavaOptions={QUICK_JAVA}"]
    return scale.job_over(IMAGES, scale.arguments(options), folder)


@pytest.fixture(scope="module")
def made(modules, tmp_path_factory):
    table = tmp_path_factory.mktemp("made") / "features"
    told = modules["made_features"].write_features(table, IMAGES)
    return told, pq.read_table(table).to_pandas(), table


def cells_of(lines):
    """Return the rows of a table by their first cell."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {name: cells for name, *cells in rows}


def test_what_spark_noted_is_told_by_step(scale, result):
    rows, shuffled = Counter(), Counter()
    for stage in result.log.stages:
        rows[scale.step(stage.action)] += stage.rows_written
        shuffled[scale.step(stage.action)] += stage.shuffle_bytes
    final = [f"find/ready/{table}/method=phash" for table in scale.FINAL]
    assert sum(rows[name] for name in final) == result.rows > IMAGES
    steps = [name for name in rows if name.startswith("find/phash/")]
    assert len(steps) > 3
    assert all(rows[name] for name in steps)
    assert sum(shuffled.values()) == result.shuffled() > 0
    assert result.shuffled() - result.shuffled(with_final=False) == sum(shuffled[name] for name in final)
    assert all(stage.task_seconds for stage in result.log.stages)
    assert all(action.started <= action.ended for action in result.log.actions)
    assert any("MapInArrow" in stage.operators for stage in result.log.stages)


def test_seconds_memory_and_pairs_are_told(scale, result):
    assert 0 < result.final_seconds < result.measured.seconds
    assert sum(result.record["seconds"].values()) + result.before == pytest.approx(result.measured.seconds)
    assert 1 < result.measured.core_seconds < result.measured.seconds * os.cpu_count()
    peak = result.measured.peak
    assert 1e8 < peak.driver <= peak.whole
    assert 1e7 < peak.workers <= peak.whole
    assert result.pairs >= IMAGES * 0.06
    lines = scale.told([result], [0.5])
    told = cells_of(lines)
    assert told["images"] == [f"{IMAGES:,}"]
    assert told["rows in the final tables"] == [f"{result.rows:,}"]
    assert told["the job / plain rows"] == [f"{result.measured.seconds / 0.5:,.0f}"]
    assert told["shuffled, bytes a pair"] == [f"{result.shuffled() / result.pairs:,.0f}"]
    steps = [float(cells[0]) for name, cells in told.items() if name.endswith("`")]
    assert steps == sorted(steps, reverse=True) != []
    assert any(name.startswith("`find/phash/") and ", " in name for name in told)  # a stage
    grown = "1.0 times the images take 1.00 times the seconds"
    assert grown not in lines
    assert grown in scale.told([result, result], [0.5, 0.5])


def test_the_stage_with_the_most_uneven_tasks_is_named(scale, modules, result):
    stage = modules["event_log"].Stage

    def of(number, *seconds):
        return stage(number, None, ("Sort",), seconds, 0, 0, 0)

    log = modules["event_log"].EventLog(
        (), (of(1, 1, 1, 1, 2), of(2, 2, 2, 2, 2, 7), of(3, 1, 1, 90), of(4, 0.1, 0.1, 0.1, 9))
    )
    uneven = scale.Result(result.made, result.measured, result.record, log, 0)
    assert (uneven.worst.number, uneven.worst.longest_over_median) == (2, 3.5)
    told = cells_of(scale.table([uneven], [1]))
    assert told["longest task / median, in the worst stage"] == ["3.5 (`no query` stage 2, Sort: 5 tasks)"]
    assert told["longest task of all, s"] == ["90.0 (`no query` stage 3, Sort: 3 tasks)"]


def test_a_log_is_read_whole_or_in_parts_and_no_two_are_mixed(modules, result, folder, tmp_path):
    read = modules["event_log"].read_event_log
    with pytest.raises(ValueError, match="0 event logs, not one"):
        read(tmp_path)
    written = [path for path in (folder / "events").rglob("*") if path.is_file() and "local-" in path.name]
    whole = max(written, key=lambda path: path.stat().st_size).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "local-1").write_bytes(whole)
    assert read(tmp_path / "whole") == result.log
    cut = tmp_path / "cut" / "eventlog_v2_local-1"
    cut.mkdir(parents=True)
    (cut / "events_10_local-1").write_bytes(b"".join(lines[200:]))
    (cut / "events_9_local-1").write_bytes(b"".join(lines[:200]))
    (cut / "appstatus_local-1").touch()
    assert read(tmp_path / "cut") == result.log
    with pytest.raises(ValueError, match="2 event logs, not one"):
        read(tmp_path)
    shutil.copy(tmp_path / "whole" / "local-1", tmp_path / "whole" / "local-1.zstd")
    with pytest.raises(ValueError, match=r"local-1\.zstd is compressed"):
        read(tmp_path / "whole")


def test_made_features_are_skewed_as_they_say(made):
    told, table, _ = made
    blank = table[table.caution.str.len() > 0]
    assert len(table) == told.images == IMAGES
    assert len(blank) == told.blank == IMAGES // 10
    assert (blank.hash.nunique(), blank.digest.nunique()) == (1, 7)
    assert table.path.is_unique
    assert table.path.str.len().between(60, 90).all()
    seen = table[table.caution.str.len() == 0]
    bits = np.unpackbits(seen.hash.to_numpy().view(np.uint8)).reshape(-1, 64) * np.float32(2) - 1
    near = int(((64 - bits @ bits.T) / 2 <= 8).sum() - len(seen)) // 2
    of_blank = sum(count * (count - 1) // 2 for count in blank.digest.value_counts())
    assert told.pairs <= of_blank + near <= told.pairs + 5  # codes of a chain come close by chance
    assert seen.groupby("digest").hash.nunique().max() == 1
    assert sorted(seen.digest.value_counts())[-2:] == [IMAGES // 1000, IMAGES // 500]
    assert seen.look.dropna().str.len().eq(4096).all()
    assert 0.05 < seen.look.notna().mean() < 0.15


def test_all_images_have_a_look_if_asked(modules, tmp_path):
    told = modules["made_features"].write_features(tmp_path / "features", 200, all_looks=True)
    table = pq.read_table(tmp_path / "features").to_pandas()
    assert set(table.look.str.len()) == {4096}
    assert told.blank == (table.look == b"\xff" * 4096).sum() == 20


def test_the_same_seed_makes_the_same_features(modules, made, tmp_path):
    write, table = modules["made_features"].write_features, pq.read_table(made[2])
    write(tmp_path / "same", IMAGES)
    write(tmp_path / "other", IMAGES, seed=1)
    assert pq.read_table(tmp_path / "same").equals(table)
    assert not pq.read_table(tmp_path / "other").column("hash").equals(table.column("hash"))


def test_as_many_plain_rows_are_written_as_asked(modules, spark, tmp_path):
    assert modules["plain_rows"].seconds_to_write(spark, 500, str(tmp_path / "rows")) > 0
    assert pq.read_table(tmp_path / "rows").num_rows == 500
