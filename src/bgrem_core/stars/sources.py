"""The stars of one plane: found, told from galaxies, fitted, and their PSF learnt."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, spatial

from bgrem_core.growth import Profile
from bgrem_core.stars.classify import classify
from bgrem_core.stars.errors_law import ErrorLaw, fit_errors
from bgrem_core.stars.fitted import Fitted, brightness, middle, pick, render
from bgrem_core.stars.learn import learn, normalised
from bgrem_core.stars.matched_zero import Filter, find_peaks
from bgrem_core.stars.pixels import coarse_level, fit_noise, smooth_level
from bgrem_core.stars.saturation import saturated_stars
from bgrem_core.stars.settle import fluxes_again, hear_again, place_again
from bgrem_core.stars.solve import solve
from bgrem_core.stars.spline_psf import SplinePsf
from bgrem_core.stars.starlist import Stars, places
from bgrem_core.stars.wings import rim_levels, with_wings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.options import StarOptions

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["FEWEST", "fit_plane", "search", "start"]

FEWEST = 3
"""Stars that a PSF needs."""
_MOST, _WINGS = 60, 20
_BORDER = 3
#: Ring in which the surroundings of stars are judged, FWHM; most light in it, of that
#: of the star.
_AROUND, _SURROUNDED = (1.5, 4.5), 0.08
_FIRST = 12.0
"""Least S/N of the first pass: it is for the PSF."""


def start(
    z: "Floats", good: "Bools", saturated: "Bools", *, profile: Profile
) -> Fitted:
    """Prepare a plane: sky, noise and a first PSF.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels on the scale of their spread.
    good, saturated : ndarray of bool, shape (ny, nx)
        Pixels to use (not saturated), and those at the limit.
    profile : Profile
        First guess of the PSF.

    Returns
    -------
    Fitted
        Without stars but for the saturated ones.
    """
    fwhm = profile.fwhm
    fine = 3 if fwhm < 1.6 else 2 if fwhm < 6 else 1
    half = min(max(20, int(np.ceil(7 * fwhm))), 150, max(8, max(z.shape)))
    psf = normalised(SplinePsf.of(profile.density, half=half, fine=fine, shape=z.shape))
    sky = coarse_level(z, good, max(8, round(4 * fwhm)))
    law = fit_noise(z, good, sky)
    fit = Fitted(
        z=np.where(good | saturated, z, 0.0),
        good=good,
        saturated=saturated,
        sky=sky,
        variance=law.variance(sky),
        law=law,
        psf=psf,
        first=psf,
        fwhm=fwhm,
        errors=ErrorLaw(photons=law.slope, relative=0.06),
        light=np.zeros_like(z),
        wrong=np.zeros_like(z),
    )
    fit.stars = saturated_stars(z, sky, saturated, psf)
    fit.snr = np.full(len(fit.stars), np.inf)
    fit.spread = np.full(len(fit.stars), np.nan)
    render(fit)
    return fit


def search(fit: Fitted, options: "StarOptions") -> Generator[int, None, None]:
    """Find and fit the stars of a plane, pass by pass.

    Parameters
    ----------
    fit : Fitted
        Of `start`; changed in place.
    options : StarOptions
        Thresholds and number of passes.

    Yields
    ------
    int
        Passes done.
    """
    for k in range(options.passes + 1):
        first, last = k == 0, k == options.passes
        threshold = max(options.threshold, _FIRST) if first else options.threshold
        fit.extended = Stars.none()
        found = _detect(fit, threshold)
        if len(found):
            fit.stars = fit.stars.plus(found)
            fit.snr = np.concatenate([fit.snr, np.full(len(found), np.nan)])
            fit.spread = np.concatenate([fit.spread, np.full(len(found), np.nan)])
        _refine(fit, 3 if first else 2)
        classify(fit, options, strict=not first, final=last)
        _refine(fit, 1)
        if last:
            # What was left may show that its neighbours are no stars either.
            classify(fit, options, strict=True, final=True, again=True)
            if fit.learnt >= FEWEST:
                # A PSF that is only assumed is no judge.
                if options.keep_extended:
                    hear_again(fit)
                place_again(fit)
            _refine(fit, 1)
        if options.method == "psf":
            _learn(fit, varying=k > 0)
        _resky(fit)
        if last:
            _refine(fit, 1)
        yield k + 1


def fit_plane(fit: Fitted, stars: Stars) -> None:
    """Fit given stars to a plane: fluxes and PSF of its own, places as they are.

    Parameters
    ----------
    fit : Fitted
        Of `start`; changed in place.
    stars : Stars
        Places; the fluxes are a first guess.
    """
    free = np.zeros(len(stars), bool)
    fit.stars = replace(stars, held=free)
    fit.snr = np.zeros(len(stars))
    render(fit)
    for k in range(3):
        _refine(fit, 2 if k == 0 else 1, move=False)
        fit.spread = np.zeros(len(fit.stars))
        _learn(fit, varying=k > 0)
        _resky(fit)
    fluxes_again(fit, stars.held)
    _refine(fit, 1, move=False)


def _detect(fit: Fitted, threshold: float) -> Stars:
    """Return new peaks in what is left, apart from known stars."""
    half = min(max(2, int(np.ceil(2 * fit.fwhm))), fit.psf.half)
    side = 2 * half + 1
    step = np.arange(-half, half + 1)
    disc = np.hypot(step[:, None], step[None, :]) <= max(2 * fit.fwhm, 2.3)
    stamp = fit.psf.stamps(*middle(fit), half).reshape(side, side)
    border = min(_BORDER, half)
    filtered = Filter(stamp * disc, disc, fit.good, border)
    peaks = find_peaks(
        filtered, fit.left, fit.expected, threshold=threshold, border=border
    )
    new = Stars.at(peaks.x, peaks.y, peaks.flux)
    if len(fit.stars) and len(new):
        known = np.column_stack([fit.stars.x, fit.stars.y])
        near, at = spatial.KDTree(known).query(np.column_stack([new.x, new.y]))
        apart = near > np.maximum(0.6 * fit.fwhm, fit.stars.hole[at])
        # What a star beside a filament leaves is no companion of it.
        apart &= (near > 1.2 * fit.fwhm) | (new.flux > 0.3 * fit.stars.flux[at])
        new = new.pick(apart)
    return new


def _refine(fit: Fitted, steps: int, *, move: bool = True) -> None:
    """Fit all stars together, some steps; drop those without light, join doubles."""
    for _ in range(steps):
        if not len(fit.stars):
            return
        # Wider where stars stand alone would gain little: noise and neighbours.
        free = ~fit.stars.held
        if not free.any():
            return
        solved = solve(fit.left, fit.weight, fit.psf, fit.stars.pick(free),
                       radius=max(1.6 * fit.fwhm, 2.3), move=move)  # fmt: skip
        order = np.argsort(np.r_[np.flatnonzero(free), np.flatnonzero(~free)])
        fit.snr = np.concatenate([solved.snr, fit.snr[~free]])[order]
        fit.stars = solved.stars.plus(fit.stars.pick(~free)).pick(order)
        if move:
            pick(fit, _sound(fit))
        else:
            flux = np.maximum(fit.stars.flux, 0)
            fit.stars = replace(fit.stars, flux=flux)
        render(fit)


def _sound(fit: Fitted) -> "Bools":
    """Return which stars shine, are near the frame and are not another's double."""
    s = fit.stars
    ny, nx = fit.z.shape
    keep = (s.flux > 0) & (fit.snr > 1)
    keep &= (s.x > -_BORDER - 1) & (s.x < nx + _BORDER)
    keep &= (s.y > -_BORDER - 1) & (s.y < ny + _BORDER)
    pairs = spatial.KDTree(np.column_stack([s.x, s.y])).query_pairs(
        max(0.5 * fit.fwhm, 0.7), output_type="ndarray"
    )
    for a, b in pairs:
        keep[a if s.flux[a] < s.flux[b] else b] = False
    return keep


