"""One plane under work: its pixels, sky, noise, PSF and stars as known so far."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.errors_law import ErrorLaw
from bgrem_core.stars.spline_psf import SplinePsf
from bgrem_core.stars.starlist import Stars, light_of, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.pixels import NoiseLaw

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["FAINT", "Fitted", "brightness", "middle", "pick", "render"]

FAINT = 0.05
"""Light, in sigma of a pixel, at which a star's wings end."""


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
    first : SplinePsf
        As it was guessed.
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
    first: SplinePsf
    fwhm: float
    errors: ErrorLaw
    light: "Floats"
    wrong: "Floats"
    stars: Stars = field(default_factory=Stars.none)
    snr: "Floats" = field(default_factory=lambda: np.zeros(0))
    spread: "Floats" = field(default_factory=lambda: np.zeros(0))
    extended: Stars = field(default_factory=Stars.none)
    learnt: int = 0
    _typical: "tuple[Floats, float] | None" = field(default=None, init=False)

    @property
    def sigma(self) -> float:
        """Noise of a typical pixel without stars."""
        if self._typical is None or self._typical[0] is not self.variance:
            self._typical = self.variance, float(np.sqrt(np.median(self.variance)))
        return self._typical[1]

    @property
    def left(self) -> "Floats":
        """Pixels without sky and stars; 0 where not good."""
        out = self.z - self.sky
        out -= self.light
        return np.where(self.good, out, 0.0)

    @property
    def expected(self) -> "Floats":
        """Variance of `left`."""
        out = self.errors.variance(self.light, self.wrong)
        out += self.variance
        return out

    @property
    def weight(self) -> "Floats":
        """Inverse variance, 0 where not good."""
        out = self.expected
        return np.where(self.good, np.divide(1, out, out=out), 0.0)


def render(fit: Fitted) -> None:
    """Find the light of the stars anew."""
    reach = reach_of(fit.psf, fit.stars.flux, FAINT * fit.sigma)
    fit.light = light_of(fit.psf, fit.stars, reach)
    fit.wrong = fit.errors.relative * fit.light


def middle(fit: Fitted) -> tuple["Floats", "Floats"]:
    """Return the pixel in the middle of the field, where the PSF is its first term."""
    ny, nx = fit.z.shape
    return np.array([float(nx // 2)]), np.array([float(ny // 2)])


def pick(fit: Fitted, keep: "Bools") -> None:
    """Keep some of the stars."""
    fit.stars = fit.stars.pick(keep)
    fit.snr, fit.spread = fit.snr[keep], fit.spread[keep]


def brightness(fit: Fitted) -> "Floats":
    """Return S/N of each star over the noise of the sky alone."""
    core = fit.psf.stamps(*middle(fit), min(fit.psf.half, int(np.ceil(2 * fit.fwhm))))
    power = np.sqrt(np.sum(core**2))
    return np.asarray(fit.stars.flux * power / fit.sigma)
