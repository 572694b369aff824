"""Time the whole find_duplicates job at growing sizes, over made-up features as skewed as a lake's (`made_features`).

    python benchmarks/scale.py [--sizes 1000000 3000000 10000000] [--distance 10] [--no-broadcast]
        [--no-list-pairs]

Each size is a run of its own through spark-submit.sh, into a fresh folder. There are no images to read again, so that
verification ends at the looks. A table tells of each size how long it took and where, how much memory the processes
held, how much was shuffled, and how uneven the tasks were; two more tell of the largest size which steps took longest,
and which stages shuffled most. Beside them stands the time in which the same Spark writes as many plain rows as the
final tables have. Needs Linux, and for 10 million images some 10 GB of disk in --folder.

Only images that are like others have a look: what a job carries of the others is less than in a lake by 4 KB each,
which --all-looks shows. A million blank pictures of seven kinds would be 71 billion pairs: each is listed with the
first of its kind (--most-copies). In local mode the driver's JVM is the executor too, and its memory is that of both.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from event_log import Action, EventLog, Stage, read_event_log
from made_features import PLANTED_WITHIN, Made, write_features
from process_tree import Measured, measured

from dedup_core.encoders.registry import ENCODERS
from dedup_core.metric import HAMMING

ROOT = Path(__file__).parents[1]
SUBMIT = str(ROOT / "spark-submit.sh")
FINAL = ("pairs", "duplicates", "groups", "removals")
LOGGED = ("spark.eventLog.enabled=true", "spark.eventLog.compress=false")
UNBROADCAST = ("spark.sql.autoBroadcastJoinThreshold=-1", "spark.sql.adaptive.autoBroadcastJoinThreshold=-1")
FEWEST_TASKS, SHORTEST_MEDIAN = 4, 0.5
"""Of a stage whose longest task says something."""

_STEPS_SHOWN, _STAGES_SHOWN = 12, 6


@dataclass(frozen=True)
class Result:
    """What is known of the run over one size.

    Attributes:
        made: what the features hold.
        measured: seconds, of the clock and of cores, and memory.
        record: the run's own.
        log: what Spark noted.
        rows: how many the final tables have.
    """

    made: Made
    measured: Measured
    record: dict[str, Any]
    log: EventLog
    rows: int

    @property
    def found(self) -> dict[str, Any]:
        """What the record says of the only method."""
        return next(iter(self.record["counts"]["found"].values()))

    @property
    def pairs(self) -> int:
        """Pairs of distinct contents."""
        return int(self.found["content_pairs"])

    @property
    def before(self) -> float:
        """Seconds from process start to the first stage of the record, and from the last one to the end."""
        return self.measured.seconds - sum(self.record["seconds"].values())

    @property
    def final_seconds(self) -> float:
        """Seconds in which a final table was being written."""
        return covered((action.started, action.ended) for action in self.log.actions if is_final(action))

    def shuffled(self, with_final: bool = True) -> int:
        """Return the bytes that were shuffled, those for the final tables among them or not."""
        return sum(stage.shuffle_bytes for stage in self.log.stages if with_final or not is_final(stage.action))

    @property
    def worst(self) -> Stage | None:
        """The stage whose longest task is the most times its median, of those that are long enough to tell."""
        told = [stage for stage in self.log.stages
                if len(stage.task_seconds) >= FEWEST_TASKS and stage.median_seconds >= SHORTEST_MEDIAN]  # fmt: skip
        return max(told, key=lambda stage: stage.longest_over_median, default=None)


def is_final(action: Action | None) -> bool:
    """Return whether an action writes a final table."""
    return action is not None and "/ready/" in action.writes


def step(action: Action | None) -> str:
    """Return what an action is called: the table it writes, or the line that asked for it."""
    if action is None:
        return "no query"
    return action.writes.rpartition("/_staging/")[2] or re.sub(r"/\S*/", "", action.description)


def covered(spans: Iterable[tuple[float, float | None]]) -> float:
    """Return how long at least one of several spans lasted; one that has no end doesn't count."""
    total, until = 0.0, 0.0
    for start, end in sorted((start, end) for start, end in spans if end is not None):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def job_over(size: int, given: argparse.Namespace, folder: Path) -> Result:
    """Make features, run the job over them, and return what is known of it.

    Args:
        size: how many images.
        given: the options.
        folder: an empty one, for the features, the tables, and what Spark notes.

    Raises:
        SystemExit: if the job fails, or misses pairs that were planted.
    """
    output, events = folder / "output", folder / "events"
    kind = given.method, given.seed, given.all_looks
    made = write_features(output / "features", size, *kind)
    events.mkdir()
    job = [str(ROOT / "jobs" / "find_duplicates.py"), "--output", str(output), "--method", given.method]
    job += ["--max-distance-threshold", str(given.distance)]
    job += ["--no-list-pairs" if given.no_list_pairs else "--list-pairs"]
    conf = [*LOGGED, f"spark.eventLog.dir={events.as_uri()}", *(UNBROADCAST if given.no_broadcast else ())]
    took = measured([SUBMIT, *as_options([*conf, *given.conf]), *job], folder / "said")
    record = json.loads(next((output / "runs").iterdir()).read_text())
    result = Result(made, took, record, read_event_log(events), rows_of(output))
    if given.distance >= PLANTED_WITHIN and result.found["pairs"] < made.pairs:
        raise SystemExit(f"{made.pairs:,} pairs were planted, and only {result.found['pairs']:,} found")
    return result