def _learn(fit: Fitted, *, varying: bool) -> None:
    """Learn the PSF from bright stars that are stars beyond doubt."""
    s = fit.stars
    if not len(s):
        return
    ny, nx = fit.z.shape
    inside = (s.x > 2) & (s.y > 2) & (s.x < nx - 3) & (s.y < ny - 3)
    # Saturated stars tell the wings.
    clean = inside & (np.abs(np.nan_to_num(fit.spread)) < 0.06)
    bright = np.flatnonzero(clean & (brightness(fit) > 40))
    if len(bright) < 2 * FEWEST:
        bright = np.flatnonzero(clean & (brightness(fit) > 15))
    if len(bright) < FEWEST:
        return
    bright = bright[np.argsort(-s.flux[bright])][:_MOST]
    seen = np.where(fit.good, fit.z - fit.light, 0.0)
    bright = bright[_stand_free(fit, seen, s.pick(bright))]
    fit.learnt = len(bright)
    # Wings first: what they take is not sought in the core.
    brightest = s.pick(bright[:_WINGS])
    fit.psf = with_wings(
        fit.psf, seen, fit.weight, brightest, first=fit.first, fwhm=fit.fwhm
    )
    render(fit)
    fit.psf, factor = learn(
        fit.left, fit.weight, fit.psf, s.pick(bright), fwhm=fit.fwhm,
        varying=varying and len(bright) >= 20,
    )  # fmt: skip
    fit.stars = replace(s, flux=s.flux * factor)
    render(fit)


def _stand_free(fit: Fitted, bare: "Floats", stars: Stars) -> "Bools":
    """Return which stars are not in the midst of a galaxy or a cloud.

    What surrounds those would become wings of the PSF, and dark discs round the others.
    """
    half = min(fit.psf.half, int(np.ceil(_AROUND[1] * fit.fwhm)))
    step = np.arange(-half, half + 1)
    away = np.hypot(step[:, None], step).ravel() / fit.fwhm
    ring = (away > _AROUND[0]) & (away <= _AROUND[1])
    place, inside = places(stars.x, stars.y, half, fit.psf.shape)
    weight = np.where(inside, fit.weight.ravel()[place], 0.0)
    values = bare.ravel()[place]
    used = weight[:, ring] > 0
    near = np.where(used, (values - rim_levels(values, weight, half))[:, ring], 0.0)
    mean = near.sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    share = np.abs(mean) * ring.sum() / stars.flux
    # On a nebula no star stands free: those that stand best must do.
    limit = max(_SURROUNDED, 2 * float(np.quantile(share, 0.3)))
    some: Bools = share <= max(limit, float(np.sort(share)[FEWEST - 1]))
    return some


def _resky(fit: Fitted) -> None:
    """Find the level under the stars anew, and what the model leaves of them."""
    sigma2 = float(np.median(fit.variance))
    # Away from stars: what their model leaves must not pass for sky.
    weight = np.where(fit.good, 1 / (1 + fit.light**2 / (0.25 * sigma2)), 0.0)
    seen = fit.z - fit.light
    fit.sky = smooth_level(np.where(fit.good, seen, 0.0), weight, 1.5 * fit.fwhm)
    fit.variance = fit.law.variance(ndimage.uniform_filter(fit.sky, 3))
    fit.errors = fit_errors(fit.left, fit.variance, fit.light, fit.good, fit.law.slope)
    fit.wrong = fit.errors.relative * fit.light
