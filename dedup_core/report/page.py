"""The HTML report: one page with all it needs inside, that opens from a file and loads nothing.

What it shows was written by strangers: file names, decoders' messages. So the page's template escapes, its data
lie in an island that can't be left, its script sets text and never markup, and its content policy lets no other
script run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dedup_core.errors import DedupError, to_install
from dedup_core.metric import Metric
from dedup_core.report.alignment import alignment_row
from dedup_core.report.charts import bin_text, column_charts, level_text, short
from dedup_core.report.model import Group, Member, MethodResult, PageImage, PairExample, ReportData, RunFacts
from dedup_core.report.quality import quality_section
from dedup_core.report.sampling import samples
from dedup_core.report.verdicts import KINDS, caution_texts, evidence_row, image_notes

MAX_PAGE_BYTES = 14_500_000
"""The page is never larger. What doesn't fit is left out from the end of the groups, and the page says so."""

_RESERVE_BYTES = 500_000  # for all that is not images and groups: it is bounded, and far smaller
_LONGEST_TEXT = 300
_TEMPLATES = Path(__file__).parent / "templates"
_NO_PAIRS = "No pairs were found."
_NOT_LISTED = "The pairs were counted and not listed: there is none to show."
_SCRIPTS = ("align.js", "compare.js", "decisions.js", "report.js")
_JOINERS = "\u200c\u200d"  # invisible letters that emoji and some scripts are written with


def render(report: ReportData, max_bytes: int = MAX_PAGE_BYTES) -> str:
    """Return the page.

    Args:
        report: what to show.
        max_bytes: how large the page may be; half a megabyte of it is kept for all that is neither image nor group.

    Raises:
        DedupError: if jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise DedupError(f"the report needs jinja2: {to_install('report')}") from error
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(readable=readable, short=short, level=level_text)
    island = _Island(report, max_bytes)
    script = "".join(map(_file, _SCRIPTS))
    current = {evaluation.method: evaluation for evaluation in report.evaluations if evaluation.is_current}
    return environment.get_template("report.html").render(
        report=report,
        charts={result.name: column_charts(result, current.get(result.name)) for result in report.methods},
        quality=quality_section(report.evaluations),
        sample=samples(report, island.groups),
        cautions=caution_texts(report.caution),
        has_verdicts=any(result.same is not None for result in report.methods),
        rules={result.rule for result in report.methods if result.same is not None},
        runs=[(run.run_id, _facts(run)) for run in report.runs],
        no_pairs=_NO_PAIRS if all(result.lists_pairs for result in report.methods) else _NOT_LISTED,
        island=island.text(),
        css=_file("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def readable(text: object) -> str:
    """Return text fit to be shown: what would break a line, turn its direction or be invisible is escaped.

    A text of more than 300 characters is shortened in the middle.
    """
    whole, half = str(text), _LONGEST_TEXT // 2
    if len(whole) > _LONGEST_TEXT:  # an escape is longer than its letter: what is cut out need not be looked at
        return f"{_escaped(whole[:half])[:half]} … {_escaped(whole[-half:])[-half:]}"
    shown = _escaped(whole)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[:half]} … {shown[-half:]}"


def _escaped(text: str) -> str:
    return "".join(letter if _is_plain(letter) else letter.encode("unicode_escape").decode() for letter in text)


def _is_plain(letter: str) -> bool:
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} or letter in _JOINERS


@dataclass
class _Island:
    """The data that the page's script draws from, cut to size while it is gathered."""

    report: ReportData
    max_bytes: int
    groups: list[Group] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _parts: dict[str, list[str]] = field(default_factory=lambda: {"files": [], "groups": [], "pairs": []})
    _bytes: int = _RESERVE_BYTES

    def __post_init__(self) -> None:
        for pair in self.report.pairs:
            if not self._add("pairs", self._pair(pair), (pair.path_a, pair.path_b)):
                break
        for group in self.report.groups:
            if not self._add("groups", self._group(group), tuple(member.path for member in group.members)):
                break
            self.groups.append(group)

    @cached_property
    def _results(self) -> dict[str, MethodResult]:
        """Method to what it found."""
        return {result.name: result for result in self.report.methods}

    def _metric(self, method: str) -> Metric:
        return self._results[method].metric

    def _file(self, path: str) -> PageImage:
        return self.report.files.get(path, PageImage())

    def text(self) -> str:
        """Return the data as JSON that holds no letter with a meaning in HTML."""
        parts = ",".join(f"{_json(name)}:[{','.join(rows)}]" for name, rows in self._parts.items())
        methods = [_method_row(result) for result in self.report.methods]
        known = {"run": _run_of(self.report), "methods": methods, "kinds": KINDS}
        return f"{_json(known)[:-1]},{parts}}}"

    def _add(self, part: str, row: Iterator[tuple[str, Any]], paths: tuple[str, ...]) -> bool:
        """Add a row with the files it needs, unless the page would grow too large."""
        new = list(dict.fromkeys(path for path in paths if path not in self._places))
        files = [_json(_file_row(path, self._file(path))) for path in new]
        self._places.update({path: len(self._places) + index for index, path in enumerate(new)})
        text = _json(dict(row))
        size = sum(len(entry.encode()) + 1 for entry in (*files, text))
        if self._bytes + size > self.max_bytes:
            for path in new:
                del self._places[path]
            return False
        self._bytes += size
        self._parts["files"] += files
        self._parts[part].append(text)
        return True

    def _group(self, group: Group) -> Iterator[tuple[str, Any]]:
        yield "method", group.method
        yield "size", group.size
        yield "removals", group.removals
        yield "closest", group.closest
        yield "loosest", group.loosest
        yield "rank", None if group.loosest is None else self._metric(group.method).rank(group.loosest)
        yield "same", group.same
        yield "images", [self._member(member) for member in group.members]

    def _member(self, member: Member) -> list[Any]:
        """Return place, whether it stays, score, place of the other one, evidence, why that one stays, alignment."""
        row = [self._places[member.path], member.keep, member.score]
        if member.other not in self._places:
            return row
        found = self._found(member, self._file(member.other), self._file(member.path))
        return [*row, self._places[member.other], found[0], readable(member.reason), found[1]]

    @staticmethod
    def _found(pair: Member | PairExample, left: PageImage, right: PageImage) -> tuple[Any, Any]:
        """Return what a verdict rests on, and how geometry lays the two on each other; None where there is none."""
        alignment = pair.alignment
        relation = alignment.relation if alignment else None
        return evidence_row(pair.evidence, left, right, relation), alignment_row(alignment, left, right)

    def _pair(self, pair: PairExample) -> Iterator[tuple[str, Any]]:
        yield "method", pair.method
        result = self._results[pair.method]
        yield "level", bin_text(pair.level, result.metric)
        yield "counts", _verdicts_at(pair.level, result)
        yield "score", pair.score
        yield "images", [self._places[pair.path_a], self._places[pair.path_b]]
        evidence, laid = self._found(pair, self._file(pair.path_a), self._file(pair.path_b))
        yield "evidence", evidence
        yield "laid", laid


