"""Wings of the PSF: a power law round the brightest stars, and what exceeds it.

Far from the core a star is fainter than the structure of the sky, so wings are measured
on the image itself, above the level at the rim of each stamp, and not on what is left
of it without a smooth sky, which would hold the wings already.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.stars.spline_psf import SplinePsf, grid_offsets
from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["rim_levels", "with_wings"]

#: Where wings begin and the core ends, in FWHM.
_BEGIN, _END = 2.2, 3.2
_SLOPES = np.linspace(2.6, 5.0, 25)
_SIGNIFICANT = 4.5
_RIM, _STERN = 0.75, 4.0
_FAR_OFF = 3.0


def with_wings(
    psf: SplinePsf,
    bare: "Floats",
    weight: "Floats",
    stars: Stars,
    *,
    first: SplinePsf,
    fwhm: float,
) -> SplinePsf:
    """Replace the outer parts of a PSF by what the brightest stars show there.

    Parameters
    ----------
    psf : SplinePsf
        As it is now.
    bare : ndarray of float64, shape (ny, nx)
        Image without the light of all stars, sky included.
    weight : ndarray of float64, shape (ny, nx)
        Inverse variance; 0 = pixel is not used.
    stars : Stars
        Brightest first; saturated ones tell most.
    first : SplinePsf
        As it was fitted to whole stars: what holds where wings cannot be measured, and
        what they are at most a few times brighter or fainter than.
    fwhm : float
        Pixels.

    Returns
    -------
    SplinePsf
        Not normalised.
    """
    half, side = psf.half, 2 * psf.half + 1
    step = np.arange(-half, half + 1)
    r = np.hypot(step[:, None], step[None, :])
    begin, end = _BEGIN * fwhm, _END * fwhm
    if half < end + 2:
        return psf
    data, w = _above_rim(psf, bare, weight, stars)
    total, power = _mean_star(data, w, stars.flux, r)
    wing = (r > begin) & (r <= half) & (power > 0)
    at, height, error = _rings(data, w, stars.flux, r, wing)
    if len(at) < 6:
        return psf
    scale, slope, level = _power_law(at, height, error)
    usual = float(_light(first, begin)) * begin**slope
    scale = float(np.clip(scale, usual / _FAR_OFF, usual * _FAR_OFF))
    rough = float(np.median(error))
    law = scale * np.maximum(r, 0.5 * begin) ** -slope
    detail = np.where(wing, total - level - law, 0.0)
    seen = ndimage.gaussian_filter(detail, 0.7)
    seen = np.where(seen > _SIGNIFICANT * _scatter(seen, r, wing), seen, 0.0)
    # Spikes go both ways from a star, its neighbours do not.
    seen = np.minimum(seen, seen[::-1, ::-1])
    dx, dy = grid_offsets(half, psf.fine)
    fine_r = np.hypot(dx, dy)
    spikes = ndimage.map_coordinates(
        seen.reshape(side, side), [dy + half, dx + half], order=1, mode="constant"
    )
    # Where the sky is rougher than the wings are bright, the old ones are as good.
    seen_at = scale * begin**-slope
    trust = seen_at**2 / (seen_at**2 + (_STERN * rough) ** 2 + 1e-30)
    out = psf.coefficients.copy()
    law = scale * np.maximum(fine_r, 0.5 * begin) ** -slope
    outer = trust * law + (1 - trust) * first.coefficients[0] + spikes
    share = np.clip((fine_r - begin) / (end - begin), 0, 1)
    out[0] = (1 - share) * out[0] + share * outer
    out[0] = np.where(fine_r > 1.5 * fwhm, np.maximum(out[0], 0), out[0])
    return replace(psf, coefficients=out)


def _light(psf: SplinePsf, r: float) -> float:
    """Return the light of a unit star at a distance, mean of four directions."""
    side = 2 * psf.half + 1
    base = replace(psf, coefficients=psf.coefficients[:1])
    stamp = base.stamps(np.zeros(1), np.zeros(1), psf.half).reshape(side, side)
    away = r * np.array([[0, 0, 1, -1], [1, -1, 0, 0]]) + psf.half
    return float(ndimage.map_coordinates(stamp, away, order=1).mean())


def rim_levels(values: "Floats", weight: "Floats", half: int) -> "Floats":
    """Return the level round each star, from the rim of its stamp.

    Parameters
    ----------
    values, weight : ndarray of float64, shape (n, (2 half + 1) ** 2)
        Pixels of the stamps, and their weights; 0 = not used.
    half : int
        Half side of the stamps.

    Returns
    -------
    ndarray of float64, shape (n, 1)
        Medians; 0 where no pixel is usable.
    """
    step = np.arange(-half, half + 1)
    rim = (np.hypot(step[:, None], step[None, :]) > _RIM * half).ravel()
    some = np.where(weight[:, rim] > 0, values[:, rim], np.nan)
    known = np.isfinite(some).any(axis=1)
    out = np.zeros((len(values), 1))
    out[known, 0] = np.nanmedian(some[known], axis=1)
    return out


def _above_rim(
    psf: SplinePsf, bare: "Floats", weight: "Floats", stars: Stars
) -> tuple["Floats", "Floats"]:
    """Return the pixels of each stamp above the level at its rim, and their weights."""
    half = psf.half
    place, inside = places(stars.x, stars.y, half, psf.shape)
    w = np.where(inside, weight.ravel()[place], 0.0)
    data = bare.ravel()[place]
    data = data - rim_levels(data, w, half)
    return data + stars.flux[:, None] * psf.stamps(stars.x, stars.y, half), w


def _mean_star(
    data: "Floats", w: "Floats", flux: "Floats", r: "Floats"
) -> tuple["Floats", "Floats"]:
    """Return light of a unit star on pixels round its middle, and inverse variance."""
    power = np.sum(w * flux[:, None] ** 2, axis=0)
    total = np.sum(w * flux[:, None] * data, axis=0) / np.maximum(power, 1e-300)
    return total.reshape(r.shape), power.reshape(r.shape)


def _rings(
    data: "Floats", w: "Floats", flux: "Floats", r: "Floats", wing: "NDArray[np.bool_]"
) -> tuple["Floats", "Floats", "Floats"]:
    """Return radius, height and error of each ring, from star to star.

    A star on a bright cloud seems to have wings, one beside it none: the median of all
    stars, weighted by their light, believes no single one.
    """
    number = np.rint(r).astype(np.intp)
    at, height, error = [], [], []
    for k in range(
        int(number[wing].min(initial=0)), int(number[wing].max(initial=0)) + 1
    ):
        some = (wing & (number == k)).ravel()
        if some.sum() < 8:
            continue
        used = (w[:, some] > 0).mean(axis=1) > 0.5
        if used.sum() < 2:
            continue
        # Spikes and neighbours are in the minority on a ring.
        each = np.median(data[used][:, some], axis=1) / flux[used]
        middle = _weighted_median(each, flux[used])
        # The sky is as rough round each: what differs is how much a star outshines it.
        rough = float(np.median(np.abs(each - middle) * flux[used]))
        at.append(float(r.ravel()[some].mean()))
        height.append(middle)
        error.append(1.86 * rough * np.sqrt(used.sum()) / float(flux[used].sum()))
    return np.array(at), np.array(height), np.array(error)


def _weighted_median(values: "Floats", weight: "Floats") -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _power_law(
    r: "Floats", height: "Floats", error: "Floats"
) -> tuple[float, float, float]:
    """Fit ``scale * r ** -slope + level``, scale not negative; slopes are tried."""
    best = (np.inf, 0.0, 3.0, 0.0)
    # No ring decides alone, however well the stars happen to agree there.
    w = 1 / (error**2 + np.median(error) ** 2 + (0.1 * height) ** 2 + 1e-300)
    for slope in _SLOPES:
        shape = r**-slope
        m = float(np.sum(w * shape) / w.sum())
        h = float(np.sum(w * height) / w.sum())
        scale = float(
            np.sum(w * (shape - m) * (height - h)) / np.sum(w * (shape - m) ** 2)
        )
        scale = max(scale, 0.0)
        level = h - scale * m
        miss = float(np.sum(w * (height - level - scale * shape) ** 2))
        if miss < best[0]:
            best = (miss, scale, float(slope), level)
    return best[1:]


def _scatter(seen: "Floats", r: "Floats", wing: "NDArray[np.bool_]") -> "Floats":
    """Return the robust scatter of a map in rings."""
    number = np.rint(r).astype(np.intp)
    typical = np.full(int(number.max()) + 1, np.inf)
    for k in range(len(typical)):
        some = wing & (number == k)
        if some.sum() >= 8:
            middle = np.median(seen[some])
            typical[k] = 1.4826 * float(np.median(np.abs(seen[some] - middle)))
    return np.asarray(typical[number])
