"""Shapes: size, elongation and direction of sources by adaptive Gaussian moments."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.growth import Profile

    Floats = NDArray[np.float64]
    Float32 = NDArray[np.float32]

WIDEST = 64
"""Half of the side of the widest stamp, pixels."""
_ROUNDS = 12
_CHUNK = 1000
FWHM_PER_SIGMA = 2.3548200450309493


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shapes:
    """Shapes of n sources, NaN where the light does not decide them.

    Attributes
    ----------
    a, b : ndarray of float64, shape (n,)
        Standard deviation along the major and minor axis, pixels.
    theta : ndarray of float64, shape (n,)
        Direction of the major axis, degrees anticlockwise from +x, -90 to 90.
    """

    a: "Floats"
    b: "Floats"
    theta: "Floats"

    @property
    def fwhm(self) -> "Floats":
        """Full width at half maximum of the Gaussian that fits best, pixels."""
        return FWHM_PER_SIGMA * np.sqrt(self.a * self.b)

    def take(self, index: "NDArray[np.intp]") -> "Shapes":
        """Return the shapes of some of the sources."""
        return Shapes(a=self.a[index], b=self.b[index], theta=self.theta[index])


def measure_shapes(
    data: "NDArray[np.float32]",
    x: "Floats",
    y: "Floats",
    *,
    level: "Floats",
    fwhm: float,
    large: "NDArray[np.bool_]",
) -> Shapes:
    """Measure adaptive moments: those of the Gaussian that matches the source best.

    The weight takes the shape of the source in turn (Bernstein & Jarvis 2002, AJ 123,
    583, section 3), so that noise far out does not count.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        Masked pixels 0.
    x, y : ndarray, shape (n,)
        Positions, pixels.
    level : ndarray, shape (n,)
        Local sky per pixel.
    fwhm : float
        Of a point source, pixels: where the iteration starts.
    large : ndarray of bool, shape (n,)
        May be larger than a point source: looked at farther out if need be.

    Returns
    -------
    Shapes
        In pixels, as seen, PSF included.
    """
    half = np.full(len(x), int(np.ceil(np.clip(1.8 * fwhm, 4, WIDEST))))
    out = np.full((3, len(x)), np.nan)
    todo = np.arange(len(x))
    # What fills its stamp, or is too wide for it, is looked at again in a wider one.
    for _ in range(4):
        _fill(out, data, x, y, level, fwhm, half, todo)
        wide = ~(out[0, todo] < half[todo] / 2.6) & (half[todo] < WIDEST)
        wide &= large[todo]
        todo = todo[wide]
        half[todo] = np.minimum(2 * half[todo], WIDEST)
        if not len(todo):
            break
    return Shapes(a=out[0], b=out[1], theta=out[2])


@lru_cache(maxsize=64)
def moment_growth(profile: "Profile") -> float:
    """Return by how much adaptive moments overstate the FWHM of a point source.

    They are those of the best Gaussian; a Moffat profile is wider there than at half
    its height.
    """
    half = int(np.ceil(3 * profile.fwhm))
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    stamp = profile.density(dx, dy).astype(np.float32)
    centre = np.array([float(half)])
    shape = measure_shapes(
        stamp, centre, centre, level=np.zeros(1), fwhm=profile.fwhm,
        large=np.zeros(1, bool),
    )  # fmt: skip
    growth = float(shape.fwhm[0]) / profile.fwhm
    return growth if isfinite(growth) else 1.0


def _fill(
    out: "Floats",
    data: "NDArray[np.float32]",
    x: "Floats",
    y: "Floats",
    level: "Floats",
    fwhm: float,
    half: "NDArray[np.intp]",
    todo: "NDArray[np.intp]",
) -> None:
    """Measure some of the sources, by size of stamp and in chunks."""
    for side in np.unique(half[todo]):
        members = todo[half[todo] == side]
        step = max(1, _CHUNK * 289 // int(2 * side + 1) ** 2)
        for start in range(0, len(members), step):
            part = members[start : start + step]
            out[:, part] = _adapt(data, x[part], y[part], level[part], fwhm, int(side))


def _adapt(
    data: "NDArray[np.float32]",
    x: "Floats",
    y: "Floats",
    level: "Floats",
    fwhm: float,
    half: int,
) -> "Floats":
    light, dx, dy = _stamps(data, x, y, level, half)
    xx, yy, xy = dx * dx, dy * dy, dx * dy
    start = (fwhm / FWHM_PER_SIGMA) ** 2
    cxx, cyy, cxy = np.full(len(x), start), np.full(len(x), start), np.zeros(len(x))
    alive = np.ones(len(x), bool)
    biggest = (half / 1.5) ** 2
    for _ in range(_ROUNDS):
        det = -2 * (cxx * cyy - cxy**2)
        inverse = ((v / det).astype(np.float32)[:, None] for v in (cyy, cxx, -2 * cxy))
        ixx, iyy, ixy = inverse
        weighted = light * np.exp(ixx * xx + iyy * yy + ixy * xy)
        total = weighted.sum(axis=1, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Under a matched Gaussian weight the moments are half those of the light.
            nxx, nyy, nxy = (
                2 * np.einsum("np,np->n", weighted, v, dtype=np.float64) / total
                for v in (xx, yy, xy)
            )
            good = (
                (total > 0)
                & (nxx > 0.05)
                & (nyy > 0.05)
                & (nxx * nyy - nxy**2 > 0.01)
                & (nxx < biggest)
                & (nyy < biggest)
            )
        alive &= good
        cxx = np.where(alive, nxx, cxx)
        cyy = np.where(alive, nyy, cyy)
        cxy = np.where(alive, nxy, cxy)
    mean, half_difference = (cxx + cyy) / 2, (cxx - cyy) / 2
    spread = np.hypot(half_difference, cxy)
    a = np.sqrt(mean + spread)
    b = np.sqrt(np.maximum(mean - spread, 1e-6))
    theta = 0.5 * np.rad2deg(np.arctan2(cxy, half_difference))
    return np.where(alive, np.stack([a, b, theta]), np.nan)


def _stamps(
    data: "NDArray[np.float32]", x: "Floats", y: "Floats", level: "Floats", half: int
) -> tuple["Float32", "Float32", "Float32"]:
    """Return light and offsets from the centres, each of shape (n, pixels)."""
    ny, nx = data.shape
    step = (s.ravel() for s in np.mgrid[-half : half + 1, -half : half + 1])
    step_y, step_x = step
    col = np.rint(x).astype(np.intp)[:, None] + step_x
    row = np.rint(y).astype(np.intp)[:, None] + step_y
    inside = (col >= 0) & (col < nx) & (row >= 0) & (row < ny)
    light = data[np.clip(row, 0, ny - 1), np.clip(col, 0, nx - 1)]
    light = np.where(inside, light - level[:, None], 0.0)
    # Any unit: 1e-30 or 1e30 would not survive squares in single precision.
    light /= np.maximum(np.abs(light).max(axis=1, keepdims=True, initial=0), 1e-300)
    return (
        light.astype(np.float32),
        (col - x[:, None]).astype(np.float32),
        (row - y[:, None]).astype(np.float32),
    )
