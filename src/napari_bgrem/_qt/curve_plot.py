"""Curve plot: lines and points against one axis, such as a radial profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import QWidget

from napari_bgrem._qt.plot_base import LINES, Axes, Entry, Plot, said
from napari_bgrem._qt.ticks import Ticks, padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Curve", "CurvePlot"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One line of a plot.

    Attributes
    ----------
    name : str
        In the legend.
    x, y : ndarray of float64, shape (n,)
        NaN breaks the line.
    error : ndarray of float64 or None, shape (n,) or (2, n)
        Drawn as bars; down and up where they differ.
    points : bool
        Dots and no line.
    colour : str
        "original", "cleaned" or "residual"; by default its name, if it is one of them.
    """

    name: str
    x: "Floats"
    y: "Floats"
    error: "Floats | None" = None
    points: bool = False
    colour: str = ""

    @property
    def painted(self) -> str:
        """Name of its colour."""
        return self.colour or self.name


class CurvePlot(Plot):
    """Lines against one axis, such as a radial profile or a curve of growth.

    Parameters
    ----------
    title : str, optional
        What is shown.
    parent : QWidget, optional
        As in Qt.
    """

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._curves: tuple[Curve, ...] = ()
        self._zero = False
        self._mark: float | None = None
        self._names: tuple[str, ...] = ()

    def set_curves(
        self,
        curves: Sequence[Curve],
        *,
        x_label: str = "",
        y_label: str = "",
        zero: bool = False,
        mark: float | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Show lines in place of what was shown.

        Parameters
        ----------
        curves : sequence of Curve
            In the order of the legend.
        x_label, y_label : str, optional
            Quantity and unit.
        zero : bool, optional
            Draw a line at zero, and have it in view.
        mark : float, optional
            Draw an upright line here, such as the radius of an aperture.
        names : sequence of str, optional
            Written at x = 0, 1, 2 and so on in place of numbers.
        """
        self._curves, self._names = tuple(curves), tuple(names)
        self._x_label, self._y_label = x_label, y_label
        self._zero, self._mark = zero, mark
        ends = (
            f"{c.name} from {said(c.y[0])} to {said(c.y[-1])}"
            for c in curves
            if len(c.y)
        )
        self._describe(f"{self._title}: {', '.join(ends)} {y_label}".strip())
        self.update()

    def clear(self, hint: str = "") -> None:
        """Show nothing but a hint."""
        self._curves = ()
        super().clear(hint)

    def _is_empty(self) -> bool:
        return not any(np.isfinite(curve.y).any() for curve in self._curves)

    def _paint(self, painter: QPainter) -> None:
        x_range = _span([curve.x for curve in self._curves])
        low, high = _span([v for curve in self._curves for v in _reach(curve)])
        if self._zero:
            low, high = min(low, 0.0), max(high, 0.0)
        legend = [
            Entry(curve.name, curve.painted, dot=curve.points) for curve in self._curves
        ]
        x_ticks = None
        ends = padded(*x_range, 0.02)
        if self._names:
            at = tuple(float(k) for k in range(len(self._names)))
            x_ticks = Ticks(values=at, labels=self._names)
            ends = (-0.5, len(self._names) - 0.5)
        axes = self._frame(painter, ends, padded(low, high), legend, x_ticks=x_ticks)
        painter.setClipRect(axes.box)
        if self._zero:
            painter.setPen(QPen(self._faint(0.5), 1))
            y = axes.y(0)
            painter.drawLine(QPointF(axes.box.left(), y), QPointF(axes.box.right(), y))
        if self._mark is not None:
            painter.setPen(QPen(self._faint(0.5), 1, Qt.PenStyle.DashLine))
            x = axes.x(self._mark)
            painter.drawLine(QPointF(x, axes.box.top()), QPointF(x, axes.box.bottom()))
        for k, curve in enumerate(self._curves):
            self._paint_curve(painter, axes, curve, LINES[k % len(LINES)])

    def _paint_curve(
        self, painter: QPainter, axes: Axes, curve: Curve, style: Any
    ) -> None:
        colour = self._colour(curve.painted)
        painter.setPen(QPen(colour, 1.2))
        if curve.error is not None:
            lower, upper = _reach(curve)
            for x, y0, y1 in zip(curve.x, lower, upper, strict=True):
                if np.isfinite([x, y0, y1]).all():
                    at = axes.x(float(x))
                    painter.drawLine(
                        QPointF(at, axes.y(float(y0))), QPointF(at, axes.y(float(y1)))
                    )
        if curve.points:
            painter.setBrush(colour)
            for piece in axes.line(curve.x, curve.y):
                for k in range(len(piece)):
                    painter.drawEllipse(piece[k], 2.5, 2.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            return
        painter.setPen(QPen(colour, 1.8, style))
        for piece in axes.line(curve.x, curve.y):
            painter.drawPolyline(piece)


def _reach(curve: Curve) -> "tuple[Floats, Floats]":
    """Return a line's lower and upper ends, errors included."""
    if curve.error is None:
        return curve.y, curve.y
    down, up = np.broadcast_to(curve.error, (2, len(curve.y)))
    return curve.y - np.nan_to_num(down), curve.y + np.nan_to_num(up)


def _span(arrays: "Sequence[Floats]") -> tuple[float, float]:
    values = np.concatenate(arrays) if arrays else np.zeros(0)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
