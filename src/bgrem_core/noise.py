"""Noise of a frame: sigma map and correlation, apart from stars too faint to mask.

Stars are band-limited by the PSF, noise is not. The noise is taken as separable: white
noise under a kernel along x and a kernel along y, of any form. A high difference along
y then removes stars and leaves the correlation of the noise along x untouched, and the
other way round; knowing both, the variance that the differences removed is known too.

The differences are those of Immerkaer (1996, CVIU 64, 300), of higher order where the
PSF is narrow.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import comb, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgrem_core.cells import (
    Grid,
    Reader,
    Slab,
    clipped_moments,
    grow,
    grow_along,
    inner,
    spread,
)
from bgrem_core.mesh import Mesh, fill_nodes

_Floats = NDArray[np.float64]
_Image32 = NDArray[np.float32]
_Bools = NDArray[np.bool_]

#: Margin of a slab that correlations are measured on: lags, and masks that grow.
_MARGIN = 12
#: Lags at which correlations along one axis are measured.
_LAGS = 5
#: Pixels from which the correlation is measured.
_SAMPLE = 6_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise:
    """Noise of one frame on the reader's scale.

    Attributes
    ----------
    sigma : ndarray of float64, shape (my, mx)
        Sigma of each cell, 0 where there is none.
    level : ndarray of float64, shape (my, mx)
        Robust level of each cell, finite.
    rho_xy : tuple of float
        Correlation of neighbours along x and y, from the differences.
    direct_xy : tuple of float
        The same from source-masked pixels, unmasked stars taken off by their shape.
    excess : float
        Variance of source-masked pixels beyond the noise, in units of the noise's.
    masked : float
        Share of pixels that were not used.
    pairs : float
        Pairs of neighbours that the correlation stands on.
    """

    sigma: _Floats
    level: _Floats
    rho_xy: tuple[float, float]
    direct_xy: tuple[float, float]
    excess: float
    masked: float
    pairs: float


def difference(values: _Image32, order: int, axis: int) -> _Image32:
    """Difference `order` times along an axis; white noise keeps its variance.

    Parameters
    ----------
    values : ndarray of float32, shape (ny, nx)
        Pixels.
    order : int
        An even number of differences.
    axis : {0, 1}
        Along y or x.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        Centred on its pixel; the outer ``order / 2`` rows or columns are 0.
    """
    taps = difference_taps(order)
    length = values.shape[axis]
    if length <= order:
        return np.zeros_like(values)
    half = order // 2
    out = np.empty_like(values)
    for edge in (slice(None, half), slice(length - half, None)):
        out[edge if axis == 0 else (slice(None), edge)] = 0
    total = _shifted(out, half, half, 0, axis)
    more = np.empty_like(total)
    for k in range(half):
        pair = total if k == 0 else more
        np.add(
            _shifted(values, half, half, k - half, axis),
            _shifted(values, half, half, half - k, axis),
            out=pair,
        )
        pair *= np.float32(taps[k])
        if k:
            total += pair
    np.multiply(np.float32(taps[half]), _shifted(values, half, half, 0, axis), out=more)
    total += more
    return out


def difference_taps(order: int) -> list[float]:
    """Return the alternating binomial coefficients, squares summing to one."""
    norm = comb(2 * order, order) ** 0.5
    return [(-1) ** k * comb(order, k) / norm for k in range(order + 1)]


def difference_gain(order: int, correlation: _Floats) -> float:
    """Variance of differenced noise in units of that of the noise.

    Parameters
    ----------
    order : int
        Number of differences.
    correlation : ndarray, shape (lags,)
        Correlation at lags 1, 2, ... along the axis.

    Returns
    -------
    float
        1 for white noise.
    """
    norm = comb(2 * order, order)
    gain = 1.0
    for lag in range(1, order + 1):
        if lag <= correlation.size:
            weight = (-1) ** lag * comb(2 * order, order + lag) / norm
            gain += 2 * weight * float(correlation[lag - 1])
    return gain


def first_look(
    reader: Reader, grid: Grid
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Median and high-frequency variance of each cell, sources still in.

    Parameters
    ----------
    reader : Reader
        The frame on a scale of order one.
    grid : Grid
        Its cells.

    Returns
    -------
    level, variance : ndarray of float64, shape (my, mx)
        NaN where a cell has no good pixel.
    """
    level = np.full(grid.count, np.nan)
    variance = np.full(grid.count, np.nan)
    plain = np.full(grid.count, np.nan)
    for index in range(grid.count[0]):
        slab = reader.slab(grid, index, margin=2)
        level[index] = _medians(slab, grid.cols, reader.step)
        cross, good = _cross(slab.values, slab.bad, 2)
        _, found, count = clipped_moments(
            inner(cross, 2), inner(good, 2), grid.cols, centred=True
        )
        variance[index] = np.where(count >= 24, found, np.nan)
        if not count.max() >= 24:
            _, found, count = clipped_moments(
                inner(slab.values, 2), inner(~slab.bad, 2), grid.cols
            )
            plain[index] = np.where(count >= 2, found, np.nan)
        yield index + 1, grid.count[0]
    if not np.isfinite(variance).any():
        # Tiny frames, and masks that leave no 3 x 3 pixels whole.
        variance = plain
    return level, variance


