"""What a map is worth on frames that were held out: targets put in and measured again.

No truth is needed. A target is put in, the map is made with it and without it, and the
difference says how much of it is left; the scatter around it says what it is left in.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.ddpm import one_step
from bgrem_core.simulate.trails import Trails, trail
from bgrem_core.white import white_rms
from bgrem_core.zscale import CLIP, normalise, zscale_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Map = Callable[[Float], Float]
    Predict = Callable[[Float, Float], Float]

__all__ = ["Comparison", "Tile", "compare", "network_map", "put_in", "summary"]

TIME, DRAWS = 300, 20
"""Time and draws of the one-step map, as the method has them by default."""
PEAK, SIGMA = 1.0, 0.5
"""Peak of a target, in standard deviations of its tile, and its width, pixels."""
TARGETS, APART = 4, 25.0
"""Targets of a tile, and their least distance, pixels."""
BOX, CORE = 10, 2.5
"""Half side of the box of the noise; radius about the target that is left out of it."""
_SURE = 2.0
"""Errors from which a difference is told."""
_RESAMPLED = 1000
_EVERY = 20.0
"""Seconds between lines."""
_LIMITS = """\
a gain at a known place is not detection; no oracle is known on real frames, so that \
noise that a map fits is told by the kept peak alone"""
_LEAST = 8
"""Fewer frames cannot be drawn again: tiles are; fewer of these tell no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile in its own units, without targets and with them.

    Attributes
    ----------
    without, injected : ndarray
        (ny, nx) float32, in the units of `bgrem_core.zscale.normalise` of the tile
        with targets.
    places : ndarray
        (n, 2) rows and columns of the targets.
    frame : int
        Number of the frame that it is cut from.
    """

    without: "Float"
    injected: "Float"
    places: "NDArray[np.int_]"
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured of several maps at the same targets.

    Attributes
    ----------
    values : mapping of ndarray
        By name of the map (targets, 3): gain in signal to noise by the standard
        deviation, the same by the median absolute deviation, share of the peak kept.
    tiles, frames : ndarray
        (targets,) number of the tile and of the frame of each target.
    """

    values: "Mapping[str, NDArray[np.float64]]"
    tiles: "NDArray[np.int_]"
    frames: "NDArray[np.int_]"

    def by_frame(self) -> bool:
        """Whether there are frames enough to draw them again."""
        return len(np.unique(self.frames)) >= _LEAST

    def draws(self) -> "Iterator[NDArray[np.int_]]":
        """Yield targets as they would be in other samples, whole groups at a time."""
        group = self.frames if self.by_frame() else self.tiles
        parts = [np.flatnonzero(group == g) for g in np.unique(group)]
        rng = np.random.default_rng(len(parts))
        for _ in range(_RESAMPLED):
            yield np.concatenate(
                [parts[k] for k in rng.integers(0, len(parts), len(parts))]
            )

    def figures(self) -> "dict[str, NDArray[np.float64]]":
        """Return by map (2, 4): median and mean gain, median by MAD, kept; errors."""
        draws = list(self.draws())
        out = {}
        for name, values in self.values.items():
            again = np.array([_condense(values[pick]) for pick in draws])
            out[name] = np.stack([_condense(values), again.std(axis=0, ddof=1)])
        return out

    def difference(self, one: str, other: str) -> tuple[float, float]:
        """Return the mean difference in gain at the same targets, and its error."""
        apart = self.values[one][:, 0] - self.values[other][:, 0]
        means = [float(apart[pick].mean()) for pick in self.draws()]
        return float(apart.mean()), float(np.std(means, ddof=1))

    def verdict(self, one: str, other: str) -> int:
        """Return whether a map is better than another.

        Parameters
        ----------
        one, other : str
            Names of the maps.

        Returns
        -------
        int
            1 if better, -1 if worse, 0 if they cannot be told apart.
        """
        mean, error = self.difference(one, other)
        enough = len(np.unique(self.tiles)) >= _LEAST
        return int(np.sign(mean)) if enough and abs(mean) > _SURE * error else 0


def put_in(raw: "Float", rng: np.random.Generator, *, frame: int) -> Tile | None:
    """Put targets into a tile.

    Parameters
    ----------
    raw : ndarray
        (ny, nx), any linear unit, finite.
    rng : numpy.random.Generator
        Places of the targets.
    frame : int
        Number of its frame.

    Returns
    -------
    Tile or None
        None if the tile has no scatter or no room.
    """
    x, _, scale = normalise(raw)
    places = _places(rng, raw.shape)
    if not x.any() or not len(places):
        return None
    n = len(places)
    targets = Trails(
        x=places[:, 1].astype(float),
        y=places[:, 0].astype(float),
        flux=np.full(n, PEAK * scale * 2 * np.pi * SIGMA**2),
        length=np.zeros(n),
        angle=np.zeros(n),
    )
    both = raw.astype(np.float32)
    trail(both, targets, SIGMA)
    # The units are those of the tile with its targets, as a user has it.
    injected, offset, scale = normalise(both)
    low, high = zscale_limits(both)
    ends = [(low + c * (high - low) - offset) / scale for c in CLIP]
    without = np.clip((raw - offset) / scale, ends[0], ends[1]).astype(np.float32)
    return Tile(without=without, injected=injected, places=places, frame=frame)


