"""What a worker does, called as plain functions: no Spark session is needed."""

import threading
import time

import pyarrow as pa
import pytest

from dedup_core.encoders.encoder import Decoding, encode_batch, encode_looked
from dedup_core.encoders.network_file import Network
from dedup_core.encoders.registry import ENCODERS
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode import reading, tasks
from dedup_core.spark.encode.tasks import EncodePlan


def test_decoding_ahead_changes_nothing(photographs, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_IMAGES", 2)
    contents = [path.read_bytes() for path in photographs[:5]]
    plan = EncodePlan.of(EncodeSettings(input="in", output="out", method="phash,ahash"))
    encoders = plan.encoders()
    rows = [{"path": str(n), "uri": None, "size": 9, "content": content} for n, content in enumerate(contents)]
    batches = pa.RecordBatch.from_pylist(rows)
    looks = tasks._looks(iter([batches.slice(0, 3), batches.slice(3)]), plan, encoders)
    ahead = [(rows, encode_looked(looked, encoders)) for rows, looked in tasks._one_ahead(looks)]
    assert [len(rows) for rows, _ in ahead] == [2, 2, 1]
    expected = encode_batch(contents, [ENCODERS[name].encoder() for name in ("phash", "ahash")])
    assert [entry.features for _, encoded in ahead for entry in encoded] == [entry.features for entry in expected]


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_batches_have_the_networks_size_whatever_the_sizes_they_come_in(size):
    plan = EncodePlan((Network(b"", ".h5", False, size, "float32", "cnn-x"),), {"cnn": "embedding"}, Decoding(), 1000)
    rows = pa.RecordBatch.from_pylist([{"path": f"{n}".encode(), "uri": None, "size": 1, "content": b"x"}
                                       for n in range(23)])  # fmt: skip
    coming = iter([rows.slice(0, 5), rows.slice(5, 0), rows.slice(5, 17), rows.slice(22)])
    batches = [together for together, _ in tasks._looks(coming, plan, [])]
    assert [row["path"] for batch in batches for row in batch] == [str(n) for n in range(23)]
    assert {len(batch) for batch in batches[:-1]} <= {size}


# Files read ahead


def rows_of(sizes, **others):
    return [{"path": str(n), "uri": f"u{n}", "size": size, "content": None} | others for n, size in enumerate(sizes)]


class Reads:
    """Reads files that come in another order than they are asked for, and counts how many are read and not taken."""

    def __init__(self):
        self.begun, self.taken, self.most_files, self.most_bytes = [], 0, 0, 0

    def __call__(self, row):
        self.begun.append(row["size"])
        waiting = self.begun[self.taken :]
        self.most_files, self.most_bytes = max(self.most_files, len(waiting)), max(self.most_bytes, sum(waiting))
        time.sleep(0.002 * (int(row["path"]) % 3))
        return row["uri"].encode()


@pytest.mark.parametrize("size", [1, 30 << 20, 500 << 20])
def test_files_are_read_ahead_in_order_and_within_bounds(size):
    reads = Reads()
    for number, (row, content) in enumerate(reading._ahead(iter(rows_of([size] * 60)), reads)):
        assert (row["path"], content) == (str(number), f"u{number}".encode())
        reads.taken += 1
    assert reads.most_files <= reading._READS_AHEAD + 2
    assert reads.most_bytes <= reading._BYTES_AHEAD + 2 * size
    assert (reads.most_files > 4) == (size == 1)


def test_what_is_carried_is_not_read_and_what_has_neither_is_empty():
    rows = [*rows_of([1], content=b"carried"), *rows_of([None], uri=None), *rows_of([1], uri="file:///no/where.png")]
    contents = [content for _, content in reading.with_contents(rows, 100)]
    assert contents[0] == b"carried"
    assert [failure.reason for failure in contents[1:]] == ["empty", "vanished"]


def test_a_task_that_stops_reading_leaves_no_thread():
    before = threading.active_count()
    ahead = reading._ahead(iter(rows_of([1] * 60)), Reads())
    next(ahead)
    ahead.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("cores", "gpus", "ahead", "threads"), [(1, 0, False, 1), (2, 0, True, 1), (4, 0, True, 3), (1, 1, True, 1)]
)
def test_a_task_decodes_ahead_on_a_core_that_the_network_leaves(monkeypatch, cores, gpus, ahead, threads):
    class Task:
        def cpus(self):
            return cores

        def resources(self):
            return {"gpu": object()} if gpus else {}

    class AskedError(Exception):
        pass

    def opened(_network, asked):
        raise AskedError(asked)

    monkeypatch.setattr(tasks.TaskContext, "get", Task)
    monkeypatch.setattr(Network, "opened", opened)
    plan = EncodePlan((Network(b"", ".h5", False, 32, "float32", "cnn-x"),), {"cnn": "embedding"}, Decoding(), 1000)
    assert plan.decodes_ahead() is ahead
    with pytest.raises(AskedError) as asked:
        plan.encoders()
    assert asked.value.args == (threads,)
    assert not EncodePlan((ENCODERS["phash"].encoder(),), {"phash": "hash"}, Decoding(), 1000).decodes_ahead()


def test_a_task_that_ends_early_leaves_no_thread():
    before = threading.active_count()
    ahead = tasks._one_ahead(iter(range(1, 9)))
    assert next(ahead) == 1
    ahead.close()
    assert threading.active_count() == before


def test_one_item_is_made_ahead_and_no_more():
    made, threads = [], set()

    def items():
        for number in range(5):
            made.append(number)
            threads.add(threading.current_thread())
            yield number

    ahead = tasks._one_ahead(items())
    for expected in range(5):
        assert next(ahead) == expected
        assert len(made) <= expected + 2
    assert list(ahead) == []
    assert threading.current_thread() not in threads


def test_an_error_while_decoding_ahead_reaches_the_task():
    def items():
        yield 1
        raise OSError("the disk is gone")

    ahead = tasks._one_ahead(items())
    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead)
