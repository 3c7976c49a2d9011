"""Diffusion in flux form: what one pixel loses its neighbour gains.

Light flows across the sides of pixels and none leaves the image, so that the sum over
the image stays what it was. Every scheme that is written this way can spread the light
of a star but cannot take it away.
"""

import numpy as np
from numpy.typing import NDArray

_Plane = NDArray[np.float64]


def differences(image: _Plane) -> tuple[_Plane, _Plane]:
    """Return the differences to the next row and to the next column.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx).

    Returns
    -------
    south, east : ndarray of float64
        (ny, nx) each; 0 in the last row of `south` and in the last column of `east`,
        across which nothing flows.
    """
    south, east = np.zeros_like(image), np.zeros_like(image)
    np.subtract(image[1:], image[:-1], out=south[:-1])
    np.subtract(image[:, 1:], image[:, :-1], out=east[:, :-1])
    return south, east


def gained(south: _Plane, east: _Plane) -> _Plane:
    """Return what each pixel gains from the light that flows across its four sides.

    Parameters
    ----------
    south, east : ndarray of float64
        (ny, nx) each, light that comes in across the south and the east side of each
        pixel; 0 in the last row of `south` and the last column of `east`.

    Returns
    -------
    ndarray of float64
        (ny, nx), its sum is 0 but for rounding.
    """
    out = south + east
    out[1:] -= south[:-1]
    out[:, 1:] -= east[:, :-1]
    return out
