"""Total fluxes: which sum holds for each source, with its error and its flags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from bgrem_core.aperture_photometry import OVERLAP
from bgrem_core.catalog import SourceFlag
from bgrem_core.growth import aperture_correction
from bgrem_core.matched import circle_noise
from bgrem_core.psf_photometry import psf_sums
from bgrem_core.shapes import FWHM_PER_SIGMA, moment_growth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.aperture_photometry import Setup
    from bgrem_core.growth import Correction
    from bgrem_core.photometry import How

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

BROADER = 1.15
"""Least width of an extended source, FWHM."""
SPILL = 12.0
"""Distance at which bright neighbours are still counted, FWHM."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What was measured at n positions; arrays of shape (n,), NaN = unknown.

    Attributes
    ----------
    flux, flux_err : ndarray of float64
        Total flux and its error, image unit.
    snr : ndarray of float64
        Flux over its error, that of the aperture correction left out: it is common to
        all sources and says nothing of whether one is there.
    aperture_flux, aperture_err : ndarray of float64
        In the aperture, not corrected.
    sky, sky_err : ndarray of float64
        Local sky per pixel that was taken off.
    sigma : ndarray of float64
        Noise of one pixel.
    fwhm, a, b, theta : ndarray of float64
        Shape: pixels, and degrees anticlockwise from +x.
    flags : ndarray of int64
        `SourceFlag`.
    setup : Setup
        Apertures, gain, PSF.
    correction : Correction
        Of the aperture.
    """

    flux: "Floats"
    flux_err: "Floats"
    snr: "Floats"
    aperture_flux: "Floats"
    aperture_err: "Floats"
    sky: "Floats"
    sky_err: "Floats"
    sigma: "Floats"
    fwhm: "Floats"
    a: "Floats"
    b: "Floats"
    theta: "Floats"
    flags: "Ints"
    setup: "Setup"
    correction: "Correction"


def total_fluxes(
    columns: dict[str, "Floats"],
    x: "Floats",
    y: "Floats",
    near: "Floats",
    setup: "Setup",
    method: "How",
) -> Measured:
    """Turn sums into total fluxes, errors and flags.

    Parameters
    ----------
    columns : dict of str to ndarray of float64, shape (n,)
        `QUANTITIES` of all positions; NaN = not measured.
    x, y : ndarray, shape (n,)
        Positions, pixels, 0-based.
    near : ndarray, shape (n,)
        Distance of each to the nearest other one, pixels.
    setup : Setup
        Apertures, gain, PSF.
    method : {"auto", "aperture", "kron", "psf"}
        As for `measure_arrays`.

    Returns
    -------
    Measured
        In the order of the positions.
    """
    c = columns
    inside = np.isfinite(c["flags"])
    flags = np.where(inside, c["flags"], SourceFlag.TRUNCATED | SourceFlag.EDGE)
    flags = flags.astype(np.int64)
    flags |= np.where(near < 2 * setup.radius, SourceFlag.BLENDED, 0)
    noise = circle_noise(setup.radius, setup.rho_xy)
    area = np.pi * setup.radius**2
    growth = noise**2 / area
    small_err = np.sqrt(
        (c["sigma"] * noise) ** 2
        + (area * c["sky_err"]) ** 2
        + _photons(c["small"], setup.gain, growth)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = c["small"] / small_err
    clean = (near > setup.wide + 2 * setup.fwhm) & ((flags & ~SourceFlag.SKY_RING) == 0)
    correction = aperture_correction(
        [c["small"], c["wide"], c["far"]], snr, clean,
        profile=setup.profile, radii=setup.radii,
    )  # fmt: skip
    flux = correction.factor * c["small"]
    error = correction.factor * small_err
    foreign = _foreign(x, y, flux, snr, setup)
    width = FWHM_PER_SIGMA * np.sqrt(c["a"] * c["b"]) / moment_growth(setup.profile)
    extended = _extended(c, near, foreign, setup, correction)
    # A star on a galaxy grows with the aperture too, but its own shape is a star's.
    extended &= width > BROADER * setup.fwhm
    flags |= np.where(foreign > 0.05 * np.abs(c["small"]), SourceFlag.BLENDED, 0)
    if method in ("auto", "psf"):
        use = np.isfinite(c["psf"])
        if method == "auto":
            # Masked cores leave the fit what the aperture has lost, and vice versa.
            use &= near < OVERLAP * setup.fwhm
        sums = psf_sums(setup.profile)
        shot = _photons(c["psf"], setup.gain, sums[2] / sums[1] ** 2)
        align = _alignment(flux, c["psf"], clean & (snr > 30))
        flux = np.where(use, align * c["psf"], flux)
        error = np.where(use, align * np.sqrt(c["psf_err"] ** 2 + shot), error)
    if method in ("auto", "kron"):
        use = np.isfinite(c["kron"]) & (extended | (method == "kron"))
        shot = _photons(c["kron"], setup.gain, growth)
        flux = np.where(use, c["kron"], flux)
        error = np.where(use, np.sqrt(c["kron_err"] ** 2 + shot), error)
        corrected = ~use
    else:
        corrected = np.ones(len(flux), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        significance = np.asarray(flux / error)
    relative = correction.error / correction.factor
    error = np.where(corrected, np.hypot(error, relative * flux), error)
    flags |= np.where(extended, SourceFlag.EXTENDED, 0)
    if setup.gain is None:
        flags |= SourceFlag.NO_GAIN
    return Measured(
        flux=flux,
        flux_err=error,
        snr=significance,
        aperture_flux=c["small"],
        aperture_err=small_err,
        sky=c["sky"],
        sky_err=c["sky_err"],
        sigma=c["sigma"],
        fwhm=width,
        a=c["a"],
        b=c["b"],
        theta=c["theta"],
        flags=flags,
        setup=setup,
        correction=correction,
    )


def _alignment(flux: "Floats", fitted: "Floats", clean: "Bools") -> float:
    """Return the factor from PSF fluxes to corrected apertures, of clean stars."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (flux / fitted)[clean]
    ratio = ratio[np.isfinite(ratio) & (np.abs(ratio - 1) < 0.25)]
    return float(np.median(ratio)) if len(ratio) >= 3 else 1.0


