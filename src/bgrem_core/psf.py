"""PSF of a frame: compact, bright, isolated stars found and fitted."""

from dataclasses import dataclass
from math import atan2, degrees, hypot, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, spatial

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: Fewest stars that make a PSF, and most that are fitted.
_FEWEST, _MOST = 3, 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Psf:
    """PSF of a frame, pixel response included.

    Attributes
    ----------
    fwhm : float
        Full width at half maximum in pixels, geometric mean of both axes.
    ellipticity : float
        ``1 - minor / major``.
    theta : float
        Direction of the major axis in degrees, anticlockwise from +x, -90 to 90.
    n_stars : int
        Stars that it stands on.
    stamp : ndarray of float64, shape (m, m)
        Empirical PSF, centred on the middle pixel, sum 1; m odd.
    beta : float
        Exponent of the Moffat profile, at most 100 (a Gaussian).
    """

    fwhm: float
    ellipticity: float
    theta: float
    n_stars: int
    stamp: _Floats
    beta: float


@dataclass(slots=True, eq=False)
class _Fit:
    """An elliptical Moffat fitted to one star."""

    x: float
    y: float
    peak: float
    level: float
    matrix: tuple[float, float, float]
    inverse_beta: float
    residual: float

    @property
    def axes(self) -> tuple[float, float, float]:
        """FWHM along the major and minor axis, and direction in radians."""
        a, b, c = self.matrix
        mean, half, cross = (a + b) / 2, (a - b) / 2, c
        spread = hypot(half, cross)
        q = self.inverse_beta
        width = 2 * sqrt((2**q - 1) / q)
        major = width / sqrt(max(mean - spread, 1e-9))
        minor = width / sqrt(mean + spread)
        # The matrix is largest along the minor axis.
        return major, minor, 0.5 * atan2(2 * cross, a - b) + pi / 2

    @property
    def fwhm(self) -> float:
        """Geometric mean width in pixels."""
        major, minor, _ = self.axes
        return sqrt(major * minor)


def measure_fwhm(
    data: NDArray[np.float32],
    mask: _Bools,
    sigma: float,
    *,
    saturation: float | None = None,
    fewest: int = _FEWEST,
) -> Psf | None:
    """Measure the PSF from the stars of a frame.

    Stars are taken from the narrowest well-filled group of compact sources, so that
    galaxies (wider) and hot pixels or cosmic rays (narrower, and scattered) stay out.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        Pixels, any linear unit, sky included or not.
    mask : ndarray of bool, shape (ny, nx)
        True = do not use.
    sigma : float
        Noise of a pixel in the unit of `data`.
    saturation : float, optional
        Level above which pixels are saturated.
    fewest : int, optional
        Stars without which the PSF is not asked for, at least three.

    Returns
    -------
    Psf or None
        None where fewer stars are fit for it.
    """
    if min(data.shape) < 12 or not sigma > 0:
        return None
    flat, bad = _prepared(data, mask, sigma, saturation)
    found = _candidates(flat, bad)
    if found is None or len(found[0]) < fewest:
        return None
    x, y, size, peak = found
    fits = []
    # Peaks favour stars over galaxies of the same flux.
    for k in np.argsort(-peak)[: 3 * _MOST]:
        fit = _fit_star(flat, bad, x[k], y[k], size[k])
        if fit is not None and fit.residual < 3:
            fits.append(fit)
        if len(fits) == 2 * _MOST:
            break
    fits = [fits[k] for k in _star_locus(fits)][:_MOST]
    fits = _consistent(fits)
    return _summary(flat, bad, fits) if len(fits) >= max(fewest, _FEWEST) else None


