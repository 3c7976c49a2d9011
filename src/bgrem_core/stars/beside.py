"""Sources explained together with what lies beside them: one star, two, or a galaxy.

A star beside a filament, or two closer than the PSF is wide, look like something wider
than the PSF, and fits that know a level only are drawn aside by the filament. Here the
pixels round a source are explained by an explanation of it and by anything that changes
across a line only (a free function across, that may grow along it): filaments, rims and
gradients of a nebula. Which explanation holds is decided by chi-squared.
"""

from copy import copy
from dataclasses import dataclass, fields
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.shape import widened
from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["RADIUS", "Explained", "Surroundings"]

RADIUS, _ANGLES = 2.5, 12
"""Reach of the pixels that are looked at, FWHM, and directions of lines."""
_STEPS = 5
#: Largest change of a place in one step, pixels times FWHM / 3; and in all, FWHM.
_FAR, _REACH = 0.5, 1.5
#: Separations of two stars that are tried, FWHM, and how the light is shared.
_APART, _SHARES = (0.6, 1.0, 1.4), (0.5, 0.3)
_DIRECTIONS = 6
_GALAXIES = 0.35, 0.8, 1.6
"""Scale lengths of the discs that a galaxy may be, FWHM."""


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """N sources under one explanation.

    Attributes
    ----------
    chi : ndarray of float64, shape (n,)
        Chi-squared of the pixels.
    x, y, flux, error : ndarray of float64, shape (n, k)
        Of its k parts; `error` is that of the flux, all else free.
    """

    chi: "Floats"
    x: "Floats"
    y: "Floats"
    flux: "Floats"
    error: "Floats"

    @classmethod
    def none(cls, parts: int) -> "Explained":
        """Return an explanation of no source by so many parts."""
        wide = np.zeros((0, parts))
        return cls(np.zeros(0), wide, wide, wide, wide)

    def pick(self, which: "Bools") -> "Explained":
        """Return some of the sources."""
        return Explained(*(getattr(self, f.name)[which] for f in fields(self)))


