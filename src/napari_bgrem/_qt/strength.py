"""Strength: the layers of a result at any strength, rewritten while one looks."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from bgrem_core.stack import StackSeparation
from napari_bgrem.blend import Blend
from napari_bgrem.blends import Blends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Layer

    from bgrem_core.api import Result

__all__ = ["Strength"]


class Strength(QObject):
    """Moves the strength of the last result; the exact pixels follow band by band.

    Attributes
    ----------
    blend : Blend, Blends or None
        That of the last result.
    """

    settled = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.blend: Blend | Blends | None = None
        self._settling: Iterator[None] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)

    @property
    def possible(self) -> bool:
        """Whether the result has something to be put back."""
        return bool(self.blend and self.blend.possible)

    def take(
        self, result: "Result | None", layers: "Mapping[str, Mapping[str, Layer]]"
    ) -> None:
        """Work on another result from now on, on none without one.

        Parameters
        ----------
        result : Separation, StackSeparation or None
            Of strength 1.
        layers : mapping
            Layers by run, then by role; planes of one run are "run.k", k from 1.
        """
        self._settling = None
        if result is None:
            self.blend = None
        elif isinstance(result, StackSeparation):
            run = next(iter(layers), "").partition(".")[0]
            planes = [layers.get(f"{run}.{k + 1}", {}) for k in range(len(result))]
            self.blend = Blends(result, planes, layers.get(run, {}))
        else:
            self.blend = Blend(result, next(iter(layers.values()), {}))

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
            ended, self._settling = self._settling is not None, None
            self._timer.stop()
            if ended:
                self.settled.emit()