def as_options(conf: Sequence[str]) -> list[str]:
    """Return settings as options of spark-submit."""
    return [part for setting in conf for part in ("--conf", setting)]


def rows_of(output: Path) -> int:
    """Return how many rows the final tables have."""
    files = [file for table in FINAL for file in (output / table).rglob("*.parquet")]
    return sum(pq.read_metadata(file).num_rows for file in files)


def plain_seconds(results: Sequence[Result], given: argparse.Namespace) -> list[float]:
    """Return of each run the seconds in which Spark writes as many plain rows as its final tables have."""
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        script = [str(ROOT / "benchmarks" / "plain_rows.py"), str(Path(folder) / "rows")]
        said = Path(folder) / "said"
        measured([SUBMIT, *as_options(given.conf), *script, *(str(result.rows) for result in results)], said)
        return json.loads(said.read_text().splitlines()[-1])


def table(results: Sequence[Result], plain: Sequence[float]) -> list[str]:
    """Return the lines of a table: a column a size."""
    stages = dict.fromkeys(name for result in results for name in result.record["seconds"])
    lines: list[tuple[str, Callable[[Result], str]]] = [
        ("of them blank", lambda result: f"{result.made.blank:,}"),
        ("pairs of contents", lambda result: f"{result.pairs:,}"),
        ("rows in the final tables", lambda result: f"{result.rows:,}"),
        ("**seconds, process start to published tables**", lambda result: f"**{result.measured.seconds:.1f}**"),
        ("before, between and after the stages", lambda result: f"{result.before:.1f}"),
        *((f"stage {name}", _of_stage(name)) for name in stages),
        ("without writing the final tables", lambda result: f"{result.measured.seconds - result.final_seconds:.1f}"),
        ("seconds of a core, all processes", lambda result: f"{result.measured.core_seconds:.0f}"),
        ("peak memory of the driver (executor too), GiB", lambda result: _gib(result.measured.peak.driver)),
        ("peak memory of all Python workers, GiB", lambda result: _gib(result.measured.peak.workers)),
        ("peak memory of both, GiB", lambda result: _gib(result.measured.peak.whole)),
        *_shuffle_lines("", True),
        *_shuffle_lines(" but for the final tables", False),
        ("spilled to disk, MB", lambda result: f"{sum(stage.spilled_bytes for stage in result.log.stages) / 1e6:,.0f}"),
        ("longest task / median, in the worst stage", lambda result: _worst(result.worst)),
        ("longest task of all, s", lambda result: _longest(result.log)),
    ]  # fmt: skip
    rows = [[name, *map(tell, results)] for name, tell in lines]
    ratios = [result.measured.seconds / seconds for result, seconds in zip(results, plain, strict=True)]
    rows.append(["seconds to write as many plain rows", *(f"{seconds:.2f}" for seconds in plain)])
    rows.append(["the job / plain rows", *(f"{ratio:,.0f}" for ratio in ratios)])
    header = ["images", *(f"{result.made.images:,}" for result in results)]
    return [_row(header), "|---|" + "---:|" * len(results), *map(_row, rows)]


def _of_stage(name: str) -> Callable[[Result], str]:
    return lambda result: f"{result.record['seconds'].get(name, 0):.1f}"


