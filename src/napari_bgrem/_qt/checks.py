"""Checks: what a sceptic asks first, one button each, answered in a sentence."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_bgrem._qt.curve_plot import Curve, CurvePlot
from napari_bgrem._qt.histogram_plot import HistogramPlot
from napari_bgrem._qt.image_plot import ImagePlot
from napari_bgrem._qt.label import Label
from napari_bgrem._qt.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import QTable

    from bgrem_core.checks import BlankSky, FaintFlux, ResidualCheck
    from bgrem_core.separation import Separation

__all__ = ["CHECKS", "LABELS", "SEARCHED", "ChecksPanel", "run_check"]

CHECKS = {
    "blank_sky": (
        "&Blank sky",
        "Is the sky at zero, even, and as noisy as was estimated?",
    ),
    "residual": (
        "&Residual",
        "Is what was taken away like noise, or is there light of sources in it?",
    ),
    "faint_flux": (
        "F&aint flux",
        "How much of the flux of faint sources is left in the cleaned image?",
    ),
}
"""Names of the checks in the core, their labels, and what they ask."""

LABELS = {name: label.replace("&", "") for name, (label, _) in CHECKS.items()}
"""The labels as words."""

SEARCHED = frozenset({"faint_flux"})
"""Names of those that need sources."""

MANY, MERGED = 200_000, 4
"""Pixels below which bins of a histogram are joined, and how many of them."""


def run_check(name: str, separation: "Separation", sources: "QTable | None") -> Any:
    """Run a check of the core; takes its time.

    Parameters
    ----------
    name : str
        Key of `CHECKS`.
    separation : Separation
        The result.
    sources : QTable or None
        What was found in it.

    Returns
    -------
    BlankSky, ResidualCheck or FaintFlux
        With `rows` and a `verdict`.
    """
    from bgrem_core import checks

    return getattr(checks, name)(separation, sources)


class ChecksPanel(QWidget):
    """Buttons, and what came of the last one.

    Attributes
    ----------
    asked : Signal(str)
        A button was pressed; a key of `CHECKS`.
    """

    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self.verdict = Label()
        self.verdict.setWordWrap(True)
        self.rows = Rows()
        self.histogram = HistogramPlot("Blank sky")
        self.cutout = ImagePlot("Mean residual at sources")
        self.correlation = CurvePlot("Correlation of neighbours")
        self.fluxes = CurvePlot("Flux, cleaned over input")
        self._plots = (self.histogram, self.cutout, self.correlation, self.fluxes)
        self._draw: dict[str, Callable[[Any], None]] = {
            "blank_sky": self._draw_blank,
            "residual": self._draw_residual,
            "faint_flux": self._draw_fluxes,
        }
        self._lay_out()
        self.forget()

    def forget(self) -> None:
        """Show no result."""
        self.verdict.setText("Press a button to test the newest result.")
        self.rows.show_rows(())
        for plot in self._plots:
            plot.hide()

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001 - as in Qt
        """Enable the buttons, or not."""
        for button in self.buttons.values():
            button.setEnabled(ready)

    def show_result(self, name: str, result: Any) -> None:
        """Show what came of a check.

        Parameters
        ----------
        name : str
            Key of `CHECKS`.
        result : BlankSky, ResidualCheck or FaintFlux
            What `run_check` returned.
        """
        for plot in self._plots:
            plot.hide()
        self.verdict.setText(result.verdict)
        self.rows.show_rows(result.rows())
        self._draw[name](result)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        grid = QGridLayout()
        for k, (name, (label, question)) in enumerate(CHECKS.items()):
            button = QPushButton(label)
            button.setToolTip(question)
            button.clicked.connect(lambda _=False, name=name: self.asked.emit(name))
            self.buttons[name] = button
            grid.addWidget(button, 0, k)
        layout.addLayout(grid)
        font = self.verdict.font()
        font.setBold(True)
        self.verdict.setFont(font)
        layout.addWidget(self.verdict)
        for plot in self._plots:
            layout.addWidget(plot)
        layout.addWidget(self.rows)
        layout.addStretch(1)

    def _draw_blank(self, result: "BlankSky") -> None:
        planes = {"original": result.original, "cleaned": result.cleaned}
        # Few pixels in narrow bins are all scatter.
        join = MERGED if result.n < MANY and len(result.edges) % MERGED == 1 else 1
        counts = {
            name: sky.counts.reshape(-1, join).sum(axis=1)
            for name, sky in planes.items()
        }
        self.histogram.set_histograms(
            result.edges[::join], counts, x_label="sigma of the noise", gaussian=True
        )
        self.histogram.show()

    def _draw_residual(self, result: "ResidualCheck") -> None:
        if np.isfinite(result.cutout).any():
            self.cutout.set_image(result.cutout, unit="share of the flux")
            self.cutout.show()
        if not np.isfinite(result.correlation).any():
            return
        lags = np.arange(1.0, result.correlation.shape[1] + 1)
        curves = []
        for k, (axis, colour) in enumerate((("x", "cleaned"), ("y", "residual"))):
            value, error = result.correlation[k], result.correlation_err[k]
            curves += [
                Curve(
                    name=f"along {axis}", x=lags + 0.1 * k, y=value, error=error,
                    points=True, colour=colour,
                ),
                Curve(name="input", x=lags, y=result.expected[k], colour=colour),
            ]  # fmt: skip
        self.correlation.set_curves(curves, x_label="distance (pix)", zero=True)
        self.correlation.show()

    def _draw_fluxes(self, result: "FaintFlux") -> None:
        some = result.count > 0
        if not some.any():
            return
        at = np.arange(float(some.sum()))
        low, high = result.low[some], result.high[some]
        median = result.median[some]
        names = [
            f"{a:g}-{b:g}" if np.isfinite(b) else f"> {a:g}"
            for a, b, good in zip(
                result.edges[:-1], result.edges[1:], some, strict=True
            )
            if good
        ]
        cleaned = Curve(
            name="cleaned",
            x=at,
            y=median,
            error=np.stack([median - low, high - median]),
            points=True,
        )
        expected = Curve(name="by choice alone", x=at, y=result.expected[some])
        self.fluxes.set_curves([cleaned, expected], x_label="S/N", names=names)
        self.fluxes.show()
