"""The command dedup: every job is a script and a command, and both say the same."""

import ast
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import dedup_core
import dedup_core.jobs
from dedup_core.commands import job_named, to_run
from dedup_core.console.group import run_dedup
from dedup_core.console.registry import JOBS, run_script
from dedup_core.spark.stderr import wanted_parts, without_lines

ROOT = Path(__file__).parents[1]


@pytest.fixture
def said(capfd):
    """A function that runs a command line and returns (exit code, stdout, stderr)."""

    def said(*arguments, run=run_dedup):
        with pytest.raises(SystemExit) as left:
            run(arguments)
        return left.value.code, *capfd.readouterr()

    return said


# One list of jobs


def test_every_job_is_a_script_a_module_and_a_command(said):
    scripts = {path.stem for path in (ROOT / "jobs").glob("*.py")}
    assert scripts == set(JOBS), "a job is entered in JOBS of dedup_core/console/registry.py"
    assert {module.name for module in pkgutil.iter_modules(dedup_core.jobs.__path__)} == scripts
    listed = said("--help")[1].partition("Commands:\n")[2].splitlines()
    assert [line.split(None, 1) for line in listed] == [[job.command, job.line] for job in JOBS.values()]


@pytest.mark.parametrize("name", JOBS)
def test_a_script_only_runs_its_job(name):
    tree = ast.parse((ROOT / "jobs" / f"{name}.py").read_text(encoding="utf-8"))
    text, *statements = map(ast.unparse, tree.body)
    assert statements == [
        "import sys", "from dedup_core.console.registry import run_script",
        f"if __name__ == '__main__':\n    run_script('{name}', sys.argv[1:])",
    ]  # fmt: skip
    assert len(text) > 10


@pytest.mark.parametrize("name", JOBS)
def test_a_command_says_what_its_script_says(said, name):
    code, script, complained = said("--help", run=lambda arguments: run_script(name, arguments))
    assert (code, complained) == (0, "")
    for command in {JOBS[name].command, name, name.replace("_", "-")}:
        code, helped, complained = said(command, "--help")
        assert (code, complained) == (0, "")
        assert helped.splitlines()[0] == f"Usage: dedup {command} [OPTIONS]"
        assert helped.splitlines()[1:] == script.splitlines()[1:]
    assert " ".join(JOBS[name].text.split()) in " ".join(script.split())


# What is asked of dedup itself


def test_without_a_command_it_shows_its_help(said):
    assert said() == said("--help")


def test_it_says_its_version(said):
    assert said("--version") == (0, f"dedup-core {dedup_core.__version__}\n", "")


def test_it_shows_all_settings_as_a_file(said):
    assert said("--show-settings") == (0, (ROOT / "conf" / "dedup.yaml").read_text(encoding="utf-8"), "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pipline"], "unknown command 'pipline': did you mean 'pipeline'?"),
        (["help"], "unknown command 'help': did you mean '--help'?"),
        (
            ["encode", "--embeddings", "x"],
            "dedup encode has no option --embeddings: dedup pipeline and dedup find have it",
        ),
        (["find", "--no-report"], "dedup find has no option --no-report: dedup pipeline has it"),
        (["report", "--ground-truth", "x"], "dedup report has no option --ground-truth: dedup evaluate has it"),
        (["finds", "--output", "x"], "unknown command 'finds': did you mean 'find'?"),
        (["--versoin"], "No such option '--versoin'. Did you mean '--version'? (--help lists the options)"),
        (["find"], "--output is required"),
        (["find", "--output", "x", "--output=y"], "--output is given twice (x, y): give it once"),
    ],
    ids=" ".join,
)
def test_an_error_is_one_line_and_code_2(said, arguments, line):
    code, shown, complained = said(*arguments)
    assert (code, shown) == (2, "")
    assert complained.replace(":", "").replace("'", "").replace(".", "") == (
        f"error: {line}\n".replace(":", "").replace("'", "").replace(".", "")
    )  # how click points its sentences changes with its versions


def test_a_command_that_is_near_none_is_answered_with_all(said):
    line = said("xyz")[2]
    assert line.startswith("error: unknown command 'xyz': known: ")
    assert all(job.command in line for job in JOBS.values())


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_what_click_gives(said, monkeypatch, shell):
    monkeypatch.setenv("_DEDUP_COMPLETE", f"{shell}_source")
    code, script, _ = said()
    assert code == 0
    assert f"_DEDUP_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("dedup ev", ["evaluate"]),
        ("dedup make", ["make-benchmark"]),
        ("dedup find --max-dist", ["--max-distance-threshold"]),
        ("dedup find --output a --output b --max-dist", ["--max-distance-threshold"]),
    ],
)
def test_commands_and_options_are_completed(said, monkeypatch, words, completed):
    monkeypatch.setenv("_DEDUP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert said() == (0, "".join(f"plain,{word}\n" for word in completed), "")


# What messages call a job


@pytest.mark.parametrize(
    ("program", "called", "typed"),
    [
        ("/home/me/venv/bin/dedup", "dedup find", "dedup find"),
        (r"dedup.exe", "dedup find", "dedup find"),
        ("/lib/site-packages/dedup_core/__main__.py", "dedup find", "dedup find"),
        ("/src/jobs/pipeline.py", "jobs/find_duplicates.py", "./spark-submit.sh jobs/find_duplicates.py"),
        ("/lib/site-packages/pytest/__main__.py", "jobs/find_duplicates.py",
         "./spark-submit.sh jobs/find_duplicates.py"),
    ],
)  # fmt: skip
def test_a_job_is_named_as_the_one_that_runs_was_started(monkeypatch, program, called, typed):
    monkeypatch.setattr(sys, "argv", [program])
    assert (job_named("find_duplicates"), to_run("find_duplicates")) == (called, typed)


# What Java says


def test_lines_that_help_nobody_are_kept_from_stderr_and_all_others_pass(capfd):
    script = "import sys; sys.stderr.write('noise: 1\\nan error\\nnoise: 2\\n' + sys.argv[1])"
    with without_lines(b"noise"):
        subprocess.run([sys.executable, "-c", script, "the end\n"], check=True)
        sys.stderr.write("noise of our own\n")
    subprocess.run([sys.executable, "-c", script, "after"], check=True)
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines[:3]) == ["an error", "noise of our own", "the end"]  # two writers: in whatever order
    assert lines[3:] == ["noise: 1", "an error", "noise: 2", "after"]


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ([b"noise 1\nan error\n"], [b"an error\n"]),
        ([b"no", b"ise 1\nan ", b"error"], [b"an ", b"error"]),
        ([b"no", b"t that\n", b"noise"], [b"not that\n"]),
        ([b"\r[1 of 2]", b"\r[2 of 2]", b"\rdone\n"], [b"\r", b"[1 of 2]", b"\r", b"[2 of 2]", b"\r", b"done\n"]),
        ([b"no"], [b"no"]),
        ([b"noise\r\nnois\r\n"], [b"nois\r\n"]),
    ],
)
def test_what_is_wanted_is_passed_on_at_once(chunks, wanted):
    assert list(wanted_parts(chunks, b"noise")) == wanted


def test_stderr_is_the_process_s_own_again_afterwards(capfd):
    before = os.fstat(2)
    with without_lines(b"noise"):
        going = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        assert os.fstat(2) != before
    assert os.fstat(2).st_ino == before.st_ino
    going.kill()
    going.wait()
    assert capfd.readouterr().err == ""