def network_map(predict: "Predict", seed: Sequence[int]) -> "Map":
    """Return the one-step map of a network as a function, with equal noise each time.

    Parameters
    ----------
    predict : callable
        ``predict(x_t, t)`` as for `bgrem_core.ddpm.one_step`.
    seed : sequence of int
        Of the noise.

    Returns
    -------
    callable
        From a normalised tile to its map.
    """

    def find(x: "Float") -> "Float":
        rng = np.random.default_rng(seed)
        return one_step(predict, x, TIME, DRAWS, rng, noise=white_rms(x))[0]

    return find


def compare(
    tiles: Sequence[Tile], arms: "Callable[[int], Mapping[str, Map]]"
) -> Iterator[Comparison | str]:
    """Measure maps at the targets of tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        With targets.
    arms : callable
        ``arms(k)`` gives the maps of tile k by name.

    Yields
    ------
    str or Comparison
        Lines on how far it is; at last what was measured.
    """
    values: dict[str, list[Any]] = {}
    begun = told = time.monotonic()
    for k, tile in enumerate(tiles):
        for name, find in arms(k).items():
            left = (
                tile.without - find(tile.without),
                tile.injected - find(tile.injected),
            )
            values.setdefault(name, []).append(_measure(tile, *left))
        now = time.monotonic()
        if now - told > _EVERY or (k == 0 and len(tiles) > 1):
            told = now
            minutes = (now - begun) / (k + 1) * (len(tiles) - k - 1) / 60
            yield f"tile {k + 1} of {len(tiles)}  {minutes:.1f} min left"
    counts = [len(tile.places) for tile in tiles]
    yield Comparison(
        values={name: np.concatenate(v) for name, v in values.items()},
        tiles=np.repeat(np.arange(len(tiles)), counts),
        frames=np.repeat([tile.frame for tile in tiles], counts),
    )


def summary(found: Comparison, own: str, others: Sequence[str]) -> dict[str, Any]:
    """Return the figures of a model card.

    Parameters
    ----------
    found : Comparison
        Of the held-out tiles.
    own : str
        Name of the map of the new weights.
    others : sequence of str
        What it is compared with.

    Returns
    -------
    dict
        ``caption``, ``table`` and ``notes``.
    """
    frames, tiles = (len(np.unique(a)) for a in (found.frames, found.tiles))
    table = [["map", "gain, median", "gain, mean", "gain, median by MAD", "peak kept"]]
    for name, (value, error) in found.figures().items():
        cells = [f"{v:.2f} +- {e:.2f}" for v, e in zip(value, error, strict=True)]
        table.append([name, *cells])
    unit = "frames" if found.by_frame() else "tiles, as there are few frames"
    return {
        "caption": f"Gain in signal to noise at {len(found.tiles)} injected satellites "
        f"(Gaussian of {SIGMA:g} pix, peak {PEAK:g} x the standard deviation of the "
        f"tile) on {tiles} tiles of {frames} frames that were held out from the "
        "training. Gain: the satellite's peak, by the difference with and without it, "
        f"over the scatter in a box of {2 * BOX + 1} pix around it; networks by "
        f"one-step maps, t = {TIME}, N = {DRAWS}; errors: bootstrap over {unit}.",
        "table": table,
        "notes": [*_verdicts(found, own, others), _LIMITS],
    }


def _verdicts(found: Comparison, own: str, others: Sequence[str]) -> Iterator[str]:
    """Yield whether the new weights are better, in all and one by one."""
    beaten = [other for other in others if found.verdict(own, other) > 0]
    if len(beaten) == len(others):
        yield f"{own} is BETTER on these frames than all that it was compared with"
    else:
        rest = " and than ".join(other for other in others if other not in beaten)
        yield f"{own} is NOT better on these frames than {rest}"
    words = {1: "better", 0: "not told apart within the errors", -1: "worse"}
    for other in others:
        mean, error = found.difference(own, other)
        word = words[found.verdict(own, other)]
        yield f"beside {other}: mean gain {mean:+.3f} +- {error:.3f}, {word}"


def _condense(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    gain, robust, kept = values.T
    return np.array([np.median(gain), gain.mean(), np.median(robust), np.median(kept)])


def _places(rng: np.random.Generator, shape: tuple[int, ...]) -> "NDArray[np.int_]":
    """Return pixels far from the edges and from each other, if there is room."""
    edge = BOX + 1
    if min(shape) <= 2 * edge:
        return np.empty((0, 2), int)
    places: list[NDArray[np.int_]] = []
    for _ in range(50 * TARGETS):
        new = rng.integers(edge, np.array(shape) - edge)
        if all(np.hypot(*(new - p)) > APART for p in places):
            places.append(new)
        if len(places) == TARGETS:
            break
    return np.array(places)


def _measure(tile: Tile, left0: "Float", left1: "Float") -> "NDArray[np.float64]":
    """Return (targets, 3): gain by std, gain by MAD, kept peak."""
    y, x = np.mgrid[-BOX : BOX + 1, -BOX : BOX + 1]
    ring = np.hypot(y, x) > CORE
    out = []
    for row, column in tile.places:
        box = (
            slice(row - BOX, row + BOX + 1),
            slice(column - BOX, column + BOX + 1),
        )
        before, after = tile.injected[box][ring], left1[box][ring]
        given = tile.injected[row, column] - tile.without[row, column]
        kept = (left1 - left0)[row, column] / given if given > 0 else 0.0
        spread = [max(float(f(after)), 1e-9) for f in (np.std, _mad)]
        out.append(
            (kept * np.std(before) / spread[0], kept * _mad(before) / spread[1], kept)
        )
    return np.array(out, np.float64)


def _mad(values: "Float") -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
