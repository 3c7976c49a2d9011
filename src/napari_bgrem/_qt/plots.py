"""Plots: small diagrams that Qt paints itself, in the colours of the theme."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from bgrem_core.display import format_value, to_rgba
from napari_bgrem._qt.ticks import Ticks, choose_ticks, padded

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["Curve", "CurvePlot", "HistogramPlot", "ImagePlot"]

LEAST = (220, 150)
"""Width and height below which a plot cannot be read, pixels."""

_LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
#: On dark and on light ground; told apart with every common colour blindness.
_COLOURS = {
    "original": ("#e6e6e6", "#303030"),
    "cleaned": ("#56beff", "#0067b0"),
    "residual": ("#ff9a3c", "#b84e00"),
    "": ("#b9a0ff", "#6a3fc0"),
}
_GAP, _TICK = 5, 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One line of a plot.

    Attributes
    ----------
    name : str
        In the legend; "original", "cleaned" and "residual" have colours of their own.
    x, y : ndarray of float64, shape (n,)
        NaN breaks the line.
    error : ndarray of float64 or None, shape (n,) or (2, n)
        Drawn as bars; down and up where they differ.
    points : bool
        Dots and no line.
    colour : str
        That of another name.
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


class _Entry(NamedTuple):
    """One entry of a legend."""

    name: str
    colour: str
    dot: bool = False


class _Plot(QWidget):
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
        self.setToolTip(text)

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
        self._text(painter, QPointF(_GAP, _GAP + metrics.ascent()), self._title)
        painter.setPen(self._faint(0.6))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(self.rect()), int(flags.value), self._hint)

    def _frame(
        self,
        painter: QPainter,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        legend: "Sequence[_Entry]",
        *,
        x_ticks: Ticks | None = None,
    ) -> "_Axes":
        """Draw title, legend, axes and ticks; return where the numbers lie."""
        metrics = QFontMetricsF(painter.font())
        line = metrics.height()
        rows = 1 + bool(legend)
        top = _GAP + rows * line + _GAP
        bottom = self.height() - 2 * line - _TICK - _GAP
        y_ticks = choose_ticks(*y_range, max(2, int((bottom - top) / (1.6 * line))))
        wide = [metrics.horizontalAdvance(label) for label in y_ticks.labels]
        left = _GAP + max(wide, default=0) + _TICK + 2
        box = QRectF(left, top, self.width() - left - 2 * _GAP, bottom - top)
        most = max(2, int(box.width() / 4 / metrics.horizontalAdvance("0")))
        x_ticks = x_ticks or choose_ticks(*x_range, most)
        axes = _Axes(box, x_range, y_range)
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
        room = self.width() - 2 * _GAP
        short = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        self._text(painter, QPointF(_GAP, _GAP + metrics.ascent()), short)

    def _legend(
        self,
        painter: QPainter,
        metrics: QFontMetricsF,
        entries: "Sequence[_Entry]",
        left: float,
    ) -> None:
        y = _GAP + metrics.height()
        sample, gap = 18.0, 10.0
        wide = sum(metrics.horizontalAdvance(e.name) + sample + 4 for e in entries)
        room = self.width() - left - 2 * _GAP - wide
        if len(entries) > 1:
            gap = min(gap, max(3.0, room / (len(entries) - 1)))
        x = left if room > 0 else float(_GAP)
        for k, (name, colour, dot) in enumerate(entries):
            painter.setPen(QPen(self._colour(colour), 1.8, _LINES[k % len(_LINES)]))
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
        self, painter: QPainter, metrics: QFontMetricsF, axes: "_Axes", ticks: Ticks
    ) -> None:
        box = axes.box
        for value, label in zip(ticks.values, ticks.labels, strict=True):
            x = axes.x(value)
            painter.setPen(QPen(self._faint(0.6), 1))
            painter.drawLine(QPointF(x, box.bottom()), QPointF(x, box.bottom() + _TICK))
            painter.setPen(self.ink)
            half = metrics.horizontalAdvance(label) / 2
            at = min(max(x - half, 0), self.width() - 2 * half)
            y = box.bottom() + _TICK + metrics.ascent()
            self._text(painter, QPointF(at, y), label)
        label = " ".join(text for text in (self._x_label, ticks.factor) if text)
        half = metrics.horizontalAdvance(label) / 2
        y = box.bottom() + _TICK + metrics.height() + metrics.ascent()
        self._text(painter, QPointF(box.center().x() - half, y), label)

    def _ticks_beside(
        self, painter: QPainter, metrics: QFontMetricsF, axes: "_Axes", ticks: Ticks
    ) -> None:
        box = axes.box
        for value, label in zip(ticks.values, ticks.labels, strict=True):
            y = axes.y(value)
            painter.setPen(QPen(self._faint(0.6), 1))
            painter.drawLine(QPointF(box.left() - _TICK, y), QPointF(box.left(), y))
            painter.setPen(self.ink)
            wide = metrics.horizontalAdvance(label)
            at = QPointF(box.left() - _TICK - 2 - wide, y + metrics.capHeight() / 2)
            self._text(painter, at, label)

    @staticmethod
    def _text(painter: QPainter, at: QPointF, text: str) -> None:
        painter.drawText(at, text)


@dataclass(frozen=True, slots=True)
class _Axes:
    """A box on the screen, and the numbers at its edges."""

    box: QRectF
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return float(self.box.left() + (value - low) / (high - low) * self.box.width())

    def y(self, value: float) -> float:
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


class CurvePlot(_Plot):
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
            f"{c.name} from {_said(c.y[0])} to {_said(c.y[-1])}"
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
            _Entry(curve.name, curve.painted, dot=curve.points)
            for curve in self._curves
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
            self._paint_curve(painter, axes, curve, _LINES[k % len(_LINES)])

    def _paint_curve(
        self, painter: QPainter, axes: _Axes, curve: Curve, style: Any
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


class HistogramPlot(_Plot):
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
        said = (
            f"{name} peaks at {_said(middle[int(np.argmax(share))])}"
            for name, share in self._shares.items()
        )
        self._describe(f"{self._title}: {', '.join(said)} {x_label}".strip())
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
        legend = [_Entry(name, name) for name in names]
        axes = self._frame(painter, (low, high), (0.0, 1.08 * top), legend)
        painter.setClipRect(axes.box)
        for k, (name, share) in enumerate(self._shares.items()):
            x, y = np.repeat(self._edges, 2)[1:-1], np.repeat(share, 2)
            painter.setPen(QPen(self._colour(name), 1.6, _LINES[k % len(_LINES)]))
            for piece in axes.line(x, y):
                painter.drawPolyline(piece)
        if self._gaussian:
            style = _LINES[len(self._shares) % len(_LINES)]
            painter.setPen(QPen(self._colour(self.GAUSSIAN), 1.4, style))
            for piece in axes.line(bell, curve):
                painter.drawPolyline(piece)


class ImagePlot(_Plot):
    """A small array in colours, with what the colours mean.

    Parameters
    ----------
    title : str, optional
        What is shown.
    parent : QWidget, optional
        As in Qt.
    """

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._array: Floats = np.zeros((0, 0))
        self._limits = (0.0, 1.0)
        self._cmap = "grey"

    def set_image(
        self,
        array: "ArrayLike",
        *,
        limits: tuple[float, float] | None = None,
        cmap: str = "blue-white-orange",
        unit: str = "",
    ) -> None:
        """Show an array in place of what was shown.

        Parameters
        ----------
        array : array_like, shape (ny, nx)
            Row 0 at the bottom.
        limits : tuple of float, optional
            Values of the first and the last colour; by default symmetric about zero.
        cmap : str, optional
            Key of `bgrem_core.display.COLOUR_MAPS`.
        unit : str, optional
            Of the values.
        """
        self._array = np.asarray(array, np.float64)
        good = self._array[np.isfinite(self._array)]
        reach = float(np.abs(good).max()) if good.size else 0.0
        self._limits = limits or (-(reach or 1.0), reach or 1.0)
        self._cmap, self._y_label = cmap, unit
        if good.size:
            ends = f"from {_said(good.min())} to {_said(good.max())} {unit}"
            self._describe(f"{self._title}: {ends}".strip())
        self.update()

    def clear(self, hint: str = "") -> None:
        """Show nothing but a hint."""
        self._array = np.zeros((0, 0))
        super().clear(hint)

    def _is_empty(self) -> bool:
        return not np.isfinite(self._array).any()

    def _paint(self, painter: QPainter) -> None:
        metrics = QFontMetricsF(painter.font())
        ticks = choose_ticks(*self._limits, 5)
        self._title_row(painter, metrics, ticks)
        top = 2 * _GAP + metrics.height()
        room = self.height() - top - _GAP - metrics.height() / 2
        wide = max((metrics.horizontalAdvance(t) for t in ticks.labels), default=0)
        bar = 12 + _TICK + 2 + wide + 2 * _GAP
        ny, nx = self._array.shape
        side = min(room / ny, (self.width() - 2 * _GAP - bar) / nx)
        box = QRectF(_GAP, top, nx * side, ny * side)
        painter.drawImage(box, _picture(self._array, self._limits, self._cmap))
        scale = np.linspace(*self._limits, 128)[:, None]
        strip = QRectF(box.right() + 2 * _GAP, top, 12, box.height())
        painter.drawImage(strip, _picture(scale, self._limits, self._cmap))
        painter.setPen(QPen(self._faint(0.6), 1))
        painter.drawRect(box)
        painter.drawRect(strip)
        edge = QRectF(strip.right() + _TICK, top, 1, strip.height())
        axes = _Axes(edge, (0.0, 1.0), self._limits)
        for value, label in zip(ticks.values, ticks.labels, strict=True):
            y = axes.y(value)
            painter.setPen(QPen(self._faint(0.6), 1))
            painter.drawLine(QPointF(strip.right(), y), QPointF(edge.left(), y))
            painter.setPen(self.ink)
            at = QPointF(edge.left() + 2, y + metrics.capHeight() / 2)
            self._text(painter, at, label)


def _picture(array: "Floats", limits: tuple[float, float], cmap: str) -> QImage:
    """Return an array as a picture with row 0 at the bottom."""
    rgba = np.ascontiguousarray(to_rgba(array, limits, cmap=cmap)[::-1])
    ny, nx = array.shape
    made = QImage(rgba.tobytes(), nx, ny, 4 * nx, QImage.Format.Format_RGBA8888)
    # Qt does not keep the bytes.
    return made.copy()


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


def _said(value: float) -> str:
    return format_value(float(value))
