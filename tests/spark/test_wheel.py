"""The package as it is installed: built, unpacked away from the checkout, and run there."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from submitting import QUICK_JAVA, without_locale

import dedup_core

ROOT = Path(__file__).parents[2]
SOURCES = ("dedup_core", "conf", "jobs", "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md",
           "LICENSE", "CHANGELOG.md", "spark-submit.sh")  # fmt: skip
WITHOUT_JAVA = """
from dedup_core.__main__ import main
from dedup_core.spark import java
java.PLACES = ()  # this machine may have one
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by the packages that are here."""
    pytest.importorskip("setuptools", reason="needs setuptools: pip install setuptools wheel")
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """The folder that the wheel is unpacked in."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked, place, *arguments, python=(sys.executable, "-m", "dedup_core"), **others):
    """Run the installed package in a folder, as one does who has set nothing of Spark's."""
    kept = without_locale(PYTHONPATH=str(unpacked), **others)
    environment = {name: value for name, value in kept.items() if not name.startswith(("SPARK_", "PYSPARK_", "DEDUP_"))}
    command = [*python, *map(str, arguments)]
    return subprocess.run(
        command, cwd=place, env=environment | others, capture_output=True, text=True, timeout=500, encoding="utf-8"
    )


def metadata(unpacked, name):
    return next(unpacked.glob("*.dist-info")).joinpath(name).read_text(encoding="utf-8")


def test_it_carries_jobs_settings_templates_and_types(unpacked):
    package = unpacked / "dedup_core"
    for folder in ("conf", "jobs"):
        here = ROOT / ("conf" if folder == "conf" else "dedup_core/jobs")
        names = {path.name for path in here.iterdir() if path.is_file()}
        assert {path.name for path in (package / folder).iterdir()} == names
    templates = {path.name for path in (ROOT / "dedup_core/report/templates").iterdir()}
    assert {path.name for path in (package / "report/templates").iterdir()} == templates
    assert (package / "py.typed").exists()
    assert {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"} == {"dedup_core"}


def test_its_metadata_say_what_it_is(unpacked):
    assert "dedup = dedup_core.__main__:main" in metadata(unpacked, "entry_points.txt").splitlines()
    lines = metadata(unpacked, "METADATA").splitlines()
    assert {f"Version: {dedup_core.__version__}", "Author: The dedup-core authors"} <= set(lines)
    assert next(line for line in lines if line.startswith("Keywords: ")).count(",") >= 5
    assert sum(line.startswith("Classifier: ") for line in lines) >= 10
    extras = {line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra: ")}
    assert {"spark", "cnn", "local", "s3", "heif", "report", "demo"} <= extras
    needed = {line for line in lines if line.startswith("Requires-Dist: ") and 'extra == "spark"' in line}
    packages = {re.match(r"Requires-Dist: ([\w.-]+)", line)[1] for line in needed}
    assert {"pyspark", "click", "jinja2", "scikit-image"} <= packages


def test_its_command_runs_away_from_the_checkout(unpacked, tmp_path):
    done = run(unpacked, tmp_path, "--version")
    assert (done.stdout, done.stderr) == (f"dedup-core {dedup_core.__version__}\n", "")
    done = run(unpacked, tmp_path, "--show-settings")
    assert done.stdout == (unpacked / "dedup_core/conf/dedup.yaml").read_text(encoding="utf-8")


def test_images_are_encoded_by_what_pip_has_installed(unpacked, tmp_path):
    """Where python3 is another one and the locale no UTF-8: workers are this Python, and names stay what they are."""
    images = tmp_path / "Bilder für ü"
    images.mkdir()
    for number in range(2):
        Image.effect_noise((100, 100), 50 + number).save(images / f"é{number}.png")
        shutil.copyfile(images / f"é{number}.png", images / f"è{number}.png")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\necho 'not this one' >&2\nexit 1\n")
    (tmp_path / "bin" / "python3").chmod(0o755)
    done = run(
        unpacked, tmp_path, "encode", "--input", images, "--output", "Fünde", LC_ALL="C",
        PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
        PYSPARK_SUBMIT_ARGS=f'--driver-java-options "{QUICK_JAVA}" pyspark-shell',
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")  # our settings of Spark's log hold: it is silent
    features = pq.read_table(tmp_path / "Fünde" / "features", columns=["path", "hash"]).to_pylist()
    hashes = {row["path"]: row["hash"] for row in features}
    assert hashes["é0.png"] == hashes["è0.png"] != hashes["é1.png"] == hashes["è1.png"]


def test_a_missing_java_is_one_line(unpacked, tmp_path):
    arguments = ["encode", "--input", tmp_path, "--output", tmp_path / "out"]
    nowhere = {"JAVA_HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = run(unpacked, tmp_path, *arguments, python=(sys.executable, "-c", WITHOUT_JAVA), **nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: Spark needs Java 17 or newer, and none was found. Install one (")
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_it_is_one_line_that_names_it(unpacked, tmp_path):
    done = run(unpacked, tmp_path, "--help", python=(sys.executable, "-S", "-m", "dedup_core"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: pyspark, pandas, pydantic, click, PyYAML missing, which dedup needs: pip install 'dedup-core[spark]'\n"
    )
