"""The patches of the benchmark: all from the held-out caps, photons drawn.

Patch k of a kind is drawn from the seed [seed, kind, k]: no kind shares a patch with
another one, nor with a training.
"""

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np

from bgrem_core.simulate.gamma import (
    GammaPatch,
    GammaSettings,
    draw_counts,
    draw_diffuse,
    draw_patch,
    view_diffuse,
)
from bgrem_core.simulate.gamma_diffuse import draw_distortion
from bgrem_core.simulate.gamma_psf import RADIUS, SUBPIXELS, stamps
from bgrem_core.simulate.gamma_sky import draw_footprint

SIDE, PIXEL = 64, 0.2
WRONG = 0.1
"""Rms of the natural log of the error of the emission model, in "wrong"."""
NULL = {
    "|b| < 10": (0.0, 10.0),
    "10 < |b| < 30": (10.0, 30.0),
    "|b| > 30": (30.0, 90.0),
}
"""Latitude of the centres of patches without sources."""
KINDS = (
    "test", "development", "nominal PSF", "wrong", "infinite", *NULL, "calibration",
)  # fmt: skip
NOMINAL = ("nominal PSF", "calibration")
"""Kinds whose PSF is that of the search."""
FINE = "synthetic"
"""Structure below 1.5 deg in "wrong": that of no training."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One patch.

    Attributes
    ----------
    number : int
        Which one of its kind.
    patch : GammaPatch
        The truth.
    counts : ndarray
        (64, 64) float32, photons.
    model : ndarray or None
        Expected background by the emission model, where that one is wrong.
    """

    number: int
    patch: GammaPatch
    counts: np.ndarray
    model: np.ndarray | None = None

    @property
    def expected(self) -> np.ndarray:
        return self.patch.background + self.patch.source

    def light_from_outside(self) -> np.ndarray:
        """Return what sources beyond the edges of the patch shine into it."""
        c, pad = self.patch.catalogue, 2 * RADIUS
        table = stamps(PIXEL, self.patch.scale)
        wide = np.zeros((SIDE + 2 * pad,) * 2)
        for x, y, counts in zip(c.x, c.y, c.counts, strict=True):
            i, j = round(x), round(y)
            u, v = (round(d * SUBPIXELS + (SUBPIXELS - 1) / 2) for d in (x - i, y - j))
            rows, cols = (slice(k + pad - RADIUS, k + pad + RADIUS + 1) for k in (j, i))
            wide[rows, cols] += counts * table[v, u]
        return np.maximum(self.patch.source - wide[pad:-pad, pad:-pad], 0)


def draw(kind: str, seed: int, k: int) -> Drawn:
    """Draw patch k of a kind."""
    rng = np.random.default_rng([seed, KINDS.index(kind), k])
    if kind == "wrong":
        return _wrong(rng, k)
    if kind in NULL:
        patch = _without_sources(rng, *NULL[kind])
    else:
        settings = GammaSettings(psf=0.0 if kind in NOMINAL else 0.1)
        patch = draw_patch(rng, settings, held_out=True)
    return Drawn(number=k, patch=patch, counts=draw_counts(rng, patch))


def _wrong(rng: np.random.Generator, k: int) -> Drawn:
    """Draw a patch whose emission is exactly so far from the model, by no range."""
    settings = GammaSettings(distorted=0.0)
    sky = draw_diffuse(rng, settings, held_out=True, fine=FINE)
    wrong = sky.emission * draw_distortion(rng, SIDE, WRONG)
    # With the same chance, for the same factors.
    model = draw_patch(copy.deepcopy(rng), settings, diffuse=sky, sources=False)
    wrong_sky = dataclasses.replace(sky, emission=wrong)
    patch = draw_patch(rng, settings, diffuse=wrong_sky)
    counts = draw_counts(rng, patch)
    return Drawn(number=k, patch=patch, counts=counts, model=model.background)


def _without_sources(rng: np.random.Generator, low: float, high: float) -> GammaPatch:
    settings = GammaSettings()
    side = SIDE + 2 * RADIUS
    while True:
        place = draw_footprint(rng, pixel=PIXEL, side=side, held_out=True)
        if low <= abs(place.b) < high:
            break
    scale = round(1 + settings.psf * float(rng.uniform(-1, 1)), 2)
    sky = view_diffuse(place, SIDE, scale=scale)
    return draw_patch(rng, settings, diffuse=sky, sources=False)
