"""What a sensor and its electronics write over the light of a raw frame."""

import math
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.full_well import saturate
from bgrem_core.simulate.ranges import log_uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.satellite_settings import SatelliteSettings

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = ["draw_glow", "draw_pattern", "overflow", "smooth_noise"]

_QUARTERS = 4


def draw_pattern(
    rng: np.random.Generator,
    expected: "Float",
    white: float,
    s: "SatelliteSettings",
    middle: tuple[float, float] | None = None,
) -> "tuple[Float, dict[str, Float]]":
    """Draw what rows, columns and amplifiers add.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    expected : ndarray
        (ny, nx) float32, mean electrons: what the gains act on.
    white : float
        Noise of blank sky, e-: the unit of the offsets.
    s : SatelliteSettings
        What to draw from.
    middle : tuple of float, optional
        Row and column at which the amplifiers meet; default the middle.

    Returns
    -------
    pattern : ndarray
        (ny, nx) float32, e-.
    components : dict of ndarray
        ``rows``, ``columns`` and ``amplifiers``, float32, to be broadcast.
    """
    ny, nx = expected.shape
    strength = white * rng.uniform(*s.rows), white * rng.uniform(*s.columns)
    rows = (_draw_rows(rng, ny, s) * strength[0])[:, None]
    columns = rng.standard_normal((nx,)) * strength[1]
    amplifiers = np.zeros((1, 1))
    count = 1 if s.amplifiers == (1,) else int(rng.choice(s.amplifiers))
    if count > 1:
        at = middle or (ny / 2, nx / 2)
        side = (np.arange(nx) >= at[1]).astype(int)
        if s.amplifier_rows:
            own = [_draw_rows(rng, ny, s) * strength[0] for _ in range(2)]
            rows = (
                math.sqrt(1 - s.amplifier_rows) * rows
                + math.sqrt(s.amplifier_rows) * np.stack(own, 1)[:, side]
            )
        amplifiers = _draw_amplifiers(rng, expected, white, s, count, (at[0], side))
    pattern = (rows + columns).astype(np.float32)
    if count > 1:
        pattern += amplifiers.astype(np.float32)
    return pattern, {
        "rows": rows.astype(np.float32),
        "columns": columns[None].astype(np.float32),
        "amplifiers": amplifiers.astype(np.float32),
    }


def draw_glow(
    rng: np.random.Generator, shape: tuple[int, int], s: "SatelliteSettings"
) -> "Float":
    """Draw the light of an amplifier in one corner of the sensor.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    s : SatelliteSettings
        What to draw from.

    Returns
    -------
    ndarray
        (ny, nx) float32, e-; zero for a sensor without.
    """
    if not s.glow or rng.uniform() >= s.glow:
        return np.zeros(shape, np.float32)
    peak = log_uniform(rng, s.glow_charge)
    ny, nx = shape
    top, right = rng.integers(0, 2, 2)
    y = np.arange(ny)[:, None] - top * (ny - 1)
    away = np.hypot(y, np.arange(nx) - right * (nx - 1))
    out: Float = (peak * np.exp(-away / (s.glow_scale * min(shape)))).astype(np.float32)
    return out


def overflow(
    rng: np.random.Generator, charge: "Float", s: "SatelliteSettings"
) -> "Float":
    """Draw what a full well takes from the charge, and where it runs to.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    charge : ndarray
        (ny, nx) float32, e-, as collected.
    s : SatelliteSettings
        What to draw from.

    Returns
    -------
    ndarray
        (ny, nx) float32, e-, to be added to the charge.
    """
    if not s.saturating or rng.uniform() >= s.saturating:
        return np.zeros_like(charge)
    well = log_uniform(rng, s.full_well)
    bleed = bool(rng.uniform() < s.bleed)
    held = charge.copy()
    saturate(held, well, bleed=bleed, upward=float(rng.uniform(0.3, 0.7)))
    lost: Float = held - charge
    return lost


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float
) -> "Double":
    """Draw noise smoothed by a Gaussian along each axis, of unit rms.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        Pixels.
    sigma : float
        Of the Gaussian, pixels.

    Returns
    -------
    ndarray
        Of float64.
    """
    white = rng.standard_normal([_padded(n, sigma) for n in shape])
    spectrum = np.fft.rfftn(white)
    power = 1.0
    for axis, n in enumerate(white.shape):
        gain = np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(n)) ** 2)
        power *= float(np.mean(gain**2))
        kept = gain[: spectrum.shape[axis]]
        spectrum *= kept.reshape([-1 if k == axis else 1 for k in range(white.ndim)])
    axes = tuple(range(white.ndim))
    smooth = np.fft.irfftn(spectrum, s=white.shape, axes=axes) / math.sqrt(power)
    out: Double = smooth[tuple(slice(n) for n in shape)]
    return out


def _padded(n: int, sigma: float) -> int:
    """Return a length of which n pixels do not see what is wrapped."""
    return 32 * math.ceil((n + 4 * sigma) / 32)


def _draw_rows(rng: np.random.Generator, ny: int, s: "SatelliteSettings") -> "Double":
    white = rng.standard_normal(ny)
    slow = smooth_noise(rng, (ny,), s.row_scale)
    return s.row_parts[0] * white + s.row_parts[1] * slow


def _draw_amplifiers(
    rng: np.random.Generator,
    expected: "Float",
    white: float,
    s: "SatelliteSettings",
    count: int,
    where: "tuple[float, NDArray[np.int_]]",
) -> "Double":
    """Return offsets, and what gains that differ from 1 make of the light."""
    row, side = where
    upper = (np.arange(expected.shape[0]) >= row).astype(int)
    which = side + 2 * upper[:, None] * (count == _QUARTERS)
    strength = white * rng.uniform(*s.amplifier_offset)
    offset = strength * rng.standard_normal(count)
    gain = s.amplifier_gain * rng.standard_normal(count)
    out: Double = offset[which] + gain[which] * expected
    return out
