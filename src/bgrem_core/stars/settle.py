"""The closer look at stars that matter: blends, stars beside filaments, galaxies.

What is bright and was taken for no star gets a second hearing, and bright stars are
placed once more, both together with what lies beside them.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from bgrem_core.stars.beside import RADIUS, Explained, Surroundings
from bgrem_core.stars.fitted import FAINT, Fitted, brightness, middle, pick, render
from bgrem_core.stars.starlist import Stars, light_of, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["fluxes_again", "hear_again", "place_again"]

#: Least S/N (over the sky's noise) of what is heard again, and of stars placed again.
_HEARD, _PLACED, _JUDGED = 12.0, 25.0, 12.0
_BORDER = 2.0
#: Chi-squared by pixel up to which something is explained; by how much of chi-squared
#: another explanation has to be worse.
_GOOD, _WORSE = 1.6, 12.0
#: By how much a star has to be worse than a galaxy to be one no more.
_OTHER = 30.0
#: By how much a plane has to be worse than lines for them to be needed.
_NEEDED = 60.0
#: Chi-squared by pixel up to which a star beside a plane is all there is.
_SMOOTH = 1.25
#: By how much a star at the edge has to be worse than a galaxy, both beside a plane.
_PLAINLY = 60.0
#: Least flux over its error, beside a plane or a line, of a star that may be on
#: something wide, and by how much that alone has to be worse.
_VERY_BRIGHT, _HIDDEN = 20.0, 36.0
#: The same if what is wide is of any shape, and the least share of the star.
_ANY_SHAPE, _CLEARER, _SHARE = 3.2, 18.0, 0.15
#: Chi-squared by pixel of a star among others, by how much of it a disc is worse there;
#: flux over error of bright ones, by how much a disc may be better than those.
_ROUGH, _FAR_AHEAD, _BRIGHT, _DRAW = 2.6, 0.15, 15.0, 32.0
#: The same for two stars instead of one, close and further apart.
_SECOND, _FURTHER = 25.0, 45.0
#: Chi-squared by pixel of other explanations between which two stars are tried.
_NOT_YET, _HOPELESS = 1.1, 6.0
#: The same as a part of that of the surroundings alone: bright stars fit badly.
_PART = 0.2
#: Least flux of a star over its error; of each of two.
_CLEAR, _EACH = 8.0, 6.0
_APART, _CLOSE = (0.45, 2.2), 1.12
"""Separation of two stars, FWHM, and up to which they are one peak."""
_SAME = 0.5
"""Distance up to which two sources are the same, FWHM."""
_BENDS = -0.5, -0.25, 0.0, 0.25, 0.5
"""Bends of a filament that are tried: how far it is off at the rim, in radii."""
_NUMBERS = 26
"""Numbers that surroundings take of the pixels, roughly."""
_ROUNDS = 2


def hear_again(fit: Fitted) -> None:
    """Take as stars what is one star, or two, beside something else.

    Parameters
    ----------
    fit : Fitted
        After the last parting of stars and others; changed in place.
    """
    some = _inside(fit, fit.extended) & (_over_noise(fit, fit.extended) > _HEARD)
    for _ in range(_ROUNDS):
        at = np.flatnonzero(some)
        if not at.size:
            return
        found, known = _heard(fit, fit.extended.pick(at))
        if not len(found):
            return
        fit.stars = fit.stars.plus(found)
        fit.snr = np.concatenate([fit.snr, _over_noise(fit, found)])
        fit.spread = np.concatenate([fit.spread, np.zeros(len(found))])
        render(fit)
        keep = np.ones(len(fit.extended), bool)
        keep[at[known]] = False
        # Others may be heard better without a neighbour that is known now.
        away = _distance(found, fit.extended)
        some &= away < 2 * RADIUS * fit.fwhm
        keep &= away > _SAME * fit.fwhm
        fit.extended, some = fit.extended.pick(keep), some[keep]


def _heard(fit: Fitted, doubtful: Stars) -> tuple[Stars, "Bools"]:
    """Return the stars among doubtful sources, and which sources those were."""
    near = _look(fit, doubtful, lit=False).lines()
    one = _start(near, doubtful)
    known = near.none() - one.chi > _CLEAR**2
    which = np.zeros(len(doubtful), bool)
    if not known.any():
        return Stars.none(), which
    at = np.flatnonzero(known)
    near, one = near.pick(known), one.pick(known)
    wide = near.galaxy(one)
    single = _is_one(near, one, wide)
    found = one.pick(single)
    stars = Stars.at(found.x[:, 0], found.y[:, 0], found.flux[:, 0])
    if not single.all():
        rest = ~single
        double, two = _doubles(near.pick(rest), one.pick(rest), wide.pick(rest))
        stars = stars.plus(Stars.at(two.x.ravel(), two.y.ravel(), two.flux.ravel()))
        which[at[rest][double]] = True
        rest[rest] = ~double
        if rest.any():
            hidden, both = _hidden(near.pick(rest), one.pick(rest), wide.pick(rest))
            stars = stars.plus(Stars.at(both.x[:, 0], both.y[:, 0], both.flux[:, 0]))
            which[at[rest][hidden]] = True
    which[at[single]] = True
    stars = stars.pick(_once(stars, _SAME * fit.fwhm))
    return replace(stars, held=np.ones(len(stars), bool)), which


def _doubles(
    near: Surroundings, one: Explained, wide: Explained
) -> tuple["Bools", Explained]:
    """Return which sources are two stars, and those pairs."""
    # Neither is what one of the others explains, nor what is far from all of them.
    free = _free(near)
    out = np.minimum(one.chi, wide.chi) > _NOT_YET * free
    out &= wide.chi < np.maximum(_HOPELESS * free, _PART * near.none())
    if not out.any():
        return out, Explained.none(2)
    near, one, wide = near.pick(out), one.pick(out), wide.pick(out)
    two = near.pair(one)
    some = _is_two(near, one, two, wide)
    out[out] = some
    if not some.any():
        return out, Explained.none(2)
    # A bent filament is two straight ones, and those are two stars; unless it may bend.
    bent = near.pick(some).lines(_BENDS)
    one, two = one.pick(some), two.pick(some)
    one = bent.stars_at(one.x, one.y, one.flux)
    two = bent.stars_at(two.x, two.y, two.flux)
    sure = _is_two(bent, one, two, bent.galaxy(one))
    out[out] = sure
    return out, two.pick(sure)


def _hidden(
    near: Surroundings, one: Explained, wide: Explained
) -> tuple["Bools", Explained]:
    """Return which sources are a star on something wide, and both of it."""
    out = one.flux[:, 0] > _VERY_BRIGHT * one.error[:, 0]
    if not out.any():
        return out, Explained.none(2)
    near, wide = near.pick(out), wide.pick(out)
    both = near.on_disc(one.pick(out))
    scale = np.maximum(both.chi / _free(near), 1)
    clear = both.flux[:, 0] / both.error[:, 0]
    # What is wide may be of any shape, as long as it is not most of the light.
    share = both.flux[:, 0] / np.abs(both.flux.sum(axis=1))
    sure = (scale < _GOOD) & (clear > _BRIGHT)
    sure |= (scale < _ANY_SHAPE) & (clear > _CLEARER) & (share > _SHARE)
    sure &= wide.chi - both.chi > _HIDDEN * scale
    out[out] = sure
    return out, both.pick(sure)


def place_again(fit: Fitted) -> None:
    """Place bright stars together with what lies beside them; part with galaxies.

    Parameters
    ----------
    fit : Fitted
        Stars fitted; changed in place.
    """
    s = fit.stars
    snr = brightness(fit)
    some = (snr > _JUDGED) & (s.hole == 0)
    if not some.any():
        return
    inside, (ny, nx) = _inside(fit, s), fit.z.shape
    off = (s.x < 0) | (s.y < 0) | (s.x > nx - 1) | (s.y > ny - 1)
    # On a smooth sky the joint fit knows better: it asks for a level only.
    near = _look(fit, s.pick(some), lit=True)
    plain = _start(near, s.pick(some))
    rough = plain.chi > _SMOOTH * _free(near)
    at = np.flatnonzero(some)[rough]
    if not at.size:
        return
    near, plain = near.pick(rough), plain.pick(rough)
    # At the edge lines explain too much: a galaxy has to do with less.
    disc = near.galaxy(plain)
    gone = ~inside[at] & ~off[at] & (disc.chi < _ROUGH * _free(near))
    gone &= plain.chi - disc.chi > _PLAINLY
    near = near.lines()
    one = _start(near, s.pick(at))
    wide = near.galaxy(one)
    sure = plain.chi - one.chi > _NEEDED * np.maximum(one.chi / _free(near), 1)
    sure &= _is_one(near, one, wide) & (snr[at] > _PLACED) & inside[at]
    # Beside the frame anything looks like half a star: it has to be needed.
    gone |= off[at] & (near.none() - one.chi < _CLEAR**2)
    gone |= inside[at] & _is_wide(near, one, wide)
    x, y, flux, held = s.x.copy(), s.y.copy(), s.flux.copy(), s.held.copy()
    x[at[sure]], y[at[sure]] = one.x[sure, 0], one.y[sure, 0]
    flux[at[sure]] = one.flux[sure, 0]
    held[at[sure]] = True
    fit.stars = replace(s, x=x, y=y, flux=flux, held=held)
    keep = np.ones(len(s), bool)
    keep[at[gone]] = False
    fit.extended = fit.extended.plus(s.pick(~keep))
    pick(fit, keep)
    render(fit)


def fluxes_again(fit: Fitted, some: "Bools") -> None:
    """Fit fluxes of stars together with what lies beside them, places as they are.

    Parameters
    ----------
    fit : Fitted
        Stars fitted; changed in place.
    some : ndarray of bool, shape (n,)
        Stars that need it; they are held afterwards.
    """
    if not some.any():
        return
    stars = fit.stars.pick(some)
    one = _start(_look(fit, stars, lit=True).lines(), stars, move=False)
    flux = fit.stars.flux.copy()
    flux[some] = np.maximum(one.flux[:, 0], 0)
    fit.stars = replace(fit.stars, flux=flux, held=fit.stars.held | some)
    render(fit)


def _look(fit: Fitted, stars: Stars, *, lit: bool) -> Surroundings:
    """Return sources, whose light is in that of the fit or not, and what is there."""
    light = fit.light
    if not lit:
        reach = reach_of(fit.psf, stars.flux, FAINT * fit.sigma)
        light = light + light_of(fit.psf, stars, reach)
    wrong = fit.errors.relative * light
    expected = fit.variance + fit.errors.variance(light, wrong)
    weight = np.where(fit.good, 1 / expected, 0.0)
    own = stars if lit else replace(stars, flux=np.zeros(len(stars)))
    return Surroundings(fit.z - fit.light, weight, fit.psf, own, fwhm=fit.fwhm)


def _start(near: Surroundings, stars: Stars, *, move: bool = True) -> Explained:
    """Explain each source by one star, starting from where it is said to be."""
    x, y, flux = stars.x[:, None], stars.y[:, None], stars.flux[:, None]
    return near.stars_at(x, y, flux, move=move)


def _is_one(near: Surroundings, one: Explained, wide: Explained) -> "Bools":
    scale = np.maximum(one.chi / _free(near), 1)
    sure = one.flux[:, 0] / one.error[:, 0]
    ahead = wide.chi - one.chi
    # Where others are near nothing fits; a star may still fit far better than a disc.
    good = (scale < _GOOD) | (
        (scale < _ROUGH) & (ahead > _FAR_AHEAD * one.chi) & (sure > _BRIGHT)
    )
    # A bright star on a knot is like a disc, but fits as well as anything.
    ahead = np.where(sure > _BRIGHT, ahead + _DRAW * scale, ahead)
    out = good & (sure > _CLEAR) & (near.none() - one.chi > _CLEAR**2 * scale)
    return np.asarray(out & (ahead > _WORSE * scale))


def _is_wide(near: Surroundings, one: Explained, wide: Explained) -> "Bools":
    scale = np.maximum(wide.chi / _free(near), 1)
    out = (scale < _GOOD) & (one.chi - wide.chi > _OTHER * scale)
    if not out.any():
        return out
    bent = near.pick(out).lines(_BENDS)
    again = bent.stars_at(one.x[out], one.y[out], one.flux[out])
    disc = bent.galaxy(again)
    scale = np.maximum(disc.chi / _free(bent), 1)
    out[out] = again.chi - disc.chi > _OTHER * scale
    return np.asarray(out)


def _is_two(
    near: Surroundings, one: Explained, two: Explained, wide: Explained
) -> "Bools":
    scale = np.maximum(two.chi / _free(near), 1)
    apart = np.hypot(np.diff(two.x), np.diff(two.y))[:, 0] / near.fwhm
    out = (scale < _GOOD) & (two.flux > _EACH * two.error).all(axis=1)
    out &= (apart > _APART[0]) & (apart < _APART[1])
    worse = np.where(apart < _CLOSE, _SECOND, _FURTHER) * scale
    return np.asarray(out & (one.chi - two.chi > worse) & (wide.chi - two.chi > worse))


def _free(near: Surroundings) -> "Floats":
    """Return the number of pixels less that of what is fitted to them."""
    return np.asarray(np.maximum(near.pixels - _NUMBERS, 10.0))


def _inside(fit: Fitted, stars: Stars) -> "Bools":
    ny, nx = fit.z.shape
    return np.asarray(
        (stars.x > _BORDER) & (stars.y > _BORDER)
        & (stars.x < nx - 1 - _BORDER) & (stars.y < ny - 1 - _BORDER)
    )  # fmt: skip


def _over_noise(fit: Fitted, stars: Stars) -> "Floats":
    """Return S/N of sources over the noise of the sky where they are."""
    core = fit.psf.stamps(*middle(fit), min(fit.psf.half, int(np.ceil(2 * fit.fwhm))))
    ny, nx = fit.z.shape
    row = np.clip(np.rint(stars.y).astype(int), 0, ny - 1)
    col = np.clip(np.rint(stars.x).astype(int), 0, nx - 1)
    power = np.sqrt(np.sum(core**2))
    return np.asarray(stars.flux * power / np.sqrt(fit.variance[row, col]))


def _once(stars: Stars, near: float) -> "Bools":
    """Return which stars are no repetition of a brighter one."""
    keep = np.ones(len(stars), bool)
    if not len(stars):
        return keep
    tree = spatial.KDTree(np.column_stack([stars.x, stars.y]))
    for a, b in tree.query_pairs(near, output_type="ndarray"):
        keep[a if stars.flux[a] < stars.flux[b] else b] = False
    return keep


def _distance(stars: Stars, sources: Stars) -> "Floats":
    """Return how far each source is from the nearest star."""
    tree = spatial.KDTree(np.column_stack([stars.x, stars.y]))
    return np.asarray(tree.query(np.column_stack([sources.x, sources.y]))[0])