def _photons(flux: "Floats", gain: float | None, growth: float) -> "Floats":
    """Return the variance by the photons of the source; 0 where the gain is unknown."""
    if gain is None:
        return np.zeros(len(flux))
    return np.maximum(flux, 0) / gain * growth


def _foreign(
    x: "Floats", y: "Floats", flux: "Floats", snr: "Floats", setup: "Setup"
) -> "Floats":
    """Return the light of bright neighbours in the wide aperture, by the PSF."""
    out = np.zeros(len(x))
    here = np.flatnonzero(np.isfinite(flux) & np.isfinite(x) & np.isfinite(y))
    loud = here[snr[here] > 30]
    if not len(loud):
        return out
    points = np.stack([x, y], axis=1)
    pairs = KDTree(points[here]).sparse_distance_matrix(
        KDTree(points[loud]), SPILL * setup.fwhm, output_type="coo_matrix"
    )
    other = here[pairs.row] != loud[pairs.col]
    distance = pairs.data[other]
    share = setup.profile.density(distance, np.zeros(len(distance)))
    light = flux[loud][pairs.col[other]] * share * np.pi * setup.wide**2
    return np.asarray(
        out + np.bincount(here[pairs.row[other]], light, minlength=len(x))
    )


def _extended(
    c: dict[str, "Floats"],
    near: "Floats",
    foreign: "Floats",
    setup: "Setup",
    correction: "Correction",
) -> "Bools":
    """Return which sources grow faster with the aperture than stars do."""
    wide_err = c["sigma"] * circle_noise(setup.wide, setup.rho_xy)
    small_err = c["sigma"] * circle_noise(setup.radius, setup.rho_xy)
    wide_err = np.hypot(wide_err, np.pi * setup.wide**2 * c["sky_err"])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = c["wide"] / c["small"]
        error = np.hypot(wide_err, ratio * small_err) / c["small"]
        limit = 1.08 * correction.compactness + 3 * np.hypot(error, correction.scatter)
        alone = near > setup.wide + setup.radius
        # Wings are laid on top of the local sky in part only; count all of them.
        ratio = (c["wide"] - foreign) / c["small"]
        return np.asarray((ratio > limit) & (c["small"] > 0) & alone)
