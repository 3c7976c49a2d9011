"""Diffusion with a linear schedule, and what one call of its network already tells.

A network that was trained to find the noise in diffused frames gives, by Tweedie's
formula, the mean of all frames that could have led to a diffused one. Averaged over
several draws of the noise this is a map of what frames of this sensor share - trails,
rows, gradients - at a hundredth of the cost of a reverse chain, whose average tends
to the same mean.

References
----------
.. [1] Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models",
   arXiv:2006.11239, equations 4, 7, 11 and 15.
.. [2] Efron 2011, "Tweedie's Formula and Selection Bias", JASA 106, 1602.
.. [3] Waldmann, Rocchetto & Debczynski 2023, "Optimal Background Removal using
   Denoising Diffusion Models", AMOS Conference (partial diffusion of satellite frames
   with this schedule, to times of 100 and 150).
"""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float32]
    Predict = Callable[[Float, Float], Float]

__all__ = [
    "ALPHA_BAR",
    "BETA",
    "STEPS",
    "diffuse",
    "kept_fraction",
    "noise_ratio",
    "one_step",
    "reverse_step",
    "tweedie",
]

STEPS = 1000
"""Length of the schedule; times are 0 to 999."""
BETA = np.linspace(1e-4, 0.02, STEPS)
"""Variance that each step adds."""
ALPHA_BAR = np.cumprod(1 - BETA)
"""Share of the variance of the frame that is left at each time."""
BETA.setflags(write=False)
ALPHA_BAR.setflags(write=False)


def noise_ratio(t: "ArrayLike") -> "NDArray[np.float64]":
    """Return the variance of the added noise relative to the frame's own units.

    Parameters
    ----------
    t : array_like of int
        Times, 0 to 999.

    Returns
    -------
    ndarray
        Of float64, the shape of t: (1 - alpha_bar) / alpha_bar.

    Raises
    ------
    UsageError
        A time outside the schedule.
    """
    kept = _alpha_bar(t)
    return (1 - kept) / kept


def kept_fraction(t: "ArrayLike", noise: "ArrayLike") -> "NDArray[np.float64]":
    """Return the share of a lone pixel's excess that the map leaves in the residual.

    Parameters
    ----------
    t : array_like of int
        Times, 0 to 999.
    noise : array_like
        White noise of a pixel, in units of the normalised frame.

    Returns
    -------
    ndarray
        Of float64: s / (noise^2 + s) with s of `noise_ratio`. Exact where what is
        unforeseeable in a frame is Gaussian and white.

    Raises
    ------
    UsageError
        A time outside the schedule.
    """
    added = noise_ratio(t)
    return added / (np.asarray(noise, np.float64) ** 2 + added)


def diffuse(x0: "Float", t: "ArrayLike", noise: "Float") -> "Float":
    """Add the noise of a time to frames.

    Parameters
    ----------
    x0 : ndarray
        (b, ...) or (ny, nx) normalised frames.
    t : array_like of int
        One time, or one for each of the b frames.
    noise : ndarray
        Unit normal numbers; x0 and noise may be broadcast against each other.

    Returns
    -------
    ndarray
        Of float32: sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise.

    Raises
    ------
    UsageError
        A time outside the schedule.
    """
    dimensions = max(np.ndim(x0), np.ndim(noise))
    kept = _alpha_bar(t, dimensions)
    mixed = np.sqrt(kept) * x0 + np.sqrt(1 - kept) * noise
    return mixed.astype(np.float32)


def tweedie(x_t: "Float", t: "ArrayLike", eps: "Float") -> "Float":
    """Return the mean of the frames that could have led to diffused ones.

    Parameters
    ----------
    x_t : ndarray
        (b, ...) diffused frames.
    t : array_like of int
        One time, or one for each frame.
    eps : ndarray
        The noise in them as a network predicts it, of the shape of x_t.

    Returns
    -------
    ndarray
        Of float32: (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar).

    Raises
    ------
    UsageError
        A time outside the schedule.
    """
    kept = _alpha_bar(t, np.ndim(x_t))
    return ((x_t - np.sqrt(1 - kept) * eps) / np.sqrt(kept)).astype(np.float32)


def reverse_step(x_t: "Float", t: int, eps: "Float", noise: "Float") -> "Float":
    """Draw frames of one time earlier from diffused ones.

    Parameters
    ----------
    x_t : ndarray
        (b, ...) frames diffused to t.
    t : int
        Their time.
    eps : ndarray
        The noise in them as a network predicts it, of the shape of x_t.
    noise : ndarray
        Fresh unit normal numbers, of the same shape; not used at t = 0.

    Returns
    -------
    ndarray
        Of float32: (x_t - beta / sqrt(1 - alpha_bar) eps) / sqrt(1 - beta), and noise
        of the variance beta (1 - alpha_bar of t - 1) / (1 - alpha_bar).

    Raises
    ------
    UsageError
        A time outside the schedule.
    """
    kept, beta = float(_alpha_bar(t)), float(BETA[t])
    mean = (x_t - beta / np.sqrt(1 - kept) * eps) / np.sqrt(1 - beta)
    before = float(ALPHA_BAR[t - 1]) if t else 1.0
    scatter = np.sqrt(beta * (1 - before) / (1 - kept))
    earlier: Float = (mean + scatter * noise).astype(np.float32)
    return earlier


