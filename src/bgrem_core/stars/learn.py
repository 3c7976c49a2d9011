"""The PSF learnt from the stars of the frame: what the model left of them, put back.

A least-squares step in the coefficients of the splines, so that no star has to be
moved to the middle of a pixel. Fine detail far from the core is kept only where it is
significant: otherwise the brightest star would find its own noise in the PSF.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.stars.spline_psf import SplinePsf, grid_offsets
from bgrem_core.stars.starlist import Stars, places
from bgrem_core.stars.wings import rim_levels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["learn", "normalised"]

_STEPS = 12
_HUBER = 3.0
_PULL, _STIFF = 1e-3, 1e-2


def learn(
    left: "Floats",
    weight: "Floats",
    psf: SplinePsf,
    stars: Stars,
    *,
    fwhm: float,
    varying: bool,
) -> tuple[SplinePsf, float]:
    """Improve a PSF by what is left of the stars that it stands for.

    Parameters
    ----------
    left : ndarray of float64, shape (ny, nx)
        Image without its sky and without the light of all stars.
    weight : ndarray of float64, shape (ny, nx)
        Inverse variance; 0 = pixel is not used.
    psf : SplinePsf
        As it is now.
    stars : Stars
        Bright, their places and fluxes well known.
    fwhm : float
        Pixels.
    varying : bool
        The PSF may change over the field.

    Returns
    -------
    psf : SplinePsf
        Normalised to a sum of 1.
    factor : float
        By which fluxes are to be multiplied, for the light of the stars to stay.
    """
    psf = psf.with_terms(3) if varying else psf
    place, inside = places(stars.x, stars.y, psf.half, psf.shape)
    r = left.ravel()[place]
    w = np.where(inside, weight.ravel()[place], 0.0)
    r = r - rim_levels(r, w, psf.half)
    off = np.abs(r) * np.sqrt(w)
    w = w * np.minimum(1, _HUBER / np.maximum(off, 1e-9))
    w *= _quality(off, inside, psf.half, fwhm)[:, None]
    flux = stars.flux[:, None]
    placed = psf.placed(stars.x, stars.y, psf.half)
    power = flux**2 * w
    counts = placed.back(psf, power)[0]
    if not counts.max(initial=0.0) > 0:
        return psf, 1.0
    # Starlight is smooth: a weak pull to no change holds splines that nothing holds.
    prior = _PULL * counts.max() * np.ones_like(psf.coefficients)
    prior[1:] *= 4
    stiff = _STIFF * counts.max()

    def normal(c: "Floats") -> "Floats":
        moved = replace(psf, coefficients=c)
        total = placed.back(psf, power * placed.stamps(moved)[:, 0])
        total += prior * c
        total += stiff * _bent(_bent(c))
        return total

    step = _gradients(normal, placed.back(psf, flux * w * r))
    dx, dy = grid_offsets(psf.half, psf.fine)
    distance = np.hypot(dx, dy)
    # A change over the field is that of the core; wings have no S/N for it.
    step[1:] *= np.clip((3 * fwhm - distance) / fwhm, 0, 1)
    # Beyond the core the image without its smooth sky holds no wings any more.
    step[0] *= np.clip((3.2 * fwhm - distance) / fwhm, 0, 1)
    changed = psf.coefficients + step
    # The outermost pixels fall to nothing: no edge of a stamp on the sky.
    changed *= np.clip((psf.half + 0.5 - distance) / 2, 0, 1)
    out = normalised(replace(psf, coefficients=changed))
    factor = float(changed[0].sum() / out.coefficients[0].sum())
    return out, factor


def _bent(c: "Floats") -> "Floats":
    """Return second differences of each term, 0 beyond the edge; symmetric."""
    return np.stack([ndimage.laplace(term, mode="constant") for term in c])


def normalised(psf: SplinePsf) -> SplinePsf:
    """Return the PSF with a sum of 1 in the middle of the field."""
    total = float(psf.coefficients[0].sum()) / psf.fine**2
    if not total > 0:
        return psf
    return replace(psf, coefficients=psf.coefficients / total)


def _quality(off: "Floats", inside: "Bools", half: int, fwhm: float) -> "Floats":
    """Return a weight for each star: those that fit worse than others count less."""
    step = np.arange(-half, half + 1)
    near = (np.hypot(step[:, None], step[None, :]) < 2 * fwhm).ravel() & inside
    chi = np.sqrt(np.sum(off**2 * near, axis=1) / np.maximum(near.sum(axis=1), 1))
    typical = max(float(np.median(chi)), 1e-9)
    return np.asarray(np.minimum(1, (1.5 * typical / np.maximum(chi, 1e-9)) ** 2))


def _gradients(normal: "Callable[[Floats], Floats]", rhs: "Floats") -> "Floats":
    x, r = np.zeros_like(rhs), rhs.copy()
    p, rr = r.copy(), float(np.sum(r * r))
    first = rr
    for _ in range(_STEPS):
        if rr <= 1e-6 * first or rr <= 0:
            break
        q = normal(p)
        alpha = rr / float(np.sum(p * q))
        x += alpha * p
        r -= alpha * q
        after = float(np.sum(r * r))
        p = r + (after / rr) * p
        rr = after
    return x
