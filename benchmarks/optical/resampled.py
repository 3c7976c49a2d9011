"""Noise of resampled frames: white noise through the kernels of interpolation."""

import numpy as np

HALF = 3
"""Half-width of every kernel, pixels."""
KINDS = ("bilinear", "cubic", "lanczos", "gaussian")
WIDTH = (0.3, 0.75)
"""Sigma of the Gaussian kernel, pixels."""


def draw_kernel(rng: np.random.Generator) -> np.ndarray:
    """Draw the kernel of one interpolation along one axis; its variance is 1.

    Bilinear, cubic (Keys 1981, a = -0.5) and Lanczos (order 3) at a random shift, as
    frames are registered with, or a Gaussian, as they are matched with.
    """
    kind = KINDS[int(rng.integers(len(KINDS)))]
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
        taps = np.exp(-0.5 * (at / rng.uniform(*WIDTH)) ** 2)
    return (taps / np.sqrt(np.sum(taps**2))).astype(np.float32)


def through(white: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Convolve with one kernel along each axis; `HALF` pixels fall away all round."""
    ny, nx = (n - 2 * HALF for n in white.shape)
    rows = sum(t * white[k : k + ny] for k, t in enumerate(down))
    return sum(t * rows[:, k : k + nx] for k, t in enumerate(across))
