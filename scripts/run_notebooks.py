"""Run the example notebooks, and store them with what they show.

    python scripts/run_notebooks.py [NOTEBOOK ...]

They run in a folder of their own, so that nothing is left beside them. What is stored
is the same on every machine, but for the numbers: no state of widgets, no times, no
paths.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
LIMIT = 600
"""Seconds for one cell."""
WIDGET = "application/vnd.jupyter.widget-view+json"
PATHS = re.compile(
    r"(?<![\w.:/])(?:/(?:home|root|tmp|usr|var|opt|mnt|Users|work)/|C:\\)"
)
"""What a machine's path begins with; not a part of a URL."""
LARGEST = 600_000
"""Bytes of a stored notebook."""


def run(notebook: "NotebookNode") -> None:
    """Execute a notebook in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=LIMIT, kernel_name="python3", store_widget_state=False,
            record_timing=False, resources={"metadata": {"path": folder}},
        )  # fmt: skip
        client.execute()


def strip(notebook: "NotebookNode") -> None:
    """Take away what tells of one run alone."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).clear()
            data = output.get("data", {})
            if data.pop(WIDGET, None) is not None:
                # The picture stands for it; its own text names models that are gone.
                data["text/plain"] = "BGRemWidget"
            for kind in ("text/plain", "text/html"):
                if kind in data:
                    data[kind] = _same(data[kind])


def faults(notebook: "NotebookNode") -> list[str]:
    """Return what must not be in a stored notebook."""
    text = nbformat.writes(notebook)
    said = [f"path: {m[0]}" for m in PATHS.finditer(text)]
    if len(text.encode()) > LARGEST:
        said.append(f"{len(text.encode())} bytes, more than {LARGEST}")
    if "widgets" in notebook.metadata:
        said.append("state of widgets")
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.execution_count is None:
            said.append("a cell was not run")
        said += [
            f"{output.output_type}: {_words(output)}"
            for output in cell.outputs
            if output.output_type == "error" or output.get("name") == "stderr"
        ]
    return said


def _same(text: str) -> str:
    """Take the addresses out of astropy's tables, which change with every run."""
    text = re.sub(r'id="table\d+(?:-\d+)?" ?', "", text)
    return re.sub(r"(Table length=\d+) id=0x[0-9a-f]+|( at) 0x[0-9a-f]+", r"\1\2", text)


def _words(output: Any) -> str:
    return str(output.get("text") or output.get("evalue"))[:200]


def main() -> int:
    """Run and store notebooks; tell what may not be in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    bad = 0
    for path in parser.parse_args().notebooks or sorted(EXAMPLES.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        run(notebook)
        strip(notebook)
        said = faults(notebook)
        print(path.name, *(said or ["stored"]), sep="\n    " if said else ": ")
        bad += bool(said)
        if not said:
            nbformat.write(notebook, path)
    return bad


if __name__ == "__main__":
    sys.exit(main())
