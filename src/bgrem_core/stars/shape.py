"""Star, galaxy or filament: whether a source is wider or longer than the PSF.

Each source, its neighbours taken off, is compared with the PSF, with the PSF widened a
little, and with the PSF drawn out along two directions. Bertin's spread model of the
Dark Energy Survey is the first of the two numbers in another form.

References
----------
.. [1] Desai et al. 2012, ApJ 757, 83, section 3.3.2 (spread_model).
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.spline_psf import SplinePsf, grid_offsets
from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Shapes", "measure_shapes", "widened"]

_BLOCK = 256
"""Sources that are measured at a time: few enough for the cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shapes:
    """Shapes of n sources, 0 = that of the PSF.

    Attributes
    ----------
    spread, spread_error : ndarray of float64, shape (n,)
        How much wider; a galaxy has 0.1 and more.
    length, length_error : ndarray of float64, shape (n,)
        How much longer than wide; an endless line has 1.
    match : ndarray of float64, shape (n,)
        Correlation with the PSF over what its noise lets expect.
    """

    spread: "Floats"
    spread_error: "Floats"
    length: "Floats"
    length_error: "Floats"
    match: "Floats"


def widened(psf: SplinePsf, scale: float) -> SplinePsf:
    """Return the PSF seen through an exponential disc.

    Parameters
    ----------
    psf : SplinePsf
        Light of a unit star.
    scale : float
        Scale length of the disc, pixels.

    Returns
    -------
    SplinePsf
        Of the same sum.
    """
    # Slow to import, and every run of the command imports this module.
    from scipy.signal import fftconvolve

    dx, dy = grid_offsets(max(2, int(np.ceil(5 * scale))), psf.fine)
    disc = np.exp(-np.hypot(dx, dy) / scale)
    disc /= disc.sum()
    wide = [fftconvolve(c, disc, mode="same") for c in psf.coefficients]
    return replace(psf, coefficients=np.stack(wide))


def measure_shapes(
    left: "Floats",
    variance: "Floats",
    good: "NDArray[np.bool_]",
    psf: SplinePsf,
    wide: SplinePsf,
    stars: Stars,
    *,
    fwhm: float,
) -> Shapes:
    """Measure the shapes of sources.

    Parameters
    ----------
    left : ndarray of float64, shape (ny, nx)
        Image without its sky and without the light of `stars`.
    variance : ndarray of float64, shape (ny, nx)
        Of each pixel.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    psf, wide : SplinePsf
        Light of a unit star, and that of `widened`.
    stars : Stars
        What is to be measured; their own light is put back.
    fwhm : float
        Pixels.

    Returns
    -------
    Shapes
        In the order of `stars`.
    """
    parts = [
        _measured(left, variance, good, psf, wide, stars.pick(some), fwhm)
        for a in range(0, len(stars), _BLOCK)
        for some in [np.arange(a, min(a + _BLOCK, len(stars)))]
    ]
    return Shapes(
        **{
            f.name: np.concatenate([np.zeros(0), *(getattr(p, f.name) for p in parts)])
            for f in fields(Shapes)
        }
    )


def _measured(
    left: "Floats",
    variance: "Floats",
    good: "NDArray[np.bool_]",
    psf: SplinePsf,
    wide: SplinePsf,
    stars: Stars,
    fwhm: float,
) -> Shapes:
    half = min(int(np.ceil(2 * fwhm)), psf.half)
    step = np.arange(-half, half + 1)
    disc = (np.hypot(step[:, None], step[None, :]) <= max(2 * fwhm, 2.3)).ravel()
    x, y = stars.x, stars.y
    place, inside = places(x, y, half, psf.shape, disc)
    use = (inside & good.ravel()[place]).astype(float)
    light = psf.stamps(x, y, half, disc=disc)
    orders = ((0, 0), (0, 2), (2, 0), (1, 1))
    wider = wide.placed(x, y, half, orders=orders, disc=disc).stamps(wide)
    pixels = left.ravel()[place] + stars.flux[:, None] * light
    noise = variance.ravel()[place]
    phi, broad = _centred(light, use), _centred(wider[:, 0], use)
    # Curvatures of a measured PSF are noisy; those of the widened one are not.
    xx, yy, xy = (wider[:, k] for k in (1, 2, 3))
    along, skew = _centred(xx - yy, use), _centred(2 * xy, use)
    own = _dot(phi, pixels)
    power = np.maximum(_dot(phi, light), 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        base = phi / power[:, None]
        ratio = broad / _dot(broad, light)[:, None] - base
        flux = own / power
        spread = _dot(ratio, pixels) / flux
        spread_error = np.sqrt(_dot(ratio**2, noise)) / flux
        line = _line_response(psf, wide, half, disc)
        parts, variances = [], []
        for template in (along, skew):
            free = (template - base * _dot(template, light)[:, None]) / (
                line * power[:, None]
            )
            parts.append(_dot(free, pixels) / flux)
            variances.append(_dot(free**2, noise) / flux**2)
        total = np.sqrt(np.maximum(_dot(_centred(pixels, use), pixels), 1e-300))
        match = own / np.sqrt(power) / total
        expected = np.sqrt(flux**2 * power / (flux**2 * power + _dot(use, noise)))
        # Without a pixel to tell, as in the midst of saturated ones, nothing is alike.
        likeness = match / expected
    return Shapes(
        spread=_known(spread),
        spread_error=_known(spread_error),
        length=_known(np.hypot(*parts)),
        length_error=_known(np.sqrt((variances[0] + variances[1]) / 2)),
        match=np.nan_to_num(likeness, posinf=0.0, neginf=0.0),
    )


def _centred(template: "Floats", use: "Floats") -> "Floats":
    count = np.maximum(use.sum(axis=1, keepdims=True), 1)
    mean = (template * use).sum(axis=1, keepdims=True) / count
    out: Floats = (template - mean) * use
    return out


def _dot(a: "Floats", b: "Floats") -> "Floats":
    return np.asarray(np.einsum("np,np->n", a, b))


def _known(values: "Floats") -> "Floats":
    """Return infinity where nothing could be measured: that is no star."""
    return np.where(np.isfinite(values), values, np.inf)


def _line_response(
    psf: SplinePsf, wide: SplinePsf, half: int, disc: "NDArray[np.bool_]"
) -> float:
    """Return what a line along x gives for its length, over what it gives for flux."""
    one, broad = (replace(p, coefficients=p.coefficients[:1]) for p in (psf, wide))
    at = (np.zeros(1), np.zeros(1))
    side = 2 * half + 1
    whole = one.stamps(*at, psf.half).reshape(2 * psf.half + 1, -1)
    profile = whole.sum(axis=1)[psf.half - half : psf.half + half + 1]
    line = np.repeat(profile[:, None], side, axis=1).ravel()[disc][None]
    use = np.ones_like(line)
    light = one.stamps(*at, half)[:, disc]
    xx, yy = (broad.stamps(*at, half, order=o)[:, disc] for o in ((0, 2), (2, 0)))
    phi, along = _centred(light, use), _centred(xx - yy, use)
    power = _dot(phi, light)
    free = along - phi * (_dot(along, light) / power)[:, None]
    return float(_dot(free, line)[0] / _dot(phi, line)[0])
