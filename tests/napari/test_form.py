"""The form is the settings: each method's own, with what was typed read back."""

import numpy as np
import pytest
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit
from screens import shot

from bgrem_core.api import make_settings
from bgrem_core.controls import controls
from bgrem_core.errors import UsageError
from bgrem_core.methods import METHODS
from bgrem_core.normalize import Scale
from bgrem_core.planes import constant
from bgrem_core.settings import FindSettings, OpenSettings
from napari_bgrem._qt.form import SettingsForm
from napari_bgrem._qt.memory import recall, remember
from napari_bgrem._qt.noise_row import NoiseRow

KINDS = [*(m.settings for m in METHODS.values()), FindSettings, OpenSettings]


@pytest.fixture
def form(qtbot):
    def build(kind):
        widget = SettingsForm(controls(kind))
        qtbot.addWidget(widget)
        return widget

    return build


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_untouched_form_gives_the_defaults(form, kind):
    assert make_settings(kind, form(kind).values()) == kind()


def test_what_is_typed_is_what_is_run(form):
    kind = METHODS["bgrem"].settings
    widget = form(kind)
    said = {"sky_scale": 128, "steps": 3, "tile": 512, "device": "cpu", "margin": 64}
    widget.set_values(said)
    values = widget.values()
    assert {k: values[k] for k in said} == said
    sky = widget.entries["sky_scale"].findChild(QComboBox)
    sky.setEditText("none")
    assert widget.values()["sky_scale"] == "none"
    shot(widget, "form_bgrem")


def test_nonsense_is_marked_and_named(form):
    widget = form(METHODS["bgrem"].settings)
    line = widget.entries["steps"].findChild(QLineEdit)
    line.setText("many")
    assert "border" in line.styleSheet()
    assert "many" in widget.entries["steps"].toolTip()
    with pytest.raises(UsageError, match="Steps"):
        widget.values()
    line.setText("4")
    assert not line.styleSheet()
    assert widget.values()["steps"] == 4


def test_switches_and_choices_have_their_widgets(form):
    widget = form(FindSettings)
    assert widget.entries["deep"].findChild(QCheckBox) is not None
    maybe = widget.entries["filter"].findChild(QComboBox)
    assert [maybe.itemText(k) for k in range(maybe.count())] == ["auto", "yes", "no"]
    maybe.setCurrentText("no")
    assert widget.values()["filter"] is False


def test_noise_is_measured_or_typed(qtbot):
    row = NoiseRow()
    qtbot.addWidget(row)
    assert row.norm() == 0
    row.by_hand.setChecked(True)
    row.line.setText("4")
    assert row.norm() == 0.25
    for text in ("", "-3", "0", "nan", "inf", "lots"):
        row.line.setText(text)
        with pytest.raises(UsageError, match="positive"):
            row.norm()
    row.set_norm(0.0)
    assert row.norm() == 0
    scale = Scale(
        offset=constant(0, (4, 4)), sigma=constant(2, (4, 4)), median_sigma=2.0,
        rho=0.12, fwhm=4.5,
    )  # fmt: skip
    row.show_scale(scale, "adu")
    assert row.told.text() == ("sigma 2 adu, measured, FWHM 4.50 pix, correlation 0.12")


def test_what_was_chosen_is_remembered(qapp, tmp_path):
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path)
    )
    assert recall("bgrem") == {}
    values = {"sky_scale": 128, "steps": None, "strength": np.float64(0.5).item()}
    remember("bgrem", values)
    assert recall("bgrem") == values
    assert list(tmp_path.rglob("*.ini"))
