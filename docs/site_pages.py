"""The pages of the site, for MkDocs: those of the repository, each at its own place, so that all links lead somewhere.

MkDocs knows files below ``docs/`` alone. This hook gives it every page of the repository under its path there, and
whatever else a page links to.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "dedup_core/**/*.md")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)|src=\"(?!https?:)([^\"]+)\"")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the site's files: what the theme and plugins add, and the repository's pages by their paths in it."""
    own = [file for file in files if file.generated_by is not None or not _is_of_docs(file)]
    return Files([*own, *(_file(config, name) for name in sorted(_names()))])


def _is_of_docs(file: File) -> bool:
    return file.abs_src_path is not None and Path(file.abs_src_path).is_relative_to(ROOT / "docs")


def _names() -> set[str]:
    pages = {path.relative_to(ROOT).as_posix() for pattern in PAGES for path in ROOT.glob(pattern)}
    linked = {
        posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
        for page in pages
        for found in _LINK.findall((ROOT / page).read_text(encoding="utf-8"))
        for target in found
        if target
    }
    return pages | {name for name in linked if (ROOT / name).is_file()}


def _file(config: MkDocsConfig, name: str) -> File:
    return File.generated(config, name, abs_src_path=str(ROOT / name))
