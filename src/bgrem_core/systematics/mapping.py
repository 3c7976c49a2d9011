"""Map: the systematic background of one tile, by a network or without one."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bgrem_core.ddpm import one_step
from bgrem_core.systematics.chain import calls, reverse_chain
from bgrem_core.systematics.classical import LENGTH, along, classical, plain
from bgrem_core.systematics.points import find_points
from bgrem_core.zscale import CLIP, normalise, zscale_limits

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from bgrem_core.models import Model
    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Steps = Generator[tuple[int, int], None, tuple[Float, Float]]

__all__ = ["Mapper", "Mode"]

Mode = Literal["one-step", "paper", "classical"]
SHORT = 3
"""Length of the median along trails of what a network cannot see, pixels, where bright
points are kept from it."""
_CORE = 3.5
"""Radius within which a bright point is kept from the network, sigmas of its profile,
and most of a pixel more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """How the map of a tile is made.

    Attributes
    ----------
    mode : {"one-step", "paper", "classical"}
        One call of the network for each draw of noise, the whole reverse chain, or no
        network.
    model : Model or None
        None for "classical".
    t : int
        Time to which the tile is diffused.
    samples : int
        Draws of noise.
    trails : TrailShape or None
        Of the frame; None = there are none.
    angle : float or None
        Direction in which medians are taken, degrees; None = in none.
    width : float
        Sigma of a point, pixels.
    protect : float
        Signal to noise from which points are kept from the network, 0 = none.
    sharpest : float or None
        As for `bgrem_core.systematics.points.find_points`.
    white : float
        White noise of a pixel in the unit of the tile, whose share is taken out of the
        estimates of mode "one-step"; 0 leaves it in.
    mirror : bool
        Show tiles to the network with left and right exchanged.
    """

    mode: Mode
    model: "Model | None"
    t: int
    samples: int
    trails: "TrailShape | None"
    angle: float | None
    width: float
    protect: float
    sharpest: float | None = None
    white: float = 0.0
    mirror: bool = False

    @property
    def calls(self) -> int:
        """Steps of a tile: those of the chains, else one that nothing is told of."""
        return calls(self.t, self.samples) if self.mode == "paper" else 1

    def steps(self, raw: "Float", bad: "Bools", rng: np.random.Generator) -> "Steps":
        """Map a tile.

        Parameters
        ----------
        raw : ndarray
            (ny, nx), any unit.
        bad : ndarray of bool
            (ny, nx), pixels that are not used; non-finite ones are among them.
        rng : numpy.random.Generator
            The only source of chance.

        Returns
        -------
        map, spread : ndarray
            (ny, nx) float32, finite, in the unit of the tile; the spread is the
            standard deviation over the draws, 0 where there are none.

        Yields
        ------
        tuple of int
            Calls of the network done, and calls in all; of chains alone.
        """
        model = self.model
        if model is None or self.mode == "classical":
            return classical(raw, self.angle, bad), np.zeros(raw.shape, np.float32)
        seen = self._seen(raw, bad)
        x, offset, scale = normalise(seen)
        if not x.any():
            return np.full(raw.shape, offset, np.float32), np.zeros_like(x)
        fill = [(0, -n % model.pooling) for n in x.shape]
        whole = self._turned(np.pad(x, fill, mode="symmetric"))
        if self.mode == "paper":
            chains = reverse_chain(model.evaluate, whole, self.t, self.samples, rng)
            mean, spread = yield from chains
        else:
            noise = self.white / scale
            mean, spread = one_step(
                model.evaluate, whole, self.t, self.samples, rng, noise=noise
            )
        ny, nx = x.shape
        mean, spread = self._turned(mean), self._turned(spread)
        found = offset + scale * mean[:ny, :nx].astype(np.float64)
        return (
            (found + self._beyond(seen)).astype(np.float32),
            np.float32(scale) * spread[:ny, :nx],
        )

    def _turned(self, x: "Float") -> "Float":
        return np.ascontiguousarray(x[:, ::-1]) if self.mirror else x

    def _seen(self, raw: "Float", bad: "Bools") -> "Float":
        """Return what the network sees: bad pixels and bright points are filled."""
        if not bad.any() and not self.protect:
            return np.asarray(raw, np.float32)
        level = plain(raw, bad)
        known = np.where(bad, level, raw).astype(np.float32)
        rest = known - level
        if self.angle is not None:
            level = level + along(rest, self.angle, bad)
        aside = bad.copy()
        if self.protect:
            points = find_points(
                np.where(bad, 0, known - level), rest,
                width=self.width, least=self.protect, bad=bad, trails=self.trails,
                sharpest=self.sharpest,
            )  # fmt: skip
            points = points.take(~points.hot)
            radius = _CORE * self.width + 0.8
            for x, y in zip(points.x, points.y, strict=True):
                aside |= _disc(raw.shape, x, y, radius)
        return np.where(aside, level, known).astype(np.float32)

    def _beyond(self, seen: "Float") -> "Float | float":
        """Return the light above what a network sees that lies along trails."""
        if self.angle is None:
            return 0.0
        low, high = zscale_limits(seen)
        over = np.maximum(seen - np.float32(low + CLIP[1] * (high - low)), 0)
        # Bright points are gone: what is short belongs to a short trail, or to an end.
        length = SHORT if self.protect else LENGTH
        return along(over, self.angle, length=length) if over.any() else 0.0


def _disc(shape: tuple[int, ...], x: float, y: float, radius: float) -> "Bools":
    """Return the pixels within a radius."""
    out = np.zeros(shape, bool)
    reach = math.ceil(radius)
    a, b = max(round(y) - reach, 0), max(round(x) - reach, 0)
    part = out[a : round(y) + reach + 1, b : round(x) + reach + 1]
    rows, cols = np.indices(part.shape)
    part[:] = np.hypot(cols + b - x, rows + a - y) <= radius
    return out
