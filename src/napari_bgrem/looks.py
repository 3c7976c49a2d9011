"""Looks: colours and limits of a layer, by what it shows."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.display import (
    percentile_limits,
    shared_limits,
    symmetric_limits,
    zscale_limits,
)
from napari_bgrem.stretch import colour_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation

    Limits = tuple[float, float]

__all__ = ["compared_limits", "level_of", "look_of", "sampled"]

SAMPLE = 512
"""Pixels a side that limits are taken from."""
ROWS = 64
"""Rows that are read of a plane which must be evaluated: each costs milliseconds."""

_SYMMETRIC = frozenset({"residual", "noise", "background", "systematics"})


def look_of(
    role: str, values: "NDArray[Any]", sigma: float = float("nan")
) -> dict[str, Any]:
    """Return how a layer looks by what it shows.

    Parameters
    ----------
    role : str
        As in `Mark`.
    values : ndarray
        Some of its pixels.
    sigma : float, optional
        Noise of the original, NaN = unknown.

    Returns
    -------
    dict
        Colour map, limits and interpolation: residual and noise in blue, white and
        orange, four sigma to both sides of their level; all else in grey.
    """
    look = {"interpolation2d": "nearest"}
    if role in _SYMMETRIC:
        middle = 0.0 if role == "noise" else level_of(values)
        low, high = symmetric_limits(_spread(values, sigma))
        limits = middle + low, middle + high
        return {
            **look,
            "colormap": colour_map("blue-white-orange"),
            "contrast_limits": limits,
        }
    if role == "original":
        limits = zscale_limits(values)
    elif role == "cleaned":
        limits = shared_limits(values, sigma)
    else:
        limits = percentile_limits(values)
    return {**look, "colormap": "gray", "contrast_limits": limits}


def compared_limits(separation: "Separation") -> "tuple[Limits, Limits]":
    """Return the limits under which an image and its cleaned version look alike.

    Parameters
    ----------
    separation : Separation
        Read in a few rows.

    Returns
    -------
    original, cleaned : tuple of float
        They differ by the level of what was taken away.
    """
    sigma = separation.scale.median_sigma
    low, high = shared_limits(sampled(separation.cleaned_plane), sigma)
    level = level_of(sampled(separation.residual_plane))
    return (low + level, high + level), (low, high)


def sampled(plane: "Plane") -> "NDArray[Any]":
    """Return evenly chosen pixels of a plane: some 500 a side.

    Parameters
    ----------
    plane : Plane
        One that must be evaluated is read in 64 rows only.

    Returns
    -------
    ndarray
        Two axes; a view where it can be one.
    """
    ny, nx = plane.shape
    if isinstance(plane, np.ndarray):
        return plane[:: max(1, ny // SAMPLE), :: max(1, nx // SAMPLE)]
    count = min(ny, ROWS)
    chosen = np.linspace(0, ny - 1, count).astype(int).tolist()
    step = max(1, nx * count // SAMPLE**2)
    return np.concatenate(
        [np.asarray(plane[row : row + 1, 0:nx])[:, ::step] for row in chosen]
    )


def level_of(values: "NDArray[Any]") -> float:
    """Return the median of finite values, 0 without any."""
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else 0.0


def _spread(values: "NDArray[Any]", sigma: float) -> float:
    """Return sigma, or where there is none the spread of the pixels."""
    if np.isfinite(sigma) and sigma > 0:
        return sigma
    good = values[np.isfinite(values)]
    low, high = np.percentile(good, (16, 84)) if good.size else (0.0, 0.0)
    return float(high - low) / 2
