"""The stars of one plane: found, told from galaxies, fitted, and their PSF learnt."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, spatial

from bgrem_core.growth import Profile
from bgrem_core.stars.errors_law import ErrorLaw, fit_errors
from bgrem_core.stars.learn import learn, normalised
from bgrem_core.stars.matched_zero import Filter, find_peaks
from bgrem_core.stars.pixels import coarse_level, fit_noise, smooth_level
from bgrem_core.stars.ridge import off_ridges
from bgrem_core.stars.saturation import saturated_stars
from bgrem_core.stars.shape import Shapes, measure_shapes, widened
from bgrem_core.stars.solve import solve
from bgrem_core.stars.spline_psf import SplinePsf
from bgrem_core.stars.starlist import Stars, light_of, reach_of
from bgrem_core.stars.wings import with_wings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.options import StarOptions
    from bgrem_core.stars.pixels import NoiseLaw

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Fitted", "fit_plane", "search", "start"]

FEWEST = 3
"""Stars that a PSF needs."""
_MOST, _WINGS = 60, 20
_FAINT = 0.05
"""Light, in sigma of a pixel, at which a star's wings end."""
_BORDER = 3
_DOUBT, _LENGTH, _MATCH, _ROUGH, _SHARE = 0.4, 0.25, 0.8, 0.5, 0.3
_ON_LINE, _CUT, _ROUND, _LIKE, _BRIGHT = 0.2, 0.08, 0.15, 0.8, 60.0
_BRILLIANT = 100.0
_FIRST, _TENTATIVE, _WIDE = 12.0, 20.0, 0.13
"""Least S/N of the first pass: it is for the PSF."""


@dataclass(slots=True, eq=False)
class Fitted:
    """One plane under work, on the scale of its own spread.

    Attributes
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels.
    good : ndarray of bool, shape (ny, nx)
        Neither bad nor saturated.
    saturated : ndarray of bool, shape (ny, nx)
        Pixels at the limit.
    sky, variance : ndarray of float64, shape (ny, nx)
        Level under the stars, and of the noise without them.
    law : NoiseLaw
        Noise by level.
    psf : SplinePsf
        As known so far.
    fwhm : float
        Pixels.
    errors : ErrorLaw
        What is to be expected of the model under a star.
    stars : Stars
        As known so far.
    light : ndarray of float64, shape (ny, nx)
        Of all stars.
    wrong : ndarray of float64, shape (ny, nx)
        Error of that light by the PSF.
    snr : ndarray of float64, shape (n,)
        Of each star.
    spread : ndarray of float64, shape (n,)
        Of each star.
    extended : Stars
        What was found and is no star.
    learnt : int
        Stars that the PSF stands on.
    """

    z: "Floats"
    good: "Bools"
    saturated: "Bools"
    sky: "Floats"
    variance: "Floats"
    law: "NoiseLaw"
    psf: SplinePsf
    fwhm: float
    errors: ErrorLaw
    light: "Floats"
    wrong: "Floats"
    stars: Stars = field(default_factory=Stars.none)
    snr: "Floats" = field(default_factory=lambda: np.zeros(0))
    spread: "Floats" = field(default_factory=lambda: np.zeros(0))
    extended: Stars = field(default_factory=Stars.none)
    learnt: int = 0

    @property
    def left(self) -> "Floats":
        """Pixels without sky and stars; 0 where not good."""
        return np.where(self.good, self.z - self.sky - self.light, 0.0)

    @property
    def expected(self) -> "Floats":
        """Variance of `left`."""
        return self.variance + self.errors.variance(self.light, self.wrong)

    @property
    def weight(self) -> "Floats":
        """Inverse variance, 0 where not good."""
        return np.where(self.good, 1 / self.expected, 0.0)


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
        fwhm=fwhm,
        errors=ErrorLaw(photons=law.slope, relative=0.06),
        light=np.zeros_like(z),
        wrong=np.zeros_like(z),
    )
    fit.stars = saturated_stars(z, sky, saturated, psf)
    fit.snr = np.full(len(fit.stars), np.inf)
    fit.spread = np.full(len(fit.stars), np.nan)
    _render(fit)
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
        _classify(fit, options, strict=not first, final=last)
        _refine(fit, 1)
        if last:
            # What was left may show that its neighbours are no stars either.
            _classify(fit, options, strict=True, final=True)
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
    fit.stars = stars
    _render(fit)
    for k in range(3):
        _refine(fit, 2 if k == 0 else 1, move=False)
        fit.spread = np.zeros(len(fit.stars))
        _learn(fit, varying=k > 0)
        _resky(fit)
    _refine(fit, 1, move=False)


