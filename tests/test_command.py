"""run_job: from a command line to an exit code, with one line for every error."""

import re
from collections import Counter

import click
import pytest

from dedup_core.errors import DedupError, InputError, LimitError, SettingsError
from dedup_core.settings.command import run_job
from dedup_core.settings.layers import option
from dedup_core.settings.sections import SECTIONS
from dedup_core.settings.settings import (
    BenchmarkSettings,
    EncodeSettings,
    FindSettings,
    PipelineSettings,
    ReportSettings,
)


@pytest.fixture
def run(capsys):
    """A function that runs a job and returns (exit code, stdout, stderr)."""

    def run(*arguments, job=lambda settings: None, kind=FindSettings):
        with pytest.raises(SystemExit) as left:
            run_job(kind, job, arguments)
        return left.value.code, *capsys.readouterr()

    return run


def raising(error):
    """A job that meets an error."""

    def job(settings):
        """Fail."""
        raise error

    return job


def find(settings):
    """Find what is alike."""
    click.echo(settings.model_dump_json())


# Exit codes


def test_a_job_that_ends_leaves_with_0_and_says_nothing_on_stderr(run):
    code, said, complained = run("--output", "tables", job=find)
    assert (code, complained) == (0, "")
    assert '"output":"tables"' in said


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DedupError("the disk is full: free some space"), 1, "the disk is full: free some space"),
        (SettingsError("--features: there is no table"), 2, "--features: there is no table"),
        (InputError("no images under photos/"), 3, "no images under photos/"),
        (LimitError("would find 9 pairs: raise --max-pairs"), 4, "would find 9 pairs: raise --max-pairs"),
        (RuntimeError("lost a worker\n  at Frame.java:12"), 1,
         "RuntimeError: lost a worker (--verbose shows the traceback)"),
        (RuntimeError(), 1, "RuntimeError: (--verbose shows the traceback)"),
        (InputError("two\n  lines"), 3, "two lines"),
        (KeyboardInterrupt(), 1, "interrupted: run the same command again to go on from the last checkpoint"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_an_error_in_a_job_is_one_line_and_a_code(run, error, code, line):
    assert run("--output", "tables", job=raising(error)) == (code, "", f"error: {line}\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "--output is required"),
        (["--output"], "Option '--output' requires an argument. (--help lists the options)"),
        (["--output", "t", "more"], "Got unexpected extra argument (more) (--help lists the options)"),
        (["--output", "t", "--max-pairs=-1"], "--max-pairs: must be greater than or equal to 0 (got '-1')"),
        (["--output", "t", "--method", "dhsh"], "--method: unknown method 'dhsh': did you mean 'dhash'?"),
        (["--output", "t", "--config", "none.yaml"],
         "can't read the configuration file none.yaml: [Errno 2] No such file or directory: 'none.yaml'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_line_and_code_2(run, monkeypatch, tmp_path, arguments, line):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, job=find) == (2, "", f"error: {line}\n")


def test_a_job_does_not_start_on_wrong_settings(run):
    started = []
    run("--output", "t", "--max-pairs", "many", job=started.append)
    assert started == []


# What is given twice


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--output", "b"], "--output is given twice (t, b): give it once"),
        (["--output=b"], "--output is given twice (t, b): give it once"),
        (["--output", "t"], "--output is given twice (t, t): give it once"),
        (["--output=b", "--output", "c"], "--output is given 3 times (t, b, c): give it once"),
        (["--input", "--output", "--input="], "--input is given twice (--output, ''): give it once"),
        (["--max-pairs", "1", "--recursive", "--max-pairs=1"], "--max-pairs is given twice (1, 1): give it once"),
        (["--config", "a.yaml", "--config=b.yaml"], "--config is given twice (a.yaml, b.yaml): give it once"),
        (["--reuse", "--no-reuse"], "--reuse is given twice (--reuse, --no-reuse): give it once"),
        (["--no-reuse", "--no-reuse"], "--reuse is given twice (--no-reuse, --no-reuse): give it once"),
        (["--verbose", "--verbose"], "--verbose is given twice (--verbose, --verbose): give it once"),
        (["--input", "x" * 9_999, "--input", "y\n"], f"--input is given twice ({'x' * 200} ..., 'y\\n'): give it once"),
    ],
    ids=lambda value: " ".join(value)[:40],
)  # fmt: skip
def test_an_option_that_takes_one_value_is_given_once(run, arguments, line):
    code, _, complained = run("--output", "t", *arguments, job=find, kind=PipelineSettings)
    assert (code, complained.splitlines()[-1]) == (2, f"error: {line}")


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "value"),
    [
        (FindSettings, "method", ["--method", "dhash", "--method=ahash,phash"], ("dhash", "ahash", "phash")),
        (ReportSettings, "report_method", ["--report-method=dhash", "--report-method", "cnn"], ("dhash", "cnn")),
        (BenchmarkSettings, "edits", ["--edits", "gray", "--edits", "crop_2"], ("gray", "crop_2")),
    ],
)
def test_an_option_that_takes_several_names_may_be_repeated(run, kind, name, arguments, value):
    seen = []
    code, _, _ = run("--output", "t", *arguments, job=seen.append, kind=kind)
    assert (code, getattr(seen[0], name)) == (0, value)


