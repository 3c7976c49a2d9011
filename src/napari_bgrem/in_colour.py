"""In colour: the planes of a colour image put together again, cleaned and residual."""

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from bgrem_core.methods import METHODS
from bgrem_core.planes import allocate, bands
from bgrem_core.pyramid import SINGLE
from bgrem_core.words import words_of
from napari_bgrem.called import role_name
from napari_bgrem.looks import level_of, look_of, sampled
from napari_bgrem.mark import FROM, KEY, Mark
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from bgrem_core.planes import Block
    from bgrem_core.separation import Separation
    from napari_bgrem.layers import LayerData

    Limits = tuple[float, float]

__all__ = ["IN_COLOUR", "InColour", "colour_layers"]

IN_COLOUR = ("cleaned in colour", "residual in colour")
"""Roles of the layers that show all planes of a colour image at once."""


def colour_layers(
    planes: "Sequence[Separation]", *, like: "Image", run: str, name: str, note: str
) -> "list[LayerData]":
    """Return cleaned image and residual of a colour image, in colour.

    Parameters
    ----------
    planes : sequence of Separation
        Of red, green and blue.
    like : napari.layers.Image
        The layer in colour that was separated.
    run : str
        Put into each mark.
    name, note : str
        How the names of the layers begin and end.

    Returns
    -------
    list of LayerData
        Two layers of 8 bits a channel, only to be looked at: the cleaned image at the
        level that the original has, and the residual, grey at its level in each channel
        and black and white four sigma below and above; light of sources is shown as it
        is in the original.
    """
    mixed = InColour(planes, like)
    words = words_of(planes[0])
    return [
        (
            _levels(mixed.whole(role)),
            {
                "name": f"{name}: {role_name(role, words)}{note}",
                "metadata": {KEY: Mark(role=role, run=run), FROM: ref(like)},
                "rgb": True,
                "visible": role == IN_COLOUR[0],
                "interpolation2d": "nearest",
                **placement_like(like),
            },
            "image",
        )
        for role in IN_COLOUR
    ]


class InColour:
    """Mixes the planes of a colour image, always within the same limits.

    Parameters
    ----------
    planes : sequence of Separation
        Of red, green and blue, as the run gave them: they decide the limits.
    like : napari.layers.Image
        The layer in colour that was separated.
    """

    def __init__(self, planes: "Sequence[Separation]", like: "Image") -> None:
        self._planes = tuple(planes)
        limits = [_limits(plane, _top(like)) for plane in planes]
        self._limits = dict(zip(IN_COLOUR, zip(*limits, strict=True), strict=True))

    def whole(self, role: str) -> "NDArray[np.uint8]":
        """Return all pixels of a role of `IN_COLOUR`."""
        ny, nx = self._planes[0].shape
        mixed = allocate((ny, nx, len(self._planes)), np.uint8)
        for rows in bands((ny, nx)):
            self.fill(mixed, role, self._planes, (rows, slice(0, nx)))
        return mixed

    def fill(
        self,
        mixed: "NDArray[np.uint8]",
        role: str,
        planes: "Sequence[Separation]",
        block: "Block",
    ) -> None:
        """Write a block.

        Parameters
        ----------
        mixed : ndarray of uint8, shape (ny, nx, n)
            Written to.
        role : str
            Of `IN_COLOUR`.
        planes : sequence of Separation
            Those of this mixer, at any strength.
        block : tuple of slice
            Rows and columns.
        """
        for k, (plane, (low, high)) in enumerate(
            zip(planes, self._limits[role], strict=True)
        ):
            first = role == IN_COLOUR[0]
            channel = plane.cleaned_plane if first else plane.residual_plane
            share = (np.asarray(channel[block]) - low) / (high - low)
            mixed[(*block, k)] = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1))


def _top(like: "Image") -> float:
    """Return the value that a layer in colour shows at full brightness."""
    kind = np.dtype(like.dtype)
    return float(np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else 1.0


def _limits(plane: "Separation", top: float) -> "tuple[Limits, Limits]":
    """Return what is black and white in the cleaned channel, and in the residual."""
    taken = sampled(plane.residual_plane)
    level = level_of(taken)
    left = -level, top - level
    method = METHODS.get(plane.provenance.method)
    if method is not None and method.takes_light:
        return left, (0.0, top)
    look = look_of("residual", taken, plane.scale.median_sigma)
    return left, look["contrast_limits"]


def _levels(mixed: "NDArray[np.uint8]") -> Any:
    """Return what a layer takes: coarser levels too where it is large."""
    if max(mixed.shape[:2]) <= SINGLE:
        return mixed
    steps = [1]
    while max(mixed.shape[:2]) // steps[-1] > SINGLE // 4:
        steps.append(2 * steps[-1])
    return [mixed[::step, ::step] for step in steps]
