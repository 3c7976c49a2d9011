"""Crops of simulated fields under fresh noise, for the optical family."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.schedule import TRAINING
from bgrem_core.simulate import correlate
from bgrem_core.simulate.artefacts import cosmic_rays, hot_pixels, streaks
from bgrem_core.simulate.survey_settings import SurveySettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bgrem_core.train.fields import SimulatedField

    Float = NDArray[np.float32]

__all__ = ["CropSettings", "draw_crop"]

_HIT = 1.0
"""Sigma by which a pixel is raised to count as hit."""
_FLOOR = 2.0
"""True S/N above which a source is to be found."""
_RAYS = SurveySettings(
    cosmic_rays=(60.0, 600.0), hot_pixels=(60.0, 1000.0), streaks=10.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSettings:
    """How crops are made from fields, afresh in each step.

    Attributes
    ----------
    batch : int
        Crops per step.
    crop : int
        Side of a crop, pixels.
    flux : float
        Half range of the natural log of a factor on all source light.
    sigma_e : tuple of float
        Sky noise of a pixel in electrons; log-uniform.
    known : float
        Share of crops in which the network is told that number.
    poisson_below : float
        Sky electrons per pixel below which photons are drawn one by one.
    white : float
        Share of crops with white noise.
    rho : float
        Largest neighbour correlation of the others.
    rho_error : float
        Scatter of the correlation that the network is told.
    scale_error : float
        Scatter of ln(noise / its estimate).
    sky : float
        Scatter of offsets and of the slopes of planes, sigma; signal, unless the
        objective is joint.
    hits : float
        Share of crops with simple tracks or hot pixels; kept as signal.
    rays : float
        Share of crops with cosmic rays, hot pixels and trails of the full simulator;
        kept as signal.
    full : float
        Share of crops at noise level 1, the others follow the schedule.
    """

    batch: int = 24
    crop: int = 128
    flux: float = 0.5
    sigma_e: tuple[float, float] = (3.0, 1000.0)
    known: float = 0.6
    poisson_below: float = 30.0
    white: float = 0.45
    rho: float = 0.45
    rho_error: float = 0.02
    scale_error: float = 0.08
    sky: float = 1.5
    hits: float = 0.25
    rays: float = 0.0
    full: float = 0.6

    def __post_init__(self) -> None:
        shares = ("known", "white", "hits", "rays", "full")
        wrong = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        scatters = ("flux", "poisson_below", "rho_error", "scale_error", "sky")
        wrong += [name for name in scatters if getattr(self, name) < 0]
        if wrong:
            raise UsageError(
                f"crops.{wrong[0]}={getattr(self, wrong[0]):g} is out of range",
                "give a share from 0 to 1, or a scatter that is not negative",
            )
        if self.batch < 1 or self.crop < 8 or self.crop % 2:
            raise UsageError(
                f"batch={self.batch} or crop={self.crop} cannot be used",
                "give at least 1 crop, of an even side of at least 8 pixels",
            )
        low, high = self.sigma_e
        if not 0 < low <= high or not 0 <= self.rho <= 0.7:
            raise UsageError(
                f"sigma_e={self.sigma_e} or rho={self.rho:g} is out of range",
                "sigma_e rises from above 0, rho lies in [0, 0.7]",
            )


def draw_crop(
    rng: np.random.Generator,
    a: CropSettings,
    fields: "Sequence[SimulatedField]",
    *,
    joint: bool,
) -> "dict[str, Float]":
    """Draw one crop.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    a : CropSettings
        Ranges.
    fields : sequence of SimulatedField
        To cut from.
    joint : bool
        Smooth sky belongs to what is to be predicted.

    Returns
    -------
    dict of ndarray
        ``z``, ``noise``, ``spread``, ``hit`` (1, n, n): the image, the noise in it,
        its standard deviation, pixels that artefacts raised; ``centre`` (1, n, n):
        1 at the centre of each source, falling within its PSF; ``level`` () and
        ``condition`` (3,).
    """
    n = a.crop
    light, centre = _cut(rng, n, fields, a.flux)
    sigma_e = float(np.exp(rng.uniform(*np.log(a.sigma_e))))
    known = float(rng.uniform() < a.known)
    rho = 0.0 if rng.uniform() < a.white else float(rng.uniform(0, a.rho))
    spread = np.sqrt(1 + light / np.float32(sigma_e))
    if sigma_e**2 < a.poisson_below:
        mean = sigma_e**2 + light * sigma_e
        unit = ((rng.poisson(mean) - mean) / sigma_e).astype(np.float32)
        noise = correlate(unit, rho) if rho else unit[1:-1, 1:-1]
    else:
        unit = rng.standard_normal((n + 2, n + 2), dtype=np.float32)
        noise = (correlate(unit, rho) if rho else unit[1:-1, 1:-1]) * spread[1:-1, 1:-1]
    light, spread = light[1:-1, 1:-1], spread[1:-1, 1:-1]
    noise = noise * np.float32(np.exp(rng.normal(0, a.scale_error)))
    smooth = _draw_smooth(rng, n, a.sky)
    artefact = np.zeros_like(light)
    if rng.uniform() < a.hits:
        _add_hits(rng, artefact)
    level = 1.0 if rng.uniform() < a.full else float(TRAINING.sigma(rng.uniform()))
    told = np.clip(rho + rng.normal(0, a.rho_error), 0, 0.5)
    condition = np.array([told, np.log10(sigma_e) * known, known], np.float32)
    if a.rays and rng.uniform() < a.rays:
        artefact += cosmic_rays(rng, (n, n), _RAYS)
        artefact += hot_pixels(rng, (n, n), _RAYS)
        artefact += streaks(rng, (n, n), _RAYS, fwhm=float(rng.uniform(2, 8)))
    signal = light + artefact
    if joint:
        noise = noise + smooth
    else:
        signal = signal + smooth
    z = signal + np.float32(level) * noise
    hit = (artefact > _HIT).astype(np.float32)
    planes = {"z": z, "noise": noise, "spread": spread, "hit": hit, "centre": centre}
    crop = {name: plane[None] for name, plane in planes.items()}
    return {**crop, "level": np.float32(level), "condition": condition}


def _cut(
    rng: np.random.Generator, n: int, fields: "Sequence[SimulatedField]", flux: float
) -> "tuple[Float, Float]":
    """Return turned light, one pixel wider on each side, and its sources."""
    field = fields[int(rng.integers(len(fields)))]
    image = field.light
    y, x = rng.integers(0, [image.shape[0] - n - 1, image.shape[1] - n - 1])
    light = image[y : y + n + 2, x : x + n + 2]
    flip_y, flip_x, turn = rng.integers(0, 2, 3)
    factor = np.float32(np.exp(rng.uniform(-flux, flux)))
    centre = _centres(field, x + 1, y + 1, n, float(factor))
    both = []
    for plane in (light, centre):
        flipped = plane[:: 1 - 2 * flip_y, :: 1 - 2 * flip_x]
        both.append(np.ascontiguousarray(flipped.T if turn else flipped))
    return both[0] * factor, both[1]


def _centres(field: "SimulatedField", x: int, y: int, n: int, factor: float) -> "Float":
    """Return a peak of height 1 at each source that is to be found."""
    width = max(0.2 * field.fwhm, 0.6)  # what is left of the place at low S/N
    half = int(np.ceil(3 * width))
    out = np.zeros((n, n), np.float32)
    sx, sy, snr = field.sources.T
    near = (snr * factor >= _FLOOR) & (sx > x - half) & (sx < x + n + half)
    near &= (sy > y - half) & (sy < y + n + half)
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, 1, -1)
    px, py = sx[near, None] - np.float32(x), sy[near, None] - np.float32(y)
    cx = np.rint(px).astype(np.int32) + dx
    cy = np.rint(py).astype(np.int32) + dy
    peak = np.exp(((cx - px) ** 2 + (cy - py) ** 2) / np.float32(-2 * width**2))
    ok = (cx >= 0) & (cx < n) & (cy >= 0) & (cy < n)
    np.maximum.at(out, (cy[ok], cx[ok]), peak[ok].astype(np.float32))
    return out


def _draw_smooth(rng: np.random.Generator, n: int, scatter: float) -> "Float":
    """Return an offset, a plane and a bowl: sky, which is not to be taken away."""
    ramp = np.linspace(-1, 1, n, dtype=np.float32)
    y, x = ramp[:, None], ramp[None, :]
    offset, bowl = rng.normal(0, scatter), rng.normal(0, 0.2 * scatter)
    down, right = rng.normal(0, 0.3 * scatter, 2)
    plane = np.float32(offset) + np.float32(down) * y + np.float32(right) * x
    smooth: Float = plane + np.float32(bowl) * (x * x + y * y)
    return smooth


def _add_hits(rng: np.random.Generator, artefact: "Float") -> None:
    """Add hot pixels and short tracks: not noise of zero mean, hence signal."""
    n = artefact.shape[0]
    for _ in range(rng.integers(1, 7)):
        y, x = rng.uniform(0, n, 2)
        angle = rng.uniform(0, 2 * np.pi)
        peak = np.float32(np.exp(rng.uniform(np.log(8), np.log(200))))
        length = 1 if rng.uniform() < 0.5 else int(rng.integers(2, 16))
        for k in range(length):
            iy, ix = int(y + k * np.sin(angle)), int(x + k * np.cos(angle))
            if 0 <= iy < n and 0 <= ix < n:
                artefact[iy, ix] += peak * np.float32(rng.uniform(0.4, 1))
