"""Run: one frame on its way to its map, and to what the map leaves of a target."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bgrem_core.ddpm import kept_fraction
from bgrem_core.pace import duration
from bgrem_core.progress import Progress
from bgrem_core.systematics.camera import is_mirrored
from bgrem_core.systematics.facts import FWHM_PER_SIGMA
from bgrem_core.systematics.filtered import filtered
from bgrem_core.systematics.injection import ROOM, draw_targets, fit_curve, kept_of
from bgrem_core.systematics.mapping import Mapper
from bgrem_core.systematics.point_fit import kernel_of
from bgrem_core.systematics.settings import ONE_STEP, PAPER
from bgrem_core.systematics.windows import Windows
from bgrem_core.tiles import Tile, nearest

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.models import Model
    from bgrem_core.normalize import Scale
    from bgrem_core.systematics.camera import Scatter
    from bgrem_core.systematics.injection import KeptCurve, Targets
    from bgrem_core.systematics.mapping import Mode
    from bgrem_core.systematics.mid_time import MidTime
    from bgrem_core.systematics.settings import SystematicsSettings
    from bgrem_core.systematics.still import Still
    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["SHARP", "Frame", "Run"]

R = TypeVar("R")

MARGIN = 16
"""Half of what neighbouring tiles share, pixels."""
TILE = 128
"""Side of a tile where the card of a model does not tell it, pixels."""
PASSES = 6
"""Most turns over a tile for the artificial targets."""
_GOOD = 0.25
"""Least share of good pixels of a tile that gets targets."""
_BATCH = 10
SHARP = 0.9
"""Width of the sharpest target over the width that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as its map is made from it.

    Attributes
    ----------
    image : Image
        As opened.
    data : ndarray
        (ny, nx) float32, bad pixels 0, what stands still taken off.
    bad : ndarray of bool
        (ny, nx), pixels that are not used.
    scale : Scale
        Noise.
    scatter : Scatter
        White noise, rows and columns.
    trails : TrailShape or None
        None = there are none.
    angle : float or None
        Of the trails, degrees; None = nothing is followed along them.
    fwhm : float
        Of a target, pixels.
    fwhm_source : str
        What tells it.
    time : MidTime
        Of the exposure.
    still : Still or None
        What stands on the same pixels of other frames.
    """

    image: "Image"
    data: "Float"
    bad: "Bools"
    scale: "Scale"
    scatter: "Scatter"
    trails: "TrailShape | None"
    angle: float | None
    fwhm: float
    fwhm_source: str
    time: "MidTime"
    still: "Still | None"

    @property
    def width(self) -> float:
        """Sigma of a target, pixels."""
        return self.fwhm / FWHM_PER_SIGMA

    @property
    def sharpest(self) -> float | None:
        """Sigma of the sharpest target; None where the user has not said."""
        return None if self.image.fwhm is None else SHARP * self.width


class Run:
    """One frame on its way through one way of mapping.

    Parameters
    ----------
    frame : Frame
        What is mapped.
    model : Model or None
        None for the classical map.
    t : int
        Time to which tiles are diffused.
    settings : SystematicsSettings
        The rest.

    Attributes
    ----------
    mapper : Mapper
        How a tile is mapped.
    side : int
        Of a tile, pixels.
    tiles : list of Tile
        In the order of their places.
    passes : list of int
        Tiles over which artificial targets are put in, in turn.
    """

    def __init__(
        self,
        frame: Frame,
        model: "Model | None",
        t: int,
        settings: "SystematicsSettings",
    ) -> None:
        self.frame, self.settings = frame, settings
        mode: Mode = settings.mode  # type: ignore[assignment]
        self.mapper = Mapper(
            mode=mode, model=model, t=t, samples=settings.samples, trails=frame.trails,
            angle=frame.angle, width=frame.width,
            protect=settings.protect if mode == ONE_STEP else 0.0,
            sharpest=frame.sharpest,
            white=0.0 if settings.absorb else frame.scatter.white,
            mirror=model is not None and is_mirrored(frame.trails, model.card),
        )  # fmt: skip
        self.side = self._side(model)
        margin = MARGIN if settings.margin is None else settings.margin
        self._windows = Windows(
            shape=frame.image.shape, side=self.side, overlap=2 * margin
        )
        self.tiles = self._windows.tiles()
        self.passes = self._plan()
        self._maps: dict[int, Float] = {}

    @property
    def total(self) -> int:
        """Steps of the map in all."""
        return len(self.tiles) * self.mapper.calls

    @property
    def extra(self) -> float:
        """Work for the artificial targets over the work for the map."""
        return len(self.passes) / len(self.tiles)

    @property
    def theory(self) -> float:
        """Share of a faint point that is left by theory, where noise is white."""
        return float(kept_fraction(self.mapper.t, self.frame.scatter.share or 1.0))

    def note(self) -> str:
        """Say how long a slow mode takes and what it does to targets."""
        if self.mapper.mode != PAPER or self.mapper.model is None:
            return ""
        calls = (len(self.tiles) + len(self.passes)) * self.mapper.calls
        return (
            f"mode paper: {calls} calls of the network, about "
            f"{duration(calls * self._call())}; about {self.theory:.0%} of a target is "
            f"left, the map absorbs the rest (theory, t = {self.mapper.t})"
        )

    def map(self, view: Any) -> "Generator[Progress, Any, tuple[Float, Float]]":
        """Map all tiles and put them together.

        Parameters
        ----------
        view : tuple of slice or None
            What is looked at: its tiles come first.

        Returns
        -------
        map, spread : ndarray
            (ny, nx) float32, finite, in the unit of the image.

        Yields
        ------
        Progress
            May be sent another view.
        """
        spreads: dict[int, Float] = {}
        waiting, calls = list(range(len(self.tiles))), self.mapper.calls
        for done in range(1, len(self.tiles) + 1):
            k = waiting.pop(nearest([self.tiles[k] for k in waiting], view))
            tile = self.tiles[k]
            steps = self._steps(tile, self.frame.data[tile.read])
            self._maps[k], spreads[k] = yield from _told(
                "map", steps, (done - 1) * calls, self.total
            )
            block = self.frame.image.data[tile.keep] - tile.crop(self._maps[k])
            said = yield Progress(
                stage="map", done=done * calls, total=self.total, tile=tile, block=block
            )
            view = said or view
        number = range(len(self.tiles))
        # The order in which they were made decides nothing.
        return (
            self._windows.blend([self._maps[k] for k in number]),
            self._windows.blend([spreads[k] for k in number]),
        )

    def kept(self) -> "Generator[Progress, Any, KeptCurve | None]":
        """Put targets in and measure what the map leaves of them.

        Returns
        -------
        KeptCurve or None
            None where none were put in.

        Yields
        ------
        Progress
            After each turn.
        """
        noise = self._noise()
        if not noise > 0:
            return None
        width, calls = self.frame.width, self.mapper.calls
        each = -(-self.settings.injections // len(self.passes))
        every: list[Targets] = []
        shares: list[Floats] = []
        placed = 0
        for turn, k in enumerate(self.passes):
            tile = self.tiles[k]
            raw = self.frame.data[tile.read]
            targets = draw_targets(
                np.random.default_rng([self.settings.seed, 2, turn]),
                self.frame.bad[tile.read],
                noise=noise, width=width, most=each, first=placed,
            )  # fmt: skip
            light = targets.light((raw.shape[0], raw.shape[1]), width)
            steps = self._steps(tile, (raw + light).astype(np.float32))
            total, begun = len(self.passes) * calls, turn * calls
            found, _ = yield from _told("kept", steps, begun, total)
            yield Progress(stage="kept", done=begun + calls, total=total)
            every.append(targets)
            placed += len(targets)
            shares.append(kept_of(targets, found - self._maps[k], width))
        return fit_curve(every, shares, noise)

    def _side(self, model: "Model | None") -> int:
        if model is None:
            # Medians of whole rows and columns: the frame is one tile.
            return max(self.frame.image.shape)
        trained = model.card.range("tile")[1] if "tile" in model.card.trained else TILE
        return min(int(trained), self.settings.tile)

    def _plan(self) -> list[int]:
        wanted = self.settings.injections
        good = [float(np.mean(~self.frame.bad[tile.read])) for tile in self.tiles]
        usable = [k for k, share in enumerate(good) if share > _GOOD]
        if not wanted or not usable or not self.frame.scatter.white > 0:
            return []
        order = np.random.default_rng([self.settings.seed, 1]).permutation(usable)
        area = self.frame.bad[self.tiles[order[0]].read].size
        turns = min(-(-wanted // max(1, area // ROOM)), PASSES)
        return [int(order[k % len(order)]) for k in range(turns)]

    def _steps(
        self, tile: Tile, raw: "Float"
    ) -> "Generator[tuple[int, int], None, tuple[Float, Float]]":
        # The same noise each time that a tile is mapped.
        rng = np.random.default_rng([self.settings.seed, 0, *tile.index])
        return self.mapper.steps(raw, self.frame.bad[tile.read], rng)

    def _noise(self) -> float:
        """Return the noise of a flux, median over the tiles that get targets."""
        kernel = kernel_of(self.frame.width)
        found = []
        for k in sorted(set(self.passes)):
            bad = self.frame.bad[self.tiles[k].read]
            raw = self.frame.data[self.tiles[k].read]
            left = np.where(bad, 0, raw - self._maps[k]).astype(np.float32)
            found.append(float(np.median(filtered(left, kernel, bad).noise)))
        known = [v for v in found if np.isfinite(v)]
        return float(np.median(known)) if known else 0.0

    def _call(self) -> float:
        """Return how long one call of the network takes, seconds."""
        model = self.mapper.model
        if model is None:
            return 0.0
        n = -(-self.side // model.pooling) * model.pooling
        batch = min(self.mapper.samples, _BATCH)
        seen = np.zeros((batch, 1, n, n), np.float32)
        times = np.full(batch, self.mapper.t, np.float32)
        took = []
        for _ in range(2):  # the first one also warms up
            begun = time.perf_counter()
            model.evaluate(seen, times)
            took.append(time.perf_counter() - begun)
        return min(took)


def _told(
    stage: str,
    steps: "Generator[tuple[int, int], None, R]",
    begun: int,
    total: int,
) -> "Generator[Progress, Any, R]":
    """Tell the steps of a tile as steps of all; the last one is left to the caller."""
    while True:
        try:
            done, whole = next(steps)
        except StopIteration as end:
            result: R = end.value
            return result
        if done < whole:
            yield Progress(stage=stage, done=begun + done, total=total)
