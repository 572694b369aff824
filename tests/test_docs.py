"""Every Python block of the documentation runs, top to bottom, in a folder that holds some pictures."""

import ast
import re
import shutil
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import make_corpus

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("dedup_core/**/*.md")]
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#([^)\s]*))?\)")
BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN = ("astronaut.png", "chelsea.png", "coffee.png")


def blocks(page, language):
    """Yield the line number and the text of each such block."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start(2)), found[2]


def needs_spark(source):
    """Whether a block takes a session that is there as ``spark``, or the functions over DataFrames."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return "spark" in names or any(
        isinstance(node, ast.ImportFrom) and node.module == "dedup_core.spark" for node in nodes
    )


def python_blocks(page, *, with_spark=False):
    """Return those blocks of Python that need Spark, or those that don't."""
    return [(line, source) for line, source in blocks(page, "python") if needs_spark(source) == with_spark]


def as_parameters(pages):
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


@pytest.fixture(scope="session")
def images(photographs, tmp_path_factory):
    """A flat folder: small photographs, copies of them named after the edit, and a file that is none."""
    made = tmp_path_factory.mktemp("corpus")
    folder = made / "images"
    small = made / "small"
    small.mkdir()
    folder.mkdir()
    for path in photographs:
        if path.name in SHOWN:
            with Image.open(path) as image:
                image.convert("RGB").resize((240, 180)).save(small / path.name)
    edits = [EDITS[name] for name in ("recompressed", "half_size", "flip_horizontal")]
    for name in make_corpus(sorted(small.iterdir()), edits, made / "made"):
        *_, kind, file = Path(name).parts
        flat = file if kind == "album" else f"{Path(file).stem}-{kind}{Path(file).suffix}"
        shutil.copyfile(made / "made" / name, folder / flat)
    (folder / "notes.jpg").write_text("This is a note that somebody gave the wrong ending.\n")
    return folder


# Recipes need Spark and a lake: tests/spark/test_recipes.py runs them. Other blocks that need Spark run in
# tests/spark/test_spark_docs.py.
WITHOUT_RECIPES = [page for page in PAGES if page.name != "recipes.md"]


@pytest.mark.parametrize("page", as_parameters(page for page in WITHOUT_RECIPES if python_blocks(page)))
def test_python_blocks_run(page, images, tmp_path, monkeypatch):
    shutil.copytree(images, tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    namespace = {"__name__": "documentation"}
    for line, source in python_blocks(page):
        code = compile("\n" * line + source, str(page), "exec")  # a failure then shows the page's own line
        exec(code, namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_excused_from_running(page):
    openings = re.findall(r"^```(?:python|py)\b[^\n]*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(openings) <= {"```python"}
    assert [source for _, source in blocks(page, "") if is_python(source)] == []


def is_python(source):
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:
        return False


def headings(page):
    """The anchors that GitHub gives to a page's headings."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [file for file, _ in links if not (page.parent / file).exists()] == []
    assert [(file, anchor) for file, anchor in links if anchor and anchor not in headings(page.parent / file)] == []


NAMED = re.compile(r"`((?:dedup_core|jobs|benchmarks|tests|conf|docs)/[\w/.-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page):
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and "NAME" not in name] == []
