"""How good is a duplicate map, held against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from dedup_core import arguments
from dedup_core.evaluation import metrics
from dedup_core.relations import Related

_RANKED = {"map": metrics.average_precision, "ndcg": metrics.ndcg, "jaccard": metrics.jaccard}
_METRICS = (*_RANKED, "classification", "all")
_N_EXAMPLES = 3

DuplicateMap = Mapping[str, Sequence[Any]]


def evaluate(ground_truth_map: DuplicateMap, retrieved_map: DuplicateMap, metric: str = "all") -> dict[str, Any]:
    """Measure retrieved duplicates against the true ones.

    MAP, NDCG and Jaccard are means over the images. They take a list's order as its ranking; an image with
    no duplicates for which none were found scores 1. Precision, recall, F1 and support are those of pairs:
    class 0 is the pairs that are no duplicates, class 1 those that are, and a figure whose denominator is
    zero is 0.0.

    Args:
        ground_truth_map: every file and the files it is a duplicate of: names, (name, score), or ``Related`` entries.
        retrieved_map: the same files and the duplicates that were found, best first; what a job wrote as
            ``duplicates.json`` is such a map, whatever it tells of each.
        metric: 'map', 'ndcg', 'jaccard', 'classification' or 'all', in any case.

    Returns:
        The figures asked for: ``map``, ``ndcg``, ``jaccard`` as float; ``precision``, ``recall``, ``f1-score``
        as float64 (2,) and ``support`` as int64 (2,), one entry a class.

    Raises:
        TypeError: if a map is no dictionary of lists of names or (name, score).
        ValueError: if the metric is unknown; the maps are empty or differ in keys; a list names a file that is no
            key, its own file, or one file twice; the ground truth isn't symmetric; or, where pairs are
            counted, the retrieved map isn't.

    Example:
        >>> truth = {"a.jpg": ["b.jpg"], "b.jpg": ["a.jpg"], "c.jpg": []}
        >>> retrieved = {"a.jpg": [("c.jpg", 2), ("b.jpg", 4)], "b.jpg": [("a.jpg", 4)], "c.jpg": [("a.jpg", 2)]}
        >>> evaluate(truth, retrieved, metric="map")
        {'map': 0.5}
    """
    metric = _checked_metric(metric)
    truth, retrieved = _checked(ground_truth_map, retrieved_map)
    truth.check_symmetric()
    relevant = np.isin(retrieved.codes, truth.codes, assume_unique=True)
    figures: dict[str, Any] = {}
    if metric != "classification":
        rankings = metrics.Rankings(relevant, retrieved.lengths, truth.lengths)
        wanted = _RANKED if metric == "all" else [metric]
        figures.update({name: float(_RANKED[name](rankings).mean()) for name in wanted})
    if metric in ("classification", "all"):
        retrieved.check_symmetric()
        n_hits = int(relevant.sum()) // 2  # both maps are symmetric: each pair stands in them twice
        n_retrieved, n_true = len(retrieved.codes) // 2, len(truth.codes) // 2
        counts = {"tp": n_hits, "fp": n_retrieved - n_hits, "fn": n_true - n_hits}
        figures.update(metrics.classification_report(**counts, n_images=len(truth.files)))
    return figures


@dataclass(frozen=True)
class _Lists:
    """A duplicate map as arrays: entry i says that file ``source[i]`` lists file ``target[i]``.

    Attributes:
        label: what to call the map in a message.
        files: the keys, in the order of the ground truth.
        lengths: int64 (n_files,), how long each file's list is.
        target: int64 (n_entries,), positions in ``files``, file after file in the order of their lists.
    """

    label: str
    files: Sequence[str]
    lengths: np.ndarray
    target: np.ndarray

    @cached_property
    def source(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.files)), self.lengths)

    @cached_property
    def codes(self) -> np.ndarray:
        """int64 (n_entries,): one number for each (source, target)."""
        return self.source * len(self.files) + self.target

    def check_entries(self) -> None:
        """Refuse a file that lists itself, or another one twice."""
        itself = self.codes[self.source == self.target]
        self._refuse(itself, "lists files as their own duplicates")
        distinct, times = np.unique(self.codes, return_counts=True)
        self._refuse(distinct[times > 1], "repeats entries within a list")

    def check_symmetric(self) -> None:
        """Refuse a file that lists another which doesn't list it."""
        backward = self.target * len(self.files) + self.source
        one_way = self.codes[~np.isin(self.codes, backward, assume_unique=True)]
        self._refuse(one_way, "isn't symmetric: files list others that don't list them")

    def _refuse(self, codes: np.ndarray, complaint: str) -> None:
        if len(codes):
            pairs = (divmod(int(code), len(self.files)) for code in codes[:_N_EXAMPLES])
            examples = [f"{self.files[source]!r} -> {self.files[target]!r}" for source, target in pairs]
            raise ValueError(f"{self.label} {complaint} ({len(codes):,} in all), such as {', '.join(examples)}")


