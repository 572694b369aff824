"""The notebook runs from top to bottom in a kernel of its own, and shows figures."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook/duplicates.ipynb"


def other_python_first(folder, monkeypatch):
    """Put a python3 first on PATH that is not the notebook's, and ends at once."""
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\necho 'not this one' >&2\nexit 1\n")
    (folder / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_notebook_runs_and_shows_figures(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[2]))
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    other_python_first(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf spark.ui.enabled=false pyspark-shell")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    text = "".join(output.get("text", "") for output in outputs)
    assert len(figures) == 2
    assert "not_an_image" in text
    assert "'rows': 10, 'without the removals': 5, 'same columns': True" in outputs[-1]["data"]["text/plain"]


def test_it_is_stored_without_what_a_machine_says():
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert [cell["id"] for cell in stored["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
    assert os.path.getsize(NOTEBOOK) < 100_000