def _verdicts_at(level: float, result: MethodResult) -> str:
    """Say how many of all pairs of a score level are the same picture, and how many only similar."""
    at = round(level, 6)
    same = result.same_scores.get(at, 0)
    return "" if result.same is None else f"{same:,} same, {result.scores.get(at, 0) - same:,} similar"


def _method_row(result: MethodResult) -> dict[str, Any]:
    """Return what the script has to know of a method: how its scores are written."""
    metric = result.metric
    return {"name": result.name, "label": metric.label, "isWhole": metric.is_whole, "isCount": metric.is_count}


def _file_row(path: str, file: PageImage) -> list[Any]:
    picture = base64.b64encode(file.thumbnail).decode() if file.thumbnail else ""
    kind = "webp" if file.thumbnail and file.thumbnail[8:12] == b"WEBP" else "jpeg"
    source = f"data:image/{kind};base64,{picture}" if picture else ""
    missing = readable(file.missing or "no picture")
    facts = [file.width, file.height, readable(file.format or ""), file.size, image_notes(file)]
    shown = readable(path)
    # Decisions name a path as the tables do, also where it is shown shortened or escaped.
    return [shown, *facts, source or missing, *([] if shown == path else [path])]


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.encode("utf-8", "backslashreplace").decode()  # half a letter has no bytes: JSON writes it so, too
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _run_of(report: ReportData) -> str:
    """Return what tells reports of different tables apart: the run that found them, or a digest of what is known."""
    run_ids = {result.run_id for result in report.methods}
    if len(run_ids) == 1 and None not in run_ids:
        return readable(*run_ids)
    known: list[Any] = [report.source, [(result.name, result.run_id) for result in report.methods]]
    if None in run_ids:  # without records the groups themselves tell
        known.append([member.path for group in report.groups for member in group.members])
    return hashlib.sha256(_json(known).encode()).hexdigest()[:16]


def _facts(run: RunFacts) -> dict[str, Mapping[str, str]]:
    """Return a run's record as tables of text."""
    seconds = {name: f"{value:,.1f} s" for name, value in run.seconds.items()}
    settings = {name: _plain(value) for name, value in run.settings.items()}
    return {"Settings": {"source": run.source, **settings}, "Versions": run.versions, "Time": seconds}


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
