"""Read what Spark notes of a run: its actions, their stages, and how long each task took and how much it shuffled.

Spark writes an event log where ``spark.eventLog.enabled`` says so; here it is read uncompressed
(``spark.eventLog.compress=false``), as one file or in the parts that Spark 4 cuts it into.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXECUTION = "spark.sql.execution.id"
_WRITES = re.compile(r"InsertIntoHadoopFsRelationCommand(?:(?!\n\n).)*?\nArguments: (.+?), (?:true|false), ", re.DOTALL)
_COMPRESSED = (".lz4", ".zstd", ".snappy", ".lzf")
_FUSED = "WholeStageCodegen"


@dataclass(frozen=True)
class Action:
    """What a program asked of Spark: a table to write, or something to collect.

    Attributes:
        number: of the execution, as Spark counts them.
        description: which call it was, such as ``collect at .../find.py:52``.
        writes: the folder it writes, as a URI; empty where it writes none.
        started: seconds since 1970.
        ended: the same; None where it did not come to an end.
    """

    number: int
    description: str
    writes: str
    started: float
    ended: float | None


@dataclass(frozen=True)
class Stage:
    """Tasks that do the same to the parts of a table; those that failed are left out.

    Attributes:
        number: as Spark counts them.
        action: what it was done for; None where no query stands behind it.
        operators: what was done, what reads coming first; without what Spark fuses to one loop.
        task_seconds: of each task, in the order in which they ended.
        shuffle_bytes: what its tasks wrote for others to fetch.
        rows_written: to the table that the action writes.
        spilled_bytes: what did not fit the memory of tasks, as it lay on disk.
    """

    number: int
    action: Action | None
    operators: tuple[str, ...]
    task_seconds: tuple[float, ...]
    shuffle_bytes: int
    rows_written: int
    spilled_bytes: int

    @property
    def median_seconds(self) -> float:
        """Of its tasks; 0 where it has none."""
        return statistics.median(self.task_seconds or (0.0,))

    @property
    def longest_seconds(self) -> float:
        """Of its tasks; 0 where it has none."""
        return max(self.task_seconds, default=0.0)

    @property
    def longest_over_median(self) -> float:
        """How many times as long as the median of them the longest task took."""
        return self.longest_seconds / max(self.median_seconds, 0.001)


@dataclass(frozen=True)
class EventLog:
    """The actions and stages of one application, in the order of their numbers."""

    actions: tuple[Action, ...]
    stages: tuple[Stage, ...]


def read_event_log(folder: Path) -> EventLog:
    """Read the log of the only application that wrote one to a folder.

    Args:
        folder: what ``spark.eventLog.dir`` names.

    Raises:
        ValueError: if there is no log, more than one, or a compressed one.
    """
    actions, ends = {}, {}
    stages: dict[int, dict[str, Any]] = {}
    action_of: dict[int, int] = {}
    tasks: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in _events(_files(folder)):
        match event["Event"].rpartition(".")[2]:
            case "SparkListenerSQLExecutionStart":
                actions[event["executionId"]] = event
            case "SparkListenerSQLExecutionEnd":
                ends[event["executionId"]] = event["time"] / 1000
            case "SparkListenerStageSubmitted":
                number = event["Stage Info"]["Stage ID"]
                stages[number] = event["Stage Info"]
                if execution := (event.get("Properties") or {}).get(_EXECUTION):
                    action_of[number] = int(execution)
            case "SparkListenerTaskEnd" if not (event["Task Info"]["Failed"] or event["Task Info"]["Killed"]):
                tasks[event["Stage ID"]].append(event)
    known = {number: _action(event, ends.get(number)) for number, event in sorted(actions.items())}
    return EventLog(
        tuple(known.values()),
        tuple(
            _stage(info, known.get(action_of.get(number, -1)), tasks[number]) for number, info in sorted(stages.items())
        ),
    )


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    logs = [path for path in found if not path.name.startswith((".", "appstatus"))]
    if packed := next((path for path in logs if path.suffix in _COMPRESSED), None):
        raise ValueError(f"{packed} is compressed: run with --conf spark.eventLog.compress=false")
    applications = {path.parent if path.name.startswith("events_") else path for path in logs}
    if len(applications) != 1:
        raise ValueError(f"{folder} holds {len(applications)} event logs, not one: take a fresh folder for each run")
    return sorted(logs, key=_part)


def _part(path: Path) -> int:
    return int(path.name.split("_")[1]) if path.name.startswith("events_") else 0


def _events(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _action(event: dict[str, Any], ended: float | None) -> Action:
    writes = _WRITES.search(event["physicalPlanDescription"])
    folder = writes.group(1) if writes else ""
    return Action(event["executionId"], event["description"], folder, event["time"] / 1000, ended)


def _stage(info: dict[str, Any], action: Action | None, tasks: list[dict[str, Any]]) -> Stage:
    in_order = sorted(info["RDD Info"], key=lambda rdd: rdd["RDD ID"])
    scopes = [json.loads(rdd["Scope"])["name"].strip() for rdd in in_order if "Scope" in rdd]
    operators = dict.fromkeys(name for name in scopes if not name.startswith(_FUSED))
    seconds = [(task["Task Info"]["Finish Time"] - task["Task Info"]["Launch Time"]) / 1000 for task in tasks]
    metrics = [task.get("Task Metrics") or {} for task in tasks]
    return Stage(
        number=info["Stage ID"],
        action=action,
        operators=tuple(operators),
        task_seconds=tuple(seconds),
        shuffle_bytes=sum(each.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0) for each in metrics),
        rows_written=sum(each.get("Output Metrics", {}).get("Records Written", 0) for each in metrics),
        spilled_bytes=sum(each.get("Disk Bytes Spilled", 0) for each in metrics),
    )
