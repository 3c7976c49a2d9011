"""Level: the smooth bright light under a network's input, set aside while it works.

A network sees pixels far above the noise compressed, so on a bright galaxy it could not
tell noise from light and left both. What is smooth over tens of pixels is not noise,
and can be taken off before and put back after without touching the result elsewhere.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Pixels are averaged in squares of this side.
BIN = 4
#: Side of the running median, in squares: wider than stars, narrower than galaxies.
WINDOW = 9
#: Light up to so many sigma is left to the network, which was trained on it.
FLOOR = 8.0
#: A level depends on pixels up to this far away.
REACH = (WINDOW // 2 + 3) * BIN


def bright_level(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smooth light above `FLOOR`.

    Parameters
    ----------
    z : ndarray of float32, shape (ny, nx)
        Pixels in units of the noise sigma, finite; sides are multiples of `BIN`.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        0 where the running median stays below `FLOOR`; continuous.
    """
    ny, nx = z.shape
    means = z.reshape(ny // BIN, BIN, nx // BIN, BIN).mean(axis=(1, 3))
    share = ndimage.uniform_filter((means > FLOOR).astype(np.float32), WINDOW)
    if share.max() < 0.49:  # no window is half full: the median is below everywhere
        return np.zeros_like(z)
    median = ndimage.median_filter(means, WINDOW, mode="nearest")
    level = ndimage.uniform_filter(np.maximum(median - FLOOR, 0), 3, mode="nearest")
    fine = ndimage.zoom(level, BIN, order=1, mode="nearest", grid_mode=True)
    return np.asarray(np.maximum(fine, 0), np.float32)