def _shuffle_lines(which: str, with_final: bool) -> list[tuple[str, Callable[[Result], str]]]:
    return [
        (f"shuffled{which}, MB", lambda result: f"{result.shuffled(with_final) / 1e6:,.0f}"),
        (f"shuffled{which}, bytes an image", lambda result: f"{result.shuffled(with_final) / result.made.images:,.0f}"),
        (f"shuffled{which}, bytes a pair", lambda result: f"{result.shuffled(with_final) / max(1, result.pairs):,.0f}"),
    ]


def _worst(stage: Stage | None) -> str:
    if stage is None:
        return f"no stage of {FEWEST_TASKS} tasks of {SHORTEST_MEDIAN} s"
    return f"{stage.longest_over_median:.1f} ({named(stage)}: {len(stage.task_seconds)} tasks)"


def _longest(log: EventLog) -> str:
    stage = max(log.stages, key=lambda stage: stage.longest_seconds)
    return f"{stage.longest_seconds:.1f} ({named(stage)}: {len(stage.task_seconds)} tasks)"


def named(stage: Stage) -> str:
    """Return a stage's name: its step and number, and what it does."""
    return f"`{step(stage.action)}` stage {stage.number}, {' > '.join(stage.operators)}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def steps(log: EventLog) -> list[str]:
    """Return the lines of a table of steps, those that took longest first."""
    stages = defaultdict(list)
    for stage in log.stages:
        stages[step(stage.action)].append(stage)
    spans = defaultdict(list)
    for action in log.actions:
        spans[step(action)].append((action.started, action.ended))
    took = {name: covered(spans[name]) for name in stages}
    lines = ["| step | seconds | task seconds | shuffled, MB | longest task, s |", "|---|---:|---:|---:|---:|"]
    for name in sorted(took, key=lambda name: -took[name])[:_STEPS_SHOWN]:
        seconds = sum(sum(stage.task_seconds) for stage in stages[name])
        longest = max(stage.longest_seconds for stage in stages[name])
        shuffled = sum(stage.shuffle_bytes for stage in stages[name]) / 1e6
        lines.append(f"| `{name}` | {took[name]:.1f} | {seconds:.1f} | {shuffled:,.1f} | {longest:.1f} |")
    return lines


def stages(log: EventLog) -> list[str]:
    """Return the lines of a table of stages: those that shuffle most, and those with the longest tasks."""
    most = sorted(log.stages, key=lambda stage: -stage.shuffle_bytes)[:_STAGES_SHOWN]
    longest = sorted(log.stages, key=lambda stage: -stage.longest_seconds)[:_STAGES_SHOWN]
    lines = ["| stage | tasks | median task, s | longest task, s | shuffled, MB |", "|---|---:|---:|---:|---:|"]
    for stage in {stage.number: stage for stage in (*most, *longest)}.values():
        seconds = f"{stage.median_seconds:.1f} | {stage.longest_seconds:.1f}"
        lines.append(f"| {named(stage)} | {len(stage.task_seconds)} | {seconds} | {stage.shuffle_bytes / 1e6:,.1f} |")
    return lines


def told(results: Sequence[Result], plain: Sequence[float]) -> list[str]:
    """Return the lines of all that is told: the sizes side by side, and the largest more closely."""
    log, grown = results[-1].log, [growth(results), ""] if len(results) > 1 else []
    lines = [*table(results, plain), "", *grown, f"The longest steps of {results[-1].made.images:,} images:", ""]
    return [*lines, *steps(log), "", "Stages that shuffle most, and those with the longest tasks:", "", *stages(log)]


def growth(results: Sequence[Result]) -> str:
    """Return how seconds and images grow from the first size to the last."""
    first, last = results[0], results[-1]
    times = last.made.images / first.made.images
    return f"{times:,.1f} times the images take {last.measured.seconds / first.measured.seconds:.2f} times the seconds"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    hashes = [name for name, method in ENCODERS.items() if method.metric is HAMMING]
    parser.add_argument("--method", choices=hashes, default="phash", help="whose features they are said to be")
    parser.add_argument("--distance", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-broadcast", action="store_true", help="join by shuffles alone, as large tables are")
    parser.add_argument("--no-list-pairs", action="store_true", help="groups and removals alone")
    parser.add_argument("--all-looks", action="store_true", help="as a lake has them: 4 GB a million images")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark")
    parser.add_argument("--folder", help="where everything is written meanwhile (default: the system's own place)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    results = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            results.append(job_over(size, options, Path(folder)))
        print(f"{size:,} images: {results[-1].measured.seconds:.1f} s", flush=True)
    print("", *told(results, plain_seconds(results, options)), sep="\n")


if __name__ == "__main__":
    main()
