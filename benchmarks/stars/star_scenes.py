"""Scenes of the benchmark: the simulator's named fields, each from its own seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bgrem_core.simulate.nebula import Galaxies
from bgrem_core.simulate.star_settings import StarFieldSettings, preset
from bgrem_core.simulate.starlight import StarPsf
from bgrem_core.simulate.stars import draw_star_field
from bgrem_core.simulate.trails import Trails, trail

SETS = {
    "A": "sparse", "B": "dense", "C": "bright, saturated, spikes",
    "D": "galaxies, faint nebula", "E": "FWHM 4.5", "S": "streaks, faint nebula",
}  # fmt: skip
KINDS = ("test", "development")
"""The second are for work on a method; no figure is quoted on them."""
SIDE = 512
_HALF = 40  # pixels to which a PSF is summed
_SIGMAS = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One field in electrons, arrays of (side, side).

    Attributes
    ----------
    image : ndarray of float32
        What a method is given.
    starless, clean : ndarray
        The truth: with the very noise of `image`, and without any.
    starlight, galaxy_light, streak_light : ndarray
        Without noise.
    sky : ndarray
        Sky and nebula, without noise.
    sigma : ndarray
        Noise of `starless`.
    footprint : ndarray of bool
        Where starlight exceeds the noise.
    x, y, flux, snr : ndarray, shape (n,)
        Of the stars whose centres are inside; signal to noise of a flux that is fitted
        with the PSF, against the noise of `starless` alone.
    psf : StarPsf
        Of unit flux, in the middle of the field.
    galaxies, streaks
        Truth.
    """

    image: np.ndarray
    starless: np.ndarray
    clean: np.ndarray
    starlight: np.ndarray
    galaxy_light: np.ndarray
    streak_light: np.ndarray
    sky: np.ndarray
    sigma: np.ndarray
    footprint: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    snr: np.ndarray
    psf: StarPsf
    galaxies: Galaxies
    streaks: Trails

    @property
    def noise(self) -> float:
        """Median noise of a pixel."""
        return float(np.median(self.sigma))


def draw(
    name: str, kind: str, seed: int, k: int, side: int = SIDE, stars: int | None = None
) -> Scene:
    """Return scene k of a set; with `stars` that many on 512 x 512 pixels."""
    settings = preset(name, (side, side))
    if stars is not None:
        settings = replace(settings, stars=round(stars * (side / 512) ** 2))
    rng = np.random.default_rng([seed, KINDS.index(kind), list(SETS).index(name), k])
    field = draw_star_field(rng, (side, side), settings)
    inside = (np.rint(field.stars.x) >= 0) & (np.rint(field.stars.x) < side)
    inside &= (np.rint(field.stars.y) >= 0) & (np.rint(field.stars.y) < side)
    x, y = field.stars.x[inside], field.stars.y[inside]
    flux, sigma = field.stars.flux[0, inside], field.sigma[0]
    psf = psf_of(settings)
    area = 1 / float(np.sum(stamp(psf, _HALF) ** 2))
    there = sigma[np.rint(y).astype(int), np.rint(x).astype(int)]
    return Scene(
        image=field.image[0], starless=field.starless[0], clean=field.clean[0],
        starlight=field.starlight[0], galaxy_light=field.galaxy_light[0],
        streak_light=field.streak_light[0], sky=settings.sky + field.nebula[0],
        sigma=sigma, footprint=field.footprint, x=x, y=y, flux=flux,
        snr=flux / (there * math.sqrt(area)), psf=psf, galaxies=field.galaxies,
        streaks=field.streaks,
    )  # fmt: skip


def psf_of(s: StarFieldSettings) -> StarPsf:
    """Return the PSF in the middle of a field, spikes left out: they turn by chance."""
    return StarPsf(
        fwhm=s.fwhm, beta=s.beta, halo=s.halo, halo_fwhm=s.halo_fwhm,
        halo_beta=s.halo_beta,
    )  # fmt: skip


def stamp(psf: StarPsf, half: int) -> np.ndarray:
    """Return the light of a star in the middle of a square of pixels."""
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return psf.density(dx, dy)


def streak_lights(scene: Scene) -> Iterator[np.ndarray]:
    """Yield the light of each streak alone."""
    s = scene.streaks
    for k in range(len(s)):
        one = slice(k, k + 1)
        light = np.zeros(scene.image.shape, np.float32)
        own = Trails(
            x=s.x[one], y=s.y[one], flux=s.flux[one], length=s.length[one],
            angle=s.angle[one],
        )  # fmt: skip
        trail(light, own, scene.psf.fwhm / _SIGMAS)
        yield light
