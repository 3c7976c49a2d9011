"""The examples run, as a user would run them."""

import importlib.util
import locale
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = sorted((CHECKOUT / "examples").glob("*.py"))
NOTEBOOKS = sorted((CHECKOUT / "examples").glob("*.ipynb"))
UTF_8 = locale.getencoding().lower() in ("utf-8", "utf8")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_a_warning(example, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


@pytest.fixture(scope="module")
def script():
    """Give the script that runs and stores the notebooks."""
    pytest.importorskip("nbclient")
    path = CHECKOUT / "scripts" / "run_notebooks.py"
    spec = importlib.util.spec_from_file_location("run_notebooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    import nbformat

    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    names = ["first_steps", "magic_to_catalogue", "two_step_photometry"]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_may_be_stored(path, script):
    notebook = read(path)
    if "photutils" in path.read_text("utf-8") and not UTF_8:
        # A package that it imports reads a text of its own in the locale's encoding.
        pytest.skip("photutils needs a locale of UTF-8")
    # An error in a cell is raised here.
    script.run(notebook)
    script.strip(notebook)
    assert script.faults(notebook) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_holds_a_picture_and_nothing_of_a_machine(path, script):
    notebook = read(path)
    assert script.faults(notebook) == []
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert "image/png" in kinds
    assert not any("widget" in kind for kind in kinds)


def test_a_path_an_error_and_a_cell_that_was_not_run_are_told(script):
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    said = {
        "path: /home/": [new_output("stream", text="/home/me/frame.fits")],
        "path: C:\\": [new_output("stream", text="'C:\\\\frame.fits'")],
        "stream: Warning": [new_output("stream", name="stderr", text="Warning")],
        "error: no": [new_output("error", ename="E", evalue="no", traceback=[])],
    }
    for fault, outputs in said.items():
        cell = new_code_cell("1", outputs=outputs, execution_count=1)
        assert script.faults(new_notebook(cells=[cell])) == [fault]
    assert script.faults(new_notebook(cells=[new_code_cell("1")])) == [
        "a cell was not run"
    ]
    url = new_output("stream", text="https://example.org/home/x and docs/usr/x")
    good = new_code_cell("1", outputs=[url], execution_count=1)
    assert script.faults(new_notebook(cells=[good])) == []