class Surroundings:
    """Pixels round n sources, and what is beside them: a plane, or more (`lines`).

    Parameters
    ----------
    seen : ndarray of float64, shape (ny, nx)
        Image without the light of all stars; sky may be in it.
    weight : ndarray of float64, shape (ny, nx)
        Inverse variance; 0 = pixel is not used.
    psf : SplinePsf
        Light of a unit star.
    stars : Stars
        Sources; the own light of each is put back.
    fwhm : float
        Pixels.
    """

    def __init__(
        self, seen: "Floats", weight: "Floats", psf: "SplinePsf", stars: Stars,
        *, fwhm: float,
    ) -> None:  # fmt: skip
        self.psf, self.fwhm, self.stars = psf, fwhm, stars
        self.half = half = min(int(np.ceil(RADIUS * fwhm)), psf.half)
        step = np.arange(-half, half + 1)
        self._disc = (np.hypot(step[:, None], step) <= max(RADIUS * fwhm, 3.5)).ravel()
        place, inside = places(stars.x, stars.y, half, psf.shape)
        place, inside = place[:, self._disc], inside[:, self._disc]
        self._row, self._col = np.rint(stars.y), np.rint(stars.x)
        self.weight = w = np.where(inside, weight.ravel()[place], 0.0)
        own = psf.stamps(stars.x, stars.y, half)[:, self._disc]
        data = np.where(w > 0, seen.ravel()[place] + stars.flux[:, None] * own, 0.0)
        # Numbers near 1, whatever the level.
        level = np.sum(w * data, axis=1) / np.maximum(w.sum(axis=1), 1e-300)
        self.data = np.where(w > 0, data - level[:, None], 0.0)
        self.pixels = (w > 0).sum(axis=1)
        dx, dy = self._offsets()
        self.prepare([np.stack([np.ones(len(dx)), dx, dy], axis=1)])

    def lines(self, bends: "Sequence[float]" = (0.0,)) -> "Surroundings":
        """Return the same, where anything may be beside a source that follows a line.

        Parameters
        ----------
        bends : sequence of float, optional
            How far lines may be off at the rim of the pixels, in radii.
        """
        out = copy(self)
        at, knot = self._offsets(), max(1.0, 0.5 * self.fwhm)
        turns = np.pi * np.arange(_ANGLES) / _ANGLES
        out.prepare(
            [_across(*at, a, knot, self.half, bend) for a in turns for bend in bends]
        )
        return out

    def _offsets(self) -> tuple["Floats", "Floats"]:
        step = np.arange(-self.half, self.half + 1.0)
        dy, dx = np.meshgrid(step, step, indexing="ij")
        return dx.ravel()[self._disc], dy.ravel()[self._disc]

    def prepare(self, bases: "list[Floats]") -> None:
        """Solve the equations of all surroundings once, as far as they are known."""
        self._bases, w = bases, self.weight
        self._inverse, self._known, self._rest = [], [], []
        wd = w * self.data
        total = np.sum(wd * self.data, axis=1)
        for b in self._bases:
            m = b.shape[1]
            square = (b[:, :, None] * b[:, None, :]).reshape(len(b), m * m)
            normal = (w @ square).reshape(-1, m, m)
            tiny = 1e-7 * np.einsum("nii->n", normal)[:, None] / m + 1e-30
            normal[:, np.arange(m), np.arange(m)] += tiny
            inverse = np.linalg.inv(normal)
            known = wd @ b
            self._inverse.append(inverse)
            self._known.append(known)
            self._rest.append(total - np.einsum("ni,nij,nj->n", known, inverse, known))

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.stars)

    def none(self) -> "Floats":
        """Return chi-squared of the surroundings alone, shape (n,)."""
        return np.asarray(np.min(self._rest, axis=0))

    def pick(self, which: "Bools") -> "Surroundings":
        """Return some of the sources."""
        out = copy(self)
        out.stars = self.stars.pick(which)
        for name in ("weight", "data", "pixels", "_row", "_col"):
            setattr(out, name, getattr(self, name)[which])
        for name in ("_inverse", "_known", "_rest"):
            setattr(out, name, [one[which] for one in getattr(self, name)])
        return out

    def stars_at(
        self, x: "Floats", y: "Floats", flux: "Floats", *, move: bool = True
    ) -> Explained:
        """Explain each source by k stars, starting from (n, k) places and fluxes."""
        return self._improve(
            (self.psf,) * x.shape[1], x, y, flux, _STEPS if move else 0
        )

    def pair(self, one: Explained) -> Explained:
        """Explain each source by two stars, from where one star was."""
        x0, y0, f0 = one.x[:, 0], one.y[:, 0], np.abs(one.flux[:, 0])
        tried = []
        for k, share, apart in product(range(_DIRECTIONS), _SHARES, _APART):
            if share == 0.5 and k >= _DIRECTIONS // 2:
                continue  # the same pair again
            angle, away = 2 * np.pi * k / _DIRECTIONS, apart * self.fwhm
            dx, dy = away * np.cos(angle), away * np.sin(angle)
            x = np.stack([x0 - share * dx, x0 + (1 - share) * dx], axis=1)
            y = np.stack([y0 - share * dy, y0 + (1 - share) * dy], axis=1)
            flux = f0[:, None] * np.array([1 - share, share])
            tried.append(self.stars_at(x, y, flux, move=False))
        best = reduce(_better, tried)
        return self.stars_at(best.x, best.y, best.flux)

    def on_disc(self, one: Explained) -> Explained:
        """Explain each source by a star and a disc, each where it likes."""
        discs = [widened(self.psf, scale * self.fwhm) for scale in _GALAXIES[1:]]
        x, y = np.repeat(one.x, 2, axis=1), np.repeat(one.y, 2, axis=1)
        flux = np.repeat(one.flux, 2, axis=1)
        return reduce(
            _better,
            [self._improve((self.psf, d), x, y, flux, _STEPS) for d in discs],
        )

    def galaxy(self, one: Explained) -> Explained:
        """Explain each source by a disc under the PSF, somewhat elongated."""
        discs = [widened(self.psf, scale * self.fwhm) for scale in _GALAXIES]
        return reduce(
            _better,
            [self._improve((d,), one.x, one.y, one.flux, 2, long=True) for d in discs],
        )

    def _improve(
        self, psfs: "Sequence[SplinePsf]", x: "Floats", y: "Floats",
        flux: "Floats", steps: int, *, long: bool = False,
    ) -> Explained:  # fmt: skip
        """Fit fluxes, and places in so many steps."""
        k, far, reach = x.shape[1], _FAR * self.fwhm / 3, _REACH * self.fwhm
        x0, y0 = self.stars.x[:, None], self.stars.y[:, None]
        line = None
        for _ in range(steps):
            columns = self._columns(psfs, x, y, long=long, slopes=flux)
            # The line that serves best is sought at first and in the end.
            _, found, _, line = self._solve(columns, line)
            flux, move = found[:, :k], found[:, -2 * k :].reshape(-1, 2, k)
            # Not out of the pixels that are looked at.
            x = x + np.clip(move[:, 0], -far, far)
            y = y + np.clip(move[:, 1], -far, far)
            x = np.clip(x, x0 - reach, x0 + reach)
            y = np.clip(y, y0 - reach, y0 + reach)
        chi, found, error, _ = self._solve(self._columns(psfs, x, y, long=long))
        return Explained(chi, x, y, found[:, :k], error[:, :k])

    def _columns(
        self, psfs: "Sequence[SplinePsf]", x: "Floats", y: "Floats",
        *, long: bool, slopes: "Floats | None" = None,
    ) -> "Floats":  # fmt: skip
        """Return light of k parts, what makes one longer, and slopes along x and y."""
        orders = [(0, 0)]
        orders += [(0, 1), (1, 0)] if slopes is not None else []
        orders += [(0, 2), (2, 0), (1, 1)] if long else []
        parts = [
            self._stamps(psf, x[:, j], y[:, j], orders) for j, psf in enumerate(psfs)
        ]
        columns = [p[:, 0] for p in parts]
        if long:
            xx, yy, xy = (parts[0][:, -m] for m in (3, 2, 1))
            columns += [xx - yy, 2 * xy]
        if slopes is not None:
            columns += [
                slopes[:, j, None] * p[:, m]
                for m in (1, 2)
                for j, p in enumerate(parts)
            ]
        return np.stack(columns, axis=1)

    def _stamps(
        self, psf: "SplinePsf", x: "Floats", y: "Floats",
        orders: "Sequence[tuple[int, int]]",
    ) -> "Floats":  # fmt: skip
        """Return light of stars and its slopes on the pixels of the sources."""
        # A stamp is centred on its star's pixel; the pixels here are the source's.
        row = (self._row - np.rint(y)).astype(np.intp)
        col = (self._col - np.rint(x)).astype(np.intp)
        room = int(max(np.abs(row).max(initial=0), np.abs(col).max(initial=0)))
        big = min(self.half + room, psf.half)
        light = psf.placed(x, y, big, orders=orders).stamps(psf)
        pad, side = self.half + room - big, 2 * (self.half + room) + 1
        if pad:
            square = light.reshape(len(x), len(orders), 2 * big + 1, -1)
            edge = (pad, pad)
            light = np.pad(square, ((0, 0), (0, 0), edge, edge))
            light = light.reshape(len(x), len(orders), -1)
        dx, dy = self._offsets()
        middle = side // 2
        at = (middle + row[:, None] + dy.astype(np.intp)) * side
        at += middle + col[:, None] + dx.astype(np.intp)
        return np.asarray(np.take_along_axis(light, at[:, None, :], axis=2))

    def _solve(
        self, columns: "Floats", line: "Index | None" = None
    ) -> tuple["Floats", "Floats", "Floats", "Index"]:
        """Fit (n, c, p) columns beside a line, the best one if none is given for each.

        Gives chi-squared, the numbers, their errors, and which line it was.
        """
        n, c, _ = columns.shape
        weighted = columns * self.weight[:, None, :]
        square = weighted @ columns.swapaxes(1, 2)
        size = np.maximum(np.einsum("ncc->nc", square), 1e-30)
        square[:, np.arange(c), np.arange(c)] += 1e-5 * size
        data = np.einsum("ncp,np->nc", weighted, self.data)
        best, lines = np.full(n, np.inf), np.zeros(n, np.intp)
        found, error = np.zeros((n, c)), np.full((n, c), np.inf)
        every = np.arange(n)
        for k, b in enumerate(self._bases):
            some = every if line is None else np.flatnonzero(line == k)
            if not some.size:
                continue
            both = (weighted[some].reshape(len(some) * c, -1) @ b).reshape(
                len(some), c, -1
            )
            through = both @ self._inverse[k][some]
            normal = square[some] - through @ both.swapaxes(1, 2)
            rhs = data[some] - np.einsum("ncm,nm->nc", through, self._known[k][some])
            covariance = np.linalg.inv(normal)
            numbers = np.einsum("nij,nj->ni", covariance, rhs)
            chi = self._rest[k][some] - np.einsum("ni,ni->n", numbers, rhs)
            better = chi < best[some]
            at = some[better]
            best[at], lines[at], found[at] = chi[better], k, numbers[better]
            error[at] = np.sqrt(np.einsum("ncc->nc", covariance)[better])
        return best, found, error, lines


