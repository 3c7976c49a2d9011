"""What bright stars add around themselves: halo, ghost ring, diffraction spikes."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.ranges import log_uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey.psf import SurveyPsf
    from bgrem_core.simulate.survey.stars import Stars
    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]

__all__ = ["draw_glare"]

FAINTEST = 0.02
"""Sigma per pixel at which a halo or spike is cut."""
_FAR = 600.0  # pixels, greatest radius
_STEEP = 2.6  # power with which halos and spikes fall


def draw_glare(
    rng: np.random.Generator, psf: "SurveyPsf", stars: "Stars", s: "SurveySettings"
) -> "Float":
    """Draw halos, ghosts and spikes of all stars that are bright enough to show them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance; the telescope is drawn once for all stars of the field.
    psf : SurveyPsf
        Of the field.
    stars : Stars
        Of the field and its border.
    s : SurveySettings
        Ranges.

    Returns
    -------
    ndarray
        (ny, nx) float32, sigma per pixel; light beyond that in the stars' flux.
    """
    glare = np.zeros(psf.shape, np.float32)
    halo, core = log_uniform(rng, s.halo), psf.fwhm * rng.uniform(3, 10)
    ghost = rng.uniform() < s.ghost
    light = log_uniform(rng, s.ghost_light)
    radius, hole = rng.uniform(25, 110), rng.uniform(0.25, 0.5)
    drift = rng.normal(0, 0.03, (2, 2))
    spiky = rng.uniform() < s.spikes
    spikes = log_uniform(rng, s.spike_light)
    vanes, turn = int(rng.choice([2, 2, 2, 3])), rng.uniform(0, np.pi)
    arms = rng.uniform(0.6, 1.4, 2 * vanes)
    for k in np.argsort(-stars.flux):
        x, y, flux = float(stars.x[k]), float(stars.y[k]), float(stars.flux[k])
        level = halo * flux * (_STEEP / 2 - 1) / (np.pi * core**2)
        spike = spikes * flux / (2 * vanes * psf.fwhm * core)
        if max(level, spike) < FAINTEST:
            break
        _add_halo(glare, x, y, level, core)
        if spiky:
            for arm in range(2 * vanes):
                angle = turn + np.pi * arm / vanes
                height = spike * float(arms[arm])
                _add_spike(glare, (x, y), height, angle, core, psf.fwhm)
        if ghost:
            middle = np.array(psf.shape[::-1]) / 2
            gx, gy = np.array([x, y]) + drift @ (np.array([x, y]) - middle)
            _add_ring(glare, gx, gy, flux * light, radius, hole)
    return glare


def _window(
    glare: "Float", x: float, y: float, radius: float
) -> "tuple[tuple[slice, slice], Float, Float] | None":
    """Return the part of the field within a radius, and the ways from the star."""
    ny, nx = glare.shape
    x0, x1 = max(int(x - radius), 0), min(int(x + radius) + 2, nx)
    y0, y1 = max(int(y - radius), 0), min(int(y + radius) + 2, ny)
    if x0 >= x1 or y0 >= y1:
        return None
    dx = (np.arange(x0, x1) - x).astype(np.float32)[None, :]
    dy = (np.arange(y0, y1) - y).astype(np.float32)[:, None]
    return (slice(y0, y1), slice(x0, x1)), dx, dy


def _add_halo(glare: "Float", x: float, y: float, level: float, core: float) -> None:
    far = core * np.sqrt(max((level / FAINTEST) ** (2 / _STEEP) - 1, 0))
    if far < 1 or (found := _window(glare, x, y, min(far, _FAR))) is None:
        return
    part, dx, dy = found
    r2 = dx**2 + dy**2
    light = np.float32(level) * (1 + r2 / np.float32(core**2)) ** np.float32(
        -_STEEP / 2
    )
    # It ends without a step where it is too faint to be seen.
    edge = np.clip(1 - r2 / np.float32(min(far, _FAR) ** 2), 0, 1) ** 2
    glare[part] += light * edge


def _add_spike(
    glare: "Float",
    at: tuple[float, float],
    height: float,
    angle: float,
    core: float,
    fwhm: float,
) -> None:
    far = min(core * ((height / FAINTEST) ** (1 / 1.6) - 1), _FAR)
    if far < fwhm or (found := _window(glare, *at, far)) is None:
        return
    part, dx, dy = found
    c, d = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = c * dx + d * dy, c * dy - d * dx
    run = np.maximum(along, 0)
    # Seeing blurs a spike to the width of the PSF; a vane of finite thickness and
    # the band of wavelengths let it widen outwards.
    width = np.float32(0.4 * fwhm) + np.float32(0.006) * run
    light = (1 + run / np.float32(core)) ** np.float32(-1.6)
    light *= np.exp(-0.5 * (across / width) ** 2) * np.clip(1 - run / far, 0, 1)
    light *= 1 / (1 + np.exp(np.clip(-along / np.float32(0.4 * fwhm), -50, 50)))
    glare[part] += np.float32(height) * light


def _add_ring(
    glare: "Float", x: float, y: float, flux: float, radius: float, hole: float
) -> None:
    """Add the image of the pupil, out of focus: a disc with a hole."""
    level = flux / (np.pi * radius**2 * (1 - hole**2))
    if level < FAINTEST or (found := _window(glare, x, y, radius + 8)) is None:
        return
    part, dx, dy = found
    r = np.hypot(dx, dy)
    soft = [
        1 / (1 + np.exp(np.clip((r - a) / 1.5, -50, 50)))
        for a in (radius, hole * radius)
    ]
    glare[part] += np.float32(level) * (soft[0] - soft[1])
