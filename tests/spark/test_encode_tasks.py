"""What a worker does, called as plain functions: no Spark session is needed."""

import gc
import io
import threading
import time
import tracemalloc
from datetime import datetime, timezone
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders.encoder import Decoding, Encoder, encode_batch, encode_looked
from dedup_core.encoders.network_file import Network
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.picture import Failure, Picture
from dedup_core.local.record import unpacked
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode import columns, reading, tasks
from dedup_core.spark.encode.columns import ENCODED_ARROW, pieces
from dedup_core.spark.encode.tasks import EncodePlan

MOMENT = datetime(2024, 2, 29, 12, 30, 15, 123456, timezone.utc)
CONTENTS = {"size": pa.int64(), "modified_at": pa.timestamp("us", "UTC"), "identity": pa.string(), "uri": pa.string(),
            "content": pa.binary()}  # fmt: skip


def carried(paths, contents):
    """A batch of rows that carry their images."""
    known = [{"path": path, "size": len(content), "modified_at": MOMENT, "identity": f"etag:{n}", "content": content}
             for n, (path, content) in enumerate(zip(paths, contents, strict=True))]  # fmt: skip
    return pa.RecordBatch.from_pylist(known, schema=pa.schema([("path", pa.array(paths).type), *CONTENTS.items()]))


def test_decoding_ahead_changes_nothing(photographs, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_IMAGES", 2)
    contents = [path.read_bytes() for path in photographs[:5]]
    plan = EncodePlan.of(EncodeSettings(input="in", output="out", method="phash,ahash"))
    encoders = plan.encoders()
    batches = carried([str(n) for n in range(5)], contents)
    looks = tasks._looks(iter([batches.slice(0, 3), batches.slice(3)]), plan, encoders)
    ahead = [(rows, encode_looked(looked, encoders)) for rows, looked in tasks._one_ahead(looks)]
    assert [len(rows) for rows, _ in ahead] == [2, 2, 1]
    expected = encode_batch(contents, [ENCODERS[name].encoder() for name in ("phash", "ahash")])
    assert [entry.features for _, encoded in ahead for entry in encoded] == [entry.features for entry in expected]


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_batches_have_the_networks_size_whatever_the_sizes_they_come_in(size):
    plan = EncodePlan((Network(b"", ".h5", False, size, "float32", "cnn-x"),), {"cnn": "embedding"}, Decoding(), 1000)
    rows = carried([f"{n}".encode() for n in range(23)], [b"x"] * 23)
    coming = iter([rows.slice(0, 5), rows.slice(5, 0), rows.slice(5, 17), rows.slice(22)])
    batches = [together for together, _ in tasks._looks(coming, plan, [])]
    assert [row["path"] for batch in batches for row in batch] == [str(n) for n in range(23)]
    assert {len(batch) for batch in batches[:-1]} <= {size}


# Rows of features


def rows_one_by_one(batch, plan):
    """The rows of images and methods as dictionaries, made one after the other."""
    encoders = plan.encoders()
    for image in batch.to_pylist():
        (result,) = encode_batch([image["content"]], encoders, plan.decoding)
        row = dict.fromkeys(ENCODED_ARROW.names)
        row |= {name: image[name] for name in ("path", "size", "modified_at", "identity")}
        if isinstance(result, Failure):
            yield row | {"reason": result.reason, "message": result.message}
            continue
        row |= {"width": result.width, "height": result.height, "format": result.format, **vars(result.traits)}
        row["caution"] = list(result.traits.caution)
        for encoder in encoders:
            value = result.features[encoder.name]
            named = {"method": encoder.name, "fingerprint": plan.fingerprints[encoder.name]}
            yield row | named | stored(plan.columns[encoder.name], value)


def stored(column, value):
    if column == "embedding":
        return {"embedding": value.tolist()}
    if column == "local":
        made = unpacked(value).to_row()
        return {"local": made | {"keypoints": made["keypoints"].tolist()}}
    upright, *turned = np.atleast_1d(value).astype(np.int64).tolist()
    return {"hash": upright, "turned": turned or None}


def embed(stack):
    return stack.reshape(len(stack), -1)[:, :7].astype(np.float32) / 7


def plan_of(methods, orientations=False):
    """A plan of hashes, of ORB, and of a made-up network, in their order."""
    chosen = EncodeSettings(input="in", output="out", method="phash", orientations=orientations)
    prepared = [Encoder("cnn", partial(Picture.rgb, size=(4, 4)), embed, "cnn-x", 3) if name == "cnn"
                else ENCODERS[name].prepare(chosen) for name in methods]  # fmt: skip
    columns = {name: ENCODERS[name].metric.feature for name in methods}
    return EncodePlan(tuple(prepared), columns, Decoding(), 1 << 28)


@pytest.mark.parametrize("methods", [["phash"], ["cnn"], ["ahash", "cnn", "dhash"], ["orb", "whash"]], ids="-".join)
@pytest.mark.parametrize("orientations", [False, True])
def test_columns_hold_what_rows_made_one_by_one_do(photographs, methods, orientations):
    if "orb" in methods:
        pytest.importorskip("cv2")
    plan = plan_of(methods, orientations)
    good = [path.read_bytes() for path in photographs[:4]]
    contents = [good[0], b"no image", *good[1:3], b"", good[3]]
    batch = carried([f"{n}.jpg" for n in range(6)], contents)
    made = pa.Table.from_batches(tasks.encoded(iter([batch.slice(0, 4), batch.slice(4)]), plan), ENCODED_ARROW)
    assert made.to_pylist() == list(rows_one_by_one(batch, plan))


def test_a_batch_of_failures_alone_has_a_row_each():
    made = list(tasks.encoded(iter([carried(["a", "b"], [b"", b"text"])]), plan_of(["phash", "cnn"])))
    assert [row["reason"] for row in pa.Table.from_batches(made).to_pylist()] == ["empty", "not_an_image"]


@given(st.lists(st.integers(0, 4000), max_size=30), st.integers(1, 9000))
@settings(deadline=None)
def test_batches_are_bounded_by_bytes_and_lose_nothing(sizes, most):
    batch = pa.RecordBatch.from_pydict({"look": pa.array([bytes(size) for size in sizes], pa.binary())})
    parts = list(pieces(batch, most))
    assert pa.Table.from_batches(parts).to_pylist() == batch.to_pylist()
    assert all(len(part) == 1 or part.nbytes <= most for part in parts if len(batch))


def test_big_rows_leave_a_worker_some_at_a_time(monkeypatch):
    monkeypatch.setattr(columns, "MOST_BYTES", 10_000)
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, "PNG")
    batch = carried([f"{n}" for n in range(10)], [file.getvalue()] * 10)
    made = list(tasks.encoded(iter([batch]), plan_of(["phash", "ahash"])))
    assert sum(len(part) for part in made) == 20
    assert max(part.nbytes for part in made) <= 10_000  # two rows, each with a look of 4 KB