def _render(fit: Fitted) -> None:
    sigma = float(np.sqrt(np.median(fit.variance)))
    reach = reach_of(fit.psf, fit.stars.flux, _FAINT * sigma)
    fit.light = light_of(fit.psf, fit.stars, reach)
    fit.wrong = fit.errors.relative * fit.light


def _detect(fit: Fitted, threshold: float) -> Stars:
    """Return new peaks in what is left, apart from known stars."""
    half = min(max(2, int(np.ceil(2 * fit.fwhm))), fit.psf.half)
    side = 2 * half + 1
    step = np.arange(-half, half + 1)
    disc = np.hypot(step[:, None], step[None, :]) <= max(2 * fit.fwhm, 2.3)
    stamp = fit.psf.stamps(*_middle(fit), half).reshape(side, side)
    border = min(_BORDER, half)
    filtered = Filter(stamp * disc, disc, fit.good, border)
    peaks = find_peaks(
        filtered, fit.left, fit.expected, threshold=threshold, border=border
    )
    new = Stars(x=peaks.x, y=peaks.y, flux=peaks.flux, hole=np.zeros(len(peaks.x)))
    if len(fit.stars) and len(new):
        known = np.column_stack([fit.stars.x, fit.stars.y])
        near, at = spatial.KDTree(known).query(np.column_stack([new.x, new.y]))
        apart = near > np.maximum(0.6 * fit.fwhm, fit.stars.hole[at])
        # What a star beside a filament leaves is no companion of it.
        apart &= (near > 1.2 * fit.fwhm) | (new.flux > 0.3 * fit.stars.flux[at])
        new = new.pick(apart)
    return new


