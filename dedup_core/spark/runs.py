"""One run of a job over an output folder: its stages with their times, its counts, and the record that closes it."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from dedup_core.errors import SettingsError
from dedup_core.filesystems import lies_inside, same_place
from dedup_core.images import jpeg
from dedup_core.ledger import RUNS
from dedup_core.settings.settings import JobSettings
from dedup_core.spark.publishing import publish, refuse_foreign
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

_LIBRARIES = ("dedup-core", "pyspark", "numpy", "Pillow", "scipy", "PyWavelets", "pyarrow", "numba", "tensorflow")


def _new_run_id() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


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
    """

    spark: SparkSession
    store: Store
    settings: JobSettings
    say: Callable[[str], None]
    source: str
    replaces_all: bool = False
    run_id: str = field(default_factory=_new_run_id)
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)

    def check_output(self, tables: Iterable[str], methods: Iterable[str], files: Iterable[str] = ()) -> None:
        """Refuse a folder that can't be written, or that holds what this run may not replace; then mark it as ours.

        Args:
            tables: the tables that the run will write.
            methods: the methods whose parts of the tables it will write.
            files: single files that it will write.

        Raises:
            SettingsError: says which, and what to do.
        """
        tables = list(tables)
        for table in tables:
            if lies_inside(self.source, self.store.path(table)):
                raise SettingsError(
                    f"{self.source} lies in {self.store.url}/{table}, which this run would replace: choose another "
                    "--output"
                )
        refuse_foreign(self.store, tables, list(methods), files)
        earlier = newest_record(self.store)
        if earlier and not same_place(str(earlier.get("source")), self.source):
            self.replaces_all = self.settings.overwrite
            if not self.replaces_all:
                raise SettingsError(
                    f"the output folder {self.store.url} already holds the tables of run {earlier.get('run_id')}, made "
                    f"from {earlier.get('source')}: choose another folder, or replace them by --overwrite"
                )
        self.store.mark()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the same name again adds to it."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)

    def publish(self, works: list[Staging], gone: Iterable[str] = ()) -> None:
        """Put finished work in place, and clear it away: `dedup_core.spark.publishing.publish`."""
        self.published += publish(self.store, works, [self._record_file], gone)
        for work in works:
            work.clear()

    def record(self) -> None:
        """Write ``runs/RUN_ID.json``. It comes last: a run that has a record is complete."""
        content = {
            "run_id": self.run_id,
            "source": self.source,
            "settings": self.settings.model_dump(mode="json"),
            "versions": _versions(self.spark),
            "counts": self.counts,
            "seconds": self.seconds,
            "published": self.published,
        }
        self.store.write_text(self._record_file, json.dumps(content, indent=2) + "\n")
        self.store.write_ledger(self.store.read_ledger().with_run(self.run_id))

    @property
    def _record_file(self) -> str:
        return f"{RUNS}/{self.run_id}.json"


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
