"""Blend: the layers of a result with some of what was taken left in, without a run."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.planes import bands
from bgrem_core.pyramid import Pyramid
from bgrem_core.strength import at_strength, has_strength, part_of_strength
from napari_bgrem.in_view import block_in_view
from napari_bgrem.mark import KEY, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Layer

    from bgrem_core.planes import Block
    from bgrem_core.separation import Separation

__all__ = ["Blend"]

SHOWN = ("cleaned", "residual", "uncertainty")
"""Roles of the layers that depend on the strength."""


class Blend:
    """The layers of one result at a strength.

    Parameters
    ----------
    separation : Separation
        Of strength 1, as the run gave it.
    layers : mapping of str to napari.layers.Layer
        Its layers by role. Those of `SHOWN` are rewritten: they belong to us.

    Attributes
    ----------
    strength : float
        Share of the noise, or of the stars, that is taken away.
    shown : Separation
        The result at that strength.
    """

    def __init__(self, separation: "Separation", layers: "Mapping[str, Layer]") -> None:
        self._whole, self._layers = separation, dict(layers)
        self.strength = 1.0
        self.shown = separation

    @property
    def possible(self) -> bool:
        """Whether this result has a strength to choose."""
        return has_strength(self._whole)

    def show(self, strength: float) -> None:
        """Rewrite what is in view, in a few milliseconds; `settle` does the rest.

        Parameters
        ----------
        strength : float
            0 to 1.
        """
        scaled = part_of_strength(self._whole)
        rest = [name for name in self._whole.parts if name != scaled]
        needed = ("cleaned", "residual", str(scaled), *rest)
        if any(name not in self._layers for name in needed):
            return  # a layer was deleted: what is left comes right with `settle`
        levels = {name: _levels(self._layers[name]) for name in needed}
        for anchor in ("cleaned", "residual"):
            layer = self._layers[anchor]
            level = layer.data_level if layer.multiscale else 0
            block = _at_level(layer, level)
            if block is None:
                continue
            cleaned, residual = (
                levels[name][level][block] for name in ("cleaned", "residual")
            )
            image = cleaned + residual
            taken = sum((levels[name][level][block] for name in rest), np.float32(0))
            np.add(taken, strength * levels[str(scaled)][level][block], out=residual)
            good = np.isfinite(residual)
            np.subtract(image, residual, out=cleaned, where=good)
        for name in ("cleaned", "residual"):
            self._layers[name].refresh(thumbnail=False, extent=False)

    def settle(self, strength: float) -> "Iterator[None]":
        """Rewrite the layers whole, band by band, and mark them anew.

        Parameters
        ----------
        strength : float
            0 to 1.

        Yields
        ------
        None
            After each band, so that a window can be served in between.
        """
        shown = at_strength(self._whole, strength)
        planes: dict[str, Any] = {
            "cleaned": shown.cleaned_plane,
            "residual": shown.residual_plane,
            "uncertainty": shown.uncertainty,
        }
        wanted = {
            name: (Pyramid.of(_levels(layer)), planes[name])
            for name, layer in self._layers.items()
            if name in SHOWN and planes[name] is not None
        }
        columns = slice(0, shown.shape[1])
        for rows in bands(shown.shape):
            for pyramid, plane in wanted.values():
                pyramid.put((rows, columns), plane[rows, columns])
            yield
        self.strength, self.shown = strength, shown
        for name in wanted:
            layer = self._layers[name]
            mark = mark_of(layer)
            if mark is not None:
                layer.metadata = {
                    **layer.metadata,
                    KEY: dataclasses.replace(mark, separation=shown),
                    "provenance": shown.provenance.as_dict(),
                }
            layer.refresh(extent=False)

    def forget(self, layer: "Layer") -> None:
        """Leave out a layer that was deleted."""
        self._layers = {k: v for k, v in self._layers.items() if v is not layer}


def _levels(layer: "Layer") -> list[Any]:
    return list(layer.data) if layer.multiscale else [layer.data]


def _at_level(layer: "Layer", level: int) -> "Block | None":
    """Return what is in view of a level, whole pixels of it."""
    block = block_in_view(layer)
    if block is None:
        return None
    step = 2**level
    rows, cols = (slice(b.start // step, -(-b.stop // step)) for b in block)
    return rows, cols
