"""Stretch: brightness and limits of image layers, with the curves of the core.

napari knows no asinh or log stretch. A colour map that is bent by the curve does the
same, costs no copy of the data, and is shown by the colour bar.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.display import (
    COLOUR_MAPS,
    STRETCHES,
    percentile_limits,
    stretch_table,
    zscale_limits,
)
from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Image
    from napari.utils import Colormap
    from numpy.typing import NDArray

__all__ = ["LIMITS", "apply_stretch", "colour_map", "level_between", "set_limits"]

ENTRIES = 1024
"""Colours of a stretched map: as many as napari's own table on the screen."""
SAMPLE = 500
"""Pixels a side that limits are taken from."""

_HOW: "dict[str, Callable[[NDArray[Any]], tuple[float, float]]]" = {
    "zscale": zscale_limits,
    "percentile": percentile_limits,
    "minmax": lambda values: percentile_limits(values, 0, 100),
}
LIMITS = tuple(_HOW)
"""Ways of choosing limits."""


@cache
def colour_map(base: str = "grey", stretch: str = "linear") -> "Colormap":
    """Return a colour map bent by a stretch.

    Parameters
    ----------
    base : str, optional
        Key of `bgrem_core.display.COLOUR_MAPS`, or a name that napari knows.
    stretch : {"linear", "asinh", "log", "sqrt"}, optional
        What lies between the limits.

    Returns
    -------
    napari.utils.Colormap
        Named after both, such as "grey (asinh)". NaN stays transparent.

    Raises
    ------
    UsageError
        There is no such stretch.
    """
    from napari.utils import Colormap
    from napari.utils.colormaps import ensure_colormap

    curve = stretch_table(stretch)
    if base in COLOUR_MAPS:
        colours = COLOUR_MAPS[base] / np.float32(255)
    else:
        colours = ensure_colormap(base).map(np.linspace(0, 1, 256))
    at = np.rint(np.linspace(0, 1, ENTRIES) * (len(curve) - 1)).astype(np.intp)
    name = base if stretch == "linear" else f"{base} ({stretch})"
    return Colormap(colours[curve[at]], name=name)


def apply_stretch(layers: "Iterable[Image]", name: str) -> None:
    """Stretch layers, each in its own colours; the limits stay.

    Parameters
    ----------
    layers : iterable of napari.layers.Image
        Layers with one channel; others are left alone.
    name : {"linear", "asinh", "log", "sqrt"}
        Which curve.

    Raises
    ------
    UsageError
        There is no such stretch.
    """
    stretch_table(name)
    for layer in layers:
        if not layer.rgb:
            layer.colormap = colour_map(_base(layer.colormap.name), name)


def set_limits(layer: "Image", how: str, *, shared: "Iterable[Image]" = ()) -> None:
    """Set the limits of a layer from a sample of its pixels.

    Parameters
    ----------
    layer : napari.layers.Image
        One channel, of any size: a few hundred pixels a side are read.
    how : {"zscale", "percentile", "minmax"}
        How limits are chosen.
    shared : iterable of napari.layers.Image, optional
        Layers that are to look alike: they get the same limits plus the level by which
        they lie above `layer`.

    Raises
    ------
    UsageError
        There is no such way.
    """
    if how not in _HOW:
        raise UsageError(
            f"limits {how!r} are not known", hint=f"use one of {', '.join(LIMITS)}"
        )
    if layer.rgb:
        return
    low, high = _HOW[how](sample(layer))
    layer.contrast_limits = (low, high)
    for other in (x for x in shared if not x.rgb):
        shift = level_between(other, layer)
        other.contrast_limits = (low + shift, high + shift)


def level_between(upper: "Image", lower: "Image") -> float:
    """Return by how much one image lies above another: the sky between the two.

    Parameters
    ----------
    upper, lower : napari.layers.Image
        An image with and without its sky.

    Returns
    -------
    float
        Median of the difference where both have pixels, in their unit; 0 if unknown.
    """
    first, second = sample(upper), sample(lower)
    if first.shape == second.shape:
        return _median(first - second)
    return _median(first) - _median(second)


def sample(layer: "Image") -> "NDArray[np.float64]":
    """Return evenly chosen pixels of a layer, a few hundred a side.

    They are taken from the full level where it is a plain array: the means of coarser
    levels scatter less than what the eye sees. Other arrays may have to be computed,
    so the coarsest level that is large enough stands for them.
    """
    levels = list(layer.data) if layer.multiscale else [layer.data]
    chosen = levels[0]
    if not isinstance(chosen, np.ndarray):
        large = [level for level in levels if min(level.shape[-2:]) >= SAMPLE]
        chosen = large[-1] if large else levels[0]
    rows, columns = (max(1, n // SAMPLE) for n in chosen.shape[-2:])
    # Several planes: the middle one stands for all.
    plane = chosen[tuple(n // 2 for n in chosen.shape[:-2])]
    return np.asarray(plane[::rows, ::columns], np.float64)


def _median(values: "NDArray[np.float64]") -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else 0.0


def _base(name: str) -> str:
    """Return the name of a colour map without its stretch."""
    for stretch in STRETCHES:
        name = name.removesuffix(f" ({stretch})")
    return name
