"""The wheel holds what is needed to work, and nothing else."""

import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel without a network; gives its path."""
    pytest.importorskip("hatchling")
    pytest.importorskip("hatch_vcs")
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", folder, CHECKOUT),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("napari_bgrem-*.whl"))


@pytest.fixture(scope="module")
def names(wheel):
    """Give the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_code_data_and_types(names):
    for package in ("bgrem_core", "napari_bgrem", "bgrem_notebook"):
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    assert "napari_bgrem/napari.yaml" in names
    assert "bgrem_core/samples/README.md" in names


def test_every_file_of_the_packages_is_in_the_wheel(names):
    source = CHECKOUT / "src"
    for pattern in (
        "*.py",
        "*.safetensors",
        "*.md",
        "*.json",
        "*.fits*",
        "*.yaml",
        "*.npz",
        "*.mjs",
        "*.css",
    ):
        for path in source.rglob(pattern):
            assert path.relative_to(source).as_posix() in names


def test_every_weights_file_has_its_card(names):
    weights = {n for n in names if n.endswith(".safetensors")}
    assert weights
    assert {re.sub("safetensors$", "md", n) for n in weights} <= names


def test_the_wheel_holds_no_junk_and_is_small(wheel, names):
    packages = ("bgrem_core/", "napari_bgrem/", "bgrem_notebook/")
    for name in names:
        assert name.startswith(packages) or ".dist-info/" in name, name
        assert not re.search(r"__pycache__|\.pyc$|~$|\.orig$|/tests?/", name), name
    with zipfile.ZipFile(wheel) as archive:
        sizes = {i.filename: i.compress_size for i in archive.infolist()}
    weights = sum(n for name, n in sizes.items() if name.endswith(".safetensors"))
    assert weights < 20e6
    assert wheel.stat().st_size - weights < 5e6


def test_the_metadata_name_commands_licence_and_extras(wheel, names):
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {n.split("/")[0] for n in names if ".dist-info/" in n}
        meta = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        entries = archive.read(f"{info}/entry_points.txt").decode()
    assert meta["License-Expression"] == "BSD-3-Clause"
    assert meta["Requires-Python"] == ">=3.11"
    assert set(meta.get_all("Provides-Extra")) == {
        *("all", "app", "distributed", "export", "napari", "notebook", "train")
    }
    assert "bgrem = bgrem_core.cli:run" in entries
    assert "napari-bgrem = napari_bgrem:napari.yaml" in entries
    assert f"{info}/licenses/LICENSE" in names


def test_the_wheel_works_from_its_own_files(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    reference = Path(__file__).parent / "core/data/optical_reference.npz"
    shutil.copy(reference, tmp_path / "reference.npz")
    code = """
import sys
sys.path.insert(0, "site")
import bgrem_core, napari_bgrem
from bgrem_core import samples

assert bgrem_core.__file__.endswith("site/bgrem_core/__init__.py"), bgrem_core.__file__
import hashlib
from importlib.resources import files
import numpy as np

model = bgrem_core.load_model("optical", device="cpu")
weights = files("bgrem_core") / "weights" / "optical.safetensors"
assert model.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
assert model.sha256 in (weights.parent / "optical.md").read_text("utf-8")
stored = np.load("reference.npz")
level, rho, sigma_e = map(float, stored["arguments"][0])
out = model.denoise(stored["z"], level, rho=rho, sigma_e=sigma_e)
np.testing.assert_allclose(out, stored["x_hat"][0], rtol=1e-5, atol=1e-5)
result = bgrem_core.clean(samples.path("decam_i"), device="cpu")
assert result.provenance.model_sha256 == model.sha256
assert result.provenance.version
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_manifest_at_the_root_is_the_one_that_ships():
    root, shipped = (
        CHECKOUT / name for name in ("napari.yaml", "src/napari_bgrem/napari.yaml")
    )
    assert root.read_bytes() == shipped.read_bytes()


def test_the_manifest_names_the_plugin_and_its_categories():
    lines = (CHECKOUT / "napari.yaml").read_text().splitlines()
    head = dict(line.split(": ", 1) for line in lines if re.match(r"\w+: ", line))
    assert head["name"] == "napari-bgrem"
    assert 3 <= len(head["display_name"]) <= 90
    assert re.fullmatch(r"\d+\.\d+\.\d+", head["schema_version"])
    assert head["visibility"] == "public"
