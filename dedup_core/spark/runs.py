"""One run of a job over an output folder: its stages with their times, its counts, and the record that closes it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from dedup_core.current import Provenance
from dedup_core.errors import SettingsError
from dedup_core.filesystems import lies_inside, same_place
from dedup_core.images import jpeg
from dedup_core.ledger import RUNS
from dedup_core.settings.settings import JobSettings
from dedup_core.settings.tables import AUTO
from dedup_core.spark.delta import check_delta, check_logs, sweep
from dedup_core.spark.locks import Lock, Snapshot, held, new_run_id
from dedup_core.spark.published import Published
from dedup_core.spark.publishing import publish, ready_places, refuse_foreign
from dedup_core.spark.session import setting
from dedup_core.spark.settling import settle
from dedup_core.spark.staging import Staging, clear_abandoned
from dedup_core.spark.store import Store

_LIBRARIES = ("dedup-core", "pyspark", "numpy", "Pillow", "scipy", "PyWavelets", "pyarrow", "numba", "tensorflow")

_MICROSECONDS = ("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
"""How Delta tables hold a time."""

_INSTEAD_OF_DELTA = (
    ". They are what is published on object stores; --table-format parquet does without, and its tables are seen half "
    "replaced there for a moment"
)


@dataclass
class Run:
    """What a run knows of itself while it works.

    Attributes:
        spark: the session.
        store: the output folder.
        settings: the job's settings.
        say: takes a line for the person who watches.
        replaces_all: whether the tables of another input make room for this run's.
        source: what the tables are made from: the input, or another features table.
        run_id: when it started, and a few random characters.
        counts: what came of it, by name; a count that differs by method is a mapping.
        seconds: how long each stage took.
        published: the tables and parts of tables that it has put in place.
        made: by place, what makes the tables that it writes.
        read: output folders that it reads, as they were.
        is_delta: whether it publishes Delta tables.
    """

    spark: SparkSession
    store: Store
    settings: JobSettings
    say: Callable[[str], None]
    source: str
    replaces_all: bool = False
    run_id: str = field(default_factory=new_run_id)
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    made: dict[str, Provenance] = field(default_factory=dict)
    read: list[Snapshot] = field(default_factory=list)
    is_delta: bool = False
    _lock: Lock | None = None

    @contextmanager
    def output(self, tables: Iterable[str], methods: Iterable[str], files: Iterable[str] = ()) -> Iterator[None]:
        """Hold the output folder while the run works: what is in it is whole, and nobody else writes there.

        A folder that can't be written, or that holds what this run may not replace, is refused; else it is marked as
        ours. A publication that was cut short is ended first.

        Args:
            tables: the tables that the run will write.
            methods: the methods whose parts of the tables it will write.
            files: single files that it will write.

        Raises:
            SettingsError: says what is in the way, and what to do.
            InUseError: if another run works there.
        """
        places = (list(tables), list(methods), list(files))
        if self.store.read_marker() is None:  # then whatever lies in the staging place is somebody's
            self._check_output(*places)
            self.store.mark()
        with held(self.store, self.run_id) as lock:
            if settle(self.store, lock.check):
                self.say("An earlier run was cut short while it published: its tables are in place now")
            self.store.claim(self.run_id)
            sweep(self.store, Published.of(self.store).current)
            for work in clear_abandoned(self.store):
                self.say(f"Cleared {work} in the staging place: the run that left it was stopped two weeks ago or more")
            self._check_output(*places)
            self.is_delta = bool(places[0]) and self._publishes_delta()
            if self.is_delta:
                check_logs(self.store, places[0])
            self._lock = lock
            self.check()
            with setting(self.spark, *_MICROSECONDS) if self.is_delta else nullcontext():
                yield

    def _check_output(self, tables: Sequence[str], methods: Sequence[str], files: Sequence[str]) -> None:
        for table in tables:
            if lies_inside(self.source, self.store.path(table)):
                raise SettingsError(
                    f"{self.source} lies in {self.store.url}/{table}, which this run would replace: choose another "
                    "--output"
                )
        refuse_foreign(self.store, tables, methods, files)
        earlier = newest_record(self.store)
        if earlier and not same_place(str(earlier.get("source")), self.source):
            self.replaces_all = self.settings.overwrite
            if not self.replaces_all:
                raise SettingsError(
                    f"the output folder {self.store.url} already holds the tables of run {earlier.get('run_id')}, made "
                    f"from {earlier.get('source')}: choose another folder, or replace them by --overwrite"
                )

    def _publishes_delta(self) -> bool:
        """Return whether the tables are published as Delta tables: as those that are there, else as the settings say.

        Raises:
            SettingsError: if the settings contradict what is there, or what is needed is missing.
        """
        wanted = getattr(self.settings, "table_format", AUTO)
        published = Published.of(self.store)
        found = published.current.table_format if published.tables() or published.current.is_delta else None
        if found and wanted not in (AUTO, found):
            raise SettingsError(
                f"the output folder {self.store.url} holds tables of the format {found}: choose another folder for "
                f"--table-format {wanted}, or leave that option out"
            )
        by_place = "parquet" if self.store.renames_folders else "delta"
        is_delta = (found or (by_place if wanted == AUTO else wanted)) == "delta"
        if is_delta and re.search(r"[#?]", self.store.url):
            raise SettingsError(f"a folder of Delta tables has no # and no ? in its name, as {self.store.url} has")
        if is_delta:
            check_delta("" if found or wanted != AUTO else _INSTEAD_OF_DELTA)
        return is_delta

    def staging(self, name: str, holds_few: bool = False) -> Staging:
        """Return a place for work whose tables this run will publish."""
        version = f"_{self.run_id}.{name}" if self.is_delta else ""
        return Staging(self.spark, self.store, name, holds_few, version)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the same name again adds to it."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)

    def publish(self, works: list[Staging], gone: Iterable[str] = ()) -> None:
        """Put finished work in place together with the run's record, and clear it away: `publishing.publish`.

        Raises:
            InUseError: if the folder was given up for this run meanwhile.
            InputError: if what was read is no longer there as it was.
        """
        self.check()
        self.published = list(dict.fromkeys(place for work in works for place in ready_places(work)))
        works[-1].finish_file(self._record_file, [self._record()])
        made = {place: what for place, what in self.made.items() if place in self.published}
        publish(self.store, works, self.run_id, made, gone, check=self.still_holds)

    def check(self) -> None:
        """See that the folder is still this run's, and that what it reads is what it was.

        Raises:
            InUseError: if the folder was given up for this run meanwhile.
            InputError: if another run has published where this one reads.
        """
        self.still_holds()
        for snapshot in self.read:
            snapshot.check()

    def still_holds(self) -> None:
        """See that the folder is still this run's.

        Raises:
            InUseError: if it was given up meanwhile.
        """
        if self._lock is not None:
            self._lock.check()

    def record(self) -> None:
        """Write ``runs/RUN_ID.json`` once more: only now is it known how long the publication took."""
        self.store.write_text(self._record_file, self._record())

    @property
    def _record_file(self) -> str:
        return f"{RUNS}/{self.run_id}.json"

    def _record(self) -> str:
        content = {
            "run_id": self.run_id,
            "source": self.source,
            "settings": self.settings.model_dump(mode="json"),
            "versions": _versions(self.spark),
            "counts": self.counts,
            "seconds": self.seconds,
            "published": self.published,
        }
        return json.dumps(content, indent=2) + "\n"


def records(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the records of the runs that wrote a folder, the newest first: that which was published last.

    Raises:
        InputError: if a record can't be read.
    """
    marker = store.read_marker()
    if marker is None:  # a folder that was written by other means
        names = [name for name in store.entries(RUNS) if name.endswith(".json")]
    else:
        names = [f"{run_id}.json" for run_id in marker.runs]
    for name in reversed(names):
        if store.exists(RUNS, name):
            record = store.read_json(RUNS, name)
            if isinstance(record, dict) and "settings" in record:
                yield record


def newest_record(store: Store) -> dict[str, Any] | None:
    """Return the record of the newest run; none where no run has finished."""
    return next(records(store), None)


def newest_search(method: str, of_runs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the record of the newest run that searched by a method; an empty one if there is none.

    Args:
        method: its name.
        of_runs: records, the newest first.
    """
    return next((record for record in of_runs if method in record.get("counts", {}).get("found", {})), {})


def source_of(store: Store) -> str:
    """Return what the tables of a store were made from, as its newest record says."""
    record = newest_record(store)
    return str(record["source"]) if record else store.url


def _versions(spark: SparkSession) -> dict[str, str]:
    found = {"python": platform.python_version(), "spark": spark.version}
    for library in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    found["jpeg_of_driver"] = jpeg.decoder()  # a worker elsewhere may have another one, and its log says so
    return found
