"""Output folders written by hand, and the truth in every form, for evaluation to read."""

import json
from itertools import combinations

import naive
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dedup_core.ledger import MARKER, Ledger
from dedup_core.metric import COSINE, HAMMING

STRINGS = pa.list_(pa.struct([("path", pa.string()), ("score", pa.float64())]))


def write_tables(folder, names, pairs, method="phash", threshold=None, failures=()):
    """Write what a search leaves: {(a, b): score} over the names, as tables and, with a threshold, a record."""
    metric = COSINE if method == "cnn" else HAMMING
    scored = [(names.index(a), names.index(b), score) for (a, b), score in pairs.items()]
    ranked = naive.map_of_pairs(names, scored, metric.rank)
    roots, removed = naive.connected(pairs), naive.greedy_removals(names, pairs)
    sizes = {root: list(roots.values()).count(root) for root in set(roots.values())}
    lists = [[{"path": other, "score": score} for other, score in ranked[name]] for name in names]
    tables = {
        "pairs": {"path_a": [a for a, _ in pairs], "path_b": [b for _, b in pairs], "score": list(pairs.values())},
        "duplicates": {"path": list(names), "duplicates": pa.array(lists, STRINGS)},
        "groups": {
            "group_id": list(roots.values()),
            "path": list(roots),
            "group_size": [sizes[root] for root in roots.values()],
            "keep": [path not in removed for path in roots],
        },
        "removals": {"path": list(removed), "kept_path": list(removed.values())},
    }
    for name, columns in tables.items():
        place = folder / name / f"method={method}"
        place.mkdir(parents=True)
        kinds = {"score": pa.float64(), "group_size": pa.int64(), "keep": pa.bool_(), "duplicates": STRINGS}
        arrays = {key: pa.array(values, kinds.get(key, pa.string())) for key, values in columns.items()}
        pq.write_table(pa.table(arrays), place / "part-0.parquet")
    if failures:
        (folder / "failures").mkdir()
        pq.write_table(pa.table({"path": list(failures)}), folder / "failures" / "part-0.parquet")
    if threshold is not None:
        settings = {"max_distance_threshold": threshold, "min_similarity_threshold": threshold}
        record = {"run_id": "1", "source": "photos", "settings": settings, "counts": {"found": {method: {}}}}
        (folder / "runs").mkdir(exist_ok=True)
        (folder / "runs" / f"{method}.json").write_text(json.dumps(record))
    mark(folder)
    return {name: [other for other, _ in ranked[name]] for name in names}


def mark(folder):
    """Write the marker of an output folder: all that lies in it was published, and so were the runs."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    ledger = Ledger().with_files(files)
    for record in sorted((folder / "runs").glob("*.json")):
        ledger = ledger.with_run(record.stem)
    (folder / MARKER).write_text(ledger.to_json())


def map_of_labels(labels):
    """{name: label} as a duplicate map; None is a label that nobody shares."""
    return {
        name: [other for other in labels if other != name and labels[other] == label is not None]
        for name, label in labels.items()
    }


def write_truth(folder, form, labels):
    """Write the truth in a form, and return where it is."""
    pairs = [(a, b) for a, b in combinations(labels, 2) if labels[a] == labels[b] is not None]
    path = folder / f"{form}.{form.split('-')[-1]}"
    if form == "map-json":
        path.write_text(json.dumps(map_of_labels(labels)))
    elif form == "labels-csv":
        pyarrow.csv.write_csv(pa.table({"path": list(labels), "label": pa.array(labels.values(), pa.string())}), path)
    elif form == "labels-parquet":
        kinds = pa.array([None if label is None else int(label[1:]) for label in labels.values()], pa.int64())
        pq.write_table(pa.table({"image": list(labels), "scene": kinds}), path)
    else:
        turned = [pair[:: 1 if index % 2 else -1] for index, pair in enumerate(pairs)]  # in any order
        rows = turned + [pair[::-1] for pair in turned[:3]] if form == "pairs-csv" else turned  # some in both
        table = pa.table({name: [row[side] for row in rows] for side, name in enumerate(("path_a", "path_b"))})
        (pyarrow.csv.write_csv if form == "pairs-csv" else pq.write_table)(table, path)
    return path


def random_case(seed, count=40, most=12):
    """Names, their labels, and scored pairs that are often, not always, of one label."""
    random = np.random.default_rng(seed)
    names = sorted(f"{number:02d} \"é,'.jpg" for number in range(count))
    drawn = random.integers(0, count // 4, count)
    labels = {name: None if label < 2 else f"g{label}" for name, label in zip(names, drawn, strict=True)}
    pairs = {}
    for a, b in combinations(names, 2):
        alike = labels[a] == labels[b] is not None
        if random.random() < (0.7 if alike else 0.04):
            pairs[a, b] = float(random.integers(0, most // (2 if alike else 1) + 1))
    return names, labels, pairs
