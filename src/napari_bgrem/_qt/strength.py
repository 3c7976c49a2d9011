"""Strength: the layers of a result at any strength, rewritten while one looks."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_bgrem.blend import Blend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Layer

    from bgrem_core.separation import Separation

__all__ = ["Strength"]


class Strength(QObject):
    """Moves the strength of the last result; the exact pixels follow band by band.

    Attributes
    ----------
    blend : Blend or None
        That of the last result.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.blend: Blend | None = None
        self._settling: Iterator[None] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)

    @property
    def possible(self) -> bool:
        """Whether the result has a noise to be put back."""
        return bool(self.blend and self.blend.possible)

    def take(
        self, separation: "Separation | None", layers: "Mapping[str, Layer]"
    ) -> None:
        """Work on another result from now on, on none without a separation."""
        self._settling = None
        self.blend = None if separation is None else Blend(separation, dict(layers))

    def forget(self, layer: "Layer") -> None:
        """Drop a layer that was deleted."""
        if self.blend is not None:
            self.blend.forget(layer)

    def show(self, strength: float) -> None:
        """Show a strength at once, as well as it can be shown."""
        if self.blend is not None:
            self._settling = None
            self.blend.show(strength)

    def settle(self, strength: float) -> None:
        """Rewrite the layers, band by band, so that the window breathes."""
        if self.blend is not None and self.blend.possible:
            self._settling = self.blend.settle(strength)
            self._timer.start(0)

    def _go_on(self) -> None:
        if self._settling is None or next(self._settling, self) is self:
            self._settling = None
            self._timer.stop()
