"""Cosmic rays, hot pixels and satellite trails."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.ranges import log_uniform
from bgrem_core.simulate.trails import Trails, trail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]

__all__ = ["cosmic_rays", "hot_pixels", "streaks"]

FAINTEST = 0.01
"""Sigma per pixel below which a trail or a track is cut."""
_STEP = 0.2  # pixels between the deposits of a track
_DIFFUSION = 0.3  # pixels, of charge on its way to the gates


def cosmic_rays(
    rng: np.random.Generator, shape: tuple[int, int], s: "SurveySettings"
) -> "Float":
    """Draw cosmic rays: spots, straight tracks and worms, not blurred by the optics.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    s : SurveySettings
        Ranges.

    Returns
    -------
    ndarray
        (ny, nx) float32, sigma per pixel.
    """
    image = np.zeros(shape, np.float32)
    mean = log_uniform(rng, s.cosmic_rays) * shape[0] * shape[1] / 1e6
    # Charge per pixel of way: the same particles, in units of this field's noise.
    usual = log_uniform(rng, (15.0, 150.0))
    for _ in range(rng.poisson(mean)):
        sort = rng.choice(["spot", "track", "worm"], p=[0.35, 0.45, 0.2])
        length = {"spot": 0.6, "track": 4.0, "worm": 12.0}[sort]
        length = min(length * float(np.exp(rng.normal(0, 0.8))), 300.0)
        count = max(int(length / _STEP), 2)
        bend = 0.1 if sort == "worm" else 0.0
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bend * rng.standard_t(2, count))
        if sort == "worm":  # an electron that stops gives more at its end
            angle += np.cumsum(rng.normal(0, 0.15, count)) * np.linspace(0, 1, count)
        x = rng.uniform(0, shape[1]) + np.cumsum(np.cos(angle)) * _STEP
        y = rng.uniform(0, shape[0]) + np.cumsum(np.sin(angle)) * _STEP
        # A long tail of large losses, as thin layers have.
        loss = _STEP * usual * (0.6 + rng.gamma(0.35, 1.2, count))
        if sort == "spot":
            loss *= float(np.exp(rng.normal(1.0, 0.7)))
        _deposit(rng, image, x, y, loss)
    image[image < FAINTEST] = 0
    return image


def hot_pixels(
    rng: np.random.Generator, shape: tuple[int, int], s: "SurveySettings"
) -> "Float":
    """Draw hot pixels: most of them faint, a few beyond all stars.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    s : SurveySettings
        Ranges.

    Returns
    -------
    ndarray
        (ny, nx) float32, sigma per pixel.
    """
    image = np.zeros(shape, np.float32)
    count = rng.poisson(log_uniform(rng, s.hot_pixels) * shape[0] * shape[1] / 1e6)
    y, x = rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)
    height = np.minimum(3 * rng.uniform(0, 1, count) ** (-1 / 0.8), 2e4)
    np.add.at(image, (y, x), height.astype(np.float32))
    return image


def streaks(
    rng: np.random.Generator,
    shape: tuple[int, int],
    s: "SurveySettings",
    *,
    fwhm: float,
) -> "Float":
    """Draw satellite trails, most of them from edge to edge.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    s : SurveySettings
        Ranges.
    fwhm : float
        Of the PSF, pixels; satellites nearby are a little out of focus.

    Returns
    -------
    ndarray
        (ny, nx) float32, sigma per pixel.
    """
    image = np.zeros(shape, np.float32)
    ny, nx = shape
    for _ in range(rng.poisson(s.streaks * ny * nx / 1e6)):
        sigma = fwhm / 2.355 * float(rng.uniform(1.0, 1.6))
        peak = log_uniform(rng, s.streak_peak)
        whole = rng.uniform() < 0.7
        length = float(np.hypot(ny, nx)) * (2 if whole else rng.uniform(0.05, 0.6))
        x, y = rng.uniform(0, nx), rng.uniform(0, ny)
        angle = rng.uniform(0, 180)
        # Cut near the field: the part outside would only cost time.
        x, y, length = _clip(x, y, length, float(angle), shape, 8 * sigma)
        flux = peak * length * np.sqrt(2 * np.pi) * sigma
        one = [np.array([v]) for v in (x, y, flux, length, angle)]
        path = Trails(x=one[0], y=one[1], flux=one[2], length=one[3], angle=one[4])
        trail(image, path, sigma)
    image[image < FAINTEST] = 0
    return image


def _deposit(
    rng: np.random.Generator,
    image: "Float",
    x: "NDArray[np.float64]",
    y: "NDArray[np.float64]",
    charge: "NDArray[np.float64]",
) -> None:
    """Add charge in small packets, each to the pixel that it diffuses into."""
    packets = 6
    x, y = np.repeat(x, packets), np.repeat(y, packets)
    ix = np.rint(x + rng.normal(0, _DIFFUSION, len(x))).astype(int)
    iy = np.rint(y + rng.normal(0, _DIFFUSION, len(y))).astype(int)
    ny, nx = image.shape
    inside = (ix >= 0) & (ix < nx) & (iy >= 0) & (iy < ny)
    part = np.repeat(charge / packets, packets).astype(np.float32)
    np.add.at(image, (iy[inside], ix[inside]), part[inside])


def _clip(
    x: float,
    y: float,
    length: float,
    angle: float,
    shape: tuple[int, int],
    margin: float,
) -> tuple[float, float, float]:
    """Return middle and length of the part of a line that lies in the field."""
    way = (np.cos(np.radians(angle)), np.sin(np.radians(angle)))
    first, last = -length / 2, length / 2
    for at, step, side in zip((x, y), way, shape[::-1], strict=True):
        if abs(step) > 1e-9:
            ends = sorted(((-margin - at) / step, (side + margin - at) / step))
            first, last = max(first, ends[0]), min(last, ends[1])
    middle = (first + last) / 2
    return x + middle * way[0], y + middle * way[1], last - first
