"""Light without an edge: large faint discs, nebulae and wisps."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.simulate.ranges import log_uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["DISC_KIND", "NEBULA_KIND", "add_discs", "add_nebula"]

DISC_KIND, NEBULA_KIND = 3.0, 6.0
"""Codes in `bgrem_core.simulate.KINDS`."""
_STEP = 4  # pixels between the points on which a nebula is made


def add_discs(
    rng: np.random.Generator, image: "Float", s: "SurveySettings"
) -> "Float64":
    """Add large faint exponential discs; the PSF does not matter for them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    image : ndarray
        (ny, nx) float32, sigma per pixel; changed.
    s : SurveySettings
        Ranges.

    Returns
    -------
    ndarray
        Rows of the truth, (6, n); flux and S/N are those of the whole disc.
    """
    ny, nx = image.shape
    rows = []
    for _ in range(rng.poisson(s.discs * ny * nx / 1e6)):
        scale, peak = log_uniform(rng, s.disc_scale), log_uniform(rng, s.disc_peak)
        q, angle = rng.uniform(0.3, 1), rng.uniform(0, np.pi)
        cx, cy = rng.uniform(0, nx), rng.uniform(0, ny)
        y = (np.arange(ny, dtype=np.float32) - np.float32(cy))[:, None]
        x = (np.arange(nx, dtype=np.float32) - np.float32(cx))[None, :]
        c, d = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        axis = np.float32(q)
        r2 = (c * x + d * y) ** 2 * axis + (c * y - d * x) ** 2 / axis
        image += np.float32(peak) * np.exp(-np.sqrt(r2) / np.float32(scale))
        flux, snr = 2 * np.pi * scale**2 * peak, peak * scale * np.sqrt(np.pi / 2)
        rows.append((cx, cy, flux, snr, DISC_KIND, 1.678 * scale))
    return np.array(rows, float).reshape(-1, 6).T


def add_nebula(
    rng: np.random.Generator, image: "Float", s: "SurveySettings", *, fwhm: float
) -> "Float64":
    """Add nebulosity to the share of fields that has it.

    Three sorts: cirrus over all of the field, a cloud, and a broken shell. Each is a
    random field of a power-law spectrum, its exponential for the patches and its
    ridges for the filaments, inside an envelope.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    image : ndarray
        (ny, nx) float32, sigma per pixel; changed.
    s : SurveySettings
        Ranges.
    fwhm : float
        Of the PSF, pixels.

    Returns
    -------
    ndarray
        One row of the truth, or none, (6, n): the centre of its light, flux, S/N and
        half-light radius of what lies in the field.
    """
    if rng.uniform() >= s.nebula:
        return np.zeros((6, 0))
    ny, nx = image.shape
    sort = rng.choice(["cirrus", "cloud", "shell"])
    peak = log_uniform(rng, s.nebula_peak)
    coarse = (ny // _STEP + 4, nx // _STEP + 4)
    light = _patches(rng, coarse) * _envelope(rng, coarse, sort)
    # A Gaussian does for the PSF: no point in it is sharp.
    light = ndimage.gaussian_filter(light, max(fwhm / 2.355 / _STEP, 0.7))
    y, x = (np.arange(n) / _STEP + 1.5 for n in (ny, nx))
    rows = ndimage.map_coordinates(
        light, np.meshgrid(y, x, indexing="ij"), order=3, mode="nearest"
    )
    nebula = np.maximum(rows, 0)
    nebula *= peak / nebula.max()
    image += nebula.astype(np.float32)
    return _row(nebula)


def _row(nebula: "Float64") -> "Float64":
    ny, nx = nebula.shape
    flux = float(nebula.sum())
    y, x = np.arange(ny), np.arange(nx)
    cx, cy = float(nebula.sum(0) @ x) / flux, float(nebula.sum(1) @ y) / flux
    radius = np.hypot(y[:, None] - cy, x - cx)
    within, edges = np.histogram(radius, 200, weights=nebula)
    half = float(edges[1 + int(np.searchsorted(np.cumsum(within), flux / 2))])
    snr = float(np.sqrt(np.sum(nebula**2)))
    return np.array([[cx, cy, flux, snr, NEBULA_KIND, half]]).T


def _random_field(
    rng: np.random.Generator, shape: tuple[int, int], exponent: float
) -> "Float64":
    """Return a normal field of unit variance whose power falls as k^-exponent."""
    # Made twice as large and cut, so that opposite edges differ.
    ny, nx = (2 * n for n in shape)
    ky, kx = np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None, :]
    # Waves longer than the field would leave only a slope.
    k = np.sqrt(ky**2 + kx**2 + (1.0 / max(shape)) ** 2)
    white = np.fft.rfft2(rng.standard_normal((ny, nx)))
    field = np.fft.irfft2(white * k ** (-exponent / 2), s=(ny, nx))
    field = field[: shape[0], : shape[1]]
    out: Float64 = (field - field.mean()) / field.std()
    return out


def _patches(rng: np.random.Generator, shape: tuple[int, int]) -> "Float64":
    exponent = rng.uniform(2.8, 3.6)
    patch = np.exp(rng.uniform(0.5, 1.0) * _random_field(rng, shape, exponent))
    # Where a smooth field crosses zero a thin bright line runs: a filament.
    crossing = np.abs(_random_field(rng, shape, rng.uniform(3.2, 4.0)))
    ridge = 1 / (1 + (crossing / rng.uniform(0.05, 0.2)) ** 2)
    ridge *= np.exp(0.7 * _random_field(rng, shape, 3.0))
    out: Float64 = patch / patch.mean() + rng.uniform(0, 2) * ridge
    return out


def _envelope(rng: np.random.Generator, shape: tuple[int, int], sort: str) -> "Float64":
    ny, nx = shape
    if sort == "cirrus":
        # Most of the field is nearly empty, as between real wisps.
        edge = _random_field(rng, shape, 4.0) - rng.uniform(-0.5, 1.0)
        cirrus: Float64 = 1 / (1 + np.exp(-2.5 * edge))
        return cirrus
    y, x = np.mgrid[:ny, :nx].astype(float)
    cy, cx = rng.uniform(0, ny), rng.uniform(0, nx)
    q, angle = rng.uniform(0.5, 1), rng.uniform(0, np.pi)
    c, d = np.cos(angle), np.sin(angle)
    r = np.hypot(
        (c * (x - cx) + d * (y - cy)) * np.sqrt(q),
        (c * (y - cy) - d * (x - cx)) / np.sqrt(q),
    )
    # The outline is as irregular as the inside.
    r = r * np.exp(0.25 * _random_field(rng, shape, 3.6))
    size = min(ny, nx) * rng.uniform(0.1, 0.5)
    cloud: Float64 = np.exp(-0.5 * (r / size) ** 2)
    if sort == "cloud":
        return cloud
    width = size * rng.uniform(0.08, 0.25)
    shell: Float64 = np.exp(-0.5 * ((r - size) / width) ** 2)
    shell += 0.2 / (1 + (r / size) ** 8)
    return shell
