"""Plots: their ticks, what they draw, and what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette

sys.path.insert(0, str(Path(__file__).parent))
from screens import shot

from napari_bgrem._qt.curve_plot import Curve, CurvePlot
from napari_bgrem._qt.histogram_plot import HistogramPlot
from napari_bgrem._qt.image_plot import ImagePlot
from napari_bgrem._qt.ticks import choose_ticks, padded


@pytest.mark.parametrize(
    ("low", "high", "most", "labels", "factor"),
    [
        (0, 10, 6, "0 2 4 6 8 10", ""),
        (0, 1, 5, "0.0 0.5 1.0", ""),
        (-0.3, 0.31, 4, "-0.2 0.0 0.2", ""),
        (0, 0.3, 4, "0.0 0.1 0.2 0.3", ""),
        (98.7, 101.2, 6, "99.0 99.5 100.0 100.5 101.0", ""),
        (0, 250000, 6, "0.0 0.5 1.0 1.5 2.0 2.5", "10⁵"),
        (0, 4e-17, 5, "0 1 2 3 4", "10⁻¹⁷"),
        (-3000, 3000, 3, "-2000 0 2000", ""),
    ],
)
def test_ticks_are_round_and_short(low, high, most, labels, factor):
    ticks = choose_ticks(low, high, most)
    assert " ".join(ticks.labels) == labels
    assert ticks.factor == factor


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 12))
def test_ticks_lie_on_the_axis_and_say_what_they_are(low, size, most):
    high = low + size
    if not high - low > 1e-6 * max(abs(low), abs(high)):
        return
    ticks = choose_ticks(low, high, most)
    room = 1e-6 * (high - low)
    assert len(ticks.values) <= most
    assert len(set(ticks.labels)) == len(ticks.labels)
    for value, label in zip(ticks.values, ticks.labels, strict=True):
        assert low - room <= value <= high + room
        assert float(label) * 10.0**ticks.power == pytest.approx(
            value, rel=1e-6, abs=room
        )


def test_an_axis_has_an_extent_whatever_the_values():
    assert padded(3, 3) == (1.5, 4.5)
    assert padded(0, 0) == (-0.5, 0.5)
    assert padded(np.inf, -np.inf) == (0, 1)
    assert choose_ticks(1, 1, 4).labels == ()


RADII = np.arange(1.0, 21)


def profile(scale=40.0):
    light = scale * np.exp(-(RADII**2) / 18)
    return [
        Curve(name="original", x=RADII, y=light + 0.6 * np.sin(RADII)),
        Curve(name="cleaned", x=RADII, y=light),
        Curve(name="residual", x=RADII, y=0.6 * np.sin(RADII)),
    ]


def dark(widget):
    palette = widget.palette()
    palette.setColor(QPalette.ColorRole.Window, Qt.GlobalColor.black)
    palette.setColor(QPalette.ColorRole.WindowText, Qt.GlobalColor.white)
    widget.setPalette(palette)
    widget.setAutoFillBackground(True)
    return widget


def shown(qtbot, plot, size=(220, 150)):
    qtbot.addWidget(plot)
    dark(plot).resize(*size)
    plot.show()
    return plot


def colours(widget):
    image = widget.grab().toImage()
    seen = np.zeros((image.height(), image.width(), 3), int)
    for y in range(image.height()):
        for x in range(image.width()):
            colour = image.pixelColor(x, y)
            seen[y, x] = colour.red(), colour.green(), colour.blue()
    return seen


def has(widget, rgb, near=30):
    away = np.abs(colours(widget) - np.array(rgb)).max(axis=2)
    return int((away < near).sum())


def test_curves_are_drawn_in_their_colours(qtbot):
    plot = shown(qtbot, CurvePlot("Radial profile"))
    plot.set_curves(
        profile(), x_label="radius (pix)", y_label="adu / pix", zero=True, mark=4
    )
    shot(plot, "plot-curves-small")
    assert has(plot, (0x56, 0xBE, 0xFF)) > 20
    assert has(plot, (0xFF, 0x9A, 0x3C)) > 20
    assert "original from" in plot.accessibleDescription()
    assert plot.accessibleName() == "Radial profile"


def test_a_larger_plot_uses_its_room(qtbot):
    plot = shown(qtbot, CurvePlot("Curve of growth"), (420, 240))
    growth = [Curve(name=c.name, x=c.x, y=np.cumsum(c.y * 1e5)) for c in profile()]
    plot.set_curves(growth, x_label="radius (pix)", y_label="electron", zero=True)
    shot(plot, "plot-growth-large")
    assert has(plot, (0x56, 0xBE, 0xFF)) > 60


def test_light_themes_get_dark_lines(qtbot):
    plot = CurvePlot("Radial profile")
    qtbot.addWidget(plot)
    palette = plot.palette()
    palette.setColor(QPalette.ColorRole.Window, Qt.GlobalColor.white)
    palette.setColor(QPalette.ColorRole.WindowText, Qt.GlobalColor.black)
    plot.setPalette(palette)
    plot.setAutoFillBackground(True)
    plot.resize(260, 160)
    plot.set_curves(profile(), x_label="radius (pix)", y_label="adu / pix")
    shot(plot, "plot-curves-light")
    assert has(plot, (0x00, 0x67, 0xB0)) > 20


def test_error_bars_and_points_are_drawn(qtbot):
    plot = shown(qtbot, CurvePlot("Flux, cleaned over input"), (300, 170))
    x, y = np.arange(5.0), np.array([0.8, 0.9, 0.97, np.nan, 1.0])
    error = np.array([[0.1, 0.05, 0.02, np.nan, 0.01], [0.02, 0.05, 0.02, 0, 0.01]])
    plot.set_curves(
        [
            Curve(name="cleaned", x=x, y=y, error=error, points=True),
            Curve(name="by choice alone", x=x, y=np.full(5, 0.96)),
        ],
        x_label="S/N",
        names=("5-7", "7-10", "10-20", "20-50", "> 50"),
    )
    shot(plot, "plot-points")
    assert has(plot, (0x56, 0xBE, 0xFF)) > 30


@pytest.mark.parametrize(
    "y", [np.full(20, np.nan), np.zeros(20), np.full(20, 1e30), np.r_[np.nan, 1.0]]
)
def test_any_curve_can_be_drawn(qtbot, y):
    plot = shown(qtbot, CurvePlot("Radial profile"))
    plot.set_curves([Curve(name="original", x=np.arange(float(len(y))), y=y)])
    assert not plot.grab().isNull()


def test_an_empty_plot_says_what_to_do(qtbot):
    plot = shown(qtbot, CurvePlot("Radial profile"))
    plot.set_curves(profile())
    plot.clear("Click a source")
    shot(plot, "plot-empty")
    assert has(plot, (0x56, 0xBE, 0xFF)) == 0
    assert plot.accessibleDescription() == "Click a source"


def test_histograms_have_the_gaussian_beside_them(qtbot):
    rng = np.random.default_rng(1)
    edges = np.linspace(-5, 5, 101)
    plot = shown(qtbot, HistogramPlot("Blank sky"), (300, 170))
    plot.set_histograms(
        edges,
        {
            "original": np.histogram(rng.normal(0, 1, 20000), edges)[0],
            "cleaned": np.histogram(rng.normal(0, 0.1, 20000), edges)[0],
        },
        x_label="sigma",
        gaussian=True,
    )
    shot(plot, "plot-histogram")
    assert has(plot, (0xB9, 0xA0, 0xFF)) > 10
    assert has(plot, (0xE6, 0xE6, 0xE6)) > 40
    plot.clear()
    plot.set_histograms(edges, {"original": np.zeros(100)})
    assert not plot.grab().isNull()


def test_images_lie_with_row_zero_at_the_bottom(qtbot):
    plot = shown(qtbot, ImagePlot("Stacked residual"))
    array = np.zeros((11, 11))
    array[0, 0], array[10, 10] = 1, -1
    plot.set_image(array, unit="sigma")
    shot(plot, "plot-image")
    seen = colours(plot)
    left = seen[:, :60]
    orange = np.argwhere(np.abs(left - [127, 54, 4]).max(axis=2) < 20)
    assert len(orange)
    assert orange[:, 0].min() > 0.7 * plot.height()
    assert "from -1.000 to 1.000 sigma" in plot.accessibleDescription()


def test_an_image_without_numbers_is_empty(qtbot):
    plot = shown(qtbot, ImagePlot("Stacked residual"))
    plot.set_image(np.full((5, 5), np.nan))
    plot.clear("No isolated sources")
    assert not plot.grab().isNull()
