"""Histogram plot: histograms over each other, with a Gaussian to compare with."""

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import QWidget

from napari_bgrem._qt.plot_base import LINES, Entry, Plot, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["HistogramPlot"]


class HistogramPlot(Plot):
    """Histograms over each other as steps, with a Gaussian to compare with.

    Parameters
    ----------
    title : str, optional
        What is shown.
    parent : QWidget, optional
        As in Qt.
    """

    GAUSSIAN = "unit Gaussian"

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._edges: Floats = np.zeros(0)
        self._shares: dict[str, Floats] = {}
        self._gaussian = False

    def set_histograms(
        self,
        edges: "ArrayLike",
        counts: "Mapping[str, ArrayLike]",
        *,
        x_label: str = "",
        gaussian: bool = False,
    ) -> None:
        """Show histograms in place of what was shown, each with the area 1.

        Parameters
        ----------
        edges : array_like, shape (n + 1,)
            Of the bins.
        counts : mapping of str to array_like, shape (n,)
            By name, in the order of the legend.
        x_label : str, optional
            Quantity and unit.
        gaussian : bool, optional
            Draw a Gaussian of mean 0 and width 1.
        """
        self._edges = np.asarray(edges, np.float64)
        width = np.diff(self._edges)
        self._shares = {}
        for name, values in counts.items():
            number = np.asarray(values, np.float64)
            self._shares[name] = number / max(float(number.sum()), 1.0) / width
        self._x_label, self._gaussian = x_label, gaussian
        middle = (self._edges[1:] + self._edges[:-1]) / 2
        peaks = (
            f"{name} peaks at {said(middle[int(np.argmax(share))])}"
            for name, share in self._shares.items()
        )
        self._describe(f"{self._title}: {', '.join(peaks)} {x_label}".strip())
        self.update()

    def clear(self, hint: str = "") -> None:
        """Show nothing but a hint."""
        self._shares = {}
        super().clear(hint)

    def _is_empty(self) -> bool:
        return not any(share.any() for share in self._shares.values())

    def _paint(self, painter: QPainter) -> None:
        low, high = float(self._edges[0]), float(self._edges[-1])
        bell = np.linspace(low, high, 101)
        curve = np.exp(-(bell**2) / 2) / np.sqrt(2 * np.pi)
        top = float(np.median([share.max() for share in self._shares.values()]))
        if self._gaussian:
            # What was denoised is so narrow that the rest would be flat beside it.
            top = max(top if len(self._shares) == 1 else 0.0, 1.6 * float(curve.max()))
        names = [*self._shares, *([self.GAUSSIAN] if self._gaussian else [])]
        legend = [Entry(name, name) for name in names]
        axes = self._frame(painter, (low, high), (0.0, 1.08 * top), legend)
        painter.setClipRect(axes.box)
        for k, (name, share) in enumerate(self._shares.items()):
            x, y = np.repeat(self._edges, 2)[1:-1], np.repeat(share, 2)
            painter.setPen(QPen(self._colour(name), 1.6, LINES[k % len(LINES)]))
            for piece in axes.line(x, y):
                painter.drawPolyline(piece)
        if self._gaussian:
            style = LINES[len(self._shares) % len(LINES)]
            painter.setPen(QPen(self._colour(self.GAUSSIAN), 1.4, style))
            for piece in axes.line(bell, curve):
                painter.drawPolyline(piece)
