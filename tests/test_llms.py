"""llms.txt is what the code says: every command, table and public name stands in it, and each link leads somewhere."""

import importlib
import re
from pathlib import Path

import pytest

pytest.importorskip("pyspark", reason="needs pyspark: pip install 'dedup-core[spark]'")

from dedup_core.console.registry import JOBS
from dedup_core.spark.tables import TABLES, names
from docs import llms

TEXT = llms.PAGE.read_text(encoding="utf-8")
LINKED = re.compile(r"- \[([^\]]+)\]\(([^)\s]+)\): \S.*")


def sections():
    """Return the lines below each heading, by the heading."""
    _, *parts = re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)
    return {title: text.strip().splitlines() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def entries(title):
    """Return the lines of a section by what their links say."""
    return {LINKED.fullmatch(line)[1]: line for line in sections()[title]}


def test_the_page_is_what_the_code_and_the_template_say():
    assert llms.page() == TEXT, "python docs/llms.py writes it"


def test_a_title_a_summary_and_sections_of_links_follow_each_other():
    assert re.match(r"# \S.*\n\n> \S.*\n\n", TEXT)
    assert [line for lines in sections().values() for line in lines if not LINKED.fullmatch(line)] == []
    assert len(re.findall(r"^# ", TEXT, re.MULTILINE)) == 1


def test_every_linked_file_is_there():
    linked = {LINKED.fullmatch(line)[2].split("#")[0] for lines in sections().values() for line in lines}
    assert [name for name in sorted(linked) if not (llms.ROOT / name).is_file()] == []


def test_every_job_is_a_command_and_every_chief_option_is_described():
    assert list(entries("Commands")) == [f"dedup {job.command}" for job in JOBS.values()]
    described = {name.split()[0].split("/")[0] for name in entries("Options")}
    assert described == {f"--{name.replace('_', '-')}" for name in llms.CHIEF}


def test_a_required_option_is_a_chief_one():
    required = {
        name for job in JOBS.values() for name, field in job.settings.model_fields.items() if field.is_required()
    }
    assert required <= set(llms.CHIEF)


def test_every_table_has_all_its_columns():
    assert list(entries("Tables")) == [*TABLES, "evaluation"]
    for table, schema in TABLES.items():
        assert [name for name in names(schema) if f" {name} " not in entries("Tables")[table]] == []


def test_every_public_name_is_called():
    whole = [f"{package}.{name}" for package in llms.PACKAGES for name in importlib.import_module(package).__all__]
    others = [f"{package}.{name}" for package, names in llms.OTHERS.items() for name in names]
    assert list(entries("Functions")) == whole + others


def test_a_page_that_differs_is_told_of_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(llms, "PAGE", Path(tmp_path / "llms.txt"))
    llms.PAGE.write_text("old", encoding="utf-8")
    with pytest.raises(SystemExit, match="differs"):
        llms.main(["--check"])
    llms.main([])
    llms.main(["--check"])
    assert llms.PAGE.read_text(encoding="utf-8") == TEXT