def _better(old: Explained, new: Explained) -> Explained:
    some = new.chi < old.chi
    wide = some[:, None]
    return Explained(
        np.where(some, new.chi, old.chi), np.where(wide, new.x, old.x),
        np.where(wide, new.y, old.y), np.where(wide, new.flux, old.flux),
        np.where(wide, new.error, old.error),
    )  # fmt: skip


def _across(
    dx: "Floats", dy: "Floats", angle: float, knot: float, half: int, bend: float
) -> "Floats":
    """Return functions across a line, each constant and growing along it, (p, m)."""
    v = (dx * np.cos(angle) + dy * np.sin(angle)) / max(half, 1)
    u = (dy * np.cos(angle) - dx * np.sin(angle)) / knot
    u = u - bend * half / knot * v**2
    most = int(np.ceil(half / knot)) + 1
    parts = []
    for k in range(-most, most + 1):
        spline = _bell(u - k)
        if spline.any():
            parts += [spline, spline * v]
    return np.stack(parts, axis=1)


def _bell(t: "Floats") -> "Floats":
    """Return the cubic B-spline."""
    a = np.abs(t)
    near, far = 2 / 3 - a**2 * (2 - a) / 2, np.maximum(2 - a, 0) ** 3 / 6
    return np.asarray(np.where(a < 1, near, far))
