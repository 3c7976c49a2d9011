"""Matched filter: the S/N of a point source at every pixel; the noise of any sum.

The strongest linear detector of isolated point sources in noise, and the classical
arm that every other method is compared with.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Bool = NDArray[np.bool_]

MIN_COVERAGE = 0.3
"""Least share of the filter's weight on good pixels; below it the result is NaN."""
_FWHM_PER_SIGMA = 2.3548200450309493


def noise_taps(rho: float) -> "NDArray[np.float64]":
    """Return the model of correlated noise along one axis.

    White noise seen through the taps [a, 1, a] has the correlation
    ``rho = 2a / (1 + 2a^2)`` between neighbours and ``a^2 / (1 + 2a^2)`` at two pixels.

    Parameters
    ----------
    rho : float
        Correlation of neighbours; values outside 0 to 0.7 are clipped.

    Returns
    -------
    ndarray of float64, shape (3,)
        Taps whose squares sum to 1.
    """
    rho = min(max(rho, 0.0), 0.7)
    a = 0.0 if rho < 1e-6 else (1 - np.sqrt(1 - 2 * rho**2)) / (2 * rho)
    return np.asarray(np.array([a, 1.0, a]) / np.sqrt(1 + 2 * a * a))


def weighted_noise(
    weights: "NDArray[np.floating]", rho_xy: tuple[float, float] = (0.0, 0.0)
) -> float:
    """Return the sigma of a weighted sum of pixels, noise of unit sigma.

    With noise covariance C and weights w this is ``sqrt(w^T C w)``.

    Parameters
    ----------
    weights : ndarray, shape (ny, nx)
        Weight of each pixel of the sum.
    rho_xy : tuple of float, optional
        Correlation of neighbours along x and y, in the model of `noise_taps`.

    Returns
    -------
    float
        In units of the sigma of one pixel.
    """
    # Here, as below: a window that opens should not wait for all of scipy.
    from scipy.ndimage import correlate1d

    padded = np.pad(np.asarray(weights, np.float64), 2)
    for axis, rho in ((1, rho_xy[0]), (0, rho_xy[1])):
        padded = correlate1d(padded, noise_taps(rho), axis=axis)
    return float(np.sqrt(np.sum(padded**2)))


def circle_noise(radius: float, rho_xy: tuple[float, float]) -> float:
    """Return the sigma of the sum in a circle, noise of unit sigma per pixel.

    With the covariance of the separable noise model: the root of ``w^T C w``, w = the
    share of each pixel in the circle.

    Parameters
    ----------
    radius : float
        Pixels; a tenth of a pixel matters.
    rho_xy : tuple of float
        Correlation of the noise of neighbours along x and y.

    Returns
    -------
    float
        Between ``sqrt(area)`` and that times the low-frequency growth.
    """
    return _circle_noise(round(radius, 1), rho_xy)


@lru_cache(maxsize=4096)
def _circle_noise(radius: float, rho_xy: tuple[float, float]) -> float:
    half = int(np.ceil(radius)) + 1
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    # The edge as a ramp one pixel wide: enough for a sum of weights.
    weights = np.clip(radius + 0.5 - np.hypot(dx, dy), 0, 1)
    weights *= np.pi * radius**2 / max(weights.sum(), 1e-300)
    return weighted_noise(weights, rho_xy)


def gaussian_kernel(fwhm: float) -> "NDArray[np.float64]":
    """Return a Gaussian of unit sum, cut at four sigma, on a square of odd side.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, pixels.

    Returns
    -------
    ndarray of float64
        Centred on the middle pixel.
    """
    line = _gaussian_line(fwhm)
    return np.outer(line, line)


def matched_filter(
    image: "Float",
    *,
    sigma: "Float | float" = 1.0,
    fwhm: float,
    stamp: "NDArray[np.floating] | None" = None,
    rho_xy: tuple[float, float] = (0.0, 0.0),
    mask: "Bool | None" = None,
) -> "Float":
    """Convolve with the PSF, in units of the noise of the filtered image.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Sky removed. Non-finite pixels are masked.
    sigma : ndarray or float, optional
        Noise sigma per pixel, in the unit of `image`.
    fwhm : float
        Of the Gaussian filter, pixels; not used with `stamp`.
    stamp : ndarray, optional
        The PSF itself, odd sides, centred.
    rho_xy : tuple of float, optional
        Correlation of the noise of neighbours along x and y.
    mask : ndarray of bool, optional
        True = pixel is not used.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        S/N of a point source centred on each pixel; its noise has unit sigma. NaN
        where too little of the filter lies on good pixels.
    """
    image = np.asarray(image, np.float32)
    good = np.isfinite(image) & (np.asarray(sigma) > 0)
    if mask is not None:
        good &= ~mask
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = np.where(good, image / sigma, 0).astype(np.float32)
    kernel = gaussian_kernel(fwhm) if stamp is None else np.asarray(stamp, np.float64)
    line = _gaussian_line(fwhm) if stamp is None else None
    total = _convolve(scaled, kernel, line)
    square = None if line is None else line**2
    if good.all():
        cover = _edge_cover(image.shape, kernel**2, square)
    else:
        cover = _convolve(good.astype(np.float32), kernel**2, square)
    power = float(np.sum(kernel**2))
    excess = weighted_noise(kernel, rho_xy) ** 2 / power
    with np.errstate(invalid="ignore", divide="ignore"):
        out = total / np.sqrt(np.maximum(cover, 0) * np.float32(excess))
    out[(cover < MIN_COVERAGE * power) | ~good] = np.nan
    return out.astype(np.float32, copy=False)


def _gaussian_line(fwhm: float) -> "NDArray[np.float64]":
    width = max(fwhm, 0.5) / _FWHM_PER_SIGMA
    half = max(1, int(np.ceil(4 * width)))
    line = np.exp(-0.5 * (np.arange(-half, half + 1) / width) ** 2)
    return np.asarray(line / line.sum())


def _convolve(
    image: "Float", kernel: "NDArray[np.float64]", line: "NDArray[np.float64] | None"
) -> "Float":
    if line is not None:
        from scipy.ndimage import correlate1d

        rows = correlate1d(image, line, axis=0, mode="constant")
        out = correlate1d(rows, line, axis=1, mode="constant")
    else:
        from scipy.signal import oaconvolve

        out = oaconvolve(image, kernel[::-1, ::-1].astype(np.float32), "same")
    return np.asarray(out, np.float32)


def _edge_cover(
    shape: tuple[int, ...],
    power: "NDArray[np.float64]",
    line: "NDArray[np.float64] | None",
) -> "Float":
    """Return the sum of squared weights inside the frame.

    Worked out on a small frame with the same edges, by the same steps as with a mask:
    the bits of a pixel must not tell whether a masked one lies in the same block.
    """
    small, index = [], []
    for n, side in zip(shape, power.shape, strict=True):
        reach = side  # twice the half side, and one
        small.append(min(n, 2 * reach))
        at = np.arange(n)
        low = np.minimum(at, reach)
        index.append(np.where(at < n - reach, low, at - n + small[-1]))
    cover = _convolve(np.ones(small, np.float32), power, line)
    return cover[np.ix_(*index)]
