"""The Java that Spark is started with: found where people have it, or a line that says how to get it."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from dedup_core.errors import DedupError

OLDEST = 17

PLACES = (
    "/usr/lib/jvm/*17*", "/usr/lib/jvm/*21*", "/usr/lib/jvm/default-java",
    "/opt/homebrew/opt/openjdk@17", "/usr/local/opt/openjdk@17", "/opt/homebrew/opt/openjdk@21",
    "/usr/local/opt/openjdk@21", "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "C:/Program Files/Eclipse Adoptium/*", "C:/Program Files/Java/*", "C:/Program Files/Microsoft/jdk-*",
)  # fmt: skip
"""Where Java lies that is not on the path, as patterns, the best first."""

_BY_SYSTEM = {
    "Darwin": "brew install openjdk@17",
    "Windows": "winget install EclipseAdoptium.Temurin.17.JDK",
}
_BY_DISTRIBUTION = {
    "debian": "apt-get install openjdk-17-jre-headless, or openjdk-21-jre-headless",
    "ubuntu": "apt-get install openjdk-17-jre-headless",
    "fedora": "dnf install java-17-openjdk-headless, or java-21-openjdk-headless",
    "rhel": "dnf install java-17-openjdk-headless",
}


def java_home(environment: Mapping[str, str], places: Sequence[str] | None = None) -> str | None:
    """Return what JAVA_HOME must be to start Spark; None where it starts with what the environment says.

    Args:
        environment: its JAVA_HOME comes first, then the java on its PATH.
        places: patterns of further folders, instead of `PLACES`.

    Raises:
        DedupError: if nowhere is a Java that is new enough. It says how to install one on this system.
    """
    named, too_old = list(_named(environment)), []
    for home in chain(named, _lying_in(PLACES if places is None else places)):
        version = _version(home)
        if version >= OLDEST:
            return None if home in named[:1] else str(home)
        if version:
            too_old.append((version, str(home)))
    found = "the newest found is Java {}, in {}".format(*max(too_old)) if too_old else "none was found"
    raise DedupError(
        f"Spark needs Java {OLDEST} or newer, and {found}. Install one ({how_to_install()}), or set JAVA_HOME to where "
        "it is"
    )


def how_to_install() -> str:
    """Return what to type to install Java on this system."""
    system = platform.system()
    if system != "Linux":
        return _BY_SYSTEM.get(system, "https://adoptium.net")
    as_root = "" if os.geteuid() == 0 else "sudo "
    known = [name for name in _distributions() if name in _BY_DISTRIBUTION]
    return as_root + _BY_DISTRIBUTION[known[0]] if known else f"Java {OLDEST} of your distribution, or adoptium.net"


def _distributions() -> list[str]:
    """Return what this Linux is, and what it is like, the closest first."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return []
    return [release.get("ID", ""), *release.get("ID_LIKE", "").split()]


def _named(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the Java that Spark would take, and the one on the path."""
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"])
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        yield Path(os.path.realpath(on_path)).parents[1]


def _lying_in(places: Sequence[str]) -> Iterator[Path]:
    for place in places:
        yield from map(Path, sorted(glob.glob(place)))


def _version(home: Path) -> int:
    """Return which Java lies in a folder; 0 where none does that runs."""
    program = shutil.which("java", path=str(home / "bin"))
    if program is None:
        return 0
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(version[1]) if version else 0
