"""What the checks say must fit where it is read: a narrow dock."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from napari._qt.qt_resources import get_stylesheet

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from scenes import fields
from screens import shot

from bgrem_core.checks import blank_sky, faint_flux, residual
from bgrem_core.find import find_sources
from bgrem_core.settings import FindSettings
from napari_bgrem._qt.inspector import Inspector
from napari_bgrem._qt.rows import LONG

DOCK, LINES = 330, 4


@pytest.fixture(scope="module")
def sources():
    return find_sources(fields.denoised_result(), FindSettings())


@pytest.fixture
def inspector(qtbot):
    made = Inspector(scenes.viewer_with())
    qtbot.addWidget(made)
    # As in napari, whose letters are wider than Qt's own.
    made.setStyleSheet(get_stylesheet("dark"))
    made.resize(DOCK, 700)
    made.tabs.setCurrentIndex(2)
    made.show()
    return made


def skies():
    """All that can be said of blank sky, with many digits."""
    seen = blank_sky(fields.result())
    spread = dataclasses.replace(
        seen.original, mean=-0.0593, mean_err=0.0191, uneven=0.0931, uneven_err=0.0113,
        rms=1.0294, rms_err=0.0123,
    )  # fmt: skip
    changes = (
        {},
        {"uneven": 0.0493, "uneven_err": 0.0013, "mean": 0.0231, "mean_err": 0.0011},
        {"uneven": 0.0, "uneven_err": 0.0213, "mean": -0.0931, "mean_err": 0.0113},
        {"rms": 1.2834, "rms_err": 0.0123},
    )
    for change in changes:
        original = dataclasses.replace(spread, **change)
        yield dataclasses.replace(seen, original=original)


def residuals(sources):
    seen = residual(fields.denoised_result(), sources)
    wrong = seen.expected.copy()
    wrong[1, 2] += 0.2
    unsure = np.full_like(seen.expected_err, 0.0213)
    changes = (
        {},
        {"n_sources": 300, "share": -0.0039, "share_err": 0.0052},
        {"expected": seen.correlation + 0.0513, "expected_err": unsure},
        {"expected": wrong, "share": -0.1234, "share_err": 0.0123, "n_sources": 300},
        {"n_sources": 0},
        {"correlation": seen.correlation * np.nan, "rms": 0.01234, "rms_err": 0.00012},
    )
    for change in changes:
        yield dataclasses.replace(seen, **change)


def fluxes(sources):
    seen = faint_flux(fields.denoised_result(), sources)
    some = np.full_like(seen.count, 9)
    for count, median, spread in (
        (some, 1.012, 0.02), (some, 1.312, 0.02), (some, 0.931, 0.02),
        (some, 0.713, 0.02), (some * 0, 1.0, 0.1),
    ):  # fmt: skip
        for first in (0, 2, 4):
            kept = np.where(np.arange(len(count)) >= first, count, 0)
            yield dataclasses.replace(
                seen, count=kept, median=np.full(5, median),
                low=np.full(5, median - spread), high=np.full(5, median + spread),
                expected=np.full(5, 0.94),
            )  # fmt: skip


@pytest.mark.parametrize("name", ["blank_sky", "residual", "faint_flux"])
def test_a_verdict_fits_in_four_lines_of_a_narrow_dock(inspector, sources, name):
    every = {
        "blank_sky": skies(),
        "residual": residuals(sources),
        "faint_flux": fluxes(sources),
    }
    said = set()
    for result in every[name]:
        inspector.checks.show_result(name, result)
        label = inspector.checks.verdict
        height = label.heightForWidth(label.width())
        lines = height / label.fontMetrics().lineSpacing()
        assert lines < LINES + 0.5, label.text()
        assert 1 <= label.text().count(". ") + 1 <= 2
        said.add(label.text())
    # All cases were met.
    assert len(said) >= 4
    shot(inspector, f"verdict-{name}")


def test_a_short_label_is_never_broken(inspector, sources):
    inspector.checks.show_result(
        "residual", residual(fields.denoised_result(), sources)
    )
    for label, text in inspector.checks.rows.shown:
        assert len(label) <= LONG, text
