"""docs/recipes.md, from top to bottom over a small lake: what a block prints and leaves is what its text says."""

import ast
import contextlib
import importlib
import io
import os
import re
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

from dedup_core.console.group import run_dedup
from dedup_core.console.registry import JOBS, job_called
from dedup_core.corpus.photographs import installed_photographs
from dedup_core.settings.command import run_job

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHORTER = {"pipeline": ["--no-report"]}
NOT_RUN = "Not run in the tests."
ODD = 'café, the "big" one'


def sections():
    """Return title to text of each recipe, in their order."""
    titles, texts = zip(*re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", RECIPES, re.DOTALL | re.MULTILINE), strict=True)
    return dict(zip(titles, texts, strict=True))


def blocks(language):
    """Return all blocks that are in no section that is not run, with their sections' titles."""
    return [
        (title, source)
        for title, text in sections().items()
        for kind, source in BLOCK.findall(text)
        if kind == language and NOT_RUN not in text
    ]


def command_of(source):
    """Return the name of the job that a block of bash runs, by dedup or by its script, and its arguments."""
    words = shlex.split(source.replace("\\\n", " "), comments=True)
    for place, word in enumerate(words):
        if word == "dedup":
            return job_called(words[place + 1]).name, words[place + 2 :]
        if re.fullmatch(r"jobs/\w+\.py", word):
            return Path(word).stem, words[place + 1 :]
    raise ValueError(f"runs no job: {source}")


def commands():
    """Return every command of the page: blocks of bash, and what blocks of Python have others run as COMMAND."""
    found = []
    for language, source in BLOCK.findall(RECIPES):
        if language == "bash":
            found.append(source)
        elif "COMMAND = " in source:
            [text] = [
                node.value.value
                for node in ast.parse(source).body
                if isinstance(node, ast.Assign) and node.targets[0].id == "COMMAND"
            ]
            found.append(text)
    return found


def run(source):
    """Run a command of dedup in this process, on the session of the tests."""
    assert source.startswith("dedup ")
    name, arguments = command_of(source)
    with patch.dict(os.environ), pytest.raises(SystemExit) as ended:  # what dedup sets for Spark is set back
        run_dedup([JOBS[name].command, *arguments, *SHORTER.get(name, ())])
    assert ended.value.code == 0


def save(folder, name, picture, **others):
    path = folder / "lake" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **others)


def scenes():
    """Return three small photographs by the names that the lake has for them."""
    shown = {"beach": "astronaut", "forest": "chelsea", "street": "coffee"}
    paths = {path.stem: path for path in installed_photographs()}
    return {name: Image.open(paths[stem]).convert("RGB").resize((240, 180)) for name, stem in shown.items()}


def make_lake(folder):
    """An archive, and an inbox with two copies, another saving of what the archive has twice, and something new."""
    pictures = scenes()
    for name in ("beach", "forest"):
        save(folder, f"archive/{name}.png", pictures[name])
    save(folder, "archive/beach-again.jpg", pictures["beach"], quality=90)
    save(folder, "inbox/beach-small.jpg", pictures["beach"].resize((120, 90)), quality=90)
    save(folder, f"inbox/{ODD}.jpg", pictures["forest"], quality=90)
    save(folder, "inbox/street.png", pictures["street"])
    marked = pictures["forest"].copy()
    marked.paste((255, 255, 255), (0, 0, 24, 18))
    save(folder, "inbox/forest-marked.png", marked)


def decide_and_change(folder):
    """What a person and time do before the list is followed: one image is decided on, another one changes."""
    (folder / "decisions_pairs_R.csv").write_text("path_a,path_b,decision\n")
    odd = f"inbox/{ODD}.jpg".replace('"', '""')
    (folder / "decisions_images_R.csv").write_text(f'path,decision\n"{odd}",keep\n', encoding="utf-8")
    small = folder / "lake" / "inbox" / "beach-small.jpg"
    small.write_bytes(small.read_bytes()[:-2] + b"\xff\xd8")


@pytest.fixture(scope="module")
def done(spark, photographs, tmp_path_factory):
    """Run all recipes that can be run; what each left behind, by its title: names and what was printed."""
    folder, left, before = tmp_path_factory.mktemp("recipes"), {}, Path.cwd()
    make_lake(folder)
    os.chdir(folder)
    try:
        for title, text in sections().items():
            if NOT_RUN in text and title != "S3 from the first line":
                continue
            if title.startswith("Move or delete"):
                decide_and_change(folder)
            left[title] = _left_by(text)
    finally:
        os.chdir(before)
    return folder, left


