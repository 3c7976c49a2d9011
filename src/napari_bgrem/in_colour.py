"""In colour: the planes of a colour image put together again, cleaned and residual."""

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from bgrem_core.planes import allocate, bands
from bgrem_core.pyramid import SINGLE
from napari_bgrem.looks import level_of, look_of, sampled
from napari_bgrem.mark import FROM, KEY, Mark
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation
    from napari_bgrem.layers import LayerData

    Limits = tuple[float, float]

__all__ = ["IN_COLOUR", "colour_layers"]

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
        and black and white four sigma below and above.
    """
    limits = [_limits(plane, _top(like)) for plane in planes]
    kinds = zip(
        IN_COLOUR,
        ([p.cleaned_plane for p in planes], [p.residual_plane for p in planes]),
        zip(*limits, strict=True),
        strict=True,
    )
    return [
        (
            _levels(_mixed(channels, reach)),
            {
                "name": f"{name}: {role}{note}",
                "metadata": {KEY: Mark(role=role, run=run), FROM: ref(like)},
                "rgb": True,
                "visible": role == IN_COLOUR[0],
                "interpolation2d": "nearest",
                **placement_like(like),
            },
            "image",
        )
        for role, channels, reach in kinds
    ]


def _top(like: "Image") -> float:
    """Return the value that a layer in colour shows at full brightness."""
    kind = np.dtype(like.dtype)
    return float(np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else 1.0


def _limits(plane: "Separation", top: float) -> "tuple[Limits, Limits]":
    """Return what is black and white in the cleaned channel, and in the residual."""
    taken = sampled(plane.residual_plane)
    level = level_of(taken)
    look = look_of("residual", taken, plane.scale.median_sigma)
    return (-level, top - level), look["contrast_limits"]


def _mixed(
    channels: "Sequence[Plane]", limits: "Sequence[Limits]"
) -> "NDArray[np.uint8]":
    ny, nx = channels[0].shape
    mixed = allocate((ny, nx, len(channels)), np.uint8)
    for k, (channel, (low, high)) in enumerate(zip(channels, limits, strict=True)):
        for rows in bands((ny, nx)):
            share = (np.asarray(channel[rows, 0:nx]) - low) / (high - low)
            mixed[rows, :, k] = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1))
    return mixed


def _levels(mixed: "NDArray[np.uint8]") -> Any:
    """Return what a layer takes: coarser levels too where it is large."""
    if max(mixed.shape[:2]) <= SINGLE:
        return mixed
    steps = [1]
    while max(mixed.shape[:2]) // steps[-1] > SINGLE // 4:
        steps.append(2 * steps[-1])
    return [mixed[::step, ::step] for step in steps]
