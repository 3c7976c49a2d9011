"""Noise of resampled frames: white noise through the kernels of interpolation."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = ["HALF", "draw_kernel", "neighbour_correlation", "through"]

HALF = 3
"""Half-width of every kernel, pixels."""
_KINDS = ("bilinear", "cubic", "lanczos", "gaussian")
_WIDTH = (0.3, 0.75)
"""Sigma of the Gaussian kernel, pixels."""


def draw_kernel(rng: np.random.Generator) -> "Float":
    """Draw the kernel of one interpolation along one axis.

    Bilinear, cubic (Keys 1981, a = -0.5) and Lanczos (order 3) at a random shift, as
    frames are registered with, or a Gaussian, as they are matched with.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    ndarray
        (2 HALF + 1,) float32; the sum of its squares is 1, so that variance is kept.
    """
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    at = np.arange(-HALF, HALF + 1) - rng.uniform(-0.5, 0.5)
    far = np.abs(at)
    if kind == "bilinear":
        taps = np.maximum(1 - far, 0)
    elif kind == "cubic":
        near = 1.5 * far**3 - 2.5 * far**2 + 1
        rest = -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
        taps = np.where(far < 1, near, np.where(far < 2, rest, 0))
    elif kind == "lanczos":
        taps = np.where(far < 3, np.sinc(far) * np.sinc(far / 3), 0)
    else:
        taps = np.exp(-0.5 * (at / rng.uniform(*_WIDTH)) ** 2)
    kernel: Float = (taps / np.sqrt(np.sum(taps**2))).astype(np.float32)
    return kernel


def neighbour_correlation(kernel: "Float") -> float:
    """Return the correlation of direct neighbours that a kernel leaves."""
    return float(np.sum(kernel[1:] * kernel[:-1]))


def through(white: "Float", down: "Float", across: "Float") -> "Float":
    """Convolve white noise with one kernel along each axis.

    Parameters
    ----------
    white : ndarray
        (ny + 2 HALF, nx + 2 HALF) float32.
    down, across : ndarray
        (2 HALF + 1,) along the rows and along the columns.

    Returns
    -------
    ndarray
        (ny, nx) float32.
    """
    ny, nx = (n - 2 * HALF for n in white.shape)
    rows = sum(t * white[k : k + ny] for k, t in enumerate(down))
    out: Float = sum(t * rows[:, k : k + nx] for k, t in enumerate(across))
    return out
