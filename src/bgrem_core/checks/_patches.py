"""Patches: what is looked at of a frame, and which of its pixels are blank sky."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.cells import Grid, grow
from bgrem_core.checks._sources import Sources, fwhm_of, noise_of, sources_of
from bgrem_core.matched import matched_filter
from bgrem_core.planes import Block, Plane, widened

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation

    Float = NDArray[np.float32]
    Bools = NDArray[np.bool_]

SIDE, MOST = 128, 256
"""Side of a patch, pixels, and most patches: 4 Mpix."""
LIGHT = 3.5
"""S/N of a point source, either sign, from which its surroundings are not blank."""
_GROWN = 1.5
_MARGIN = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """One rectangle of the frame.

    Attributes
    ----------
    block, wide, inner : tuple of slice
        Where it lies; with a margin; where it lies in that.
    good : ndarray of bool
        Pixels of ``wide`` that are not masked, and have noise.
    blank : ndarray of bool
        Those of them that are far from sources.
    sigma : ndarray of float32
        Noise of ``wide``, image unit; 1 where there is none.
    """

    block: Block
    wide: Block
    inner: Block
    good: "Bools"
    blank: "Bools"
    sigma: "Float"

    def read(self, plane: Plane) -> "Float":
        """Return ``wide`` of a plane in units of the noise, 0 where it is not good."""
        values = np.asarray(plane[self.wide], np.float32)
        good = self.good & np.isfinite(values)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(good, values / self.sigma, np.float32(0))


class Looks:
    """What all checks need to know of a separation.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    table : QTable or None
        Sources, if they were searched for.
    """

    def __init__(self, separation: "Separation", table: "QTable | None") -> None:
        self.separation = separation
        self.sigma = noise_of(separation)
        self.fwhm = fwhm_of(separation, table)
        self.sources: Sources | None = sources_of(separation, table)
        self.margin = ceil(_MARGIN * self.fwhm) + 1
        known = self.sources
        self._radius = None if known is None else known.reach(self.fwhm, self.sigma)
        quiet = separation.quiet_plane
        self._quiet: Plane = separation.cleaned_plane if quiet is None else quiet

    def patches(self) -> Iterator[Patch]:
        """Yield the patches, evenly spread over the frame, from the bottom up."""
        for block in blocks(self.separation.shape):
            wide, inner = widened(block, self.margin, self.separation.shape)
            sigma = np.asarray(self.separation.scale.sigma[wide], np.float32)
            good = np.asarray(self.separation.flags[wide]) == 0
            # The photometric plane may be off where the image is not.
            data = np.asarray(self.separation.photometric[wide])
            good &= np.isfinite(data) & np.isfinite(sigma) & (sigma > 0)
            known = np.where(good, sigma, np.float32(1))
            patch = Patch(
                block=block, wide=wide, inner=inner, good=good, blank=good, sigma=known
            )
            yield replace(patch, blank=good & ~self._light(patch))

    def _light(self, patch: Patch) -> "Bools":
        """Return where sources are: those that are known, else what stands out."""
        if self.sources is None or self._radius is None:
            value = self.significance(patch, self._quiet)
            return grow(np.abs(value) > LIGHT, round(_GROWN * self.fwhm))
        out = np.zeros(patch.good.shape, bool)
        rows, cols = patch.wide
        x, y = self.sources.x - cols.start, self.sources.y - rows.start
        ny, nx = rows.stop - rows.start, cols.stop - cols.start
        with np.errstate(invalid="ignore"):
            near = (np.abs(x - nx / 2) < self._radius + nx / 2 + 1) & (
                np.abs(y - ny / 2) < self._radius + ny / 2 + 1
            )
        for k in np.flatnonzero(near):
            _disc(out, x[k], y[k], self._radius[k])
        return out

    def significance(self, patch: Patch, plane: Plane) -> "Float":
        """Return the S/N of a point source on each pixel of ``patch.wide``, finite."""
        values = patch.read(plane)
        if not patch.good.any():
            return values
        # The level of the sky is not what is asked for here.
        values -= np.float32(np.median(values[patch.good]))
        snr = matched_filter(
            values, fwhm=self.fwhm, rho_xy=self.separation.scale.rho_xy,
            mask=~patch.good,
        )  # fmt: skip
        return np.nan_to_num(snr, nan=0.0)


def blocks(shape: tuple[int, int]) -> Iterator[Block]:
    """Yield at most `MOST` blocks of about `SIDE` pixels, spread over a frame."""
    count = [max(1, round(n / SIDE)) for n in shape]
    grid = Grid(shape=shape, count=(count[0], count[1]))
    rows, cols = grid.rows, grid.cols
    total = count[0] * count[1]
    chosen = np.linspace(0, total - 1, min(total, MOST)).round().astype(int)
    for k in chosen:
        row, col = divmod(int(k), count[1])
        yield (
            slice(int(rows[row]), int(rows[row + 1])),
            slice(int(cols[col]), int(cols[col + 1])),
        )


def _disc(out: "Bools", x: float, y: float, radius: float) -> None:
    """Set the pixels of a disc, cut at the edges."""
    (top, bottom), (left, right) = (
        (max(0, int(c - radius)), min(n, int(c + radius) + 2))
        for c, n in ((y, out.shape[0]), (x, out.shape[1]))
    )
    if top >= bottom or left >= right:
        return
    dy = np.arange(top, bottom)[:, None] - y
    dx = np.arange(left, right)[None, :] - x
    out[top:bottom, left:right] |= dx * dx + dy * dy <= radius * radius
