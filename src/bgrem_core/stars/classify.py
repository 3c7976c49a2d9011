"""Stars told from what is wider or longer than the PSF, and from knots of a nebula."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.stars.fitted import FAINT, Fitted, pick, render
from bgrem_core.stars.lines import flatten
from bgrem_core.stars.ridge import off_ridges
from bgrem_core.stars.shape import Shapes, measure_shapes, widened
from bgrem_core.stars.starlist import light_of, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.options import StarOptions
    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["classify"]

# Chosen on simulated fields with nebulae, galaxies and streaks: slack by the error of
# the spread, limits of length, match, roughness of the surroundings and lines.
_DOUBT, _LENGTH, _MATCH, _ROUGH, _SHARE = 0.4, 0.25, 0.8, 0.5, 0.3
_ON_LINE, _CUT, _ROUND, _LIKE, _BRIGHT = 0.2, 0.08, 0.15, 0.8, 60.0
_BRILLIANT = 100.0
_TENTATIVE, _WIDE = 20.0, 0.13
# Without the line through a source: least share of its light, width over that which is
# asked for, slack by its error and by the line; length, match, roughness as above.
_STAR, _WIDER, _FLAT_DOUBT, _FLAT_LINE = 0.6, 1.15, 0.25, 0.15
_AGAIN, _SHARP = 1.4, 0.12
_FLAT_LENGTH, _FLAT_MATCH, _KNOTTY = 0.35, 0.65, 0.6


def classify(
    fit: Fitted,
    options: "StarOptions",
    *,
    strict: bool,
    final: bool,
    again: bool = False,
) -> None:
    """Part stars from what is wider or longer than the PSF.

    Before the end bright doubtful sources stay in the fit: crowded stars are known only
    once their neighbours are. What was a star just now and is looked at again, without
    its doubtful neighbours, stays one unless it is much wider.
    """
    if not len(fit.stars) or not options.keep_extended:
        return
    wide = widened(fit.psf, 0.5 * fit.fwhm)
    shapes = measure_shapes(
        fit.left, fit.expected, fit.good, fit.psf, wide, fit.stars, fwhm=fit.fwhm
    )
    usual = _AGAIN if again else 1.0
    is_star = _is_star(fit, shapes, wide, options, strict=strict, usual=usual)
    fit.spread = np.where(fit.stars.hole > 0, np.nan, shapes.spread)
    if not final:
        is_star |= (
            (fit.snr > _TENTATIVE) & (shapes.spread < _WIDE) & (shapes.match > 0.6)
        )
    gone = fit.stars.pick(~is_star)
    fit.extended = fit.extended.plus(gone) if final else gone
    pick(fit, is_star)
    render(fit)


def _is_star(
    fit: Fitted,
    shapes: Shapes,
    wide: "SplinePsf",
    options: "StarOptions",
    *,
    strict: bool,
    usual: float,
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
            fwhm=fit.fwhm, share=_SHARE, faint=FAINT * fit.sigma,
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
    clutter = _clutter(fit)
    out &= fit.snr > options.threshold * clutter**_ROUGH
    if strict:
        # No piece of a line may vouch for the next one: none is believed at first.
        held = s.hole > 0
        flat = _flattened(fit, shapes, wide, held, options, usual)
        near = out & flat | held
        flat = _flattened(fit, shapes, wide, near, options, usual)
        flat &= fit.snr > options.threshold * clutter**_KNOTTY
        out = np.where(edge, out, flat)
    return np.asarray(out | (s.hole > 0))


def _flattened(
    fit: Fitted,
    shapes: Shapes,
    wide: "SplinePsf",
    certain: "Bools",
    options: "StarOptions",
    usual: float,
) -> "Bools":
    """Return which sources are stars beside the lines that run through them."""
    s, seen = fit.stars, fit.left
    doubt = s.pick(~certain)
    if len(doubt):
        # A line is one only with all of its pieces.
        reach = reach_of(fit.psf, doubt.flux, FAINT * fit.sigma)
        seen = seen + np.where(fit.good, light_of(fit.psf, doubt, reach), 0.0)
    own = replace(s, flux=np.where(certain, s.flux, 0.0))
    asked = (shapes.length < _FLAT_LENGTH) & (shapes.match > _FLAT_MATCH)
    flat = flatten(seen, fit.good, fit.psf, wide, own, fwhm=fit.fwhm, asked=asked)
    # Without light of its own a source is all line, and no star.
    share = np.ones(len(s))
    np.divide(flat.height, flat.flux, out=share, where=flat.flux > flat.height)
    share = np.clip(share, 0, 1)
    limit = (
        usual * _WIDER * options.spread_max
        + _FLAT_DOUBT * shapes.spread_error
        + _FLAT_LINE * share
    )
    out = (flat.flux > _STAR * s.flux) & (flat.spread < limit)
    # Hot pixels are narrower than the PSF, stars only by what is beside them.
    sharp = shapes.spread < -_SHARP - shapes.spread_error
    out &= shapes.match > np.where(sharp, _MATCH, _FLAT_MATCH)
    return np.asarray(out & (shapes.length < _FLAT_LENGTH))


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
