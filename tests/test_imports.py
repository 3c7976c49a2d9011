"""What loads what: the core stays light, and works without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SOURCES = CHECKOUT / "src"

#: Not sys.modules["torch"] = None, over which scipy stumbles.
WITHOUT_TORCH = """
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Block())
"""


def python(code, *, cwd):
    """Run code in a fresh interpreter that sees the checkout's packages."""
    start = f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", start + code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "statement",
    ["import bgrem_core", "import bgrem_core.cli", "import bgrem_core.display"],
)
def test_importing_the_core_loads_nothing_heavy(statement, tmp_path):
    loaded = set(python(f"{statement}; print(*sys.modules)", cwd=tmp_path).split())
    heavy = {"torch", "matplotlib", "astropy", "photutils", "qtpy", "napari", "IPython"}
    assert not loaded & heavy
    assert not [name for name in loaded if name.startswith(("PyQt", "PySide"))]


def test_the_public_names_are_all_there(tmp_path):
    code = """
import bgrem_core
missing = [n for n in bgrem_core.__all__ if getattr(bgrem_core, n, None) is None]
assert not missing, missing
assert set(bgrem_core.__all__) <= set(dir(bgrem_core))
print("torch" in sys.modules)
"""
    assert python(code, cwd=tmp_path).strip() == "False"


def test_reading_mesh_and_cards_work_without_torch(tmp_path):
    code = f"""{WITHOUT_TORCH}
import bgrem_core
from bgrem_core import display, samples
from bgrem_core.cli import main

image = bgrem_core.open_image(samples.path("decam_r"))
result = bgrem_core.clean(image, method="mesh")
sources = bgrem_core.find_sources(result)
bgrem_core.write(result, "cleaned.fits", layers=True)
display.three_panel_png(result, "cleaned.png", catalog=sources)
assert len(sources) > 5
assert [card.name for card in bgrem_core.list_models()]
assert main(["-f", str(samples.path("decam_i")), "--method", "mesh", "-o", "."]) == 0
assert main(["models"]) == 0
"""
    python(code, cwd=tmp_path)
    assert {"cleaned.fits", "cleaned.png", "BGRem_decam_i.fits"} == {
        path.name for path in tmp_path.iterdir()
    }


def test_the_learned_method_says_that_torch_is_missing(tmp_path):
    code = f"""{WITHOUT_TORCH}
from bgrem_core import samples
from bgrem_core.cli import main
sys.stderr = sys.stdout
print(main(["-f", str(samples.path("decam_i")), "-o", "."]))
"""
    said = python(code, cwd=tmp_path)
    assert "needs torch, which is not installed" in said
    assert "--method mesh" in said
    assert said.split()[-1] == "6"
    assert not list(tmp_path.iterdir())


def test_the_plugin_loads_nothing_before_it_is_used(tmp_path):
    loaded = set(
        python("import napari_bgrem, sys; print(*sys.modules)", cwd=tmp_path).split()
    )
    assert not loaded & {"napari", "qtpy", "torch", "astropy", "numpy"}


def test_the_notebook_s_door_loads_neither_torch_nor_widgets(tmp_path):
    code = "import bgrem_notebook; print(*sys.modules)"
    loaded = set(python(code, cwd=tmp_path).split())
    assert not loaded & {"torch", "IPython", "ipywidgets", "anywidget", "pandas"}


def test_the_layers_of_the_house_are_kept():
    linter = pytest.importorskip("importlinter.cli")
    config = str(CHECKOUT / "pyproject.toml")
    assert linter.lint_imports(config_filename=config) == 0
