"""Images that are searched: flattening, filters and the starlet."""

import numpy as np
import sep
from scipy import ndimage

from bgrem_core.matched import gaussian_kernel

DEFAULT_CONV = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)
"""The filter of SExtractor's default.conv."""
SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16


def flatten(
    image: np.ndarray, *, blur: float, least: float, mesh: int = 64
) -> np.ndarray:
    """Take off a mesh; pixels that look like sources are masked in a second pass."""
    image = np.ascontiguousarray(image, np.float32)
    first = image - sep.Background(image, bw=mesh, bh=mesh).back()
    bright = (ndimage.gaussian_filter(first, blur) if blur else first) > least
    bright = ndimage.binary_dilation(bright, iterations=3)
    return image - sep.Background(image, mask=bright, bw=mesh, bh=mesh).back()


def flat_raw(image: np.ndarray, fwhm: float) -> np.ndarray:
    """Flatten a noisy image of unit sigma."""
    return flatten(image, blur=fwhm / 2.35, least=1.0)


def filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve; white noise of sigma 1 keeps sigma 1."""
    kernel = kernel / np.sqrt(np.sum(kernel**2))
    out = ndimage.convolve(image, kernel.astype(np.float32), mode="constant")
    return np.ascontiguousarray(out, np.float32)


def psf_filtered(image: np.ndarray, fwhm: float) -> np.ndarray:
    """Convolve with a Gaussian of the PSF's FWHM, one axis after the other."""
    kernel = gaussian_kernel(fwhm)
    line = kernel[kernel.shape[0] // 2]
    line = (line / np.sqrt(np.sum(line**2))).astype(np.float32)
    out = ndimage.convolve1d(np.asarray(image, np.float32), line, 0, mode="constant")
    out = ndimage.convolve1d(out, line, 1, mode="constant")
    return np.ascontiguousarray(out, np.float32)


def starlet(image: np.ndarray, *, scales: int = 5, level: float = 3.5) -> np.ndarray:
    """Keep the wavelet coefficients above a multiple of their noise, and sum them.

    The noise of each scale is its own median absolute deviation: right for correlated
    noise too. The coarse rest is the sky, and is left out.
    """
    rest, out = np.asarray(image, np.float32), np.zeros_like(image, np.float32)
    for scale in range(scales):
        line = np.zeros(4 * 2**scale + 1, np.float32)
        line[:: 2**scale] = SPLINE
        smooth = ndimage.convolve1d(rest, line, 0, mode="reflect")
        smooth = ndimage.convolve1d(smooth, line, 1, mode="reflect")
        detail = rest - smooth
        sigma = 1.4826 * np.median(np.abs(detail - np.median(detail)))
        out += np.where(np.abs(detail) >= level * sigma, detail, 0)
        rest = smooth
    return out