def test_a_row_that_carries_an_image_is_unpacked_when_it_is_asked_for():
    contents = [bytes(1 << 20)] * 40
    rows = tasks._rows_of(iter([carried([f"{n}" for n in range(40)], contents)]))
    tracemalloc.start()
    for _row in rows:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 << 20


def test_what_is_loaded_is_not_looked_through_after_every_task():
    try:
        tasks.keep_loaded()
        kept = gc.get_freeze_count()
        assert kept > tasks._MANY_OBJECTS
        assert len(gc.get_objects()) < tasks._MANY_OBJECTS
        tasks.keep_loaded()
        assert gc.get_freeze_count() <= kept
    finally:
        gc.unfreeze()


# Files read ahead


def rows_of(sizes, **others):
    return [{"path": str(n), "uri": f"s3://u{n}", "size": size, "content": None} | others
            for n, size in enumerate(sizes)]  # fmt: skip


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
        assert (row["path"], content) == (str(number), f"s3://u{number}".encode())
        reads.taken += 1
    assert reads.most_files <= reading._READS_AHEAD + 2
    assert reads.most_bytes <= reading._BYTES_AHEAD + 2 * size
    assert (reads.most_files > 4) == (size == 1)


def test_what_is_carried_is_not_read_and_what_has_neither_is_empty():
    rows = [*rows_of([1], content=b"carried"), *rows_of([None], uri=None), *rows_of([1], uri="file:///no/where.png")]
    contents = [content for _, content in reading.with_contents(rows, 100)]
    assert contents[0] == b"carried"
    assert [failure.reason for failure in contents[1:]] == ["empty", "vanished"]


def test_files_of_a_disk_are_read_in_threads_only_while_it_answers_slowly():
    in_threads, rows = [], rows_of([1] * 200)

    def read(row):
        in_threads.append(threading.current_thread() is not threading.main_thread())
        time.sleep(0.05 if 50 <= int(row["path"]) < 60 else 0)
        return row["uri"].encode()

    found = list(reading._ahead(iter([row | {"uri": f"/{row['path']}.jpg"} for row in rows]), read))
    assert [content for _, content in found] == [f"/{n}.jpg".encode() for n in range(200)]
    assert not any(in_threads[:50])
    assert any(in_threads[60:])


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
