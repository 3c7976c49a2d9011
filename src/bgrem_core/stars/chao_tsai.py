"""The diffusion of Chao & Tsai: differences are measured by the variance around them.

The variance grows as the square of a difference, so strong contrasts flow and weak ones
stay, the reverse of Perona & Malik: stars are strong contrasts, a nebula has weak ones.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from bgrem_core.stars.flux_form import differences, gained
from bgrem_core.stars.plane import float_plane
from bgrem_core.stars.steps import check_steps, last

__all__ = ["chao_tsai", "iter_chao_tsai"]

_Plane = NDArray[np.float64]

WINDOW = 3
"""Side of the window of the variance, pixels."""


def iter_chao_tsai(
    image: ArrayLike, *, iterations: int = 10, k: float = 0.05, gamma: float = 0.25
) -> Iterator[NDArray[np.float64]]:
    """Diffuse an image after Chao and Tsai, step by step.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite, grey levels from 0 to 255; other units need another `k`.
    iterations : int, optional
        Number of steps.
    k : float, optional
        A difference d across a side of a pixel flows by the share
        1 / (1 + (d / (k v))^2), v the variance in 3 x 3 pixels.
    gamma : float, optional
        Length of a step, at most 1/4.

    Yields
    ------
    ndarray of float64
        (ny, nx) after each step, an array of its own.

    Raises
    ------
    UsageError
        A setting out of its range.
    ImageError
        Not a plane of finite pixels.
    """
    check_steps(iterations, gamma, k=k)
    return _steps(float_plane(image), iterations, k, gamma)


def chao_tsai(
    image: ArrayLike, *, iterations: int = 10, k: float = 0.05, gamma: float = 0.25
) -> NDArray[np.float64]:
    """Diffuse an image after Chao and Tsai.

    The coefficient is the one that the first author of [2]_ used for the comparison
    with [1]_: with the defaults it gives the row of that name in Table 2 of [2]_. It
    was not checked against the text of [1]_.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite, grey levels from 0 to 255.
    iterations : int, optional
        Number of steps.
    k : float, optional
        Difference above which little flows, over the variance in 3 x 3 pixels.
    gamma : float, optional
        Length of a step, at most 1/4.

    Returns
    -------
    ndarray of float64
        (ny, nx), with the sum of `image`: light is spread and not taken away.

    Raises
    ------
    UsageError
        A setting out of its range.
    ImageError
        Not a plane of finite pixels.

    References
    ----------
    .. [1] Chao & Tsai 2006, Pattern Recognition Letters 27, 335.
    .. [2] Cohen & Lu 2021, Astronomy and Computing 37, 100507.
    """
    return last(iter_chao_tsai(image, iterations=iterations, k=k, gamma=gamma))


def local_variance(image: _Plane) -> _Plane:
    """Return the variance around each pixel.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx), mirrored at its edges.

    Returns
    -------
    ndarray of float64
        (ny, nx), in the unit of the image squared.
    """
    # No variance knows of a level, and far from 0 the difference of the squares
    # below would be rounding.
    centred = image - image.mean()
    mean = ndimage.uniform_filter(centred, WINDOW, mode="reflect")
    square = ndimage.uniform_filter(centred * centred, WINDOW, mode="reflect")
    out: _Plane = np.maximum(square - mean * mean, 0)
    return out


def _flux(difference: _Plane, width: _Plane) -> _Plane:
    """Return d / (1 + (d / width)^2); 0 where the image is flat and both are 0."""
    square = width * width
    both = np.maximum(square + difference * difference, np.finfo(np.float64).tiny)
    out: _Plane = difference * (square / both)
    return out


def _steps(image: _Plane, iterations: int, k: float, gamma: float) -> Iterator[_Plane]:
    for _ in range(iterations):
        south, east = differences(image)
        width = k * local_variance(image)
        image = image + gamma * gained(_flux(south, width), _flux(east, width))
        yield image
