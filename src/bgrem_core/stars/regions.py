"""Where the method of Cohen & Lu sees signal, and which changes are features."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgrem_core.errors import ImageError
from bgrem_core.stars.diffusion import DiffusionSettings

__all__ = ["brightness", "large_groups", "signal_of"]

_Plane = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: Pixels that touch at a corner are connected.
_NEIGHBOURS = np.ones((3, 3), bool)


def brightness(image: _Plane, window: int, background: float) -> _Plane:
    """Return the mean around each pixel over the level of blank sky.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx), mirrored at its edges.
    window : int
        Side of the window, pixels; an even one reaches one pixel further up and left.
    background : float
        Level of blank sky, in the unit of the image.

    Returns
    -------
    ndarray of float64
        (ny, nx).
    """
    mean: _Plane = ndimage.uniform_filter(image, window, mode="reflect")
    return mean / background


def signal_of(ratio: _Plane, settings: DiffusionSettings) -> _Bools:
    """Return where there is signal; the local stop has no threshold without any.

    Parameters
    ----------
    ratio : ndarray of float64
        (ny, nx), as `brightness` returns it.
    settings : DiffusionSettings
        Has the ratio from which on it is signal.

    Returns
    -------
    ndarray of bool
        (ny, nx), True = signal, somewhere.

    Raises
    ------
    ImageError
        There is no signal: the sky is too bright in relation, or at another level than
        was said.
    """
    signal: _Bools = ratio >= settings.signal_ratio
    if not signal.any():
        raise ImageError(
            f"no pixel is {settings.signal_ratio:g} times brighter than the background "
            f"of {settings.background:g}: the brightest surroundings are "
            f"{ratio.max():.3g} times as bright",
            hint="subtract the sky's pedestal, map the image to grey levels, or give "
            "the background's level in it",
        )
    return signal


def large_groups(marked: _Bools, least: int) -> _Bools:
    """Return the groups of connected pixels that are large.

    Parameters
    ----------
    marked : ndarray of bool
        (ny, nx).
    least : int
        Pixels of the smallest group that is kept; corners connect.

    Returns
    -------
    ndarray of bool
        (ny, nx), True in groups that are kept.
    """
    labels, _ = ndimage.label(marked, _NEIGHBOURS)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    out: _Bools = large[labels]
    return out
