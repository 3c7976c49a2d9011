"""Plot base: axes, ticks and legend, painted by Qt in the colours of the theme."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from bgrem_core.display import format_value
from napari_bgrem._qt.ticks import Ticks, choose_ticks
from napari_bgrem.unmarked import unmarked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["GAP", "LINES", "TICK", "Axes", "Entry", "Plot", "said"]

LEAST = (220, 150)
"""Width and height below which a plot cannot be read, pixels."""

LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
#: On dark and on light ground; told apart with every common colour blindness.
_COLOURS = {
    "original": ("#e6e6e6", "#303030"),
    "cleaned": ("#56beff", "#0067b0"),
    "residual": ("#ff9a3c", "#b84e00"),
    "": ("#b9a0ff", "#6a3fc0"),
}
GAP, TICK = 5, 4


class Entry(NamedTuple):
    """One entry of a legend."""

    name: str
    colour: str
    dot: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """A box on the screen, and the numbers at its edges.

    Attributes
    ----------
    box : QRectF
        On the screen, pixels.
    x_range, y_range : tuple of float
        Numbers at its left and right, lower and upper edge.
    """

    box: QRectF
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        """Return where a number lies across the screen."""
        low, high = self.x_range
        return float(self.box.left() + (value - low) / (high - low) * self.box.width())

    def y(self, value: float) -> float:
        """Return where a number lies down the screen."""
        low, high = self.y_range
        share = (value - low) / (high - low)
        return float(self.box.bottom() - share * self.box.height())

    def line(self, x: "Floats", y: "Floats") -> list[QPolygonF]:
        """Return a line as pieces between values that are no numbers."""
        pieces, piece = [], QPolygonF()
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            if np.isfinite(a) and np.isfinite(b):
                piece.append(QPointF(self.x(a), self.y(b)))
            elif len(piece):
                pieces.append(piece)
                piece = QPolygonF()
        return [*pieces, piece] if len(piece) else pieces


class Plot(QWidget):
    """Axes, ticks and legend; what is drawn within is the business of others."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._x_label = self._y_label = ""
        self._hint = ""
        self.setAccessibleName(title)
        self.setMinimumSize(*LEAST)
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Preferred)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt says so
        """Return a comfortable size."""
        return QSize(300, 180)

    def clear(self, hint: str = "") -> None:
        """Show nothing but a hint."""
        self._hint = hint
        self._describe(hint)
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802, ARG002 - Qt says so
        """Paint everything anew."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(7.0, 0.85 * font.pointSizeF()))
        painter.setFont(font)
        try:
            if self._is_empty():
                self._paint_hint(painter)
            else:
                self._paint(painter)
        finally:
            painter.end()

    def _is_empty(self) -> bool:
        return True

    def _paint(self, painter: QPainter) -> None:
        raise NotImplementedError

    def _describe(self, text: str) -> None:
        """Say what is seen to those who do not see it."""
        self.setAccessibleDescription(text)
        self.setToolTip(unmarked(text))

    @property
    def ink(self) -> QColor:
        """Colour of axes and text."""
        return self.palette().color(self.foregroundRole())

    def _faint(self, alpha: float = 0.25) -> QColor:
        colour = QColor(self.ink)
        colour.setAlphaF(alpha)
        return colour

    def _colour(self, name: str) -> QColor:
        dark = self.ink.lightnessF() > 0.5
        pair = _COLOURS.get(name.lower(), _COLOURS[""])
        return QColor(pair[0] if dark else pair[1])

    def _paint_hint(self, painter: QPainter) -> None:
        metrics = QFontMetricsF(painter.font())
        painter.setPen(self.ink)
        self._text(painter, QPointF(GAP, GAP + metrics.ascent()), self._title)
        painter.setPen(self._faint(0.6))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(self.rect()), int(flags.value), self._hint)

    def _frame(
        self,
        painter: QPainter,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        legend: "Sequence[Entry]",
        *,
        x_ticks: Ticks | None = None,
    ) -> Axes:
        """Draw title, legend, axes and ticks; return where the numbers lie."""
        metrics = QFontMetricsF(painter.font())
        line = metrics.height()
        rows = 1 + bool(legend)
        top = GAP + rows * line + GAP
        bottom = self.height() - 2 * line - TICK - GAP
        y_ticks = choose_ticks(*y_range, max(2, int((bottom - top) / (1.6 * line))))
        wide = [metrics.horizontalAdvance(label) for label in y_ticks.labels]
        left = GAP + max(wide, default=0) + TICK + 2
        box = QRectF(left, top, self.width() - left - 2 * GAP, bottom - top)
        most = max(2, int(box.width() / 4 / metrics.horizontalAdvance("0")))
        x_ticks = x_ticks or choose_ticks(*x_range, most)
        axes = Axes(box, x_range, y_range)
        self._title_row(painter, metrics, y_ticks)
        if legend:
            self._legend(painter, metrics, legend, left)
        painter.setPen(QPen(self._faint(0.6), 1))
        painter.drawRect(box)
        self._ticks_below(painter, metrics, axes, x_ticks)
        self._ticks_beside(painter, metrics, axes, y_ticks)
        return axes

    def _title_row(
        self, painter: QPainter, metrics: QFontMetricsF, ticks: Ticks
    ) -> None:
        unit = " ".join(text for text in (ticks.factor, self._y_label) if text)
        text = (
            f"{self._title} ({unit})" if unit and self._title else self._title or unit
        )
        painter.setPen(self.ink)
        room = self.width() - 2 * GAP
        short = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        self._text(painter, QPointF(GAP, GAP + metrics.ascent()), short)

    def _legend(
        self,
        painter: QPainter,
        metrics: QFontMetricsF,
        entries: "Sequence[Entry]",
        left: float,
    ) -> None:
        y = GAP + metrics.height()
        sample, gap = 18.0, 10.0
        wide = sum(metrics.horizontalAdvance(e.name) + sample + 4 for e in entries)
        room = self.width() - left - 2 * GAP - wide
        if len(entries) > 1:
            gap = min(gap, max(3.0, room / (len(entries) - 1)))
        x = left if room > 0 else float(GAP)
        for k, (name, colour, dot) in enumerate(entries):
            painter.setPen(QPen(self._colour(colour), 1.8, LINES[k % len(LINES)]))
            middle = y + metrics.height() / 2
            if dot:
                painter.setBrush(self._colour(colour))
                painter.drawEllipse(QPointF(x + sample / 2, middle), 2, 2)
                painter.setBrush(Qt.BrushStyle.NoBrush)
            else:
                painter.drawLine(QPointF(x, middle), QPointF(x + sample, middle))
            painter.setPen(self.ink)
            self._text(painter, QPointF(x + sample + 4, y + metrics.ascent()), name)
            x += sample + 4 + metrics.horizontalAdvance(name) + gap

    def _ticks_below(
        self, painter: QPainter, metrics: QFontMetricsF, axes: Axes, ticks: Ticks
    ) -> None:
        box = axes.box
        for value, label in zip(ticks.values, ticks.labels, strict=True):
            x = axes.x(value)
            painter.setPen(QPen(self._faint(0.6), 1))
            painter.drawLine(QPointF(x, box.bottom()), QPointF(x, box.bottom() + TICK))
            painter.setPen(self.ink)
            half = metrics.horizontalAdvance(label) / 2
            at = min(max(x - half, 0), self.width() - 2 * half)
            y = box.bottom() + TICK + metrics.ascent()
            self._text(painter, QPointF(at, y), label)
        label = " ".join(text for text in (self._x_label, ticks.factor) if text)
        half = metrics.horizontalAdvance(label) / 2
        y = box.bottom() + TICK + metrics.height() + metrics.ascent()
        self._text(painter, QPointF(box.center().x() - half, y), label)

    def _ticks_beside(
        self, painter: QPainter, metrics: QFontMetricsF, axes: Axes, ticks: Ticks
    ) -> None:
        box = axes.box
        for value, label in zip(ticks.values, ticks.labels, strict=True):
            y = axes.y(value)
            painter.setPen(QPen(self._faint(0.6), 1))
            painter.drawLine(QPointF(box.left() - TICK, y), QPointF(box.left(), y))
            painter.setPen(self.ink)
            wide = metrics.horizontalAdvance(label)
            at = QPointF(box.left() - TICK - 2 - wide, y + metrics.capHeight() / 2)
            self._text(painter, at, label)

    @staticmethod
    def _text(painter: QPainter, at: QPointF, text: str) -> None:
        painter.drawText(at, text)


def said(value: float) -> str:
    """Return a value in words, for those who do not see the plot."""
    return format_value(float(value))
