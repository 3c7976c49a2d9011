"""Fields of stars over nebulae and galaxies, with the truth of every component.

The starless scene is drawn with its own noise, and the stars' photons are drawn apart
and added: sums of Poisson numbers are Poisson numbers. So outside of all stars the
image and the starless truth are equal bit for bit, and under a star the truth keeps the
very noise that the image has there.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.nebula import Galaxies, blur, draw_galaxies, draw_nebula
from bgrem_core.simulate.star_settings import PRESETS, StarFieldSettings, preset
from bgrem_core.simulate.starlight import StarPsf, add_stars, field_shape
from bgrem_core.simulate.trails import Trails, trail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]

__all__ = [
    "PRESETS",
    "StarField",
    "StarFieldSettings",
    "StarList",
    "draw_star_field",
    "preset",
]

_SIGMAS = 2 * math.sqrt(2 * math.log(2))
#: Width of the border outside the frame whose stars shine in, pixels.
_BORDER = 8.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StarList:
    """Truth of n stars, brightest first.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Places in pixels, 0-based; a few lie just outside the frame.
    flux : ndarray of float64, shape (channels, n)
        Total flux, e-.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"

    def __len__(self) -> int:
        """Return the number of stars."""
        return len(self.x)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StarField:
    """One scene; arrays are (channels, ny, nx) float32 in electrons unless said.

    Attributes
    ----------
    image : ndarray
        What the camera gives: everything, with noise, cut off at saturation.
    starless : ndarray
        The scene without stars, with the very noise of `image` ("noisy" truth).
    clean : ndarray
        The scene without stars and without noise.
    starlight : ndarray
        Mean light of the stars; exactly 0 outside of them.
    nebula, galaxy_light, streak_light : ndarray
        What `clean` is made of, beside the sky.
    sigma : ndarray
        Noise of `starless`.
    footprint : ndarray of bool, shape (ny, nx)
        Pixels where starlight exceeds the noise in any channel.
    saturated : ndarray of bool, shape (ny, nx)
        Pixels at the saturation level in any channel.
    stars : StarList
        Truth.
    galaxies : Galaxies
        Truth.
    streaks : Trails
        Truth; flux of the first channel.
    """

    image: "Float"
    starless: "Float"
    clean: "Float"
    starlight: "Float"
    nebula: "Float"
    galaxy_light: "Float"
    streak_light: "Float"
    sigma: "Float"
    footprint: "NDArray[np.bool_]"
    saturated: "NDArray[np.bool_]"
    stars: StarList
    galaxies: Galaxies
    streaks: Trails


def draw_star_field(
    rng: np.random.Generator,
    shape: tuple[int, int] = (512, 512),
    settings: StarFieldSettings | None = None,
) -> StarField:
    """Draw one field of stars.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: an equal state gives an equal field.
    shape : tuple of int, optional
        (ny, nx), pixels.
    settings : StarFieldSettings, optional
        What to draw from; one of `PRESETS`, say.

    Returns
    -------
    StarField
        With the truth of each of its parts.
    """
    s = settings or StarFieldSettings()
    stars = _draw_stars(rng, shape, s)
    bare_nebula = draw_nebula(rng, shape, s) if s.nebula else np.zeros(shape)
    bare_galaxies, galaxies = draw_galaxies(rng, shape, s)
    streaks = _draw_streaks(rng, shape, stars, s)
    angle = float(rng.uniform(0, math.pi / 2))
    tint = np.exp(s.colour * rng.normal(size=(s.channels, 2)))
    # The first channel is what the settings say.
    tint[0] = 1
    planes = [
        _light(shape, s, stars, angle, tint, bare_nebula, bare_galaxies, streaks, k)
        for k in range(s.channels)
    ]
    starlight, nebula, galaxy_light, streak_light = (
        np.stack(part) for part in zip(*planes, strict=True)
    )
    clean = s.sky + nebula + galaxy_light + streak_light
    starless = rng.poisson(clean) + s.read_noise * rng.standard_normal(clean.shape)
    image = np.minimum(starless + rng.poisson(starlight), s.saturation)
    sigma = np.sqrt(clean + s.read_noise**2)
    f4 = np.float32
    return StarField(
        image=image.astype(f4),
        starless=starless.astype(f4),
        clean=clean.astype(f4),
        starlight=starlight.astype(f4),
        nebula=nebula.astype(f4),
        galaxy_light=galaxy_light.astype(f4),
        streak_light=streak_light.astype(f4),
        sigma=sigma.astype(f4),
        footprint=(starlight > sigma).any(axis=0),
        saturated=(image >= s.saturation).any(axis=0),
        stars=stars,
        galaxies=galaxies,
        streaks=streaks,
    )


