"""How many sources of which S/N, and where."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.survey.grid import BORDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey_settings import SurveySettings

    Float64 = NDArray[np.float64]

__all__ = ["draw_places", "draw_snr", "galaxy_share", "to_rows", "wide_area"]


def wide_area(shape: tuple[int, int]) -> float:
    """Return the area that receives sources, border included, Mpix."""
    return (shape[0] + 2 * BORDER) * (shape[1] + 2 * BORDER) / 1e6


def draw_snr(
    rng: np.random.Generator, bounds: tuple[float, float], slope: float, mean: float
) -> "Float64":
    """Draw S/N from a power law.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    bounds : tuple of float
        Faintest and brightest.
    slope : float
        Falling dex of the cumulative counts per dex.
    mean : float
        Expected number between the bounds.

    Returns
    -------
    ndarray
        As many as a Poisson draw gives.
    """
    low, high = bounds
    top = (high / low) ** -slope
    u = rng.uniform(0, 1, rng.poisson(mean)) * (1 - top) + top
    snr: Float64 = low * u ** (-1 / slope)
    return snr


def expected(s: "SurveySettings", density: float, slope: float, area: float) -> float:
    """Return the expected number within the settings' S/N, faint end included."""
    low, high = s.snr
    return float(density * area * (low / 5) ** -slope * (1 - (high / low) ** -slope))


def galaxy_share(s: "SurveySettings", density: float) -> float:
    """Return the share of galaxies: crowded fields lie in our own Galaxy."""
    low, high = np.log(s.density)
    place = 0.5 if high <= low else (np.log(density) - low) / (high - low)
    return float(s.galaxies[0] + place * (s.galaxies[1] - s.galaxies[0]))


def draw_places(
    rng: np.random.Generator, count: int, shape: tuple[int, int]
) -> tuple["Float64", "Float64"]:
    """Draw x and y over the field and its border, pixels."""
    ny, nx = shape
    x = rng.uniform(-BORDER, nx + BORDER, count)
    return x, rng.uniform(-BORDER, ny + BORDER, count)


def to_rows(*columns: "Float64 | float") -> "Float64":
    """Stack x, y, flux, snr, kind, size as (6, n); a number stands for all."""
    return np.stack(np.broadcast_arrays(*columns)).astype(np.float64)
