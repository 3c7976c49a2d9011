"""How unlike its mirror image the surroundings of each pixel are.

Around the middle of a star the left is like the right, on the edge of a nebula it is
not: the measure by which the method of Cohen & Lu tells the two.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float64]

__all__ = ["ALL_AXES", "STRAIGHT_AXES", "asymmetry", "mean_asymmetry"]

Axis = tuple[int, int]

STRAIGHT_AXES: tuple[Axis, ...] = ((1, 0), (0, 1))
"""Along columns and rows: steps in y and x."""
ALL_AXES: tuple[Axis, ...] = (*STRAIGHT_AXES, (1, -1), (1, 1))
"""The same and both diagonals."""


def asymmetry(
    image: "Plane",
    scale: int,
    *,
    axes: tuple[Axis, ...] = ALL_AXES,
    frame: float | None = None,
) -> "Plane":
    """Return the differences between opposite neighbours at one distance.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx).
    scale : int
        Distance of the neighbours from the pixel, in pixels along each axis.
    axes : tuple of (int, int), optional
        Directions, over which the absolute differences are summed.
    frame : float, optional
        What a pixel within `scale` of an edge gets. By default the pixels of the edges
        are repeated outside.

    Returns
    -------
    ndarray of float64
        (ny, nx), in the unit of the image.
    """
    ny, nx = image.shape
    if frame is None:
        out = np.zeros_like(image)
        _add(out, np.pad(image, scale, mode="edge"), scale, axes)
        return out
    out = np.full_like(image, frame)
    if ny > 2 * scale and nx > 2 * scale:
        inner = out[scale:-scale, scale:-scale]
        inner[:] = 0
        _add(inner, image, scale, axes)
    return out


def mean_asymmetry(
    image: "Plane",
    scales: int,
    *,
    axes: tuple[Axis, ...] = ALL_AXES,
    frame: float | None = None,
) -> "Plane":
    """Return the mean of the asymmetry over distances from 1 pixel on.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx).
    scales : int
        Largest distance, pixels.
    axes : tuple of (int, int), optional
        Directions, as for `asymmetry`.
    frame : float, optional
        What is at the edges, as for `asymmetry`.

    Returns
    -------
    ndarray of float64
        (ny, nx), in the unit of the image.
    """
    out = asymmetry(image, 1, axes=axes, frame=frame)
    for scale in range(2, scales + 1):
        out += asymmetry(image, scale, axes=axes, frame=frame)
    out /= scales
    return out


def _add(out: "Plane", around: "Plane", scale: int, axes: tuple[Axis, ...]) -> None:
    """Add to each pixel of `out` what `around`, wider by `scale`, has beside it."""
    ny, nx = out.shape

    def shifted(dy: int, dx: int) -> "Plane":
        y, x = scale * (1 + dy), scale * (1 + dx)
        return around[y : y + ny, x : x + nx]

    for dy, dx in axes:
        difference = shifted(dy, dx) - shifted(-dy, -dx)
        out += np.abs(difference, out=difference)
