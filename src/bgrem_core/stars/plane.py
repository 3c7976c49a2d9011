"""The one shape that the diffusion methods work on: a plane of finite float64."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgrem_core.errors import ImageError


def float_plane(image: ArrayLike) -> NDArray[np.float64]:
    """Return a copy of an image as a plane of float64.

    Parameters
    ----------
    image : array_like
        (ny, nx) real numbers of any type and byte order.

    Returns
    -------
    ndarray of float64
        (ny, nx), native byte order, shares no memory with `image`.

    Raises
    ------
    ImageError
        Not a plane, without pixels, or with pixels that are not finite: diffusion
        would carry them over the whole image.
    """
    given: NDArray[Any] = np.asarray(image)
    if given.ndim != 2 or not given.size:
        raise ImageError(
            f"an image of shape {given.shape} cannot be diffused",
            hint="give one plane of shape (ny, nx)",
        )
    plane = np.array(given, dtype=np.float64)
    bad = plane.size - int(np.isfinite(plane).sum())
    if bad:
        raise ImageError(
            f"{bad} of {plane.size} pixels are not finite",
            hint="fill them from their neighbours before the diffusion",
        )
    return plane