def _light(
    shape: tuple[int, int],
    s: StarFieldSettings,
    stars: StarList,
    angle: float,
    tint: "Floats",
    nebula: "Floats",
    galaxies: "Floats",
    streaks: Trails,
    channel: int,
) -> tuple["Floats", "Floats", "Floats", "Floats"]:
    """Return the light of stars, nebula, galaxies and streaks in one channel."""
    step = channel / max(s.channels - 1, 1)
    psf = StarPsf(
        fwhm=s.fwhm * (1 + s.chromatic * step),
        beta=s.beta,
        halo=s.halo,
        halo_fwhm=s.halo_fwhm,
        halo_beta=s.halo_beta,
        spikes=s.spikes,
        spike_length=s.spike_length,
        spike_angle=angle,
    )
    starlight = np.zeros(shape)
    bent = field_shape(stars.x, stars.y, shape, s)
    add_stars(starlight, psf, stars.x, stars.y, stars.flux[channel], bent)
    lines = np.zeros(shape, np.float32)
    if len(streaks):
        trail(lines, streaks, psf.fwhm / _SIGMAS)
    extended = [tint[channel, 0] * nebula, tint[channel, 1] * galaxies]
    blurred = [blur(e, psf.density) if e.any() else e for e in extended]
    return starlight, blurred[0], blurred[1], lines.astype(np.float64)


def _draw_stars(
    rng: np.random.Generator, shape: tuple[int, int], s: StarFieldSettings
) -> StarList:
    """Draw places evenly, also just outside the frame, and fluxes from the counts."""
    ny, nx = shape
    low, high = s.flux
    rank = rng.uniform(size=s.stars)
    if s.slope > 0:
        flux = (low**-s.slope * (1 - rank) + high**-s.slope * rank) ** (-1 / s.slope)
    else:
        flux = low * (high / low) ** rank
    # Of the area with its border; the number of the settings is that of the whole.
    x = rng.uniform(-0.5 - _BORDER, nx - 0.5 + _BORDER, s.stars)
    y = rng.uniform(-0.5 - _BORDER, ny - 0.5 + _BORDER, s.stars)
    order = np.argsort(-flux)
    colour = np.exp(s.colour * rng.normal(size=(s.channels, s.stars)))
    colour[0] = 1
    return StarList(x=x[order], y=y[order], flux=(colour * flux)[:, order])


def _draw_streaks(
    rng: np.random.Generator,
    shape: tuple[int, int],
    stars: StarList,
    s: StarFieldSettings,
) -> Trails:
    """Draw straight lines of the PSF's width, each through one of the bright stars."""
    n = s.streaks
    ny, nx = shape
    length = rng.uniform(*s.streak_length, n)
    angle = rng.uniform(0, 180, n)
    snr = rng.uniform(*s.streak_snr, n)
    peak = snr * math.sqrt(s.sky + s.read_noise**2)
    off = rng.uniform(-0.3, 0.3, n) * length
    x, y = rng.uniform(0, nx - 1, n), rng.uniform(0, ny - 1, n)
    if len(stars):
        # Of the brighter half, one inside the frame or near it.
        hit = rng.integers(0, max(1, len(stars) // 2), n)
        turn = np.radians(angle)
        x = stars.x[hit] + off * np.cos(turn)
        y = stars.y[hit] + off * np.sin(turn)
    width = s.fwhm / _SIGMAS
    return Trails(
        x=x,
        y=y,
        flux=peak * length * math.sqrt(2 * math.pi) * width,
        length=length,
        angle=angle,
    )
