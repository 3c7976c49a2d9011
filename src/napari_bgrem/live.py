"""Live: a layer that fills while a run is at work."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bgrem_core.pyramid import Pyramid

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image
    from numpy.typing import NDArray

    from bgrem_core.planes import Block

__all__ = ["EVERY", "Live"]

EVERY = 0.4
"""Least seconds between two repaints: drawing takes cores that the network needs."""


class Live:
    """Blocks of a run on their way to a layer.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the frame.
    clock : callable, optional
        Seconds, from any start.

    Attributes
    ----------
    pyramid : Pyramid
        What the layer shows; NaN, and so transparent, where nothing came yet.
    layer : napari.layers.Image or None
        Set by whoever shows it.
    """

    def __init__(
        self, shape: tuple[int, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pyramid = Pyramid(shape)
        self.layer: Image | None = None
        self._clock, self._painted, self._stale = clock, float("-inf"), False

    def put(self, keep: "Block", block: "NDArray[np.float32]") -> None:
        """Take a block, and repaint unless that was done a moment ago."""
        self.pyramid.put(keep, block)
        self._stale = True
        if self._clock() - self._painted >= EVERY:
            self.paint()

    def paint(self) -> None:
        """Show what came since the last time."""
        if self._stale and self.layer is not None:
            self.layer.refresh(thumbnail=False, extent=False)
            self._painted, self._stale = self._clock(), False
