"""Perona-Malik diffusion: smooth where differences are small, keep edges."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgrem_core.errors import UsageError
from bgrem_core.stars.flux_form import differences, gained
from bgrem_core.stars.plane import float_plane
from bgrem_core.stars.steps import check_steps, last

__all__ = ["CONDUCTIONS", "iter_perona_malik", "perona_malik"]

_Plane = NDArray[np.float64]


def _quadratic(difference: _Plane, k: float) -> _Plane:
    out: _Plane = 1 / (1 + (difference / k) ** 2)
    return out


def _exponential(difference: _Plane, k: float) -> _Plane:
    out: _Plane = np.exp(-((difference / k) ** 2))
    return out


CONDUCTIONS: dict[str, Callable[[_Plane, float], _Plane]] = {
    "quadratic": _quadratic,
    "exponential": _exponential,
}
"""Share of a difference that flows, by its size over k: the two of Perona & Malik."""


def iter_perona_malik(
    image: ArrayLike,
    *,
    iterations: int = 50,
    k: float = 8.0,
    gamma: float = 0.25,
    conduction: str = "quadratic",
) -> Iterator[NDArray[np.float64]]:
    """Diffuse an image after Perona and Malik, step by step.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite; k is in its unit. Grey levels from 0 to 255 in the defaults.
    iterations : int, optional
        Number of steps.
    k : float, optional
        Difference between neighbours above which little flows, in the unit of the
        image.
    gamma : float, optional
        Length of a step; above 1/4 the scheme is not stable.
    conduction : str, optional
        "quadratic", 1 / (1 + (d / k)^2), or "exponential", exp(-(d / k)^2), with d the
        difference across a side of a pixel.

    Yields
    ------
    ndarray of float64
        (ny, nx) after each step, an array of its own.

    Raises
    ------
    UsageError
        A setting out of its range, or a conduction that is not known.
    ImageError
        Not a plane of finite pixels.

    References
    ----------
    .. [1] Perona & Malik 1990, IEEE Transactions on Pattern Analysis and Machine
       Intelligence 12, 629.
    """
    check_steps(iterations, gamma, k=k)
    if conduction not in CONDUCTIONS:
        raise UsageError(
            f"conduction={conduction!r} is not known",
            hint=f"use {' or '.join(CONDUCTIONS)}",
        )
    return _steps(float_plane(image), iterations, k, gamma, CONDUCTIONS[conduction])


def perona_malik(
    image: ArrayLike,
    *,
    iterations: int = 50,
    k: float = 8.0,
    gamma: float = 0.25,
    conduction: str = "quadratic",
) -> NDArray[np.float64]:
    """Diffuse an image after Perona and Malik.

    With the defaults this is the row of that name in Table 2 of Cohen & Lu [2]_.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite.
    iterations : int, optional
        Number of steps.
    k : float, optional
        Difference between neighbours above which little flows, in the unit of the
        image.
    gamma : float, optional
        Length of a step, at most 1/4.
    conduction : str, optional
        "quadratic" or "exponential".

    Returns
    -------
    ndarray of float64
        (ny, nx), with the sum of `image`: light is spread and not taken away.

    Raises
    ------
    UsageError
        A setting out of its range, or a conduction that is not known.
    ImageError
        Not a plane of finite pixels.

    References
    ----------
    .. [1] Perona & Malik 1990, IEEE Transactions on Pattern Analysis and Machine
       Intelligence 12, 629.
    .. [2] Cohen & Lu 2021, Astronomy and Computing 37, 100507.
    """
    steps = iter_perona_malik(
        image, iterations=iterations, k=k, gamma=gamma, conduction=conduction
    )
    return last(steps)


def _steps(
    image: _Plane,
    iterations: int,
    k: float,
    gamma: float,
    conduct: Callable[[_Plane, float], _Plane],
) -> Iterator[_Plane]:
    for _ in range(iterations):
        south, east = differences(image)
        image = image + gamma * gained(
            south * conduct(south, k), east * conduct(east, k)
        )
        yield image
