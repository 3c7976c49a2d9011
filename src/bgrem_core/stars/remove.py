"""Stars removed from arrays: the whole way from an image to its two parts."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.errors import ImageError
from bgrem_core.growth import Profile
from bgrem_core.progress import Progress, drain
from bgrem_core.stars.fitted import Fitted
from bgrem_core.stars.grain import draw_grain
from bgrem_core.stars.heal import heal
from bgrem_core.stars.options import StarOptions
from bgrem_core.stars.pixels import Level, coarse_level, fit_noise, level_of
from bgrem_core.stars.result import StarRemoval, StarTable
from bgrem_core.stars.saturation import estimate_level
from bgrem_core.stars.sources import FEWEST, fit_plane, search, start
from bgrem_core.stars.width import measure_psf, rough_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["iter_remove", "remove"]

_STAGE = "stars"
_OUTLIER, _OWN = 4.5, 0.3
#: Difference between the width told and that of the stars, natural logarithm; the
#: second where that is no more than the width of a few tops.
_SURPRISE, _ROUGH_SURPRISE = 0.2, 0.3
_NARROW = 1.5
#: Wings of stars on a nebula seem heavier than any seeing makes them.
_BETAS = 2.4, 100.0
_FEW = (
    "only {} stars are fit to measure the PSF on: whatever stars cover is filled from "
    "around them"
)
_OTHER = "fwhm={:g} was told, but stars are {:.1f} pixels wide: their own width is used"
_ROUGH = "too few stars to fit the PSF to: a width of {:.1f} pixels is assumed"
_UNDERSAMPLED = (
    "stars are only {:.1f} pixels wide: more of them is filled than subtracted"
)


def remove(
    planes: "Float", bad: "Bools", options: StarOptions | None = None
) -> StarRemoval:
    """Remove stars in one call; see `iter_remove`."""
    return drain(iter_remove(planes, bad, options or StarOptions()))


def iter_remove(
    planes: "Float", bad: "Bools", options: StarOptions
) -> Generator[Progress, None, StarRemoval]:
    """Remove the stars of an image of one or more planes.

    Places and the list of stars come from the mean of the planes, fluxes and PSF from
    each. Everything is measured on pixels from which their median was taken and which
    were divided by their spread, so that unit and pedestal of the image do not matter.

    Parameters
    ----------
    planes : ndarray of float, shape (n, ny, nx)
        Any linear unit, sky included or not; non-finite pixels are bad.
    bad : ndarray of bool, shape (ny, nx)
        True = not used and not changed. Saturated pixels do not belong here.
    options : StarOptions
        What the user wants.

    Returns
    -------
    StarRemoval
        With everything that was found.

    Yields
    ------
    Progress
        Stage "stars".

    Raises
    ------
    ImageError
        The arrays do not fit together.
    """
    image = np.asarray(planes, np.float32)
    bad = np.asarray(bad, bool)
    if image.ndim != 3 or bad.shape != image.shape[1:] or not image.size:
        raise ImageError(
            f"planes of shape {image.shape} and a mask of shape {bad.shape} do not fit",
            hint="give (n, ny, nx) and (ny, nx)",
        )
    total = options.passes + 3
    yield Progress(stage=_STAGE, done=0, total=total)
    usable = ~bad & np.isfinite(image).all(axis=0)
    levels = [level_of(p.astype(np.float64), usable) for p in image]
    lit = [k for k, level in enumerate(levels) if level.unit > 0]
    if not lit or options.amount == 0:
        why = () if lit else ("every pixel is the same: there are no stars",)
        return _unchanged(image, levels, why)
    scaled = [_scaled(image[k], usable, levels[k]) for k in lit]
    full = [
        _limit(z, usable, levels[k], options) for z, k in zip(scaled, lit, strict=True)
    ]
    saturated = np.logical_or.reduce(
        [z >= f for z, f in zip(scaled, full, strict=True)]
    )
    saturated &= usable
    good = usable & ~saturated
    mean = np.mean(scaled, axis=0)
    profile, notices = _first_profile(mean, good, options)
    yield Progress(stage=_STAGE, done=1, total=total)
    whole = start(mean, good, saturated, profile=profile)
    for done in search(whole, options):
        yield Progress(stage=_STAGE, done=1 + done, total=total)
    if not len(whole.stars):
        return _unchanged(image, levels, (*notices, "no star was found"), whole)
    method = options.method
    if method == "psf" and whole.learnt < FEWEST:
        method = "mask"
        notices = (*notices, _FEW.format(whole.learnt))
    fits = [whole]
    if len(lit) > 1:
        fits = []
        for z in scaled:
            one = start(z, good, saturated, profile=profile)
            one.psf = replace(whole.psf)
            fit_plane(one, whole.stars)
            fits.append(one)
    return _result(image, levels, lit, usable, whole, fits, method, notices, options)


def _scaled(plane: "Float", usable: "Bools", level: Level) -> "Floats":
    z = (plane.astype(np.float64) - level.zero) / level.unit
    return np.where(usable, z, 0.0)


def _limit(z: "Floats", usable: "Bools", level: Level, options: StarOptions) -> float:
    """Return the saturation level on the scale of `z`."""
    if options.saturation is not None:
        return (options.saturation - level.zero) / level.unit
    return estimate_level(z, usable, 1.0, options.fwhm or 3.0)


def _first_profile(
    z: "Floats", good: "Bools", options: StarOptions
) -> tuple[Profile, tuple[str, ...]]:
    """Measure the PSF by fits to the best stars; what was told where that fails."""
    told = options.fwhm
    sky = coarse_level(z, good, 24)
    law = fit_noise(z, good, sky)
    sigma = float(np.sqrt(np.median(law.variance(sky))))
    psf = measure_psf(z, good, sigma)
    if psf is None:
        seen = rough_width(z - sky, good, sigma)
        if told is not None:
            if seen is None or abs(np.log(told / seen)) <= _ROUGH_SURPRISE:
                return Profile(fwhm=told), ()
            return Profile(fwhm=seen), (_OTHER.format(told, seen),)
        return Profile(fwhm=seen or 3.0), (_ROUGH.format(seen or 3.0),)
    measured = Profile.of(psf, psf.fwhm)
    measured = replace(measured, beta=float(np.clip(measured.beta, *_BETAS)))
    if told is None or abs(np.log(told / psf.fwhm)) > _SURPRISE:
        said = () if told is None else (_OTHER.format(told, psf.fwhm),)
        if psf.fwhm < _NARROW:
            said = (*said, _UNDERSAMPLED.format(psf.fwhm))
        return measured, said
    return replace(measured, fwhm=told), ()


def _result(
    image: "Float",
    levels: list[Level],
    lit: list[int],
    usable: "Bools",
    whole: Fitted,
    fits: list[Fitted],
    method: str,
    notices: tuple[str, ...],
    options: StarOptions,
) -> StarRemoval:
    trust = [_trust(f, method) for f in fits]
    hole = _hole(whole)
    # One mask for all planes: where they differed, colours would be left.
    least = np.minimum.reduce(trust)
    stars = np.zeros_like(image)
    filled = np.zeros(image.shape[1:], bool)
    for f, k in zip(fits, lit, strict=True):
        under = f.light != 0
        left = f.z - f.light
        healed, filled = heal(
            left, np.where(under, least, 1.0), np.sqrt(f.expected), hole, ~usable
        )
        light = f.light + (left - healed)
        if options.noise:
            light = light - _noise(f, least, filled, options.seed, k)
        light = np.where((under | filled) & usable, light, 0.0)
        stars[k] = (options.amount * levels[k].unit * light).astype(np.float32)
    stars[~np.isfinite(stars)] = 0
    support = (stars != 0).any(axis=0)
    flux = np.zeros((len(image), len(whole.stars) + len(whole.extended)))
    sigma = np.zeros(len(image))
    for f, k in zip(fits, lit, strict=True):
        unit = levels[k].unit
        flux[k, : len(f.stars)] = unit * f.stars.flux
        flux[k, len(f.stars) :] = unit * whole.extended.flux
        sigma[k] = unit * float(np.sqrt(np.median(f.variance)))
    return StarRemoval(
        starless=image - stars,
        stars=stars,
        filled=filled & support,
        support=support,
        table=_table(whole, flux),
        fwhm=whole.fwhm,
        psf=np.stack([_stamp(f) for f in fits]),
        sigma=sigma,
        method=method,
        notices=notices,
    )


def _trust(fit: Fitted, method: str) -> "Floats":
    """Return the variance of the sky over that of what is left under stars."""
    if method == "mask":
        sigma = np.sqrt(fit.variance)
        return np.where(fit.light > 0.5 * sigma, 0.0, 1.0)
    expected = fit.expected
    out = fit.variance / expected
    miss = np.abs(fit.left)
    # More than this of a star's light is not its model's fault but something else.
    own = (miss < _OWN * fit.light) & (miss > _OUTLIER * np.sqrt(expected))
    out[own] = 0.0
    return out


def _hole(fit: Fitted) -> "Bools":
    """Saturated pixels and their neighbours, which a full well may have spoilt."""
    if not fit.saturated.any():
        return fit.saturated
    return np.asarray(ndimage.binary_dilation(fit.saturated, np.ones((3, 3))))


def _noise(
    fit: Fitted, trust: "Floats", filled: "Bools", seed: int, plane: int
) -> "Floats":
    """Draw the noise that mixing and filling took away."""
    drawn = draw_grain(fit.law.grain, fit.z.shape, (seed, plane))
    lacking = np.where(filled, 1.0, np.clip(1 - trust, 0, 1))
    return np.asarray(drawn * np.sqrt(fit.variance * lacking))


def _table(fit: Fitted, flux: "Floats") -> StarTable:
    n, m = len(fit.stars), len(fit.extended)
    both = fit.stars.plus(fit.extended)
    unknown = np.full(m, np.nan)
    return StarTable(
        x=both.x,
        y=both.y,
        flux=flux,
        snr=np.concatenate([fit.snr, unknown]),
        spread=np.concatenate([fit.spread, unknown]),
        saturated=both.hole > 0,
        left=np.arange(n + m) >= n,
    )


def _stamp(fit: Fitted) -> "Floats":
    side = 2 * fit.psf.half + 1
    base = replace(fit.psf, coefficients=fit.psf.coefficients[:1])
    stamp = base.stamps(np.zeros(1), np.zeros(1), fit.psf.half).reshape(side, side)
    return np.asarray(stamp / stamp.sum())


def _unchanged(
    image: "Float",
    levels: list[Level],
    notices: tuple[str, ...],
    fit: Fitted | None = None,
) -> StarRemoval:
    none = np.zeros(0)
    shape = image.shape[1:]
    noise = float(np.sqrt(np.median(fit.variance))) if fit else 0.0
    flags = np.zeros(0, bool)
    table = StarTable(
        x=none, y=none, flux=np.zeros((len(image), 0)), snr=none, spread=none,
        saturated=flags, left=flags,
    )  # fmt: skip
    return StarRemoval(
        starless=image.copy(),
        stars=np.zeros_like(image),
        filled=np.zeros(shape, bool),
        support=np.zeros(shape, bool),
        table=table if fit is None else _table(fit, _left_flux(fit, levels)),
        fwhm=fit.fwhm if fit else float("nan"),
        psf=np.zeros((len(image), 0, 0)),
        sigma=np.array([level.unit * noise for level in levels]),
        method="none",
        notices=notices,
    )


def _left_flux(fit: Fitted, levels: list[Level]) -> "Floats":
    return np.stack([level.unit * fit.extended.flux for level in levels])
