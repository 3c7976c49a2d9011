"""Growth: from the flux in an aperture to the whole flux of a point source."""

from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bgrem_core.psf import Psf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MOST_STARS = 300
DEFAULT_BETA = 3.0
UNKNOWN_PSF = 0.05
"""Relative error of the correction where the frame has no star to measure it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A Moffat profile of unit flux, pixel response included.

    Attributes
    ----------
    fwhm : float
        Geometric mean of both axes, pixels.
    beta : float
        Exponent.
    ellipticity : float
        1 - minor / major.
    theta : float
        Direction of the major axis, degrees anticlockwise from +x.
    """

    fwhm: float
    beta: float = DEFAULT_BETA
    ellipticity: float = 0.0
    theta: float = 0.0

    @classmethod
    def of(cls, psf: "Psf | None", fwhm: float) -> "Profile":
        """Return the profile of a measured PSF, else a round one of this FWHM."""
        if psf is None:
            return cls(fwhm=fwhm)
        return cls(
            fwhm=psf.fwhm, beta=psf.beta, ellipticity=psf.ellipticity, theta=psf.theta
        )

    @property
    def core(self) -> float:
        """Scale radius of the Moffat profile, pixels."""
        return self.fwhm / (2 * sqrt(2 ** (1 / self.beta) - 1))

    def enclosed(self, radius: "Floats | float") -> "Floats":
        """Return the share of the flux within a radius in pixels, of the round one."""
        r = np.asarray(radius, np.float64) / self.core
        return 1 - (1 + r * r) ** (1 - self.beta)

    def density(self, dx: "Floats", dy: "Floats") -> "Floats":
        """Return the flux per pixel at offsets in pixels from the centre."""
        angle, q = np.deg2rad(self.theta), 1 - self.ellipticity
        c, s = np.cos(angle), np.sin(angle)
        r2 = (c * dx + s * dy) ** 2 * q + (c * dy - s * dx) ** 2 / q
        peak = (self.beta - 1) / (np.pi * self.core**2)
        return np.asarray(peak * (1 + r2 / self.core**2) ** -self.beta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Factor from aperture flux to total flux of a point source.

    Attributes
    ----------
    factor : float
        Total over aperture flux.
    error : float
        Its standard error.
    n_stars : int
        Stars of the frame that it stands on, 0 = the profile alone.
    compactness : float
        Flux in the wide over flux in the small aperture, of the stars.
    scatter : float
        Scatter of that ratio from star to star.
    """

    factor: float
    error: float
    n_stars: int = 0
    compactness: float = nan
    scatter: float = nan


def aperture_correction(
    sums: "Sequence[Floats]",
    snr: "Floats",
    clean: "Bools",
    *,
    profile: Profile,
    radii: "Sequence[float]",
) -> Correction:
    """Measure the correction on the frame's own stars.

    From aperture to aperture the frame's stars decide; beyond the widest one a Moffat
    profile whose wing agrees with that growth. Stars are the most compact of the
    bright, unflagged sources.

    Parameters
    ----------
    sums : sequence of ndarray, each of shape (n,)
        Flux in the small, the wide and the far aperture, local sky removed.
    snr : ndarray, shape (n,)
        S/N in the small one.
    clean : ndarray of bool, shape (n,)
        Isolated and unflagged.
    profile : Profile
        PSF of the frame.
    radii : sequence of float
        Radii of the apertures, pixels.

    Returns
    -------
    Correction
        From the profile alone where fewer than three stars serve.
    """
    expected = profile.enclosed(np.asarray(radii))
    step = expected[1] / expected[0]
    ratio, far = _ratio(sums[1], sums[0]), _ratio(sums[2], sums[1])
    bright = np.flatnonzero(clean & (snr > 30) & np.isfinite(ratio))
    bright = bright[np.argsort(-snr[bright])][:MOST_STARS]
    stars = bright[_locus(ratio[bright], float(step))]
    if len(stars) < 3:
        total = float(1 / expected[0])
        return Correction(
            factor=total, error=UNKNOWN_PSF * total, compactness=float(step),
            scatter=0.02,
        )  # fmt: skip
    middle, scatter, error = _summary(ratio[stars])
    # Only bright stars say how much light lies far out.
    wing = far[stars[(snr[stars] > 80) & np.isfinite(far[stars])]]
    outer, outer_error = float(expected[2] / expected[1]), 0.01
    if len(wing) >= 3:
        outer, _, outer_error = _summary(wing)
    outer = float(np.clip(outer, 1.0, 1.2))
    fitted = _with_growth(profile, radii, middle * outer)
    beyond = float(1 / fitted.enclosed(radii[2]))
    # A fifth of the light beyond the last aperture is what the wing may be wrong by.
    relative = np.sqrt(
        (error / middle) ** 2 + (outer_error / outer) ** 2 + ((beyond - 1) / 5) ** 2
    )
    factor = middle * outer * beyond
    return Correction(
        factor=factor,
        error=float(relative * factor),
        n_stars=len(stars),
        compactness=middle,
        scatter=scatter,
    )


def _ratio(above: "Floats", below: "Floats") -> "Floats":
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((above > 0) & (below > 0), above / below, np.nan)


def _summary(values: "Floats") -> tuple[float, float, float]:
    """Return median, scatter and error of the median."""
    middle = float(np.median(values))
    scatter = 1.4826 * float(np.median(np.abs(values - middle)))
    return middle, scatter, 1.2533 * scatter / len(values) ** 0.5


def _with_growth(profile: Profile, radii: "Sequence[float]", growth: float) -> Profile:
    """Return the profile with the exponent that gives this growth, small to far."""

    def excess(beta: float) -> float:
        share = replace(profile, beta=beta).enclosed(np.asarray(radii))
        return float(share[2] / share[0]) - growth

    low, high = 1.8, 10.0
    # A lighter wing (large beta) grows less.
    if excess(low) <= 0:
        return replace(profile, beta=low)
    if excess(high) >= 0:
        return replace(profile, beta=high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return replace(profile, beta=low)


def _locus(ratio: "Floats", expected: float) -> "NDArray[np.intp]":
    """Return which ratios are those of stars: galaxies grow faster, blends too."""
    near = np.flatnonzero(np.abs(ratio / expected - 1) < 0.15)
    if len(near) < 3:
        return near
    # Galaxies lie above; the lower half is mostly stars.
    start = float(np.quantile(ratio[near], 0.3))
    width = 0.03 * start
    for _ in range(5):
        inside = ratio[near][np.abs(ratio[near] - start) < width]
        if not len(inside):
            break
        start = float(np.median(inside))
    return near[np.abs(ratio[near] - start) < width]
