"""Stars under work: where they are, what they shine, and their light on a frame."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["Stars", "light_of", "places", "reach_of"]

_GROWTH = 1.4
"""Ratio of two sizes of stamps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stars:
    """N stars of one plane.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Places in pixels, 0-based; a few may lie outside the frame.
    flux : ndarray of float64, shape (n,)
        Total flux.
    hole : ndarray of float64, shape (n,)
        Radius of the saturated core, pixels; 0 = not saturated.
    held : ndarray of bool, shape (n,)
        Place and flux are known from a closer look, and stay.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    hole: "Floats"
    held: "Bools"

    @classmethod
    def none(cls) -> "Stars":
        """Return an empty list."""
        return cls.at(np.zeros(0), np.zeros(0), np.zeros(0))

    @classmethod
    def at(cls, x: "Floats", y: "Floats", flux: "Floats") -> "Stars":
        """Return stars at places, nothing of them held."""
        return cls(
            x=x, y=y, flux=flux, hole=np.zeros(len(x)),
            held=np.zeros(len(x), bool),
        )  # fmt: skip

    def __len__(self) -> int:
        """Return the number of stars."""
        return len(self.x)

    def pick(self, which: "Bools | Index") -> "Stars":
        """Return some of them."""
        return replace(
            self, **{f.name: getattr(self, f.name)[which] for f in fields(self)}
        )

    def plus(self, other: "Stars") -> "Stars":
        """Return both lists as one."""
        joined = {
            f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)])
            for f in fields(self)
        }
        return replace(self, **joined)


def places(
    x: "Floats",
    y: "Floats",
    half: int,
    shape: tuple[int, int],
    disc: "Bools | None" = None,
) -> tuple["Index", "Bools"]:
    """Return the pixels of each star's stamp, and which of them are on the frame.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Places of the stars.
    half : int
        Half side of a stamp.
    shape : tuple of int
        (ny, nx).
    disc : ndarray of bool, shape ((2 half + 1) ** 2,), optional
        Pixels of a stamp that are asked for; None = all.

    Returns
    -------
    place : ndarray of intp, shape (n, pixels)
        Flat index; 0 where not on the frame.
    inside : ndarray of bool, of that shape
        True = on the frame.
    """
    ny, nx = shape
    row, col = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    step = np.arange(-half, half + 1)
    dy, dx = np.repeat(step, len(step)), np.tile(step, len(step))
    if disc is not None:
        dy, dx = dy[disc], dx[disc]
    place = (row * nx + col)[:, None] + (dy * nx + dx)
    inside = np.ones(place.shape, bool)
    cut = (row < half) | (row >= ny - half) | (col < half) | (col >= nx - half)
    if cut.any():
        j, i = row[cut, None] + dy, col[cut, None] + dx
        on = (j >= 0) & (j < ny) & (i >= 0) & (i < nx)
        place[cut] = np.where(on, place[cut], 0)
        inside[cut] = on
    return place, inside


def reach_of(psf: "SplinePsf", flux: "Floats", faint: float) -> "Index":
    """Return how far each star shines above a level, pixels.

    Parameters
    ----------
    psf : SplinePsf
        Light of a unit star.
    flux : ndarray, shape (n,)
        Total flux.
    faint : float
        Light per pixel below which it does not count.

    Returns
    -------
    ndarray of intp, shape (n,)
        At least 3, at most the half side of the PSF.
    """
    bright = psf.rings
    need = faint / np.maximum(flux, 1e-300)
    reach = np.searchsorted(-bright, -need, side="right")
    return np.clip(reach, 3, psf.half).astype(np.intp)


def light_of(psf: "SplinePsf", stars: Stars, reach: "Index") -> "Floats":
    """Return the light of all stars on the frame.

    Parameters
    ----------
    psf : SplinePsf
        Light of a unit star, and the size of the frame.
    stars : Stars
        Places and fluxes.
    reach : ndarray of intp, shape (n,)
        Half side of each stamp.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        Exactly 0 where no stamp is.
    """
    ny, nx = psf.shape
    row, col = np.rint(stars.y).astype(np.intp), np.rint(stars.x).astype(np.intp)
    sizes = [
        (some[near], half)
        for some, half in classes(reach, psf.half)
        for near in [
            (row[some] >= -half) & (row[some] < ny + half)
            & (col[some] >= -half) & (col[some] < nx + half)
        ]
    ]  # fmt: skip
    # Frame enough for all stamps, so that none has to be cut.
    pad = max(
        (
            int(max(half - low.min(), low.max() + half + 1 - n))
            for some, half in sizes
            if len(some)
            for low, n in ((row[some], ny), (col[some], nx))
        ),
        default=0,
    )
    pad = max(pad, 0)
    wide = nx + 2 * pad
    total = np.zeros((ny + 2 * pad) * wide)
    corner = (row + pad) * wide + col + pad
    for some, half in sizes:
        step = np.arange(-half, half + 1)
        offsets = (step[:, None] * wide + step).ravel()
        placed = psf.placed(stars.x[some], stars.y[some], half, flux=stars.flux[some])
        for own, light in placed.parts(psf):
            place = corner[some[own], None] + offsets
            np.add.at(total, place.ravel(), light.ravel())
    return total.reshape(ny + 2 * pad, wide)[pad : pad + ny, pad : pad + nx].copy()


def classes(reach: "Index", most: int) -> "Iterator[tuple[Index, int]]":
    """Yield stars of similar reach, and the half side that holds them all."""
    low = -1
    size = 4
    while low < most:
        half = min(size, most)
        some = np.flatnonzero((reach > low) & (reach <= half))
        # Few big stamps at a time: they are what fills the memory.
        step = max(1, 4_000_000 // (2 * half + 1) ** 2)
        for k in range(0, len(some), step):
            yield some[k : k + step], half
        low, size = half, max(size + 2, int(size * _GROWTH))
