"""Stars: many by the basis images, the bright ones one by one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.survey.counts import (
    draw_places,
    draw_snr,
    expected,
    galaxy_share,
    to_rows,
    wide_area,
)
from bgrem_core.simulate.survey.grid import add_stamp
from bgrem_core.simulate.survey.psf import draw_profile, reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey.grid import Grid
    from bgrem_core.simulate.survey.psf import SurveyPsf
    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["Stars", "deposit_stars", "draw_stars", "paint_stars"]

BRIGHT = 1000.0
"""S/N above which a star is drawn by GalSim itself."""
EXCESS = 15.0
"""How far the brightest extra stars go beyond the law."""
_FAR = 400  # pixels, greatest radius of a star drawn one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Stars:
    """Point sources, one row each; some lie outside the field.

    Attributes
    ----------
    x : ndarray
        0-based column, pixels.
    y : ndarray
        0-based row, pixels.
    flux : ndarray
        Sigma x pixel, without halo and spikes.
    snr : ndarray
        Of the PSF at its place, before saturation.
    """

    x: "Float64"
    y: "Float64"
    flux: "Float64"
    snr: "Float64"

    def rows(self) -> "Float64":
        """Return the rows of the truth, (6, n)."""
        return to_rows(self.x, self.y, self.flux, self.snr, 0.0, 0.0)


def draw_stars(
    rng: np.random.Generator, psf: "SurveyPsf", s: "SurveySettings", density: float
) -> Stars:
    """Draw the stars of a field.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    psf : SurveyPsf
        Of the field.
    s : SurveySettings
        Ranges.
    density : float
        Sources per Mpix above S/N 5, galaxies included.

    Returns
    -------
    Stars
        From the law of counts, and the few that are brighter.
    """
    area, slope = wide_area(psf.shape), float(rng.uniform(*s.slope))
    share = 1 - galaxy_share(s, density)
    law = draw_snr(rng, s.snr, slope, share * expected(s, density, slope, area))
    more = draw_snr(rng, (s.snr[1], EXCESS * s.snr[1]), slope, s.bright * area)
    snr = np.concatenate([law, more])
    x, y = draw_places(rng, len(snr), psf.shape)
    weight = psf.weights(x, y)
    norm = np.sqrt(np.einsum("kn,kl,ln->n", weight, psf.gram(), weight))
    return Stars(x=x, y=y, flux=snr / norm, snr=snr)


def deposit_stars(grid: "Grid", psf: "SurveyPsf", stars: Stars) -> None:
    """Put the stars that are not bright on the fine grid."""
    faint = stars.snr <= BRIGHT
    x, y = stars.x[faint], stars.y[faint]
    grid.add_points(x, y, stars.flux[faint] * psf.weights(x, y))


def paint_stars(image: "Float", psf: "SurveyPsf", stars: Stars) -> None:
    """Add the bright stars to an image, each through the PSF at its place."""
    for k in np.flatnonzero(stars.snr > BRIGHT):
        x, y, flux = float(stars.x[k]), float(stars.y[k]), float(stars.flux[k])
        radius = int(min(reach(psf) * (1 + stars.snr[k] / 1e4), _FAR))
        ix, iy = round(x), round(y)
        stamp = draw_profile(psf.at(x, y), radius, offset=(x - ix, y - iy))
        add_stamp(image, np.float32(flux) * stamp, ix, iy)
