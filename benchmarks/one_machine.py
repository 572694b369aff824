"""A folder's hashes by our one-machine API and by imagededup's: both from process start, on two cores, the same files.

    python -m venv PEER
    PEER/bin/pip install --no-deps imagededup==0.3.3
    PEER/bin/pip install numpy scipy pillow PyWavelets scikit-learn tqdm matplotlib
    python benchmarks/encode.py --peer PEER/bin/python

imagededup starts without PyTorch, which it would load for its networks alone: that flatters its start. Its time for
four hashes is that of its four runs, start by start; ours is that of one run.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

METHODS = ("PHash", "AHash", "DHash", "WHash")
SIDES = "imagededup", "ours"
CORES = 2
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """One process, from its start to its end: seconds on the clock and of CPU, and a digest of each method's hashes."""

    wall: float
    cpu: float
    digests: dict[str, str]


def compare(folder: Path, peer: str, rounds: int) -> Iterator[str]:
    """Yield a line a hash and one for all four: seconds of each side and how many times faster ours is.

    Args:
        folder: of images.
        peer: the Python that has imagededup.
        rounds: of which the median counts. The two sides take turns.

    Raises:
        RuntimeError: if the two find different hashes.
    """
    taken = [{name: _both(folder, peer, name) for name in METHODS} for _ in range(rounds)]
    together = [run("ours", folder, sys.executable, METHODS) for _ in range(rounds)]
    for name in METHODS:
        yield line(name, *([turn[name][side] for turn in taken] for side in SIDES))
    theirs = [added([turn[name]["imagededup"] for name in METHODS]) for turn in taken]
    for one, other in zip(theirs, together, strict=True):
        must_agree(one, other, folder)
    yield line("all four", theirs, together)


def _both(folder: Path, peer: str, name: str) -> dict[str, Run]:
    pythons = {"imagededup": peer, "ours": sys.executable}
    runs = {side: run(side, folder, pythons[side], [name]) for side in SIDES}
    must_agree(runs["imagededup"], runs["ours"], folder)
    return runs


def must_agree(theirs: Run, ours: Run, folder: Path) -> None:
    differing = [name for name, digest in ours.digests.items() if theirs.digests[name] != digest]
    if differing:
        raise RuntimeError(f"{', '.join(differing)} of {folder}: imagededup's hashes are others")


def run(side: str, folder: Path, python: str, names: Sequence[str]) -> Run:
    environment = os.environ | {"PYTHONPATH": str(ROOT) if side == "ours" else ""}
    command = [python, __file__, side, str(folder), *names]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - started, used.ru_utime + used.ru_stime, json.loads(said.splitlines()[-1]))


def added(runs: Sequence[Run]) -> Run:
    digests = {name: digest for run in runs for name, digest in run.digests.items()}
    return Run(sum(run.wall for run in runs), sum(run.cpu for run in runs), digests)


def line(name: str, theirs: Sequence[Run], ours: Sequence[Run]) -> str:
    figures = [[statistics.median(getattr(run, kind) for run in runs) for runs in (theirs, ours)]
               for kind in ("wall", "cpu")]  # fmt: skip
    parts = (f"{slow:8.2f} s {fast:8.2f} s {slow / fast:6.2f} x" for slow, fast in figures)
    return f"  {name:<10}" + "   cpu".join(parts)


def encode(side: str, folder: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the hashes of a folder by method and file, as one side makes them on two cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if side == "ours":
        from dedup_core import methods

        made = methods.encode_images_with([getattr(methods, name)(verbose=False) for name in names], folder)
        return {name: dict(made[name.lower()]) for name in names}
    theirs = _their_methods()
    return {name: theirs[name](verbose=False).encode_images(folder, num_enc_workers=CORES) for name in names}


def digest(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _their_methods() -> dict[str, Any]:
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]
    for module, name in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
        without_torch = ModuleType(module)
        setattr(without_torch, name, None)
        sys.modules[module] = without_torch
    import imagededup.methods

    return vars(imagededup.methods)


if __name__ == "__main__":
    hashes = encode(sys.argv[1], sys.argv[2], sys.argv[3:])
    print(json.dumps({name: digest(of_files) for name, of_files in hashes.items()}))