def _prepared(
    data: NDArray[np.float32], mask: _Bools, sigma: float, saturation: float | None
) -> tuple[NDArray[np.float32], _Bools]:
    """Pixels in sigma above a local sky, and those not to be used."""
    import sep

    bad = mask | ~np.isfinite(data)
    if saturation is not None:
        bad = bad | (data >= saturation)
    good = data[~bad]
    zero = float(np.median(good[:: max(1, good.size // 2**18)])) if good.size else 0.0
    flat = np.where(bad, 0, (data.astype(np.float64) - zero) / sigma)
    flat = np.ascontiguousarray(np.clip(flat, -1e6, 1e7), np.float32)
    cell = min(64, *data.shape)
    background = sep.Background(flat, mask=bad, bw=cell, bh=cell)
    background.subfrom(flat)
    flat[bad] = 0
    return flat, bad


def _candidates(
    flat: NDArray[np.float32], bad: _Bools
) -> tuple[_Floats, _Floats, _Floats, _Floats] | None:
    """Positions, sizes (as a FWHM) and peaks of bright, round, whole sources."""
    import sep

    sep.set_extract_pixstack(max(1_000_000, flat.size // 4))
    sep.set_sub_object_limit(8192)
    try:
        found = sep.extract(
            flat, 4.0, mask=bad, minarea=4, deblend_cont=0.005, clean=False
        )
    except Exception:  # noqa: BLE001 - sep raises bare Exception when buffers are full
        found = sep.extract(flat, 30.0, mask=bad, minarea=4, deblend_cont=1.0)
    if len(found) < _FEWEST:
        return None
    ny, nx = flat.shape
    x, y, peak = found["x"], found["y"], found["peak"].astype(float)
    ratio = found["b"] / np.maximum(found["a"], 1e-9)
    edge = np.minimum.reduce([x, y, nx - 1 - x, ny - 1 - y])
    # Full width from area above half of the peak is robust, but coarse: pixels.
    noise = np.sqrt(np.maximum(found["npix"], 1))
    bright = found["flux"] > 20 * noise
    centre = _sharpness(flat, x, y)
    whole = bright & (edge > 5) & (ratio > 0.55) & (centre < 0.6)
    if whole.sum() < _FEWEST:
        return None
    flux, _, _ = sep.sum_circle(flat, x, y, np.maximum(3 * found["a"], 3), mask=bad)
    radius, _ = sep.flux_radius(
        flat, x, y, np.maximum(6 * found["a"], 4), 0.5, normflux=flux, mask=bad
    )
    size = np.maximum(2 * radius, 0.5)
    tree = spatial.cKDTree(np.column_stack([x, y]))
    keep = []
    for k in np.flatnonzero(whole):
        near = tree.query_ball_point((x[k], y[k]), 3 * size[k])
        rival = max((found["flux"][j] for j in near if j != k), default=0.0)
        if rival < 0.03 * found["flux"][k] and np.isfinite(size[k]):
            keep.append(k)
    if len(keep) < _FEWEST:
        return None
    return x[keep], y[keep], size[keep], peak[keep]


def _sharpness(flat: NDArray[np.float32], x: _Floats, y: _Floats) -> _Floats:
    """Share of the light of 3 x 3 pixels that falls on the brightest: 1 = hot pixel."""
    ny, nx = flat.shape
    ix = np.clip(np.round(x).astype(int), 1, nx - 2)
    iy = np.clip(np.round(y).astype(int), 1, ny - 2)
    box = np.stack([flat[iy + j, ix + i] for j in (-1, 0, 1) for i in (-1, 0, 1)])
    total = np.maximum(box.sum(axis=0), 1e-9)
    share: _Floats = (box.max(axis=0) / total).astype(np.float64)
    return share


def _star_locus(fits: list[_Fit]) -> list[int]:
    """Return the stars, in the order given: the narrowest well-filled group of widths.

    Saturated stars flatten at the top: of those, the widened ones leave the group.
    """
    log = np.log([fit.fwhm for fit in fits])
    width = 0.06
    count = np.array([np.sum(np.abs(log - v) < width) for v in log])
    # The narrowest width that a good part of the sources share.
    full = count >= max(_FEWEST, 0.5 * count.max(initial=0))
    if not full.any():
        return []
    near = full & (log <= log[full].min() + 2 * width)
    middle = float(np.median(log[near]))
    return [int(k) for k in np.flatnonzero(np.abs(log - middle) < 2 * width)]


def _fit_star(
    flat: NDArray[np.float32], bad: _Bools, x: float, y: float, size: float
) -> _Fit | None:
    """Fit an elliptical Moffat with a level to one star; None where it fails."""
    half = int(np.clip(np.ceil(1.5 * size), 4, 18))
    ix, iy = round(float(x)), round(float(y))
    ny, nx = flat.shape
    if not (half <= ix < nx - half and half <= iy < ny - half):
        return None
    box = (slice(iy - half, iy + half + 1), slice(ix - half, ix + half + 1))
    stamp = flat[box].astype(np.float64)
    good = ~bad[box]
    if good.mean() < 0.9 or not good[half - 1 : half + 2, half - 1 : half + 2].all():
        return None
    peak = float(stamp[half - 1 : half + 2, half - 1 : half + 2].max())
    if _flat_topped(stamp, peak):
        return None
    # Equal weights: half of the maximum is to be right, not the logarithm of the wings.
    weight = good / max(1.0, 0.01 * peak)
    curve = 4 * 0.8 / size**2
    start = np.array([x - ix, y - iy, peak, 0.0, curve, curve, 0.0, 0.3])
    low = np.array([-2, -2, 0, -np.inf, 1e-4, 1e-4, -20, 0.01])
    high = np.array([2, 2, np.inf, np.inf, 20, 20, 20, 0.8])
    start = np.clip(start, low + 1e-6, high - 1e-6)
    miss = _Miss(stamp, weight, low, high)
    try:
        best = optimize.least_squares(
            miss, start, jac=miss.slopes, bounds=(low, high), x_scale="jac", max_nfev=40
        )
    except ValueError:
        return None
    dx, dy, top, level, a, b, c, q = (float(v) for v in best.x)
    if top <= 0 or a * b <= c * c:
        return None
    chi = float(np.sqrt(2 * best.cost / max(1, good.sum() - 8)))
    return _Fit(ix + dx, iy + dy, top, level, (a, b, c), q, chi)


class _Miss:
    """What a Moffat misses of a stamp, and its slopes by forward differences."""

    def __init__(
        self, stamp: _Floats, weight: _Floats, low: _Floats, high: _Floats
    ) -> None:
        half = stamp.shape[0] // 2
        self._oy, self._ox = np.mgrid[-half : half + 1, -half : half + 1]
        self._stamp, self._weight = stamp, weight
        self._low, self._high = low, high
        self._last = np.empty(0), np.empty(0)

    def __call__(self, p: _Floats) -> _Floats:
        """Return the weighted misses of the eight numbers of a Moffat."""
        base = _profile(p, self._ox, self._oy)
        self._last = p.copy(), base
        return self._of(p[3] + p[2] * base)

    def slopes(self, p: _Floats) -> _Floats:
        """Return their changes with each number, all numbers moved at once."""
        step = np.where(p >= 0, _STEP, -_STEP) * np.maximum(1.0, np.abs(p))
        beyond = (p + step < self._low) | (p + step > self._high)
        step = np.where(beyond, -step, step)
        moved = p + step
        # The profile there was asked for just before.
        at, base = self._last
        if not np.array_equal(at, p):
            base = _profile(p, self._ox, self._oy)
        rows = np.repeat(p[None], 8, axis=0)
        np.fill_diagonal(rows, moved)
        # Peak and level leave the profile as it is.
        bent = _profile(rows[_BENT].T[:, :, None, None], self._ox, self._oy)
        ahead = np.empty((8, *base.shape))
        ahead[_BENT] = p[3] + p[2] * bent
        ahead[2] = p[3] + moved[2] * base
        ahead[3] = moved[3] + p[2] * base
        here = self._of(p[3] + p[2] * base)
        change = ((ahead - self._stamp) * self._weight).reshape(8, -1) - here
        out: _Floats = (change / (moved - p)[:, None]).T
        return out

    def _of(self, model: _Floats) -> _Floats:
        out: _Floats = ((model - self._stamp) * self._weight).ravel()
        return out


_STEP = float(np.sqrt(np.finfo(float).eps))
_BENT = np.array([0, 1, 4, 5, 6, 7])
"""Numbers that change the profile: all but peak and level."""


def _profile(p: _Floats, ox: NDArray[np.intp], oy: NDArray[np.intp]) -> _Floats:
    """Moffat of unit peak in the inverse of its exponent, which a Gaussian has at 0."""
    x, y, _, _, a, b, c, q = p
    dx, dy = ox - x, oy - y
    u = np.maximum(a * dx * dx + b * dy * dy + 2 * c * dx * dy, 0)
    out: _Floats = (1 + q * u) ** (-1 / q)
    return out


def _flat_topped(stamp: _Floats, peak: float) -> bool:
    """Tell a plateau of equal pixels at the top: saturated."""
    return bool(np.sum(stamp > peak - 1e-3 * abs(peak)) >= 4)


def _consistent(fits: list[_Fit]) -> list[_Fit]:
    """Leave out fits whose width or quality stands apart."""
    for _ in range(3):
        if len(fits) < _FEWEST:
            return fits
        width = np.log([f.fwhm for f in fits])
        chi = np.array([f.residual for f in fits])
        off = np.abs(width - np.median(width))
        limit = max(0.03, 3 * 1.4826 * float(np.median(off)))
        keep = (off < limit) & (chi < max(3.0, 3 * float(np.median(chi))))
        if keep.all():
            break
        fits = [f for f, k in zip(fits, keep, strict=True) if k]
    return fits


def _summary(flat: NDArray[np.float32], bad: _Bools, fits: list[_Fit]) -> Psf:
    """Median shape of the stars and their stacked stamp."""
    fwhm = float(np.median([f.fwhm for f in fits]))
    axes = np.array([f.axes for f in fits])
    e = (axes[:, 0] - axes[:, 1]) / (axes[:, 0] + axes[:, 1])
    ex = float(np.median(e * np.cos(2 * axes[:, 2])))
    ey = float(np.median(e * np.sin(2 * axes[:, 2])))
    e0 = hypot(ex, ey)
    return Psf(
        fwhm=fwhm,
        ellipticity=1 - (1 - e0) / (1 + e0),
        theta=degrees(0.5 * atan2(ey, ex)),
        n_stars=len(fits),
        stamp=_stamp(flat, bad, fits, fwhm),
        beta=1 / float(np.median([f.inverse_beta for f in fits])),
    )


def _stamp(
    flat: NDArray[np.float32], bad: _Bools, fits: list[_Fit], fwhm: float
) -> _Floats:
    """Median of the stars, moved to the centre of a pixel, sum 1."""
    half = int(np.clip(np.ceil(3 * fwhm), 5, 40))
    ny, nx = flat.shape
    reach = half + 8
    cuts = []
    for fit in fits:
        ix, iy = round(fit.x), round(fit.y)
        if not (reach <= ix < nx - reach and reach <= iy < ny - reach):
            continue
        box = (
            slice(iy - reach, iy + reach + 1),
            slice(ix - reach, ix + reach + 1),
        )
        cut = np.where(bad[box], np.nan, flat[box] - fit.level) / fit.peak
        filled = np.where(np.isfinite(cut), cut, 0.0)
        shift = (iy - fit.y, ix - fit.x)
        moved = ndimage.shift(filled, shift, order=3, mode="constant")
        cuts.append(moved[8:-8, 8:-8])
    if len(cuts) < _FEWEST:
        stamp = _model(fits, half)
    else:
        stamp = np.median(cuts, axis=0).astype(np.float64)
        # Beyond the reach of the stars' S/N the stack is noise of the sky.
        oy, ox = np.mgrid[-half : half + 1, -half : half + 1]
        edge = np.hypot(ox, oy) > half - 1
        stamp -= np.median(stamp[edge])
        stamp[np.hypot(ox, oy) > half] = 0
        stamp = np.maximum(stamp, 0)
    out: _Floats = stamp / stamp.sum()
    return out


def _model(fits: list[_Fit], half: int) -> _Floats:
    """Median Moffat, where too few stars stand clear of the edge."""
    oy, ox = np.mgrid[-half : half + 1, -half : half + 1]
    a, b, c = np.median([f.matrix for f in fits], axis=0)
    q = float(np.median([f.inverse_beta for f in fits]))
    return _profile(np.array([0, 0, 1, 0, a, b, c, q]), ox, oy)