def measure_noise(
    reader: Reader,
    grid: Grid,
    level: _Floats,
    variance: _Floats,
    *,
    fwhm: float = nan,
) -> Generator[tuple[int, int], None, Noise]:
    """Measure sigma in each cell and the correlation of the whole frame.

    Parameters
    ----------
    reader : Reader
        The frame on a scale of order one.
    grid : Grid
        Its cells.
    level, variance : ndarray of float64, shape (my, mx)
        From `first_look`.
    fwhm : float, optional
        FWHM of the PSF in pixels, if known.

    Returns
    -------
    Noise
        On the reader's scale.
    """
    order = 2 if fwhm >= 4 else 4
    spot = fwhm if np.isfinite(fwhm) else 4.0
    rough = fill_nodes(np.sqrt(variance))
    smooth = _despeckled(fill_nodes(level))
    background = Mesh(nodes=smooth, shape=grid.shape, order=1)
    ratio = yield from _smoothed_ratio(reader, grid, background, rough)
    total = _Totals()
    every = max(1, round(grid.shape[0] * grid.shape[1] / _SAMPLE))
    reach = max(2, min(10, round(0.8 * spot)))
    means = np.full(grid.count, np.nan)
    found = np.full(grid.count, np.nan)
    used = 0.0
    for index in range(grid.count[0]):
        chosen = index % every == (every - 1) // 2
        # What stars within reach hide of the cells and of the pixels beside them.
        margin = _MARGIN if chosen else reach + 2
        slab = reader.slab(grid, index, margin=margin)
        values, bad = _flattened(slab, background, grid)
        stars = _stars(values, bad, ratio * rough[index], grid.cols, margin)
        bad |= grow(stars, reach)
        values[bad] = 0
        core, good = inner(values, margin), inner(~bad, margin)
        used += float(good.sum())
        near = inner(values, margin - 1), inner(bad, margin - 1)
        cross, whole = (inner(array, 1) for array in _cross(*near, 2))
        _, v, n = clipped_moments(cross, whole, grid.cols, centred=True)
        found[index] = np.where(n >= 64, v, np.nan)
        mean, _, n = clipped_moments(core, good, grid.cols, clip=3, rounds=4)
        means[index] = np.where(n >= 64, mean + smooth[index], np.nan)
        if chosen:
            total.add(values, bad, cross, whole, rough[index], grid.cols, order)
        yield index + 1, grid.count[0]
    # Cells that sources cover almost wholly: the difference alone still resists them.
    found = np.where(np.isfinite(found), found, variance)
    noise = total.solve(order, spot)
    return Noise(
        sigma=np.sqrt(smooth_variance(found) * noise.factor),
        level=np.where(np.isfinite(means), means, smooth),
        rho_xy=noise.rho_xy,
        direct_xy=noise.direct_xy,
        excess=noise.excess,
        masked=1 - used / (grid.shape[0] * grid.shape[1]),
        pairs=float(min(total.x[1, 1], total.y[1, 1])),
    )


def smooth_variance(variance: _Floats) -> _Floats:
    """Average neighbouring cells that agree; keep edges on their quiet side.

    Parameters
    ----------
    variance : ndarray of float64, shape (my, mx)
        NaN where unknown.

    Returns
    -------
    ndarray of float64, shape (my, mx)
        Finite. Where two depths meet, the cells of the quieter side that touch the
        edge take the larger value, so that nowhere is sigma too small.
    """
    known = variance[np.isfinite(variance)]
    if known.size == 0 or known.max() <= 0:
        return np.zeros_like(variance)
    filled = fill_nodes(variance)
    none = filled <= 1e-12 * float(np.median(known[known > 0]))
    log = np.log(np.where(none, 1.0, filled))
    log[none] = -1e3
    guide = ndimage.median_filter(log, 3, mode="nearest")
    padded = np.pad(log, 2, mode="edge")
    total = np.zeros_like(log)
    weight = np.zeros_like(log)
    my, mx = log.shape
    for dy in range(5):
        for dx in range(5):
            near = padded[dy : dy + my, dx : dx + mx]
            agrees = np.abs(near - guide) < 0.4
            total += np.where(agrees, np.exp(np.maximum(near, -700)), 0.0)
            weight += agrees
    mean = np.where(weight > 0, total / np.maximum(weight, 1), filled)
    mean[none] = 0.0
    largest: _Floats = ndimage.maximum_filter(mean, 3, mode="nearest")
    return np.where(largest > 1.5 * mean, largest, mean)


