"""Image plot: a small array in colours, with what the colours mean."""

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QFontMetricsF, QImage, QPainter, QPen
from qtpy.QtWidgets import QWidget

from bgrem_core.display import to_rgba
from napari_bgrem._qt.plot_base import GAP, TICK, Axes, Plot, said
from napari_bgrem._qt.ticks import choose_ticks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["ImagePlot"]


class ImagePlot(Plot):
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
            ends = f"from {said(good.min())} to {said(good.max())} {unit}"
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
        top = 2 * GAP + metrics.height()
        room = self.height() - top - GAP - metrics.height() / 2
        wide = max((metrics.horizontalAdvance(t) for t in ticks.labels), default=0)
        bar = 12 + TICK + 2 + wide + 2 * GAP
        ny, nx = self._array.shape
        side = min(room / ny, (self.width() - 2 * GAP - bar) / nx)
        box = QRectF(GAP, top, nx * side, ny * side)
        painter.drawImage(box, _picture(self._array, self._limits, self._cmap))
        scale = np.linspace(*self._limits, 128)[:, None]
        strip = QRectF(box.right() + 2 * GAP, top, 12, box.height())
        painter.drawImage(strip, _picture(scale, self._limits, self._cmap))
        painter.setPen(QPen(self._faint(0.6), 1))
        painter.drawRect(box)
        painter.drawRect(strip)
        edge = QRectF(strip.right() + TICK, top, 1, strip.height())
        axes = Axes(edge, (0.0, 1.0), self._limits)
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
