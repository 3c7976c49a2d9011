"""Pixels on a scale of their own: robust level and spread, sky under stars, noise."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.noise import difference
from bgrem_core.stars.grain import WHITE, Grain, measure_grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Level", "NoiseLaw", "coarse_level", "fit_noise", "level_of", "smooth_level"]

_BINS = 16
_SCALED = 1.4826
_STARS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Scale of a plane: pixels are (value - zero) / unit.

    Attributes
    ----------
    zero, unit : float
        Median and robust spread in the image unit; unit 0 = every pixel is the same.
    """

    zero: float
    unit: float


def level_of(plane: "Floats", good: "Bools") -> Level:
    """Measure the scale of a plane.

    Parameters
    ----------
    plane : ndarray of float64, shape (ny, nx)
        Any linear unit.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.

    Returns
    -------
    Level
        Its unit is the first measure of spread that is not zero.
    """
    values = plane[good]
    if not values.size:
        return Level(zero=0.0, unit=0.0)
    zero = float(np.median(values))
    away = np.abs(values - zero)
    spreads = (_SCALED * np.median(away), np.quantile(away, 0.9), away.mean())
    return Level(zero=zero, unit=next((float(s) for s in spreads if s > 0), 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLaw:
    """Variance of the noise of a pixel: ``floor + slope * level``.

    Attributes
    ----------
    floor : float
        Variance at level 0.
    slope : float
        Growth with the level, not negative: photon noise.
    least : float
        Variance never falls below this.
    grain : Grain
        Correlation of the noise of neighbours.
    """

    floor: float
    slope: float
    least: float
    grain: Grain = field(default=WHITE)

    def variance(self, level: "Floats") -> "Floats":
        """Return the variance at each level."""
        return np.maximum(self.floor + self.slope * level, self.least)


def fit_noise(z: "Floats", good: "Bools", level: "Floats") -> NoiseLaw:
    """Fit the law of the noise to high differences, which know no sky and no stars.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels on the scale of `Level`.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    level : ndarray of float64, shape (ny, nx)
        Smooth level under the stars.

    Returns
    -------
    NoiseLaw
        On that scale.
    """
    law = _white_law(z, good, level)
    off = z - level
    # Stars are beyond what most pixels do, whatever their noise.
    usual = _SCALED * float(np.median(np.abs(off[good]))) if good.any() else 0.0
    free = good & (np.abs(off) < _STARS * usual)
    grain = measure_grain(off, np.sqrt(law.variance(level)), free)
    if grain.white:
        return law
    # Differences see little of noise that varies slowly.
    more = 1 / grain.gain
    return replace(
        law, floor=more * law.floor, slope=more * law.slope, least=more * law.least,
        grain=grain,
    )  # fmt: skip


def _white_law(z: "Floats", good: "Bools", level: "Floats") -> NoiseLaw:
    """Fit the law as if noise were white."""
    fine = difference(difference(z.astype(np.float32), 4, 0), 4, 1)
    near = ndimage.minimum_filter(good.astype(np.uint8), 5) > 0
    near[:2] = near[-2:] = False
    near[:, :2] = near[:, -2:] = False
    high, low = fine[near].astype(np.float64), level[near]
    if high.size < 25:
        # A frame too small for differences of fourth order.
        rough = float(np.median(np.abs(np.diff(z, axis=-1)))) if z.shape[1] > 1 else 1.0
        least = max((_SCALED * rough) ** 2 / 2, 1e-12)
        return NoiseLaw(floor=least, slope=0.0, least=least)
    count = int(min(_BINS, max(1, high.size // 400)))
    edges = np.quantile(low, np.linspace(0, 1, count + 1))
    place = np.clip(np.searchsorted(edges, low, side="right") - 1, 0, count - 1)
    order = np.argsort(place.astype(np.uint8), kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=count))
    at, seen = [], []
    for inside in np.split(order, ends[:-1]):
        if len(inside) >= 25:
            at.append(float(np.median(low[inside])))
            seen.append(_robust_variance(high[inside]))
    middle, variance = np.array(at), np.array(seen)
    whole = max(_robust_variance(high), float(np.mean(high**2)) * 1e-6, 1e-12)
    least = max(float(variance.min(initial=whole)) / 2, 1e-3 * whole)
    if len(middle) < 4 or np.ptp(middle) <= 0:
        return NoiseLaw(floor=whole, slope=0.0, least=least)
    # Relative errors of the variances are equal.
    weight = 1 / np.maximum(variance, least)
    slope, floor = np.polyfit(middle, variance, 1, w=weight)
    if slope <= 0:
        return NoiseLaw(floor=whole, slope=0.0, least=least)
    return NoiseLaw(floor=float(floor), slope=float(slope), least=least)


def _robust_variance(values: "Floats") -> float:
    return float((_SCALED * np.median(np.abs(values))) ** 2)


def coarse_level(z: "Floats", good: "Bools", cell: int) -> "Floats":
    """Return a first level under the stars: low quantiles of cells, interpolated.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    cell : int
        Side of a cell, pixels.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        Near the median where stars are few.
    """
    ny, nx = z.shape
    my, mx = max(1, round(ny / cell)), max(1, round(nx / cell))
    sy, sx = -(-ny // my), -(-nx // mx)
    padded = np.full((my * sy, mx * sx), np.nan)
    padded[:ny, :nx] = np.where(good, z, np.nan)
    cells = padded.reshape(my, sy, mx, sx).swapaxes(1, 2).reshape(my, mx, -1)
    filled = np.where(np.isfinite(cells), cells, np.inf)
    filled.sort(axis=2)
    number = np.isfinite(filled).sum(axis=2)
    # Below the middle: cells hold stars, and nothing that is dark.
    rank = np.maximum((0.4 * number).astype(int) - (number > 0), 0)
    nodes = np.take_along_axis(filled, rank[..., None], axis=2)[..., 0]
    known = np.isfinite(nodes)
    if not known.any():
        return np.zeros_like(z)
    nodes[~known] = np.median(nodes[known])
    if min(nodes.shape) >= 3:
        nodes = ndimage.median_filter(nodes, 3, mode="nearest")
    y = (np.arange(ny) + 0.5) / sy - 0.5
    x = (np.arange(nx) + 0.5) / sx - 0.5
    return _bilinear(nodes, y, x)


def smooth_level(z: "Floats", weight: "Floats", width: float) -> "Floats":
    """Return the weighted mean of pixels under a Gaussian.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels, finite.
    weight : ndarray of float64, shape (ny, nx)
        Not negative; 0 = not used.
    width : float
        Standard deviation of the Gaussian, pixels.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        Out of reach of any weight: the weighted mean of all.
    """
    reach = {"mode": "nearest", "truncate": 3.0}
    total = weight * z
    whole = float(weight.sum())
    mean = float(total.sum()) / whole if whole > 0 else 0.0
    ndimage.gaussian_filter(total, width, output=total, **reach)
    cover = np.asarray(ndimage.gaussian_filter(weight, width, **reach))
    # A pull towards the mean that only tells where there is nothing else.
    tiny = 1e-9 * (whole / weight.size if whole > 0 else 1.0)
    total += tiny * mean
    cover += tiny
    total /= cover
    return total


def _bilinear(nodes: "Floats", y: "Floats", x: "Floats") -> "Floats":
    my, mx = nodes.shape
    y, x = np.clip(y, 0, my - 1), np.clip(x, 0, mx - 1)
    j, i = (
        np.minimum(y.astype(int), max(my - 2, 0)),
        np.minimum(x.astype(int), max(mx - 2, 0)),
    )
    v, u = y - j, x - i
    j1, i1 = np.minimum(j + 1, my - 1), np.minimum(i + 1, mx - 1)
    rows = nodes[j] * (1 - v[:, None]) + nodes[j1] * v[:, None]
    out: Floats = rows[:, i] * (1 - u) + rows[:, i1] * u
    return out
