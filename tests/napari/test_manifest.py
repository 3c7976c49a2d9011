"""The manifest: everything that it names is there, and fits the core."""

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

import bgrem_core
from bgrem_core import samples
from bgrem_core.methods import METHODS
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.settings import RunSettings
from napari_bgrem import preferences
from napari_bgrem.preferences import preferred
from napari_bgrem.reader import ENDINGS

MANIFEST = Path(preferences.__file__).parent / "napari.yaml"


@pytest.fixture
def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def settings(plugin_settings, plugin):
    """Give the plugin's own settings as napari keeps them, in a new folder."""
    from napari.settings import get_plugin_settings

    return get_plugin_settings("napari-bgrem").run


def test_the_manifest_is_valid_and_all_that_it_names_can_be_imported():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "--imports", MANIFEST],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid!" in done.stdout


def test_the_manifest_names_the_plugin(manifest):
    assert manifest.name == "napari-bgrem"
    assert manifest.visibility == "public"
    assert manifest.categories


def test_the_reader_is_asked_for_the_names_that_it_takes(manifest, plugin, npe2pm):
    (found,) = manifest.contributions.readers
    assert {p.removeprefix("*") for p in found.filename_patterns} == set(ENDINGS)
    for path in ("a.fits", "A.B.FITS", "a.fit.gz", "/x.y/a.fts.bz2", "a.Fits.Fz"):
        (reader,) = npe2pm.iter_compatible_readers([path])
        assert reader.command == "napari-bgrem.get_reader"
    assert not list(npe2pm.iter_compatible_readers(["a.png"]))


@pytest.mark.parametrize(("kinds", "command"), [
    (["image"], "write_image"),
    (["labels"], "write_labels"),
    (["image", "image"], "write_layers"),
    (["image", "labels", "labels"], "write_layers"),
    (["labels", "labels"], "write_layers"),
])  # fmt: skip
def test_layers_have_a_writer(kinds, command, plugin, npe2pm):
    for path in ("out.fits", "out.FIT", "out.fts"):
        writer, _ = npe2pm.get_writer(path, kinds)
        assert writer.command == f"napari-bgrem.{command}"


@pytest.mark.parametrize("kinds", [["points"], ["image", "points"], ["shapes"]])
def test_points_and_shapes_have_none(kinds, plugin, npe2pm):
    assert npe2pm.get_writer("out.fits", kinds)[0] is None


def test_every_sample_that_ships_is_offered(manifest):
    assert {s.key for s in manifest.contributions.sample_data} == set(samples.names())


def test_the_preferences_begin_with_the_defaults_of_the_core(manifest):
    offered = manifest.contributions.configurations["run"].properties
    default = BGRemSettings()
    assert {k: p.default for k, p in offered.items()} == {
        "model": default.model, "device": default.device, "tile": default.tile,
    }  # fmt: skip
    fields = RunSettings.__dataclass_fields__
    assert tuple(offered["device"].enum) == fields["device"].metadata["choices"]
    limits = (offered["tile"].minimum, offered["tile"].maximum)
    assert limits == fields["tile"].metadata["range"]
    models = {c.name for c in bgrem_core.list_models() if c.method == "bgrem"}
    assert set(offered["model"].enum) == models


def test_without_stored_preferences_the_defaults_hold(settings):
    assert preferred() == {"tile": 1024, "device": "auto", "model": "optical"}
    assert preferred("mesh") == {"tile": 1024, "device": "auto"}


def test_stored_preferences_are_what_a_method_starts_with(settings):
    settings.tile = 512
    settings.device = "cpu"
    settings.model = "optical-paper"
    assert preferred() == {"tile": 512, "device": "cpu", "model": "optical-paper"}
    assert preferred("mesh") == {"tile": 512, "device": "cpu"}


@pytest.mark.parametrize(("name", "value"), [
    ("tile", 3), ("device", "abacus"), ("model", "gamma"), ("model", "lost"),
])  # fmt: skip
def test_a_stored_value_that_does_not_fit_is_left_out(name, value, monkeypatch):
    stored = {"tile": 256, "device": "cpu", "model": "optical-paper"}
    monkeypatch.setattr(preferences, "_stored", lambda: {**stored, name: value})
    default = {"tile": 1024, "device": "auto", "model": "optical"}
    assert preferred() == {**stored, name: default[name]}


def test_preferences_that_cannot_be_read_stop_nobody(monkeypatch):
    def broken(plugin):
        raise RuntimeError

    monkeypatch.setattr("napari.settings.get_plugin_settings", broken)
    for name in METHODS:
        fields = METHODS[name].settings.__dataclass_fields__
        assert set(preferred(name)) == {"tile", "device", "model"} & set(fields)
