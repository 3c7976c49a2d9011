"""Blends: the layers of a colour image with some of what was taken left in."""

import dataclasses
from typing import TYPE_CHECKING

from bgrem_core.planes import bands
from bgrem_core.strength import at_strength
from napari_bgrem.blend import Blend
from napari_bgrem.in_colour import InColour
from napari_bgrem.in_view import block_in_view
from napari_bgrem.mark import FROM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from napari.layers import Layer
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation
    from bgrem_core.stack import StackSeparation

__all__ = ["Blends"]

QUICK = 2**21
"""Pixels in view up to which colours are mixed while the slider moves."""


class Blends:
    """The layers of a colour image at a strength: those of its planes, and in colour.

    Parameters
    ----------
    result : StackSeparation
        Of strength 1, as the run gave it.
    planes : sequence of mapping of str to napari.layers.Layer
        For each plane its layers by role.
    colours : mapping of str to napari.layers.Layer
        The layers in colour by role, as far as there are any.

    Attributes
    ----------
    strength : float
        Share of the noise, or of the stars, that is taken away.
    """

    def __init__(
        self,
        result: "StackSeparation",
        planes: "Sequence[Mapping[str, Layer]]",
        colours: "Mapping[str, Layer]",
    ) -> None:
        self._whole, self._colours = result, dict(colours)
        self._planes = [
            Blend(plane, layers)
            for plane, layers in zip(result.planes, planes, strict=True)
        ]
        self._mixer: InColour | None = None
        self.strength = 1.0

    @property
    def possible(self) -> bool:
        """Whether this result has a strength to choose."""
        return all(plane.possible for plane in self._planes)

    @property
    def shown(self) -> "StackSeparation":
        """The result at the strength that is shown."""
        planes = tuple(plane.shown for plane in self._planes)
        return dataclasses.replace(self._whole, planes=planes)

    def show(self, strength: float) -> None:
        """Rewrite what is in view; `settle` does the rest.

        Parameters
        ----------
        strength : float
            0 to 1.
        """
        planes = self._at(strength)
        for role, layer in self._colours.items():
            block = block_in_view(layer)
            if block is None or not layer.visible or (mixer := self._mix()) is None:
                continue
            rows, cols = block
            if (rows.stop - rows.start) * (cols.stop - cols.start) <= QUICK:
                mixer.fill(_full(layer), role, planes, block)
                layer.refresh(thumbnail=False, extent=False)

    def settle(self, strength: float) -> "Iterator[None]":
        """Rewrite all layers, band by band, and mark them anew.

        Parameters
        ----------
        strength : float
            0 to 1.

        Yields
        ------
        None
            After each band, so that a window can be served in between.
        """
        planes, mixer = self._at(strength), self._mix()
        ny, nx = planes[0].shape
        for role, layer in self._colours.items():
            for rows in bands((ny, nx)):
                if mixer is not None:
                    mixer.fill(_full(layer), role, planes, (rows, slice(0, nx)))
                yield
            layer.refresh(extent=False)
        for plane in self._planes:
            yield from plane.settle(strength)
        self.strength = strength

    def forget(self, layer: "Layer") -> None:
        """Leave out a layer that was deleted."""
        self._colours = {k: v for k, v in self._colours.items() if v is not layer}
        for plane in self._planes:
            plane.forget(layer)

    def _at(self, strength: float) -> "tuple[Separation, ...]":
        return tuple(at_strength(plane, strength) for plane in self._whole.planes)

    def _mix(self) -> InColour | None:
        """Return what mixes the colours; None without the layer that was separated."""
        if self._mixer is None and self._colours:
            like = next(iter(self._colours.values())).metadata[FROM]()
            if like is not None:
                self._mixer = InColour(self._whole.planes, like)
        return self._mixer


def _full(layer: "Layer") -> "NDArray[np.uint8]":
    """Return all pixels of a layer; coarser levels are views of them."""
    full: NDArray[np.uint8] = layer.data[0] if layer.multiscale else layer.data
    return full
