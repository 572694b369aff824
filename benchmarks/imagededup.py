"""Our one-machine API beside imagededup's, on the same images: seconds of each and how many times faster ours is.

    python -m venv PEER
    PEER/bin/pip install --no-deps imagededup==0.3.3
    PEER/bin/pip install numpy scipy pillow PyWavelets scikit-learn tqdm matplotlib
    python benchmarks/imagededup.py FOLDER --peer PEER/bin/python

Neither PyTorch nor torchvision is needed: only its hashes are run. Each side works in a process of its own, on all
cores, and is timed after one call that warms it up. Both must find the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

METHODS = ("PHash", "AHash", "DHash", "WHash")
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    options = parse()
    if options.side:
        print(json.dumps(measure(options)))
        return
    ours, theirs = (run_side(side, options) for side in ("ours", "theirs"))
    print(f"{'':34}{'imagededup':>12}{'ours':>10}{'ratio':>9}  same result")
    for name in ours:
        (slow, theirs_found), (fast, ours_found) = theirs[name], ours[name]
        print(
            f"{name:34}{slow:10.3f} s{fast:8.3f} s{slow / fast:8.1f}x  {'yes' if theirs_found == ours_found else 'NO'}"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a folder of images")
    parser.add_argument("--peer", required=True, help="the Python that has imagededup")
    parser.add_argument("--thresholds", type=int, nargs="+", default=[0, 10, 20])
    parser.add_argument("--hashes", type=int, default=10_000, help="how many made-up hashes to search as well")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    return parser.parse_args()


def run_side(side: str, options: argparse.Namespace) -> dict[str, tuple[float, str]]:
    python = options.peer if side == "theirs" else sys.executable
    command = [python, __file__, options.folder, "--peer", options.peer, "--side", side, "--hashes", options.hashes]
    command += ["--thresholds", *options.thresholds]
    clean = os.environ | {"PYTHONPATH": str(ROOT) if side == "ours" else ""}
    done = subprocess.run([str(part) for part in command], env=clean, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(options: argparse.Namespace) -> dict[str, tuple[float, str]]:
    """Return seconds and a digest of the result for every call that is compared."""
    methods = our_methods() if options.side == "ours" else their_methods()
    figures: dict[str, tuple[float, str]] = {}
    made_up = made_up_hashes(options.hashes)
    for name in METHODS:
        method = methods[name](verbose=False)
        method.find_duplicates(encoding_map=dict(list(made_up.items())[:100]))
        seconds, encodings = timed(lambda method=method: method.encode_images(options.folder))
        figures[f"{name}: encode {len(encodings):,} images"] = seconds, digest(encodings)
        for threshold in options.thresholds:
            seconds, found = timed(search(method, encodings, threshold))
            figures[f"{name}: find, distance {threshold}"] = seconds, digest(found)
    for threshold in options.thresholds:
        seconds, found = timed(search(method, made_up, threshold))
        figures[f"{len(made_up):,} hashes: find, distance {threshold}"] = seconds, digest(found)
    return figures


def our_methods() -> dict[str, Any]:
    from dedup_core import methods

    return vars(methods)


def their_methods() -> dict[str, Any]:
    sys.path.remove(str(Path(__file__).resolve().parent))  # or this file would be taken for the package it measures
    for module, name in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
        without_torch = ModuleType(module)
        setattr(without_torch, name, None)
        sys.modules[module] = without_torch
    import imagededup.methods

    return vars(imagededup.methods)


def search(method: Any, encodings: dict[str, str], threshold: int) -> Callable[[], Any]:
    return lambda: method.find_duplicates(encoding_map=encodings, max_distance_threshold=threshold, scores=True)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def made_up_hashes(count: int) -> dict[str, str]:
    """Return random hashes, every tenth a near copy of the one before."""
    dice = random.Random(0)
    codes = [dice.getrandbits(64) for _ in range(count)]
    codes[1::10] = [code ^ (1 << dice.randrange(64)) for code in codes[0::10][: len(codes[1::10])]]
    return {f"{position:07}.jpg": f"{code:016x}" for position, code in enumerate(codes)}


def digest(result: dict[str, Any]) -> str:
    """Return a digest that does not depend on the order of ties."""
    plain = {name: sorted(map(tuple, value)) if isinstance(value, list) else value for name, value in result.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=int).encode()).hexdigest()


if __name__ == "__main__":
    main()
