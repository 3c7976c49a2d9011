"""Frames with injected satellites, and the ways to take the background off."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from bgrem_core.ddpm import one_step
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import (
    draw_frame,
)
from bgrem_core.simulate.trails import Trails, trail
from bgrem_core.systematics.classical import classical, rows_and_columns, smooth
from bgrem_core.zscale import CLIP, normalise, zscale_limits

BOX, CORE = 10, 2.5  # half side of the box of the noise; radius left out of it
APART = 25.0
TARGETS = 4  # per frame
SIGMA, PEAK = 0.5, 1.0  # of an injected satellite: pix, std of the frame
ANGLE = 35.0


@dataclass(frozen=True, kw_only=True)
class Test:
    """A frame in its own units, without and with the injected satellites."""

    without: np.ndarray
    injected: np.ndarray
    systematics: np.ndarray
    places: np.ndarray  # (n, 2) rows and columns
    white: float


def make_test(seed: int, k: int, size: int) -> Test:
    rng = np.random.default_rng([seed, k])
    frame = draw_frame(rng, (size, size), SatelliteSettings(targets=0))
    scale = normalise(frame.raw)[2]
    places = draw_places(rng, size)
    n = len(places)
    satellites = Trails(
        x=places[:, 1].astype(float),
        y=places[:, 0].astype(float),
        flux=np.full(n, PEAK * scale * 2 * np.pi * SIGMA**2),
        length=np.zeros(n),
        angle=np.zeros(n),
    )
    raw = frame.raw.copy()
    trail(raw, satellites, SIGMA)
    # The units are those of the frame with its satellites, as a user has it.
    x, offset, scale = normalise(raw)
    low, high = zscale_limits(raw)
    ends = [(low + c * (high - low) - offset) / scale for c in CLIP]

    def units(image: np.ndarray) -> np.ndarray:
        return np.clip((image - offset) / scale, *ends).astype(np.float32)

    return Test(
        without=units(frame.raw),
        injected=x,
        systematics=units(frame.systematics()),
        places=places,
        white=frame.white / scale,
    )


def draw_places(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return pixels far from the edges and from each other."""
    places: list[np.ndarray] = []
    while len(places) < TARGETS:
        new = rng.integers(BOX + 1, size - BOX - 1, 2)
        if all(np.hypot(*(new - p)) > APART for p in places):
            places.append(new)
    return np.array(places)


CLASSICAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sep mesh 16": smooth,
    "median 9 x 9": lambda x: ndimage.median_filter(x, 9),
    "row + column median": rows_and_columns,
    "sep + rows and columns + directional median 9": lambda x: classical(x, ANGLE),
}


def network(
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray],
    t: int,
    samples: int,
    seed: tuple[int, ...],
    *,
    mirror: bool = False,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the one-step map as a function; the same noise at each call."""

    def find(x: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(seed)
        image = x[:, ::-1] if mirror else x
        found, _ = one_step(predict, np.ascontiguousarray(image), t, samples, rng)
        return found[:, ::-1] if mirror else found

    return find


def measure(test: Test, maps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return (targets, 3): gain by std, gain by MAD, kept peak."""
    left0, left1 = test.without - maps[0], test.injected - maps[1]
    y, x = np.mgrid[-BOX : BOX + 1, -BOX : BOX + 1]
    ring = np.hypot(y, x) > CORE
    out = []
    for row, column in test.places:
        box = (
            slice(row - BOX, row + BOX + 1),
            slice(column - BOX, column + BOX + 1),
        )
        before, after = test.injected[box][ring], left1[box][ring]
        put_in = test.injected[row, column] - test.without[row, column]
        kept = (left1 - left0)[row, column] / put_in
        out.append(
            (
                kept * before.std() / after.std(),
                kept * spread(before) / spread(after),
                kept,
            )
        )
    return np.array(out)


def spread(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
