"""Frames of the benchmark with targets that were put in, each from its own seed.

test, development, mirrored, turned: faint targets without noise of their own, so that
what is left of each is known from the frame without it. search, flux: brighter ones,
with the noise of their photons, between pixels.
"""

from dataclasses import dataclass

import numpy as np

from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import draw_frame
from bgrem_core.simulate.trails import Trails, trail
from bgrem_core.systematics.point_fit import kernel_of, phase_noise
from bgrem_core.systematics.signal import BOX
from bgrem_core.zscale import normalise

SIDE = 128
SIGMA, PEAK = 0.5, 1.0
"""Width of a target, pixels; peak of a faint one, standard deviations of its frame."""
FWHM = SIGMA * 2.3548
TARGETS, APART = 4, 25.0
"""Faint ones in a frame, and their least distance, pixels."""
BRIGHTER = {"search": (8, (4.0, 16.0)), "flux": (8, (5.0, 128.0))}
"""How many, and signal to noise in white noise, log-uniform."""
EDGE, CLEAR = 8, 18.0
"""The same distances for brighter ones."""
KINDS = ("test", "development", "mirrored", "turned", "search", "flux")
ANGLES = {"mirrored": (144.5, 145.5), "turned": (79.5, 80.5)}
"""Directions of trails that no frame of the training had."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A frame in electrons.

    Attributes
    ----------
    without, injected : ndarray
        Without targets, and with them.
    systematics, noise : ndarray
        What `without` is the sum of.
    white : float
        Photon and read noise of blank sky.
    x, y, flux, snr : ndarray
        Of the targets; snr by the matched filter in white noise.
    """

    without: np.ndarray
    injected: np.ndarray
    systematics: np.ndarray
    noise: np.ndarray
    white: float
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    snr: np.ndarray


def draw(kind: str, seed: int, k: int, side: int = SIDE) -> Drawn:
    """Return frame k of a kind."""
    rng = np.random.default_rng([seed, KINDS.index(kind), k])
    angle = {"angle": ANGLES[kind]} if kind in ANGLES else {}
    frame = draw_frame(rng, (side, side), SatelliteSettings(targets=0, **angle))
    if kind in BRIGHTER:
        number, (low, high) = BRIGHTER[kind]
        places = _places(rng, side, number, EDGE, CLEAR, whole=False)
        snr = np.exp(rng.uniform(np.log(low), np.log(high), len(places)))
        flux = snr * _noise(places, frame.white)
    else:
        places = _places(rng, side, TARGETS, BOX + 1, APART, whole=True)
        scale = normalise(frame.raw)[2]
        flux = np.full(len(places), PEAK * scale * 2 * np.pi * SIGMA**2)
    still = np.zeros(len(places))
    light = np.zeros_like(frame.raw)
    points = Trails(x=places[:, 1], y=places[:, 0], flux=flux, length=still,
                    angle=still)  # fmt: skip
    trail(light, points, SIGMA)
    if kind in BRIGHTER:
        light = rng.poisson(light).astype(np.float32)
    return Drawn(
        without=frame.raw, injected=frame.raw + light, systematics=frame.systematics(),
        noise=frame.noise, white=frame.white, x=places[:, 1], y=places[:, 0],
        flux=flux, snr=flux / _noise(places, frame.white),
    )  # fmt: skip


def _noise(places: np.ndarray, white: float) -> np.ndarray:
    """Return the noise of fluxes in white noise, at places within pixels."""
    centred = float(np.sqrt(np.sum(kernel_of(SIGMA) ** 2)))
    return white * centred * phase_noise(places[:, 1], places[:, 0], SIGMA)


def _places(
    rng: np.random.Generator,
    side: int,
    number: int,
    edge: int,
    apart: float,
    *,
    whole: bool,
) -> np.ndarray:
    """Return rows and columns off the edges and apart from each other."""
    places: list[np.ndarray] = []
    for _ in range(10_000):
        new = rng.uniform(edge, side - 1 - edge, 2)
        new = np.rint(new) if whole else new
        if all(np.hypot(*(new - p)) > apart for p in places):
            places.append(new)
        if len(places) == number:
            return np.array(places)
    raise ValueError(f"{number} targets have no room on {side} pixels")
