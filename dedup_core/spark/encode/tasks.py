"""What a worker does to encode: read, decode once, run every encoder over the batch."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark import TaskContext, cloudpickle
from pyspark.sql import DataFrame

from dedup_core.encoders.encoder import Decoding, Encoder, Looked, Prepared, encode_looked, look_at
from dedup_core.encoders.guarded import Guard, ImageLimits, in_time
from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.picture import Failure
from dedup_core.images.resizing.small import expect
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.columns import Storage, pieces
from dedup_core.spark.encode.reading import Content, ImageRow, with_contents
from dedup_core.spark.encode.spelling import texts
from dedup_core.spark.tables import ENCODED

BATCH_IMAGES = 64
"""How many images are held at a time: Arrow batches of images are big."""

_MANY_OBJECTS = 30_000  # that aren't frozen: to collect among so many takes 10 ms

_Rows = tuple[list[ImageRow], list[Looked | Failure]]
"""Rows, and for each of them the pixels that the encoders want, or why there are none."""

_Look = Callable[[Iterable[Content]], list[Looked | Failure]]


@dataclass(frozen=True)
class EncodePlan:
    """What a worker needs to know to encode; sent with every task, networks' weights too.

    Attributes:
        methods: the encoders. Only one of them may be a network: a process holds one at a time.
        columns: by method, the column of ``features`` that it fills.
        decoding: how files become pictures.
        max_file_bytes: larger files aren't read.
        images_a_core: how many are to come, as far as is known: what pays only for many is then loaded at once.
        limits: what one image may take.
        is_guarded: whether each image is decoded in a process beside, as workers have died over some of them.
    """

    methods: tuple[Prepared, ...]
    columns: Mapping[str, str]
    decoding: Decoding
    max_file_bytes: int
    images_a_core: int = 0
    limits: ImageLimits = field(default_factory=ImageLimits)
    is_guarded: bool = False

    @classmethod
    def of(cls, settings: EncodeSettings) -> EncodePlan:
        """Take from the settings what matters to a worker, and read the files that the methods need.

        Raises:
            SettingsError: if one of them can't be had.
        """
        methods = tuple(ENCODERS[name].prepare(settings) for name in settings.made)
        columns = {name: ENCODERS[name].metric.feature for name in settings.made}
        return cls(methods, columns, settings.decoding, settings.max_file_bytes, limits=settings.limits)

    @property
    def names(self) -> list[str]:
        """The methods' names."""
        return [method.name for method in self.methods]

    @property
    def fingerprints(self) -> dict[str, str]:
        """What identifies the features of each method."""
        return {method.name: self.decoding.fingerprint(method.fingerprint) for method in self.methods}

    @property
    def notes(self) -> list[str]:
        """What a person should know of the methods: what is assumed of a network that says nothing."""
        return [note for method in self.methods if (note := getattr(method, "note", ""))]

    @property
    def batch_size(self) -> int:
        """How many images are encoded at a time: as many as the network takes, where there is one."""
        return max((method.batch_size for method in self.methods if method.batch_size), default=BATCH_IMAGES)

    def encoders(self) -> list[Encoder]:
        """Return the encoders, in a worker: a network takes the cores of the task, but for the one that decodes."""
        task = TaskContext.get()
        threads = None if task is None else max(1, task.cpus() - self.decodes_ahead())
        return [method.opened(threads) for method in self.methods]

    def decodes_ahead(self) -> bool:
        """Return whether files are decoded while a network runs: on a core of their own, or beside a GPU."""
        task = TaskContext.get()
        takes_cores = any(method.batch_size for method in self.methods)
        return takes_cores and task is not None and (task.cpus() > 1 or "gpu" in task.resources())

    def guards(self) -> bool:
        """Return whether a task decodes beside itself: so does one that is tried again, for whatever reason."""
        task = TaskContext.get()
        return self.is_guarded or (task is not None and task.attemptNumber() > 0)


def encode_contents(contents: DataFrame, plan: EncodePlan) -> DataFrame:
    """Encode images.

    Args:
        contents: columns of ``tables.CONTENTS``.
        plan: methods and settings.

    Returns:
        Columns of ``tables.ENCODED``: a row an image and method, or one row an image with a reason and no method.
    """

    def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from encoded(batches, plan)
        keep_loaded()

    return contents.mapInArrow(encode, ENCODED)


def keep_loaded() -> None:
    """Have the garbage collector pass over what a worker has loaded by now.

    Spark's workers collect after every task. With numba and pandas loaded that takes as long as 20 photographs do.
    """
    if len(gc.get_objects()) > _MANY_OBJECTS:
        gc.collect()  # for what is frozen is never collected
        gc.freeze()


def encoded(batches: Iterator[pa.RecordBatch], plan: EncodePlan) -> Iterator[pa.RecordBatch]:
    """Yield what `encode_contents` does, in a worker: as many images at a time as go through the encoders at once."""
    encoders = plan.encoders()
    if plan.decoding.mode == "exact":
        expect(plan.images_a_core, dict.fromkeys(size for encoder in encoders for size in encoder.sizes))
    storage = Storage(plan.fingerprints, plan.columns)
    looks = _looks(batches, plan, encoders)
    for rows, looked in _one_ahead(looks) if plan.decodes_ahead() else looks:
        images = {name: [row[name] for row in rows] for name in ("path", "size", "modified_at", "identity")}
        yield from pieces(storage.batch(images, encode_looked(looked, encoders)))


def _looks(batches: Iterator[pa.RecordBatch], plan: EncodePlan, encoders: Sequence[Encoder]) -> Iterator[_Rows]:
    """Decode images by so many, whatever the sizes that they come in: a network fills up a batch that is not full."""
    read = with_contents(_rows_of(batches), plan.max_file_bytes)
    with _looking(plan, encoders) as look:
        while True:
            rows: list[ImageRow] = []
            looked = look(_noted(itertools.islice(read, plan.batch_size), rows))
            if not rows:
                return
            yield rows, looked


@contextmanager
def _looking(plan: EncodePlan, encoders: Sequence[Encoder]) -> Iterator[_Look]:
    """Yield what looks at images: here, with an eye on the clock where this process is Spark's, or beside."""
    if plan.guards():
        with Guard(encoders, plan.decoding, plan.limits, cloudpickle.dumps) as guard:
            yield lambda contents: [guard.look(content) for content in contents]
    elif TaskContext.get() is None:
        yield lambda contents: look_at(contents, encoders, plan.decoding)
    else:
        yield lambda contents: look_at(in_time(contents, plan.limits.seconds), encoders, plan.decoding)


def _rows_of(batches: Iterator[pa.RecordBatch]) -> Iterator[ImageRow]:
    """Yield rows, with times in microseconds. A content is unpacked when its row is asked for: it may be large."""
    for batch in batches:
        paths, moments = texts(batch.column("path")), batch.column("modified_at").cast(pa.int64()).to_pylist()
        others = (batch.column(name).to_pylist() for name in ("size", "identity", "uri"))
        names = ("path", "modified_at", "size", "identity", "uri")
        for values, content in zip(zip(paths, moments, *others, strict=True), batch.column("content"), strict=True):
            yield {**dict(zip(names, values, strict=True)), "content": content.as_py()}


def _noted(read: Iterator[tuple[ImageRow, Content]], rows: list[ImageRow]) -> Iterator[Content]:
    """Yield contents and note whose they are, so that no content is held that has been looked at."""
    for row, content in read:
        rows.append(row)
        yield content


def _one_ahead(items: Iterator[_Rows]) -> Iterator[_Rows]:
    """Yield the items, each made in a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = beside.submit(next, items, None)
            yield item