def _left_by(text):
    names, printed = {"__name__": "recipe"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for language, source in BLOCK.findall(text):
            if language == "python":
                exec(compile(source, "docs/recipes.md", "exec"), names)
            elif "s3a://" not in source:
                run(source)
    return names | {"printed": printed.getvalue()}


def test_plain_readers_take_whole_tables(done):
    names = done[1]["Read the tables"]
    going = {"archive/beach-again.jpg", "inbox/beach-small.jpg", f"inbox/{ODD}.jpg"}
    for frame in (names["by_pandas"], names["by_polars"].to_pandas()):
        assert set(frame["path"]) == going
        assert set(frame["method"]) == {"phash"}
    assert [row[:2] for row in names["by_duckdb"]] == [("phash", "same"), ("phash", "similar")]
    assert names["by_spark"][0]["images"] == len(going)
    assert "kept_path" in names["printed"]


def test_a_table_holds_nothing_that_readers_trip_over(done):
    import polars as pl

    folder, _ = done
    tables = ["features", "failures", "pairs", "duplicates", "groups", "removals"]
    strange = [path for table in tables for path in (folder / "tables" / table).rglob("*") if path.is_file()]
    assert {path.suffix for path in strange} == {".parquet"}
    for table in tables:
        frame = pl.read_parquet(folder / "tables" / table)
        assert ("method" in frame.columns) == (table != "failures")


def test_an_inbox_against_an_archive(done):
    names = done[1]["An inbox against an archive"]
    assert {path for path, _ in names["known"]} == {"inbox/beach-small.jpg", f"inbox/{ODD}.jpg"}
    assert [(archived, new) for archived, new, _ in names["to_look_at"]] == [
        ("archive/forest.png", "inbox/forest-marked.png")
    ]
    assert names["new"] == [("inbox/street.png",)]
    assert "2 are archived already, 1 are like something there, 1 are new" in names["printed"]


def test_the_best_stays(done):
    names = done[1]["Keep the best"]
    beside = names["beside"].to_dicts()
    assert {row["kept_path"] for row in beside} == {"archive/beach.png", "archive/forest.png"}
    assert all(row["format_kept"] == "PNG" for row in beside)
    assert len(names["worse"]) == 0


def test_what_goes_is_checked_and_can_be_taken_back(done):
    folder, left = done
    names = left["Move or delete what could be removed"]
    assert names["printed"].splitlines()[0] == "would be removed: archive/beach-again.jpg"
    assert sorted(names["refused"]) == [
        "inbox/beach-small.jpg has changed", f"inbox/{ODD}.jpg stays, by a decision"
    ]  # fmt: skip
    aside = [path.relative_to(folder / "removed").as_posix() for path in (folder / "removed").rglob("*.*")]
    assert aside == ["archive/beach-again.jpg"]
    there = {path.relative_to(folder / "lake").as_posix() for path in (folder / "lake").rglob("*.*")}
    assert there == {
        "archive/beach.png", "archive/forest.png", "inbox/beach-small.jpg", f"inbox/{ODD}.jpg", "inbox/street.png",
        "inbox/forest-marked.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda lake, _: (lake / "archive/beach.png").unlink(), "archive/beach.png is gone"),
        (lambda lake, _: (lake / "archive/beach.png").write_bytes(b"x"), "archive/beach.png has changed"),
        (lambda _, names: names["encoded"].pop("archive/beach-again.jpg"), "is in no row of features"),
        (lambda _, names: names["going"].add("archive/beach.png"), "which should stay, is on the list too"),
        (lambda _, names: names["not_duplicates"].add(("archive/beach-again.jpg", "archive/beach.png")), "a decision"),
    ],
)
def test_a_row_that_no_longer_holds_is_not_followed(done, tmp_path, harm, said):
    names = done[1]["Move or delete what could be removed"]
    make_lake(tmp_path)
    again = names | {"LAKE": tmp_path / "lake"}
    for name in ("encoded", "going", "not_duplicates"):
        again[name] = type(names[name])(names[name])
    for title, source in blocks("python"):
        if title.startswith("Move or delete") and "def changed" in source:
            functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
            exec(compile(ast.Module(functions, []), "docs/recipes.md", "exec"), again)
    assert again["objection"]("archive/beach-again.jpg", "archive/beach.png") is None
    harm(tmp_path / "lake", again)
    assert said in again["objection"]("archive/beach-again.jpg", "archive/beach.png")


def test_decisions_are_read_by_spark(done):
    names = done[1]["Decide in the report"]
    assert names["pairs_decided"].columns == ["path_a", "path_b", "decision"]


def test_an_upgrade_says_what_differs(done):
    changes = done[1]["Upgrade"]["changes"]
    assert {change for change, *_ in changes} <= {"no longer removed", "removed now"}
    assert ("no longer removed", "phash", "archive/beach-again.jpg", "archive/beach.png") in changes


def test_delta_tables_are_of_one_run(done):
    names = done[1]["Delta tables"]
    assert set(names["versions"]) == {"pairs", "duplicates", "groups", "removals"}
    assert len(names["removals"]) > 0
    assert set(names["removals"]["path"]) < set(names["groups"]["path"])
    assert "kept_path" in names["printed"]


def test_the_package_for_s3_is_that_of_sparks_hadoop(done):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done[1]["S3 from the first line"]["printed"])


@pytest.mark.parametrize("source", commands())
def test_commands_are_taken_by_their_jobs(source):
    name, arguments = command_of(source)
    seen = []
    with pytest.raises(SystemExit) as ended:
        run_job(JOBS[name].settings, seen.append, arguments)
    assert ended.value.code == 0
    assert [settings.method for settings in seen] == [("phash",)]


@pytest.mark.parametrize("source", commands())
def test_one_machine_takes_dedup_and_a_cluster_the_scripts(source):
    assert ("spark-submit.sh" in source) == ("--master" in source) == ("dedup " not in source.replace("dedup-core", ""))


@pytest.mark.parametrize("title", [title for title, text in sections().items() if NOT_RUN in text])
def test_what_is_not_run_is_parsed_and_finds_what_it_takes_of_ours(title):
    sources = [source for language, source in BLOCK.findall(sections()[title]) if language == "python"]
    for source in sources:
        tree = ast.parse(source)
        ours = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "dedup_core" in node.module]
        for node in ours:
            assert all(hasattr(importlib.import_module(node.module), alias.name) for alias in node.names)
    assert sources
