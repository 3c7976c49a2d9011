"""One full optical field, put together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.artefacts import cosmic_rays, hot_pixels, streaks
from bgrem_core.simulate.full_well import saturate
from bgrem_core.simulate.optical import Truth
from bgrem_core.simulate.ranges import log_uniform
from bgrem_core.simulate.survey._galsim import galsim
from bgrem_core.simulate.survey.diffuse import add_discs, add_nebula
from bgrem_core.simulate.survey.galaxies import draw_galaxies
from bgrem_core.simulate.survey.glare import draw_glare
from bgrem_core.simulate.survey.grid import Grid
from bgrem_core.simulate.survey.psf import draw_psf, reach
from bgrem_core.simulate.survey.stars import deposit_stars, draw_stars, paint_stars
from bgrem_core.simulate.survey_settings import SurveySettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey.psf import SurveyPsf

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["LABELS", "Field", "draw_field"]

LABELS = {
    "saturated": 1,
    "bleed": 2,
    "glare": 4,
    "cosmic ray": 8,
    "hot pixel": 16,
    "streak": 32,
}
"""Bits of `Field.labels`."""
GLARE = 0.1
"""Sigma per pixel of halo and spikes above which a pixel is labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field without noise and without sky, with what disturbs it.

    Attributes
    ----------
    source : ndarray
        (ny, nx) float32, sigma per pixel: all light that came through the optics,
        after saturation; it brings photon noise.
    artefact : ndarray
        (ny, nx) float32, sigma per pixel: cosmic rays, hot pixels and satellite
        trails. The sum with ``source`` never exceeds the full well.
    labels : ndarray
        (ny, nx) uint8, bits of `LABELS`; every pixel of ``artefact`` has one.
    truth : Truth
        The sources; flux and S/N are those before saturation, without halo and
        spikes. At most one row is a nebula.
    psf : SurveyPsf
        How they were blurred.
    density : float
        Expected sources per Mpix above S/N 5.
    full_well : float
        Level of the saturated pixels, sigma above the sky.
    """

    source: "Float"
    artefact: "Float"
    labels: "NDArray[np.uint8]"
    truth: Truth
    psf: "SurveyPsf"
    density: float
    full_well: float


def draw_field(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] = (1024, 1024),
    settings: SurveySettings | None = None,
) -> Field:
    """Draw one full field of sources, with GalSim.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: an equal state gives an equal field.
    shape : tuple of int, optional
        (ny, nx) of the field, pixels.
    settings : SurveySettings, optional
        Ranges to draw from.

    Returns
    -------
    Field
        In units of the sky noise; `bgrem_core.simulate.draw_sky` and ``draw_noise``
        give what is missing.

    Raises
    ------
    UsageError
        GalSim is not installed.
    """
    galsim()  # the error comes before any work
    s = settings or SurveySettings()
    psf = draw_psf(rng, shape, s)
    density = log_uniform(rng, s.density)
    well = log_uniform(rng, s.full_well)
    grid = Grid(shape, len(psf.basis), reach(psf))
    source = np.zeros(shape, np.float32)
    stars = draw_stars(rng, psf, s, density)
    deposit_stars(grid, psf, stars)
    galaxies = draw_galaxies(rng, grid, source, psf, s, density)
    source += grid.seen(psf.basis)
    paint_stars(source, psf, stars)
    discs = add_discs(rng, source, s)
    nebula = add_nebula(rng, source, s, fwhm=psf.fwhm)
    glare = draw_glare(rng, psf, stars, s)
    source += glare
    bleeds, upward = bool(rng.uniform() < s.bleed), float(rng.uniform(0.3, 0.7))
    saturated, bled = saturate(source, well, bleed=bleeds, upward=upward)
    parts = {
        "cosmic ray": cosmic_rays(rng, shape, s),
        "hot pixel": hot_pixels(rng, shape, s),
        "streak": streaks(rng, shape, s, fwhm=psf.fwhm),
    }
    masks = {name: part > 0 for name, part in parts.items()}
    masks |= {"saturated": saturated, "bleed": bled, "glare": glare > GLARE}
    labels = np.zeros(shape, np.uint8)
    for name, mask in masks.items():
        labels |= np.where(mask, np.uint8(LABELS[name]), np.uint8(0))
    room = np.float32(well) - source
    return Field(
        source=source,
        artefact=np.minimum(sum(parts.values()), room),
        labels=labels,
        truth=_truth(np.concatenate([stars.rows(), galaxies, discs, nebula], 1), shape),
        psf=psf,
        density=density,
        full_well=well,
    )


def _truth(table: "Float64", shape: tuple[int, int]) -> Truth:
    """Return the rows whose centre lies in the field."""
    ny, nx = shape
    inside = (table[0] >= -0.5) & (table[0] < nx - 0.5)
    inside &= (table[1] >= -0.5) & (table[1] < ny - 0.5)
    x, y, flux, snr, kind, size = table[:, inside]
    return Truth(x=x, y=y, flux=flux, snr=snr, kind=kind.astype(np.int8), size=size)
