"""Rings: the local sky round each source, and how well it is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.matched import noise_taps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Bools = NDArray[np.bool_]

INNER, OUTER = 4.0, 6.0
"""Radii of the ring, FWHM: beyond nearly all light of a point source."""
MOST_PIXELS = 900
"""Pixels of a ring that are used; more are thinned out evenly."""
MIN_SHARE, FEWEST = 0.3, 20
"""Share of usable pixels below which a ring is called contaminated, and the number
below which no local sky is taken off."""
MAX_SPREAD = 1.6
"""A ring whose pixels scatter by more than this many sigma is contaminated."""
_CHUNK = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RingSky:
    """Local sky of n sources.

    Attributes
    ----------
    level : ndarray of float64, shape (n,)
        Clipped median in the unit of the data; 0 where the ring cannot be used.
    error : ndarray of float64, shape (n,)
        Its standard deviation.
    contaminated : ndarray of bool, shape (n,)
        Too few pixels, or too much structure in them.
    """

    level: "Floats"
    error: "Floats"
    contaminated: "Bools"


def ring_radii(fwhm: float) -> tuple[float, float]:
    """Return the inner and outer radius of the ring, pixels."""
    inner = max(INNER * fwhm, 6.0)
    return inner, max(OUTER * fwhm, inner + 3.0)


def low_frequency_power(rho_xy: tuple[float, float]) -> float:
    """Return by how much correlation raises the variance of the mean of many pixels.

    The noise model of `noise_taps`, separable: ``(sum of taps)^2`` along each axis.
    """
    return float(np.prod([noise_taps(rho).sum() ** 2 for rho in rho_xy]))


def ring_sky(
    data: "Float32",
    usable: "Bools",
    x: "Floats",
    y: "Floats",
    *,
    fwhm: float,
    sigma: "Floats",
    rho_xy: tuple[float, float] = (0.0, 0.0),
    noise_free: bool = False,
) -> RingSky:
    """Measure the sky in a ring round each source, clipped at three sigma.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        Pixels, sky removed or not.
    usable : ndarray of bool, shape (ny, nx)
        True = a pixel of blank sky that may be used.
    x, y : ndarray, shape (n,)
        Positions in pixels, 0-based.
    fwhm : float
        FWHM of the PSF, pixels.
    sigma : ndarray, shape (n,)
        Noise of one pixel at each source.
    rho_xy : tuple of float, optional
        Correlation of the noise of neighbours.
    noise_free : bool, optional
        The data were denoised. Faint light is then clipped that noise would hide, and
        which would raise the median; the noise still counts in the error.

    Returns
    -------
    RingSky
        The median is that of the pixels within three scaled median deviations,
        iterated; its error is 1.2533 times that of a mean (normal noise).
    """
    level, error = np.zeros(len(x)), np.zeros(len(x))
    contaminated = np.ones(len(x), bool)
    dx, dy = _ring_offsets(*ring_radii(fwhm))
    power = low_frequency_power(rho_xy)
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = _gather(data, usable, x[part], y[part], dx, dy)
        count = np.isfinite(values).sum(axis=1)
        enough = count >= FEWEST
        if not enough.any():
            continue
        # The noise is known: it keeps a ring full of light from widening its clip.
        mid, spread, used = _clipped_median(values[enough], sigma[part][enough])
        index = start + np.flatnonzero(enough)
        level[index] = mid
        if noise_free:
            spread = np.hypot(spread, sigma[index])
        # A thinned ring is less correlated; the full power is the careful choice.
        error[index] = 1.2533 * spread * np.sqrt(power / np.maximum(used, 1))
        rough = spread > MAX_SPREAD * np.maximum(sigma[index], 1e-300)
        contaminated[index] = rough | (count[enough] < MIN_SHARE * len(dx))
    return RingSky(level=level, error=error, contaminated=contaminated)


def _ring_offsets(
    inner: float, outer: float
) -> tuple["NDArray[np.intp]", "NDArray[np.intp]"]:
    half = int(np.ceil(outer))
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    radius = np.hypot(dx, dy)
    ring = (radius >= inner) & (radius <= outer)
    # Sorted by an irrational step, so that thinning leaves no pattern.
    order = np.argsort((np.arange(np.count_nonzero(ring)) * 0.6180339887) % 1.0)
    order = np.sort(order[:MOST_PIXELS])
    return dx[ring][order], dy[ring][order]


def _gather(
    data: "Float32",
    usable: "Bools",
    x: "Floats",
    y: "Floats",
    dx: "NDArray[np.intp]",
    dy: "NDArray[np.intp]",
) -> "Float32":
    ny, nx = data.shape
    col = np.rint(x).astype(np.intp)[:, None] + dx
    row = np.rint(y).astype(np.intp)[:, None] + dy
    inside = (col >= 0) & (col < nx) & (row >= 0) & (row < ny)
    col, row = np.clip(col, 0, nx - 1), np.clip(row, 0, ny - 1)
    good = inside & usable[row, col]
    return np.where(good, data[row, col], np.float32(np.nan))


def _clipped_median(
    values: "Float32", sigma: "Floats"
) -> tuple["Floats", "Floats", "Floats"]:
    """Return median, spread and number of pixels of each row, NaN ignored."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    first, last = np.zeros_like(count), count.copy()
    for _ in range(4):
        mid = _middle(ordered, first, last)
        spread = _spread(ordered, first, last)
        limit = 3 * np.minimum(spread, 3 * np.where(sigma > 0, sigma, np.inf))
        with np.errstate(invalid="ignore"):
            first = (ordered < (mid - limit)[:, None]).sum(axis=1)
            last = count - (ordered > (mid + limit)[:, None]).sum(axis=1)
        # Noise-free rings have no spread: the median itself stays.
        none = last <= first
        first, last = np.where(none, 0, first), np.where(none, count, last)
    mid, spread = _middle(ordered, first, last), _spread(ordered, first, last)
    return mid, spread, (last - first).astype(np.float64)


def _pick(ordered: "Float32", place: "Floats") -> "Floats":
    """Return the value at a fractional rank of each row."""
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    share = place - low
    upper = np.where(share > 0, ordered[rows, high], 0)
    return np.asarray(ordered[rows, low] * (1 - share) + share * upper, np.float64)


def _middle(
    ordered: "Float32", first: "NDArray[np.intp]", last: "NDArray[np.intp]"
) -> "Floats":
    return _pick(ordered, (first + last - 1) / 2)


def _spread(
    ordered: "Float32", first: "NDArray[np.intp]", last: "NDArray[np.intp]"
) -> "Floats":
    """Return half the width of the middle 68.27 %: sigma of normal noise."""
    width = last - first - 1
    low = _pick(ordered, first + 0.158655 * width)
    return 0.5 * (_pick(ordered, first + 0.841345 * width) - low)