def one_step(
    predict: "Predict",
    x: "Float",
    t: int,
    samples: int,
    rng: np.random.Generator,
    *,
    noise: float = 0.0,
    batch: int = 4,
) -> tuple["Float", "Float"]:
    """Return the map of a frame: the mean of Tweedie estimates over draws of noise.

    Draws come in pairs of opposite sign, so that what an estimate owes to the draw
    itself cancels to first order; the last of an odd number stands alone.

    Parameters
    ----------
    predict : callable
        ``predict(x_t, t)`` with x_t (b, 1, ny, nx) and t (b,), both float32, gives
        the noise in x_t, of its shape.
    x : ndarray
        (ny, nx) normalised frame.
    t : int
        Time to which the frame is diffused.
    samples : int
        Draws of noise, at least 1.
    rng : numpy.random.Generator
        The only source of chance.
    noise : float, optional
        White noise of a pixel in units of x. Tweedie's formula gives the mean of whole
        frames, their white noise included: of each pixel's excess over its background
        it keeps the share ``1 - kept_fraction(t, noise)``, and so it does of a target.
        That share is taken out, which leaves the mean of the background alone: exact
        where the noise is Gaussian, white and independent of the background. 0 leaves
        it in.
    batch : int, optional
        Draws that are given to ``predict`` together; decides memory, not the result.

    Returns
    -------
    mean : ndarray
        (ny, nx) float32, in the units of x.
    spread : ndarray
        (ny, nx) float32, standard deviation over the draws as their pairs tell it;
        divided by the root of their number it is the error that the finite number
        leaves in the mean of an even one. 0 for fewer than two pairs, which do not
        know.

    Raises
    ------
    UsageError
        A time outside the schedule, or fewer than one draw.

    Notes
    -----
    A frame is b + w, background and white noise, and x_t / sqrt(alpha_bar) = b + w + n
    with n of the variance s of `noise_ratio`. Given b, w is the share
    c = noise^2 / (noise^2 + s) of what exceeds it, so that
    E[b + w | x_t] = E[b | x_t] + c (x_t / sqrt(alpha_bar) - E[b | x_t]), which is
    solved for E[b | x_t].
    """
    if samples < 1 or batch < 1:
        raise UsageError(
            f"samples={samples} and batch={batch} are not both at least 1",
            "use 1 or more draws",
        )
    x = np.asarray(x, np.float32)
    left = float(kept_fraction(t, noise))
    added = np.sqrt(noise_ratio(t))
    total, squares, first = (np.zeros(x.shape) for _ in range(3))
    for start in range(0, samples, batch):
        number = range(start, min(start + batch, samples))
        draws = np.empty((len(number), 1, *x.shape), np.float32)
        for k, draw in zip(number, draws, strict=True):
            if k % 2 == 0:
                drawn = rng.standard_normal((1, *x.shape), dtype=np.float32)
            draw[:] = -drawn if k % 2 else drawn
        x_t = diffuse(x, t, draws)
        eps = predict(x_t, np.full(len(number), t, np.float32))
        # About x, near which all estimates lie: squares lose no digits.
        away = (tweedie(x_t, t, eps) - x)[:, 0].astype(np.float64)
        away = (away - (1 - left) * added * draws[:, 0]) / left
        total += away.sum(axis=0)
        for k, one in zip(number, away, strict=True):
            if k % 2:
                squares += np.square((first + one) / 2)
            else:
                first = one
    pairs = samples // 2
    mean = total / samples
    of_pairs = (total - first * (samples % 2)) / max(2 * pairs, 1)
    variance = np.maximum(squares - pairs * of_pairs**2, 0) / max(pairs - 1, 1)
    spread = np.sqrt(2 * variance) * (pairs > 1)
    return (x + mean).astype(np.float32), spread.astype(np.float32)


def _alpha_bar(t: "ArrayLike", dimensions: int = 0) -> "NDArray[np.float64]":
    """Return alpha_bar, with axes appended so that it multiplies such an array."""
    time = np.asarray(t)
    index = time.astype(np.int64)
    if np.any(index != time) or np.any(index < 0) or np.any(index >= STEPS):
        raise UsageError(
            f"t={t!r} is not a whole number from 0 to {STEPS - 1}",
            "use a time of the schedule",
        )
    kept: NDArray[np.float64] = np.asarray(ALPHA_BAR[index], np.float64)
    return kept.reshape(
        kept.shape + (1,) * max(dimensions - kept.ndim, 0) * (kept.ndim > 0)
    )
