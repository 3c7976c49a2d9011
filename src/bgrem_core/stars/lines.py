"""What is left of a source without the line that runs through it.

A star on a filament seems wider than the PSF, and a piece of a filament as narrow as
one. So the pixels round each source are explained by the PSF, a plane and the line
through the source, as narrow as a line can be, that serves best. Of a piece of a line
little light is left; what is left of a star is as wide as the PSF.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Flattened", "flatten"]

_ANGLES = 12
_RADIUS = 2.0
_BLOCK = 256
"""Sources that are measured at a time: few enough for the cache."""
_CLEAR = 1e-9
"""Least share of a line's power beside plane and star."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flattened:
    """N sources without their lines.

    Attributes
    ----------
    flux : ndarray of float64, shape (n,)
        Beside plane and line.
    height : ndarray of float64, shape (n,)
        Light of the line per pixel of its length.
    spread : ndarray of float64, shape (n,)
        How much wider than the PSF the rest is; infinite where that is nothing.
    """

    flux: "Floats"
    height: "Floats"
    spread: "Floats"


def flatten(
    seen: "Floats",
    good: "Bools",
    psf: "SplinePsf",
    wide: "SplinePsf",
    stars: Stars,
    *,
    fwhm: float,
    asked: "Bools | None" = None,
) -> Flattened:
    """Measure sources without their lines.

    Parameters
    ----------
    seen : ndarray of float64, shape (ny, nx)
        Image without its sky and without the light of `stars`; what may be pieces of
        lines beside them is in it.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    psf, wide : SplinePsf
        Light of a unit star, and that of `shape.widened`.
    stars : Stars
        What is to be measured; the own light of each is put back.
    fwhm : float
        Pixels.
    asked : ndarray of bool, shape (n,), optional
        False = the source is not measured: flux and height 0, the spread infinite.

    Returns
    -------
    Flattened
        In the order of `stars`.
    """
    n = len(stars)
    flux, height, spread = np.zeros(n), np.zeros(n), np.full(n, np.inf)
    which = np.arange(n) if asked is None else np.flatnonzero(asked)
    cross = _cross(psf)
    for a in range(0, len(which), _BLOCK):
        some = which[a : a + _BLOCK]
        flux[some], height[some], spread[some] = _measured(
            seen, good, psf, wide, stars.pick(some), cross, fwhm
        )
    return Flattened(flux=flux, height=height, spread=spread)


def _measured(
    seen: "Floats",
    good: "Bools",
    psf: "SplinePsf",
    wide: "SplinePsf",
    stars: Stars,
    cross: tuple["Floats", "Floats"],
    fwhm: float,
) -> tuple["Floats", "Floats", "Floats"]:
    """Return flux, height and spread of some sources."""
    half = min(int(np.ceil(_RADIUS * fwhm)), psf.half)
    step = np.arange(-half, half + 1)
    disc = (np.hypot(step[:, None], step) <= max(_RADIUS * fwhm, 2.3)).ravel()
    x, y = stars.x, stars.y
    place, inside = places(x, y, half, psf.shape, disc)
    use = (inside & good.ravel()[place]).astype(float)
    light = psf.stamps(x, y, half, disc=disc)
    pixels = (seen.ravel()[place] + stars.flux[:, None] * light) * use
    dy, dx = (d.ravel()[disc] for d in np.meshgrid(step, step, indexing="ij"))
    plane = _Plane(use, dx / max(half, 1), dy / max(half, 1))
    star, rest = plane.off(light), plane.off(pixels)
    broad = plane.off(wide.stamps(x, y, half, disc=disc))
    ss, sp = _dot(star, star), _dot(star, rest)
    gain, height = np.zeros(len(stars)), np.zeros(len(stars))
    best = np.zeros(len(stars))
    across, profile = cross
    u = dx + (np.rint(x) - x)[:, None]
    v = dy + (np.rint(y) - y)[:, None]

    def lines(angle: "float | Floats") -> "Floats":
        away = v * np.cos(angle)
        away -= u * np.sin(angle)
        out: Floats = np.interp(away, across, profile)
        out *= use
        return out

    for angle in np.pi * np.arange(_ANGLES) / _ANGLES:
        one = lines(angle)
        # A plane off one of two factors is off their product.
        sl, own = _dot(star, one), _dot(one, one)
        free = plane.power(one, own) - sl**2 / np.maximum(ss, 1e-300)
        found = _dot(one, rest) - sl * sp / np.maximum(ss, 1e-300)
        # A line shines: what is darker than its surroundings is none. On few pixels it
        # may be a plane or the star itself, and nothing but rounding is left of it.
        clear = (found > 0) & (free > _CLEAR * own)
        free = np.where(clear, free, 1.0)
        better = clear & (found**2 / free > gain)
        gain[better] = (found**2 / free)[better]
        height[better] = (found / free)[better]
        best[better] = angle
    line = plane.off(lines(best[:, None]))
    rest = rest - height[:, None] * line
    with np.errstate(invalid="ignore", divide="ignore"):
        flux = _dot(star, rest) / ss
        spread = _dot(broad, rest) / _dot(broad, light) / flux - 1
    known = np.isfinite(spread) & (flux > 0)
    return np.nan_to_num(flux), height, np.where(known, spread, np.inf)


class _Plane:
    """Takes level and slope off pixels, on the good ones of each stamp."""

    def __init__(self, use: "Floats", dx: "Floats", dy: "Floats") -> None:
        self._use = use
        base: list[Floats] = []
        for template in (np.ones_like(dx), dx, dy):
            one = use * template
            for other in base:
                one = one - _dot(other, one)[:, None] * other
            size = np.sqrt(_dot(one, one))[:, None]
            base.append(np.where(size > 1e-6, one / np.maximum(size, 1e-300), 0.0))
        self._base = base

    def power(self, values: "Floats", own: "Floats") -> "Floats":
        """Return the sum of squares of what `off` leaves of values; before: `own`."""
        out = own
        for one in self._base:
            out = out - _dot(one, values) ** 2
        return out

    def off(self, values: "Floats") -> "Floats":
        out = self._use * values
        for one in self._base:
            out = out - _dot(one, out)[:, None] * one
        return out


def _cross(psf: "SplinePsf") -> tuple["Floats", "Floats"]:
    """Return the cross-section of a line that is a point wide, seen through the PSF."""
    at = np.arange(-psf.half, psf.half + 1.0)
    ny, nx = psf.shape
    middle = np.array([float(nx // 2)]), np.array([float(ny // 2)])
    stamp = psf.stamps(*middle, psf.half).reshape(len(at), len(at))
    return at, (stamp.sum(axis=0) + stamp.sum(axis=1)) / 2


def _dot(a: "Floats", b: "Floats") -> "Floats":
    return np.asarray(np.einsum("np,np->n", a, b))