def _checked_metric(metric: object) -> str:
    return arguments.choice(metric.lower() if isinstance(metric, str) else metric, "metric", _METRICS)


def _checked(ground_truth_map: DuplicateMap, retrieved_map: DuplicateMap) -> tuple[_Lists, _Lists]:
    """Return both maps as checked arrays over the same files."""
    maps = {"ground_truth_map": ground_truth_map, "retrieved_map": retrieved_map}
    for label, duplicates in maps.items():
        if not isinstance(duplicates, Mapping):
            raise TypeError(f"{label} must be a dictionary of lists, not {type(duplicates).__name__}")
        strange = [key for key in duplicates if not isinstance(key, str)]
        if strange:
            raise TypeError(f"{label} must have file names as keys, not {arguments.shown(strange[0])}")
    _check_keys(ground_truth_map, retrieved_map)
    truth, retrieved = (_read(label, duplicates, list(ground_truth_map)) for label, duplicates in maps.items())
    return truth, retrieved


def _check_keys(ground_truth_map: DuplicateMap, retrieved_map: DuplicateMap) -> None:
    if not ground_truth_map and not retrieved_map:
        raise ValueError("both maps are empty: there is nothing to evaluate")
    differences = {
        "only in ground_truth_map": ground_truth_map.keys() - retrieved_map.keys(),
        "only in retrieved_map": retrieved_map.keys() - ground_truth_map.keys(),
    }
    problems = [f"{len(keys):,} {where}, such as {_examples(keys)}" for where, keys in differences.items() if keys]
    if problems:
        raise ValueError(f"both maps must have the same keys: {'; '.join(problems)}")


def _read(label: str, duplicates: DuplicateMap, files: Sequence[str]) -> _Lists:
    """Return a map as arrays over ``files``, which are its keys in some order."""
    position = {file: index for index, file in enumerate(files)}
    names = [_name(label, file, entry) for file in files for entry in _entries(label, file, duplicates[file])]
    unknown = {name for name in names if name not in position}
    if unknown:
        raise ValueError(
            f"{label} lists files that are no keys ({len(unknown):,} in all), such as {_examples(unknown)}"
        )
    lengths = np.fromiter((len(duplicates[file]) for file in files), np.int64, len(files))
    lists = _Lists(label, files, lengths, np.fromiter((position[name] for name in names), np.int64, len(names)))
    lists.check_entries()
    return lists


def _entries(label: str, file: str, entries: Sequence[Any]) -> Sequence[Any]:
    if isinstance(entries, Sequence) and not isinstance(entries, str):
        return entries
    raise TypeError(f"{label}[{file!r}] must be a list, not {type(entries).__name__}")


def name_of(entry: object) -> str | None:
    """Return the file name of a list's entry: None if it is neither a name nor a sequence that begins with one.

    What may follow the name is what maps and their JSON tell: a score or a verdict, a turn or a verdict, the two fields
    of `Related`, an object of what geometry says.
    """
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, Sequence) or not 2 <= len(entry) <= len(Related._fields) or not isinstance(entry[0], str):
        return None
    if not isinstance(entry[1], (str, Real)) or isinstance(entry[1], bool):
        return None
    return entry[0] if all(told is None or isinstance(told, (str, Mapping)) for told in entry[2:]) else None


def _name(label: str, file: str, entry: object) -> str:
    if (name := name_of(entry)) is not None:
        return name
    raise TypeError(f"{label}[{file!r}] holds {arguments.shown(entry)}, which is neither a name nor (name, score)")


def _examples(names: Iterable[object]) -> str:
    return ", ".join(arguments.shown(name) for name in sorted(names, key=str)[:_N_EXAMPLES])
