"""The reference site can be built, with no warning, and every public name stands in it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from docs import llms

ROOT = Path(__file__).parents[1]
PACKAGES = ("spark", "methods", "evaluation", "utils")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'dedup-core[docs]'")
    pytest.importorskip("mkdocstrings")
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(site, package):
    page = (site / f"docs/reference/{package}.html").read_text(encoding="utf-8")
    names = importlib.import_module(f"dedup_core.{package}").__all__
    assert [name for name in names if f'.{name}"' not in page] == []


@pytest.mark.parametrize("name", [f"{package}.{name}" for package, names in llms.OTHERS.items() for name in names])
def test_other_public_names_are_described(site, name):
    assert f'id="{name}"' in (site / "docs/reference/others.html").read_text(encoding="utf-8")


def test_the_menu_leads_to_every_guide(site):
    menu = (site / "index.html").read_text(encoding="utf-8")
    guides = [path.with_suffix(".html").name for path in (ROOT / "docs").glob("*.md")]
    assert len(guides) > 5
    assert [guide for guide in guides if f'href="docs/{guide}"' not in menu] == []


def test_the_first_page_is_the_readme(site):
    promise = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[2].split("**")[0]
    assert len(promise) > 40
    assert promise in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "docs/images/hamming.svg").exists()