def _middle(fit: Fitted) -> tuple["Floats", "Floats"]:
    """Return the pixel in the middle of the field, where the PSF is its first term."""
    ny, nx = fit.z.shape
    return np.array([float(nx // 2)]), np.array([float(ny // 2)])


def _refine(fit: Fitted, steps: int, *, move: bool = True) -> None:
    """Fit all stars together, some steps; drop those without light, join doubles."""
    for _ in range(steps):
        if not len(fit.stars):
            return
        # Wider where stars stand alone would gain little: noise and neighbours.
        solved = solve(fit.left, fit.weight, fit.psf, fit.stars,
                       radius=max(1.6 * fit.fwhm, 2.3), move=move)  # fmt: skip
        fit.stars, fit.snr = solved.stars, solved.snr
        if move:
            _pick(fit, _sound(fit))
        else:
            flux = np.maximum(fit.stars.flux, 0)
            fit.stars = replace(fit.stars, flux=flux)
        _render(fit)


def _pick(fit: Fitted, keep: "Bools") -> None:
    fit.stars = fit.stars.pick(keep)
    fit.snr, fit.spread = fit.snr[keep], fit.spread[keep]


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


def _classify(
    fit: Fitted, options: "StarOptions", *, strict: bool, final: bool
) -> None:
    """Part stars from what is wider or longer than the PSF.

    Before the end bright doubtful sources stay in the fit: crowded stars are known only
    once their neighbours are.
    """
    if not len(fit.stars) or not options.keep_extended:
        return
    wide = widened(fit.psf, 0.5 * fit.fwhm)
    shapes = measure_shapes(
        fit.left, fit.expected, fit.good, fit.psf, wide, fit.stars, fwhm=fit.fwhm
    )
    is_star = _is_star(fit, shapes, options, strict=strict)
    fit.spread = np.where(fit.stars.hole > 0, np.nan, shapes.spread)
    if not final:
        is_star |= (
            (fit.snr > _TENTATIVE) & (shapes.spread < _WIDE) & (shapes.match > 0.6)
        )
    gone = fit.stars.pick(~is_star)
    fit.extended = fit.extended.plus(gone) if final else gone
    _pick(fit, is_star)
    _render(fit)


def _is_star(
    fit: Fitted, shapes: Shapes, options: "StarOptions", *, strict: bool
) -> "Bools":
    slack = 1.0 if strict else 1.5
    s, (ny, nx) = fit.stars, fit.z.shape
    edge = (s.x < 2) | (s.y < 2) | (s.x > nx - 3) | (s.y > ny - 3)
    cut = (s.x < 0.5) | (s.y < 0.5) | (s.x > nx - 1.5) | (s.y > ny - 1.5)
    alone, ratio = np.ones(len(s), bool), np.zeros(len(s))
    if strict:
        sigma = np.sqrt(fit.variance)
        alone, ratio = off_ridges(
            np.where(fit.good, fit.z - fit.light, 0.0), sigma, fit.good, fit.psf, s,
            fwhm=fit.fwhm, share=_SHARE, faint=_FAINT * float(np.median(sigma)),
        )  # fmt: skip
    # A bright star on a filament seems wider by some of it, half a star by anything.
    limit = slack * options.spread_max + _DOUBT * shapes.spread_error
    plain = (shapes.length < _ROUND) & (shapes.match > _LIKE) & (fit.snr > _BRIGHT)
    limit += np.where(plain, _ON_LINE * np.minimum(ratio, _SHARE), 0.0)
    limit += np.where(cut, _CUT, 0.0)
    length = shapes.length < slack * _LENGTH + shapes.length_error
    match = shapes.match > (_MATCH if strict else 0.7)
    # The brightest stars are never quite those that the PSF was learnt from.
    match |= (fit.snr > _BRILLIANT) & (shapes.match > 0.6)
    out = (shapes.spread < limit) & (length | cut) & (match | edge) & alone
    out &= fit.snr > options.threshold * _clutter(fit) ** _ROUGH
    return np.asarray(out | (s.hole > 0))


def _clutter(fit: Fitted) -> "Floats":
    """Return how rough the surroundings of each star are, in S/N of a star; 1 = noise.

    Knots of a nebula are told from stars by what else is around them.
    """
    width = 0.4 * fit.fwhm
    norm = 2 * np.sqrt(np.pi) * width
    seen = norm * ndimage.gaussian_filter(fit.left / np.sqrt(fit.expected), width)
    square = ndimage.gaussian_filter(np.clip(seen, -8, 8) ** 2, 2 * fit.fwhm)
    ny, nx = fit.z.shape
    row = np.clip(np.rint(fit.stars.y).astype(int), 0, ny - 1)
    col = np.clip(np.rint(fit.stars.x).astype(int), 0, nx - 1)
    return np.asarray(np.maximum(np.sqrt(square[row, col]), 1.0))


def _learn(fit: Fitted, *, varying: bool) -> None:
    """Learn the PSF from bright stars that are stars beyond doubt."""
    s = fit.stars
    if not len(s):
        return
    ny, nx = fit.z.shape
    inside = (s.x > 2) & (s.y > 2) & (s.x < nx - 3) & (s.y < ny - 3)
    # Saturated stars tell the wings.
    clean = inside & (np.abs(np.nan_to_num(fit.spread)) < 0.06)
    bright = np.flatnonzero(clean & (_brightness(fit) > 40))
    if len(bright) < 2 * FEWEST:
        bright = np.flatnonzero(clean & (_brightness(fit) > 15))
    if len(bright) < FEWEST:
        return
    bright = bright[np.argsort(-s.flux[bright])][:_MOST]
    fit.learnt = len(bright)
    # Wings first: what they take is not sought in the core.
    brightest = s.pick(bright[:_WINGS])
    seen = np.where(fit.good, fit.z - fit.light, 0.0)
    fit.psf = with_wings(fit.psf, seen, fit.weight, brightest, fwhm=fit.fwhm)
    _render(fit)
    fit.psf, factor = learn(
        fit.left, fit.weight, fit.psf, s.pick(bright), fwhm=fit.fwhm,
        varying=varying and len(bright) >= 20,
    )  # fmt: skip
    fit.stars = replace(s, flux=s.flux * factor)
    _render(fit)


def _brightness(fit: Fitted) -> "Floats":
    """Return S/N of each star over the noise of the sky alone."""
    core = fit.psf.stamps(*_middle(fit), min(fit.psf.half, int(np.ceil(2 * fit.fwhm))))
    power = np.sqrt(np.sum(core**2))
    return np.asarray(fit.stars.flux * power / np.sqrt(np.median(fit.variance)))


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