@dataclass(slots=True)
class _Solved:
    rho_xy: tuple[float, float]
    direct_xy: tuple[float, float]
    excess: float
    factor: float


class _Totals:
    """Sums over the frame of products of pixels, in units of the local variance."""

    def __init__(self) -> None:
        self.x = np.zeros((_LAGS + 1, 2))
        self.y = np.zeros((_LAGS + 1, 2))
        self.direct_x = np.zeros((_LAGS + 1, 2))
        self.direct_y = np.zeros((_LAGS + 1, 2))
        self.cross = np.zeros(2)

    def add(
        self,
        values: _Image32,
        bad: _Bools,
        cross: _Image32,
        whole: _Bools,
        rough: _Floats,
        cols: NDArray[np.intp],
        order: int,
    ) -> None:
        """Add one slab; `cross` and `whole`, where it is good, are without margin."""
        unit = np.where(rough > 0, 1 / np.maximum(rough, 1e-30), 0)
        scale = np.pad(spread(unit, cols), _MARGIN).astype(np.float32)
        for axis, sums, direct in (
            (0, self.x, self.direct_x),
            (1, self.y, self.direct_y),
        ):
            other = 1 - axis
            diff = difference(values, order, axis) * scale
            good = ~grow_along(bad, order // 2, axis) & (scale > 0)
            _add_products(diff, good, sums, other)
            flat = values * scale
            _add_products(flat, ~bad & (scale > 0), direct, other)
        scale = scale[_MARGIN:-_MARGIN]
        square = (cross * scale)[whole & (scale > 0)].astype(np.float64) ** 2
        if square.size:
            square = square[square <= 12.25 * float(np.median(square)) / 0.455]
            self.cross += (square.sum(), square.size)

    def solve(self, order: int, fwhm: float) -> _Solved:
        """Correlation, the factor from cross variance to variance, and the excess."""
        nothing = _Solved((0.0, 0.0), (0.0, 0.0), 0.0, 1.0)
        if min(self.x[:, 1].min(), self.y[:, 1].min(), self.cross[1]) < 32:
            return nothing
        x, y = (sums[:, 0] / sums[:, 1] for sums in (self.x, self.y))
        cross = self.cross[0] / self.cross[1] / 0.9946
        if min(x[0], y[0], cross) <= 0:
            return nothing
        along_x, along_y = x[1:] / x[0], y[1:] / y[0]
        variances = [
            x[0] / max(0.02, difference_gain(order, along_y)),
            y[0] / max(0.02, difference_gain(order, along_x)),
        ]
        variance = float(np.mean(variances))
        both = [s[:, 0] / s[:, 1] for s in (self.direct_x, self.direct_y)]
        excess = float(np.mean([b[0] for b in both])) / variance - 1
        # Unmasked stars: a Gaussian PSF's autocorrelation at lag one.
        star = float(np.exp(-((2.3548 / fwhm) ** 2) / 4))
        direct = [b[1] / variance - max(0.0, excess) * star for b in both]
        return _Solved(
            (float(along_x[0]), float(along_y[0])),
            (direct[0], direct[1]),
            excess,
            variance / cross,
        )


def _add_products(values: _Image32, good: _Bools, sums: _Floats, axis: int) -> None:
    """Add sums and counts of products of pixels at lags 0 ... along an axis."""
    core = values[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    fine = good[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    if not fine.any():
        return
    # A robust clip: what is left of sources and hot pixels.
    limit = 4 * float(np.median(np.abs(core[fine]))) / 0.6745
    good = good & (np.abs(values) <= max(limit, 1e-30))
    values = np.where(good, values, np.float32(0))
    core = values[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    fine = good[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    for lag in range(_LAGS + 1):
        move = (lag, 0) if axis == 0 else (0, lag)
        rows = slice(_MARGIN + move[0], values.shape[0] - _MARGIN + move[0])
        cols = slice(_MARGIN + move[1], values.shape[1] - _MARGIN + move[1])
        sums[lag] += (
            np.sum(core * values[rows, cols], dtype=np.float64),
            np.count_nonzero(fine & good[rows, cols]),
        )


def _shifted(
    values: NDArray[Any], before: int, after: int, shift: int, axis: int
) -> NDArray[Any]:
    """View without the outer rows (axis 0) or columns (axis 1), shifted."""
    length = values.shape[axis]
    cut = slice(before + shift, length - after + shift)
    return values[cut] if axis == 0 else values[:, cut]


def _cross(values: _Image32, bad: _Bools, order: int) -> tuple[_Image32, _Bools]:
    """Difference along both axes, and where all its pixels are good."""
    half = order // 2
    cross = difference(difference(values, order, 0), order, 1)
    good = ~grow_along(grow_along(bad, half, 0), half, 1)
    return cross, good


def _medians(slab: Slab, cols: NDArray[np.intp], quantum: float) -> _Floats:
    """Median of good pixels of each cell, from every second row and column.

    Of integers it would be an integer: it is placed inside its step by counting.
    """
    margin = slab.margin
    values = inner(slab.values, margin)
    step = 2 if values.shape[0] >= 24 else 1
    values = np.where(inner(slab.bad, margin), np.float32(np.nan), values)[::step]
    widths = np.diff(cols)
    out = np.full(widths.size, np.nan)
    # Cells are as wide as their neighbours, or a pixel wider: each width at once.
    for width in np.unique(widths):
        which = np.flatnonzero(widths == width)
        picked = cols[which][:, None] + np.arange(0, width, step)
        cells = values[:, picked].transpose(1, 0, 2).reshape(which.size, -1)
        out[which] = _middles(np.sort(cells, axis=1), quantum)
    return out


def _middles(cells: _Image32, quantum: float) -> _Floats:
    """Median of each row of sorted pixels, NaN last; NaN where there are no others."""
    known = np.count_nonzero(np.isfinite(cells), axis=1)
    rows = np.arange(known.size)
    low, high = (
        np.maximum(known - 1, 0) // 2,
        np.minimum(known // 2, cells.shape[1] - 1),
    )
    pair = cells[rows, low].astype(np.float64) + cells[rows, high]
    out: _Floats = np.where(known > 0, 0.5 * pair, np.nan)
    if quantum > 0:
        below = np.count_nonzero(cells < (out - 0.25 * quantum)[:, None], axis=1)
        equal = (
            np.count_nonzero(cells <= (out + 0.25 * quantum)[:, None], axis=1) - below
        )
        share = (0.5 * known - below) / np.maximum(1, equal)
        out += np.where(equal > 0, quantum * (share - 0.5), 0.0)
    return out


def _despeckled(level: _Floats) -> _Floats:
    """Levels without those that a bright source lifted."""
    out: _Floats = ndimage.median_filter(level, 5, mode="nearest")
    return out


def _flattened(slab: Slab, background: Mesh, grid: Grid) -> tuple[_Image32, _Bools]:
    """Pixels of a slab with the smooth background taken off."""
    margin = slab.margin
    ny, nx = grid.shape
    low, high = max(0, slab.rows.start - margin), min(ny, slab.rows.stop + margin)
    smooth = background[low:high, 0:nx]
    first = margin - (slab.rows.start - low)
    values = slab.values.copy()
    values[first : first + smooth.shape[0], margin : margin + nx] -= smooth
    bad = slab.bad.copy()
    values[bad] = 0
    return values, bad


def _boxed(values: _Image32) -> _Image32:
    """Mean of 3 x 3 pixels, on the scale of one pixel's white noise."""
    out = values.copy()
    out[1:] += values[:-1]
    out[:-1] += values[1:]
    along = out.copy()
    out[:, 1:] += along[:, :-1]
    out[:, :-1] += along[:, 1:]
    out /= np.float32(3)
    return out


def _stars(
    values: _Image32,
    bad: _Bools,
    sigma: _Floats,
    cols: NDArray[np.intp],
    margin: int,
) -> _Bools:
    """Pixels whose 3 x 3 mean stands three sigma above the background."""
    limit = np.pad(spread(3 * sigma, cols), margin, mode="edge").astype(np.float32)
    return (_boxed(values) > limit) & ~bad


def _smoothed_ratio(
    reader: Reader, grid: Grid, background: Mesh, rough: _Floats
) -> Generator[tuple[int, int], None, float]:
    """Scatter of 3 x 3 means over the high-frequency sigma, from negative pixels."""
    chosen = np.unique(np.linspace(0, grid.count[0] - 1, 16).round().astype(int))
    found = []
    for index in chosen:
        slab = reader.slab(grid, int(index), margin=_MARGIN)
        values, bad = _flattened(slab, background, grid)
        sigma = np.maximum(rough[index], 1e-30)
        unit = spread(1 / sigma, grid.cols).astype(np.float32)
        box = inner(_boxed(values), _MARGIN) * unit
        low = box[(box < 0) & ~inner(bad, _MARGIN)]
        if low.size > 64:
            found.append(float(np.median(-low)) / 0.6745)
    yield 0, grid.count[0]
    return float(np.clip(np.median(found), 0.5, 30)) if found else 1.0
