"""Shown: the planes that a view sees, and the limits of their colours."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bgrem_core.display import percentile_limits, symmetric_limits, zscale_limits
from bgrem_core.planes import LazyPlane
from bgrem_core.strength import part_of_strength
from bgrem_notebook.tiles import Tiles, levels_of, padded, sampled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.planes import Block, Plane
    from bgrem_core.pyramid import Pyramid
    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]

__all__ = ["LIMITS", "Shown"]

Kind = Literal["", "run", "preview", "partial"]

LIMITS: "dict[str, Callable[[Any], tuple[float, float]]]" = {
    "zscale": zscale_limits,
    "percentile": percentile_limits,
    "minmax": lambda values: percentile_limits(values, 0, 100),
}
"""Ways of choosing limits."""
SAMPLE = 500
"""Pixels a side that limits are taken from."""


class Shown:
    """The image, and what stands beside it.

    Attributes
    ----------
    tiles : Tiles
        "image"; "noise", which the strength scales, and "rest", which add up to the
        residual; "live", the cleaned image while a run is at work.
    kind : str
        What stands beside the image: "run", "preview", "partial" or "".
    limits : dict
        By way, then by panel.
    shape : tuple of int
        (ny, nx).
    """

    def __init__(self) -> None:
        self.tiles = Tiles()
        self.kind: Kind = ""
        self.limits: dict[str, dict[str, tuple[float, float]]] = {}
        self.shape = (0, 0)
        self._live: Pyramid | None = None

    def peek(self, data: "NDArray[Any]") -> None:
        """Show pixels of a file that is still being read."""
        self._begin(data, sampled(data))

    def open(self, image: "Image") -> None:
        """Show an image alone."""
        self._begin(image.data, levels_of(image.data))

    def separated(self, separation: "Separation") -> None:
        """Show the result of a run, at full strength."""
        self._beside("run", separation.image.data, separation)

    def preview(self, image: "Image", part: "Separation", block: "Block") -> None:
        """Show a result where there is one."""
        self._beside("preview", image.data, part, block)

    def partial(self, image: "Image", cleaned: "NDArray[np.float32]") -> None:
        """Show what a run that was stopped has left, NaN elsewhere."""
        data = image.data
        self._clear("partial")
        noise = LazyPlane(image.shape, lambda r, c: data[r, c] - cleaned[r, c])
        self.tiles.put("noise", levels_of(noise))
        self.tiles.put("rest", levels_of(_total(image.shape, [])))

    def fill(self, partial: "NDArray[np.float32]", keep: "Block") -> int | None:
        """Show a block that has come from a run.

        Parameters
        ----------
        partial : ndarray, shape (ny, nx)
            All that has come so far, NaN elsewhere; always the same array in one run.
        keep : tuple of slice
            Rows and columns that have come.

        Returns
        -------
        int or None
            The new revision of the plane "live"; None for the first block.
        """
        if self._live is None or self._live.levels[0] is not partial:
            self._live = levels_of(partial)
            self.tiles.put("live", self._live)
            return None
        self._live.bin(keep)
        return self.tiles.touch("live")

    def stop(self) -> None:
        """Show the run no more that was at work."""
        self._live = None
        self.tiles.drop("live")

    def _begin(self, data: "NDArray[Any]", pyramid: "Pyramid") -> None:
        self._clear("")
        self.shape = data.shape[0], data.shape[1]
        self.tiles.put("image", pyramid)
        self.limits = _limits(data, None)

    def _clear(self, kind: Kind) -> None:
        self.stop()
        self.tiles.drop("noise", "rest")
        self.kind = kind

    def _beside(
        self,
        kind: Kind,
        data: "NDArray[Any]",
        separation: "Separation",
        block: "Block | None" = None,
    ) -> None:
        def whole(plane: "Plane") -> "Plane":
            return plane if block is None else padded(plane, block, self.shape)

        scaled = part_of_strength(separation)
        rest = [plane for name, plane in separation.parts.items() if name != scaled]
        noise = separation.parts.get(scaled or "")
        made = {"rest": levels_of(whole(_total(separation.shape, rest)))}
        if noise is not None:
            made["noise"] = levels_of(whole(noise))
        limits = _limits(data, whole(separation.residual_plane))
        self._clear(kind)
        for name, pyramid in made.items():
            self.tiles.put(name, pyramid)
        self.limits = limits


def residual_reach(separation: "Separation | None", sigma: float) -> float:
    """Return the symmetric limit of the residual's colours, image unit."""
    if sigma > 0:
        return float(symmetric_limits(sigma)[1])
    if separation is None:
        return 1.0
    reach = np.abs(_sample(separation.residual_plane))
    largest = float(np.nanmax(reach, initial=0.0)) if reach.size else 0.0
    return largest if np.isfinite(largest) and largest > 0 else 1.0


def _limits(
    image: "NDArray[Any]", residual: "Plane | None"
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return limits of the original and of the cleaned image, by every way.

    Those of the cleaned image are as wide and lie lower by the level that was taken,
    so that what looks alike is alike. They are taken from the original, whose noise is
    to be seen; what was denoised scatters so little that stars would be white discs.
    """
    pixels = _sample(image)
    level = 0.0 if residual is None else _median(_sample(residual))
    made = {}
    for name, how in LIMITS.items():
        low, high = how(pixels)
        made[name] = {"image": (low, high), "cleaned": (low - level, high - level)}
    return made


def _sample(plane: "Plane") -> "Floats":
    """Return pixels of a plane, a few hundred a side, from bands all over it."""
    ny, nx = plane.shape
    columns = slice(0, nx)
    across = max(1, nx // SAMPLE)
    rows = np.unique(np.linspace(0, ny - 1, min(ny, SAMPLE)).astype(int))
    bands = [plane[slice(r, r + 1), columns][:, ::across] for r in rows.tolist()]
    return np.concatenate([np.asarray(band, np.float64) for band in bands])


def _median(values: "Floats") -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else 0.0


def _total(shape: tuple[int, int], planes: "list[Plane]") -> LazyPlane:
    """Return the sum of planes, zero without any."""

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        size = rows.stop - rows.start, cols.stop - cols.start
        total = np.zeros(size, np.float32)
        for plane in planes:
            total += plane[rows, cols]
        return total

    return LazyPlane(shape, evaluate)
