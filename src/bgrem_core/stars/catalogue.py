"""Catalogue of the stars that were taken away, and what is left at their places."""

import math
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import Fluxes, source_table
from bgrem_core.image import MaskBit
from bgrem_core.photometry import aperture_sums
from bgrem_core.rings import ring_sky

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation
    from bgrem_core.stars.result import StarRemoval

    Floats = NDArray[np.float64]

__all__ = ["DESCRIPTIONS", "circle_radius", "light_left", "star_table"]

NOMINAL = 5.0
"""Signal to noise below which a star carries flag 128."""
DESCRIPTIONS = {
    "flux": "light that was taken away as this star",
    "flux_err": "its standard error by noise of the sky and, with a gain, of photons",
    "snr": "flux over its error",
    "fwhm": "of the PSF",
    "flux_cleaned": "left on the starless image in a circle of one FWHM radius, the "
    "level of a ring taken off; carries no error",
    "spread": "excess of its width over that of the PSF, relative; NaN if saturated",
}


def star_table(
    separation: "Separation", removal: "StarRemoval", plane: int
) -> "QTable":
    """Return the stars that were taken from a plane, the brightest first.

    Parameters
    ----------
    separation : Separation
        The plane with its part "stars".
    removal : StarRemoval
        Of all planes.
    plane : int
        Which one.

    Returns
    -------
    astropy.table.QTable
        Columns of all catalogues, and "spread". Fluxes are those at strength 1.
    """
    stars, image = removal.table, separation.image
    taken = ~stars.left
    flux = stars.flux[plane][taken]
    order = np.argsort(-flux, kind="stable")
    x, y, flux = stars.x[taken][order], stars.y[taken][order], flux[order]
    psf = removal.psf[min(plane, len(removal.psf) - 1)]
    # Of a fit of the PSF in white noise.
    variance = np.full(len(x), removal.sigma[plane] ** 2 / max(np.sum(psf**2), 1e-30))
    if image.gain:
        variance += np.maximum(flux, 0) / image.gain
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = flux / np.sqrt(variance)
    unknown = np.full(len(x), np.nan)
    saturated = stars.saturated[taken][order]
    table = source_table(
        image, x, y,
        Fluxes(
            flux=flux, flux_err=np.sqrt(variance), snr=snr,
            fwhm=np.full(len(x), removal.fwhm), a=unknown, b=unknown, theta=unknown,
            flags=_flags(separation, x, y, snr, saturated, removal.fwhm),
        ),
        flux_cleaned=_left(separation, x, y, removal.fwhm),
    )  # fmt: skip
    table["spread"] = stars.spread[taken][order]
    for name, text in DESCRIPTIONS.items():
        table[name].info.description = text
    return table


def _left(separation: "Separation", x: "Floats", y: "Floats", fwhm: float) -> "Floats":
    """Return the light in small circles on the starless image, over their level."""
    if not len(x) or not math.isfinite(fwhm):
        return np.full(len(x), np.nan)
    plane = separation.image.data - np.asarray(separation.parts["stars"])
    flags, sigma = np.asarray(separation.flags), separation.scale.median_sigma
    return light_left(plane, flags, x, y, fwhm=fwhm, sigma=sigma)[0]


def circle_radius(fwhm: float) -> float:
    """Return the radius of the circles in which light is left, pixels."""
    return max(fwhm, 1.0)


def light_left(
    plane: "NDArray[np.float32]",
    flags: "NDArray[np.uint8]",
    x: "Floats",
    y: "Floats",
    *,
    fwhm: float,
    sigma: float,
) -> "tuple[Floats, Floats]":
    """Return the light in small circles, over the level of the rings round them.

    Parameters
    ----------
    plane : ndarray of float32, shape (ny, nx)
        Without its stars, image unit.
    flags : ndarray of uint8, shape (ny, nx)
        `MaskBit` of each pixel. Filled ones count: they are just what is asked for.
    x, y : ndarray of float64, shape (n,)
        Middles of the circles, pixels, 0-based.
    fwhm : float
        Of the PSF, pixels: the circles have this radius, and at least one pixel.
    sigma : float
        Noise of a pixel, image unit.

    Returns
    -------
    left, level_err : ndarray of float64, shape (n,)
        The light, and the error of the level per pixel, image unit.
    """
    radius = circle_radius(fwhm)
    bad = (flags & ~np.uint8(MaskBit.FILLED)) != 0
    bad |= ~np.isfinite(plane)
    plane = np.where(bad, 0, plane).astype(np.float32)
    sums = aperture_sums(plane, x, y, radius, flags=bad.astype(np.uint8))
    ring = ring_sky(plane, ~bad, x, y, fwhm=fwhm, sigma=np.full(len(x), sigma))
    return np.asarray(sums - ring.level * np.pi * radius**2), np.asarray(ring.error)


def _flags(
    separation: "Separation",
    x: "Floats",
    y: "Floats",
    snr: "Floats",
    saturated: "NDArray[np.bool_]",
    fwhm: float,
) -> "NDArray[np.int32]":
    ny, nx = separation.shape
    near = (x < fwhm) | (y < fwhm) | (x > nx - 1 - fwhm) | (y > ny - 1 - fwhm)
    flags = np.where(near, SourceFlag.EDGE, 0)
    flags |= np.where(saturated, SourceFlag.SATURATED, 0)
    with np.errstate(invalid="ignore"):
        flags |= np.where(snr < NOMINAL, SourceFlag.FAINT, 0)
    if separation.image.gain is None:
        flags |= SourceFlag.NO_GAIN
    return flags.astype(np.int32)
