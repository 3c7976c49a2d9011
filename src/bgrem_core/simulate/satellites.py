"""Raw frames of a sensor that follows geostationary satellites, in plain numpy.

Targets stand still, stars are trails of one length and direction, and the detector
writes its rows and columns over both. Everything is in electrons per pixel of one
exposure; nothing is calibrated. The noise-free light (`draw_exposure`) and what every
read-out draws anew (`read_out`) are two steps, so that one exposure serves many
frames.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.sampling import iter_sample, sample
from bgrem_core.simulate.satellite_settings import COUNTS_AT, SatelliteSettings
from bgrem_core.simulate.sensor import draw_glow, draw_pattern, overflow, smooth_noise
from bgrem_core.simulate.trails import REACH, Trails, trail
from bgrem_core.zscale import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = [
    "Exposure",
    "Frame",
    "ReadOut",
    "SatelliteSettings",
    "Trails",
    "draw_exposure",
    "draw_frame",
    "iter_sample",
    "read_out",
    "sample",
    "trail",
    "white_noise",
]

_FWHM = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one exposure collects on average, before anything is drawn by read-out.

    Attributes
    ----------
    sky : ndarray
        (ny, nx) float32, e-: sky with gradient and cloud.
    stars : ndarray
        (ny, nx) float32, e-: trails of the stars.
    fixed : ndarray
        (ny, nx) float32, e-: dark current, hot pixels, glow and what the pixels'
        sensitivity adds to or takes from sky and stars.
    components : mapping of ndarray
        (ny, nx) float32 each, e-: ``level``, ``gradient`` and ``cloud``, which are
        the sky; ``sensitivity``, ``dark``, ``hot`` and ``glow``, which are `fixed`.
    seconds : float
        Exposure time.
    length : float
        Of the stars' trails, pixels.
    angle : float
        Of the stars' trails, degrees from +x towards +y.
    trails : Trails
        Stars, those outside that shine in included.
    """

    sky: "Float"
    stars: "Float"
    fixed: "Float"
    components: "Mapping[str, Float]"
    seconds: float
    length: float
    angle: float
    trails: Trails

    def expected(self) -> "Float":
        """Return the sum of the parts, e-, not below 0."""
        total: Float = np.maximum(self.sky + self.stars + self.fixed, 0)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOut:
    """What a read-out adds to the light, (ny, nx) float32 in electrons.

    Attributes
    ----------
    pattern : ndarray
        Offsets of rows, columns and amplifiers, and what their gains do.
    targets : ndarray
        Satellites.
    noise : ndarray
        Photon and read noise, mean 0.
    lost : ndarray
        What the full well cuts off, negative, and what bled into other pixels.
    components : mapping of ndarray
        Float32, to be broadcast to (ny, nx): ``rows``, ``columns``, ``amplifiers``,
        which are the pattern; ``photons`` and ``read``, which are the noise.
    satellites : Trails
        Truth of the targets.
    """

    pattern: "Float"
    targets: "Float"
    noise: "Float"
    lost: "Float"
    components: "Mapping[str, Float]"
    satellites: Trails

    def on(self, expected: "Float") -> "Float":
        """Return the raw frame whose light was read out, e-."""
        raw: Float = expected + self.pattern + self.noise + self.targets + self.lost
        return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One raw frame and all that it is made of, (ny, nx) float32 in electrons.

    Attributes
    ----------
    sky : ndarray
        Sky with gradient and cloud.
    stars : ndarray
        Trails of the stars.
    fixed : ndarray
        Dark current, hot pixels, glow, sensitivity.
    pattern : ndarray
        Offsets of rows, columns and amplifiers, and what their gains do.
    targets : ndarray
        Satellites.
    noise : ndarray
        Photon and read noise, mean 0.
    lost : ndarray
        What the full well cuts off, negative, and what bled into other pixels.
    raw : ndarray
        The sum of the seven.
    white : float
        Rms of photon and read noise on blank sky, e-.
    exposure : Exposure
        Time, direction and stars.
    satellites : Trails
        Truth of the targets.
    readout : ReadOut
        Pattern and noise in their components.
    """

    sky: "Float"
    stars: "Float"
    fixed: "Float"
    pattern: "Float"
    targets: "Float"
    noise: "Float"
    lost: "Float"
    raw: "Float"
    white: float
    exposure: Exposure
    satellites: Trails
    readout: ReadOut

    def systematics(self) -> "Float":
        """Return all but targets and noise, e-."""
        total: Float = self.sky + self.stars + self.fixed + self.pattern + self.lost
        return total

    def components(self) -> "dict[str, Float]":
        """Return every component by name, e-; they sum to `raw`."""
        shape = self.raw.shape
        parts = {
            **self.exposure.components,
            "stars": self.stars,
            **self.readout.components,
            "targets": self.targets,
            "lost": self.lost,
        }
        return {name: np.broadcast_to(part, shape) for name, part in parts.items()}


def draw_frame(
    rng: np.random.Generator,
    shape: tuple[int, int] = (128, 128),
    settings: SatelliteSettings | None = None,
) -> Frame:
    """Draw one raw frame.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: an equal state gives an equal frame.
    shape : tuple of int, optional
        (ny, nx), pixels.
    settings : SatelliteSettings, optional
        What to draw from.

    Returns
    -------
    Frame
        With the truth of each of its parts.
    """
    s = settings or SatelliteSettings()
    exposure = draw_exposure(rng, shape, s)
    expected = exposure.expected()
    blank = float(np.median(exposure.sky)) + s.dark * exposure.seconds
    white = white_noise(blank, s)
    out = read_out(rng, expected, white, s)
    sensed = expected - exposure.sky - exposure.stars
    raw = exposure.sky + exposure.stars + sensed + out.pattern + out.targets + out.noise
    raw += out.lost
    return Frame(
        sky=exposure.sky,
        stars=exposure.stars,
        fixed=sensed,
        pattern=out.pattern,
        targets=out.targets,
        noise=out.noise,
        lost=out.lost,
        raw=raw,
        white=white,
        exposure=exposure,
        satellites=out.satellites,
        readout=out,
    )


def draw_exposure(
    rng: np.random.Generator, shape: tuple[int, int], settings: SatelliteSettings
) -> Exposure:
    """Draw the noise-free light of an exposure and the sensor's fixed pattern.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    settings : SatelliteSettings
        What to draw from.

    Returns
    -------
    Exposure
        Its parts and the stars.
    """
    s = settings
    seconds = float(rng.choice(s.exposures))
    length = s.rate * seconds / s.pixel
    angle = float(rng.uniform(*s.angle))
    sky, components = _draw_sky(rng, shape, seconds, s)
    trails = _draw_stars(rng, shape, seconds, length, angle, s)
    stars = np.zeros(shape, np.float32)
    trail(stars, trails, s.fwhm / s.pixel / _FWHM)
    light = sky + stars
    white = rng.standard_normal(shape, dtype=np.float32)
    components["sensitivity"] = np.float32(s.prnu) * white * light
    components["dark"] = np.float32(s.dark * seconds) * rng.standard_exponential(
        shape, dtype=np.float32
    )
    hot = np.zeros(shape, np.float32)
    count = rng.binomial(hot.size, s.hot)
    at = rng.choice(hot.size, count, replace=False)
    hot.ravel()[at] = rng.exponential(s.hot_charge, count).astype(np.float32)
    glow = draw_glow(rng, shape, s)
    components |= {"hot": hot, "glow": glow}
    return Exposure(
        sky=sky,
        stars=stars,
        fixed=components["sensitivity"] + components["dark"] + hot + glow,
        components=components,
        seconds=seconds,
        length=length,
        angle=angle,
        trails=trails,
    )


def read_out(
    rng: np.random.Generator,
    expected: "Float",
    white: float,
    settings: SatelliteSettings,
    *,
    middle: tuple[float, float] | None = None,
) -> ReadOut:
    """Draw what differs between two frames of equal light: electronics and targets.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    expected : ndarray
        (ny, nx) float32, mean electrons, not below 0.
    white : float
        Noise of blank sky (`white_noise`), e-: the unit of the patterns.
    settings : SatelliteSettings
        What to draw from.
    middle : tuple of float, optional
        Row and column at which the amplifiers meet; default the middle. A crop has
        that of its frame.

    Returns
    -------
    ReadOut
        `expected` and what it adds are a raw frame.
    """
    s = settings
    pattern, components = draw_pattern(rng, expected, white, s, middle)
    photons = (rng.poisson(expected) - expected).astype(np.float32)
    read = np.float32(s.read_noise) * rng.standard_normal(
        expected.shape, dtype=np.float32
    )
    noise = photons + read
    targets = np.zeros_like(expected)
    satellites = _draw_targets(rng, expected + pattern + noise, s)
    if len(satellites):
        trail(targets, satellites, s.target_sigma)
        # Sums of Poisson numbers are Poisson numbers: the targets bring their own.
        shot = (rng.poisson(targets) - targets).astype(np.float32)
        noise += shot
        photons += shot
    return ReadOut(
        pattern=pattern,
        targets=targets,
        noise=noise,
        lost=overflow(rng, expected + photons + targets, s),
        components={**components, "photons": photons, "read": read},
        satellites=satellites,
    )


def white_noise(level: float, settings: SatelliteSettings) -> float:
    """Return the rms of photon and read noise on blank sky.

    Parameters
    ----------
    level : float
        Mean electrons of a pixel: sky and dark current.
    settings : SatelliteSettings
        For the read noise.

    Returns
    -------
    float
        Electrons.
    """
    return math.sqrt(level + settings.read_noise**2)


def _draw_sky(
    rng: np.random.Generator,
    shape: tuple[int, int],
    seconds: float,
    s: SatelliteSettings,
) -> "tuple[Float, dict[str, Float]]":
    """Return the sky and the parts that it is made of."""
    ny, nx = shape
    per_second = 10 ** (0.4 * (s.zero_point - rng.uniform(*s.sky)))
    y = np.linspace(-1, 1, ny)[:, None]
    x = np.linspace(-1, 1, nx)[None, :]
    a, b = rng.normal(0, s.gradient, 2)
    p, q, r = rng.normal(0, s.bowl, 3)
    sky = 1 + a * x + b * y + p * x * x + q * y * y + r * x * y
    cloud = np.zeros(shape, np.float32)
    level = seconds * per_second * s.pixel**2
    if rng.uniform() < s.cloud:
        veil = s.cloud_rms * smooth_noise(rng, shape, s.cloud_scale * min(shape))
        sky += veil
        cloud = (level * veil).astype(np.float32)
    out: Float = np.maximum(level * sky, 0).astype(np.float32)
    even = np.full(shape, level, np.float32)
    return out, {"level": even, "gradient": out - even - cloud, "cloud": cloud}


def _draw_stars(
    rng: np.random.Generator,
    shape: tuple[int, int],
    seconds: float,
    length: float,
    angle: float,
    s: SatelliteSettings,
) -> Trails:
    """Draw stars from the counts, over the frame and all that can shine into it."""
    border = length / 2 + REACH * s.fwhm / s.pixel / _FWHM
    ny, nx = shape
    area = (ny + 2 * border) * (nx + 2 * border) * (s.pixel / 3600) ** 2
    bright, faint = (
        10 ** (s.slope * (m - COUNTS_AT)) for m in (s.magnitudes[0], s.magnitudes[1])
    )
    n = rng.poisson(s.density * (faint - bright) * area)
    rank = rng.uniform(bright, faint, n)
    magnitude = COUNTS_AT + np.log10(rank) / s.slope
    return Trails(
        x=rng.uniform(-0.5 - border, nx - 0.5 + border, n),
        y=rng.uniform(-0.5 - border, ny - 0.5 + border, n),
        flux=seconds * 10 ** (0.4 * (s.zero_point - magnitude)),
        length=np.full(n, length),
        angle=np.full(n, angle),
    )


def _draw_targets(
    rng: np.random.Generator, frame: "Float", s: SatelliteSettings
) -> Trails:
    """Draw satellites; their peaks are in units of what the frame scatters."""
    ny, nx = frame.shape
    n = rng.poisson(s.targets)
    scale = normalise(frame)[2] if n else 1.0
    low, high = np.log(s.target_peak)
    peak = scale * np.exp(rng.uniform(low, high, n))
    moves = rng.uniform(size=n) < s.moving
    length = np.where(moves, rng.uniform(*s.moving_length, n), 0.0)
    if s.fast:
        other = rng.uniform(size=n) < s.fast
        length = np.where(other, rng.uniform(*s.fast_length, n), length)
    # Flux of the peak: 2 pi sigma^2 of a point, the line's share of it for a trail.
    middle = length / (2 * math.sqrt(2) * s.target_sigma)
    shares = [math.erf(m) * math.sqrt(math.pi) / (2 * m) if m else 1.0 for m in middle]
    return Trails(
        x=rng.uniform(-0.5, nx - 0.5, n),
        y=rng.uniform(-0.5, ny - 0.5, n),
        flux=peak * 2 * math.pi * s.target_sigma**2 / np.array(shares),
        length=length,
        angle=rng.uniform(0, 180, n),
    )
