"""Inspector pages: one source with its curves; all sources with what is true of them.

They show what they are told and know no viewer.
"""

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from bgrem_core.inspection_rows import row_help
from bgrem_core.truth import MISSED
from napari_bgrem._qt.curve_plot import Curve, CurvePlot
from napari_bgrem._qt.label import Label
from napari_bgrem._qt.rows import Rows
from napari_bgrem._qt.table import SourceTable
from napari_bgrem.called import role_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bgrem_core.inspection import Inspection
    from napari_bgrem.collected import Collected

__all__ = ["SourcePage", "SourcesPage", "scrolled"]

LEGEND = (
    "green ring: hit   ·   yellow square: missed, true S/N over "
    f"{MISSED:g}   ·   red cross: not real"
)


class SourcePage(QWidget):
    """Values, radial profile and curve of growth of one source."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = Rows(row_help())
        self.profile = CurvePlot("Radial profile")
        self.growth = CurvePlot("Curve of growth")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.rows)
        layout.addWidget(self.profile, 1)
        layout.addWidget(self.growth, 1)

    def show_source(
        self, seen: "Inspection", rows: "Sequence[tuple[str, str]]"
    ) -> None:
        """Show a source in place of what was shown.

        Parameters
        ----------
        seen : Inspection
            Its curves are drawn.
        rows : sequence of (str, str)
            Labels and texts.
        """
        self.rows.show_rows(rows, row_help(seen.words))
        unit = seen.unit or "image unit"
        curves = {
            "original": seen.original,
            "cleaned": seen.cleaned,
            "residual": seen.residual,
        }
        for plot, name, label in (
            (self.profile, "profile", f"{unit} per pixel"),
            (self.growth, "growth", unit),
        ):
            plot.set_curves(
                [
                    Curve(
                        name=role_name(role, seen.words),
                        x=seen.radii,
                        y=np.asarray(getattr(curve, name)),
                        colour=role,
                    )
                    for role, curve in curves.items()
                ],
                x_label="radius (pix)",
                y_label=label,
                zero=True,
                mark=seen.radius,
            )

    def clear(self, hint: str) -> None:
        """Show nothing but a hint."""
        self.rows.show_rows(())
        for plot in (self.profile, self.growth):
            plot.clear(hint)


class SourcesPage(QWidget):
    """The table of sources, what is true of them, and buttons below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = SourceTable()
        self.table.setToolTip("Ctrl-C copies rows; a row that is chosen is shown")
        self.truth = Rows()
        self.legend = Label(LEGEND)
        self.legend.setWordWrap(True)
        self.export = QPushButton("&Export...")
        self.export.setToolTip("Write what was found and clicked as a catalogue")
        self.forget = QPushButton("Forget clic&ks")
        self.forget.setToolTip("Leave only what was found")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.truth)
        layout.addWidget(self.legend)
        grid = QGridLayout()
        grid.addWidget(self.export, 0, 0)
        grid.addWidget(self.forget, 0, 1)
        layout.addLayout(grid)

    def fill(self, now: "Collected") -> None:
        """Show the sources of a result in place of what was shown."""
        self.table.fill(now.table, now.clicked, now.columns, now.words)
        rows = now.match.rows() if now.match else ()
        self.truth.show_rows(rows)
        self.truth.setVisible(bool(rows))
        self.legend.setVisible(bool(rows))


def scrolled(widget: QWidget) -> QScrollArea:
    """Return a widget in an area that scrolls up and down."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