def test_help_is_shown_whatever_else_is_given(run):
    code, said, _ = run("--output", "a", "--output", "b", "--help", job=find)
    assert code == 0
    assert "Find what is alike." in said


# Tracebacks


@pytest.mark.parametrize("error", [RuntimeError("lost a worker"), InputError("no images")])
def test_verbose_shows_the_traceback_and_the_line_last(run, error):
    code, _, complained = run("--output", "tables", "--verbose", job=raising(error))
    assert "Traceback (most recent call last):" in complained
    assert complained.splitlines()[-1].startswith("error: ")
    assert code == getattr(error, "exit_code", 1)


def test_verbose_in_a_file_shows_the_traceback_too(run, tmp_path):
    (tmp_path / "my.yaml").write_text("verbose: true")
    arguments = "--output", "tables", "--config", str(tmp_path / "my.yaml")
    _, _, complained = run(*arguments, job=raising(RuntimeError("lost a worker")))
    assert "Traceback (most recent call last):" in complained


# Help and hints


@pytest.mark.parametrize("kind", [FindSettings, PipelineSettings])
def test_help_lists_every_option_with_its_default(run, kind):
    code, said, complained = run("--help", job=find, kind=kind)
    assert (code, complained) == (0, "")
    assert "Find what is alike." in said
    missing = [name for name in [*kind.model_fields, "config"] if f"  {option(name)}" not in said]
    assert missing == []
    words = " ".join(said.split())
    assert "[default: 100000000]" in words
    assert "[required]" in words


@pytest.mark.parametrize(
    ("misspelt", "nearest"), [("--methud", "--method"), ("--max-distance-treshold", "--max-distance-threshold")]
)
def test_a_misspelt_option_is_answered_with_the_nearest(run, misspelt, nearest):
    code, _, complained = run("--output", "tables", misspelt, "3", job=find)
    assert code == 2
    assert len(complained.splitlines()) == 1
    assert misspelt in complained
    suggested = complained.partition("Did you mean")[2].partition("?")[0]  # one, or several that are as near
    assert nearest in suggested.replace("'", "").replace(":", " ").replace(",", " ").split()


def test_a_misspelt_setting_in_a_file_is_answered_with_the_nearest(run, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("methot: dhash")
    line = f"error: unknown setting 'methot' in {path}: did you mean 'method'?\n"
    assert run("--output", "tables", "--config", str(path), job=find) == (2, "", line)


# Options to settings


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--no-export-json"], "export_json", False),
        (["--scores"], "scores", True),
        (["--method", "dhash,ahash"], "method", ("dhash", "ahash")),
        (["--max-distance-threshold", "0"], "max_distance_threshold", 0),
        (["--min-similarity-threshold", "-0.5"], "min_similarity_threshold", -0.5),
        (["--verbose"], "verbose", True),
        ([], "export_json", True),
    ],
)
def test_an_option_sets_its_setting(run, arguments, name, value):
    seen = []
    code, _, _ = run("--output", "tables", *arguments, job=seen.append)
    assert code == 0
    assert getattr(seen[0], name) == value


def test_an_option_wins_over_the_file(run, tmp_path):
    (tmp_path / "my.yaml").write_text("scores: true\nmax_pairs: 5\noutput: from-file")
    seen = []
    run("--config", str(tmp_path / "my.yaml"), "--no-scores", job=seen.append)
    assert (seen[0].scores, seen[0].max_pairs, seen[0].output) == (False, 5, "from-file")


# Help


@pytest.mark.parametrize("kind", [EncodeSettings, FindSettings, PipelineSettings, ReportSettings])
def test_the_help_shows_each_option_once_and_those_of_long_lists_under_headings(run, kind):
    code, said, _ = run("--help", kind=kind)
    assert code == 0
    lines = [line.split()[0].rstrip(",") for line in said.splitlines() if line.startswith("  -")]
    assert Counter(lines) == Counter([*map(option, kind.model_fields), "--config", "-h"])
    headings = re.findall(r"^(\w.*):$", said, re.MULTILINE)
    finer = [heading for heading, names in SECTIONS.items() if set(names) & set(kind.model_fields)]
    assert headings == ["Options", *([] if kind is ReportSettings else finer)]


def test_each_heading_is_of_settings_that_there_are_and_each_setting_stands_under_one():
    names = [name for names in SECTIONS.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) < set(PipelineSettings.model_fields)
    assert len(set(PipelineSettings.model_fields) - set(names)) < 10, "what stands first is what most need"
