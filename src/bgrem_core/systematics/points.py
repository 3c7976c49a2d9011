"""Points on a frame without its background: a matched filter that knows trails.

A target is a point. The ends of trails, and what is left where a trail was taken off,
look like points too: they are told by the trail that lies along them.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.mesh import Mesh, cell_edges, node_count
from bgrem_core.systematics.trails import trail_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = [
    "SHARPEST",
    "Filtered",
    "Points",
    "find_points",
    "flux_at",
    "is_long",
    "kernel_of",
    "on_trail",
    "phase_noise",
    "refined",
]

_CELL = 64
"""Cell in which the scatter of a filtered frame is measured, pixels."""
_SIGMAS = 3.5
"""Radius of the filter in sigmas of the profile, and at least four pixels."""
_CHUNK = 4096
_STEPS = 0.4, 0.2, 0.1
"""Steps in which the filter is moved, pixels."""
_PHASE = 0.65
"""Share of its signal to noise that a point has on its highest pixel, at the least."""
_BESIDE = 1
"""Pixels beside the axis of a trail that still lie on it."""
_COVERED = 0.15
"""Share of a trail's power that must lie on good pixels for it to be judged."""
_LENGTHS = (2.0, 4.0, 8.0, 16.0)
_WIDER = 1.7
_LONGER = 16.0
"""Lengths and relative width of trails that are tried where none is known, and by how
much chi squared must prefer one of them."""
_SINGLE = 4.0
"""By how much chi squared must prefer a single pixel for it to be a hot one."""
SHARPEST = 0.42
"""Sigma of the sharpest target where its profile is not known, pixels."""
_MARGIN = 1.05
"""What a point may lack of its own chi squared where its profile is not quite known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """A frame through a matched filter.

    Attributes
    ----------
    flux : ndarray
        (ny, nx), flux of a point on each pixel, a local level taken off.
    noise : ndarray
        (ny, nx), its scatter, positive; infinite where the frame has none.
    """

    flux: "Float"
    noise: "Float"

    @property
    def snr(self) -> "Float":
        """Flux over its scatter."""
        return self.flux / self.noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Points that were found; arrays of shape (n,), the most significant first.

    Attributes
    ----------
    x, y : ndarray
        Centres, pixels, 0-based.
    flux, noise : ndarray
        By the filter at the centre, and its scatter.
    snr : ndarray
        Flux over its scatter.
    hot : ndarray of bool
        One pixel alone explains it better than the profile of a point does.
    trails : int
        Maxima that were left out because they lie on trails.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    noise: "Floats"
    snr: "Floats"
    hot: "Bools"
    trails: int

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.x)

    def take(self, which: "Bools") -> "Points":
        """Return some of them."""
        names = ("x", "y", "flux", "noise", "snr", "hot")
        some = {name: getattr(self, name)[which] for name in names}
        return Points(**some, trails=self.trails)


def kernel_of(width: float, dx: float = 0.0, dy: float = 0.0) -> "Floats":
    """Return the filter whose sum over a frame is the flux of a point.

    Parameters
    ----------
    width : float
        Sigma of the Gaussian profile, pixels.
    dx, dy : float, optional
        Where the point lies from the middle of the filter, at most half a pixel.

    Returns
    -------
    ndarray
        Square, odd sides. It is blind to a level, and of all such filters it is the
        least noisy in white noise: a fit of profile and level.
    """
    return np.asarray(_filters(width, np.array([dx]), np.array([dy]))[0])


def find_points(
    cleaned: "Float",
    rest: "Float",
    *,
    width: float,
    least: float,
    bad: "Bools",
    trails: "TrailShape | None",
    sharpest: float | None = None,
) -> Points:
    """Find the points of a frame that do not lie on trails.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), the frame without its background, bad pixels 0.
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    width : float
        Sigma of a point, pixels.
    least : float
        Least signal to noise.
    bad : ndarray of bool
        (ny, nx), pixels on which nothing is found.
    trails : TrailShape or None
        None = there are none.
    sharpest : float, optional
        Sigma of the sharpest point that may be one, pixels: what is sharper is a hot
        pixel. By default that of a FWHM of one pixel.

    Returns
    -------
    Points
        In the unit of the frame.
    """
    seen = filtered(cleaned, kernel_of(width), bad)
    snr = seen.snr
    apart = 2 * max(1, round(2 * width)) + 1
    top = (snr >= _PHASE * least) & (snr == ndimage.maximum_filter(snr, apart)) & ~bad
    row, col = np.nonzero(top)
    x, y = refined(cleaned, *_tops(seen.flux, row, col), width)
    flux = flux_at(cleaned, x, y, width)
    noise = seen.noise[row, col] * phase_noise(x, y, width)
    order = np.lexsort((col, row, -flux / noise))
    order = order[(flux / noise)[order] >= least]
    row, col = row[order], col[order]
    x, y, flux, noise = x[order], y[order], flux[order], noise[order]
    trailed = np.zeros(len(row), bool)
    if trails is not None and len(row):
        trailed |= on_trail(rest, row, col, flux / noise, trails, bad)
    if trails is None or not trails.fitted:
        trailed |= is_long(rest, row, col, width, bad)
    hot = _hot(cleaned, row, col, x, y, sharpest or SHARPEST, bad)
    points = Points(
        x=x, y=y, flux=flux, noise=noise, snr=flux / noise, hot=hot,
        trails=int(trailed.sum()),
    )  # fmt: skip
    return points.take(~trailed)


def flux_at(cleaned: "Float", x: "Floats", y: "Floats", width: float) -> "Floats":
    """Return the flux of points at given places.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Places, pixels, 0-based; beyond the edges there is nothing.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    ndarray
        (n,), NaN outside the frame.
    """
    x, y = (np.asarray(v, np.float64) for v in (x, y))
    ny, nx = cleaned.shape
    out = np.full(len(x), np.nan)
    with np.errstate(invalid="ignore"):
        on = (x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5)
    every = np.flatnonzero(on)
    for start in range(0, len(every), _CHUNK):
        k = every[start : start + _CHUNK]
        col = np.clip(np.rint(x[k]).astype(int), 0, nx - 1)
        row = np.clip(np.rint(y[k]).astype(int), 0, ny - 1)
        filters = _filters(width, x[k] - col, y[k] - row)
        half = filters.shape[1] // 2
        away = np.arange(-half, half + 1)
        rows = row[:, None, None] + away[:, None]
        cols = col[:, None, None] + away
        there = (rows >= 0) & (rows < ny) & (cols >= 0) & (cols < nx)
        seen = cleaned[np.clip(rows, 0, ny - 1), np.clip(cols, 0, nx - 1)]
        out[k] = np.sum(np.where(there, filters * seen, 0), axis=(1, 2))
    return out


def _filters(width: float, dx: "Floats", dy: "Floats") -> "Floats":
    """Return the filters of points that lie away from the middle: (n, side, side)."""
    half = math.ceil(max(_SIGMAS * width, 4.0))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    inside = np.hypot(x, y) <= half
    # A Gaussian is the product of its two sides.
    steps = np.arange(-half, half + 1)
    sides = [
        np.exp(-0.5 * ((steps - d[:, None]) / width) ** 2)
        / (math.sqrt(2 * math.pi) * width)
        for d in (dx, dy)
    ]
    profile = sides[1][:, :, None] * sides[0][:, None, :]
    level = profile[:, inside].mean(axis=1)
    away = np.where(inside, profile - level[:, None, None], 0)
    return np.asarray(away / np.sum(away * profile, axis=(1, 2), keepdims=True))


def phase_noise(x: "Floats", y: "Floats", width: float) -> "Floats":
    """Return by how much noise grows where a point is not centred on a pixel.

    Parameters
    ----------
    x, y : ndarray
        Places, pixels, 0-based.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    ndarray
        (n,): the noise of a flux over that on the centre of a pixel.
    """
    out = np.full(len(x), np.nan)
    on = np.flatnonzero(np.isfinite(x + y))
    for start in range(0, len(on), _CHUNK):
        k = on[start : start + _CHUNK]
        away = [v[k] - np.rint(v[k]) for v in (x, y)]
        out[k] = np.sum(_filters(width, *away) ** 2, axis=(1, 2))
    return np.sqrt(out / np.sum(kernel_of(width) ** 2))


def filtered(frame: "Float", kernel: "Floats", bad: "Bools") -> Filtered:
    """Pass a frame through a filter and measure the scatter of what comes out.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), bad pixels 0.
    kernel : ndarray
        As from `kernel_of`.
    bad : ndarray of bool
        (ny, nx), pixels that do not count for the scatter.

    Returns
    -------
    Filtered
        Its noise holds all that scatters, correlated as it may be.
    """
    flux = ndimage.correlate(
        np.asarray(frame, np.float32), kernel.astype(np.float32), mode="constant"
    )
    noise = _scatter(flux, bad)
    return Filtered(flux=flux, noise=noise)


def on_trail(
    rest: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    snr: "Floats",
    trails: "TrailShape",
    bad: "Bools",
) -> "Bools":
    """Return which points a trail explains better than a point does.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    row, col : ndarray of int
        Pixels of the points.
    snr : ndarray
        Their signal to noise without the background.
    trails : TrailShape
        What trails look like.
    bad : ndarray of bool
        (ny, nx), pixels that do not count.

    Returns
    -------
    ndarray of bool
        (n,).
    """
    from scipy.signal import fftconvolve

    half = math.ceil(trails.length / 2 + 3 * trails.width)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    shape = trail_profile(
        x, y, angle=trails.angle, length=trails.length, width=trails.width
    ).astype(np.float32)
    # The middle of a trail may lie beyond the edge, and pixels of it be bad.
    seen, good = (np.pad(a, half) for a in (rest, (~bad).astype(np.float32)))
    light, power = (
        fftconvolve(a, k[::-1, ::-1], mode="same")
        for a, k in ((seen, shape), (good, shape**2))
    )
    enough = power > _COVERED * float(np.sum(shape**2))
    strength = np.where(enough, light / np.sqrt(np.maximum(power, 1e-12)), 0)
    inner = (slice(half, -half),) * 2
    strength /= np.pad(_scatter(strength[inner], bad), half, mode="edge")
    # A point on a trail sees its middle within half of the length along the axis.
    reach = math.ceil(trails.length / 2 + trails.width)
    strip = _strip(reach, trails.angle)
    near = ndimage.maximum_filter(strength, footprint=strip, mode="constant")
    return np.asarray(near[inner][row, col] > snr)


def is_long(
    rest: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    width: float,
    bad: "Bools",
) -> "Bools":
    """Return which points a trail of some direction and length explains better.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    row, col : ndarray of int
        Pixels of the points.
    width : float
        Sigma of a point, pixels.
    bad : ndarray of bool
        (ny, nx), pixels that do not count.

    Returns
    -------
    ndarray of bool
        (n,). For frames on which the trails themselves are not known.
    """
    kernels, points = _bank(round(width, 3))
    half = math.isqrt(kernels.shape[1]) // 2
    wide = np.pad(rest, half)
    sigma = _sigma(rest, bad)
    if not len(row) or not sigma > 0:
        return np.zeros(len(row), bool)
    side = 2 * half + 1
    cuts = np.stack([
        wide[r : r + side, c : c + side].ravel() for r, c in zip(row, col, strict=True)
    ]) / sigma  # fmt: skip
    best, own = ((cuts @ k.T).max(axis=1) for k in (kernels, points))
    return np.asarray(best**2 > _LONGER + _MARGIN * np.maximum(own, 0) ** 2)


@cache
def _bank(width: float) -> "tuple[Float, Float]":
    """Return unit filters for trails about a pixel, and for points on it."""
    half = math.ceil(_LENGTHS[-1] + 3 * _WIDER * width)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)

    def one(dx: float, dy: float, angle: float, length: float, w: float) -> "Float":
        made = trail_profile(x - dx, y - dy, angle=angle, length=length, width=w)
        unit = made.ravel() / np.sqrt(np.sum(made**2))
        return np.asarray(unit, np.float32)

    trails = []
    for angle in range(0, 180, 15):
        turn = math.radians(angle)
        for length in _LENGTHS:
            for s in np.linspace(-0.5, 0.5, max(3, round(length / 2))) * length:
                at = s * math.cos(turn), s * math.sin(turn)
                trails += [one(*at, angle, length, f * width) for f in (1, _WIDER)]
    near = (-0.4, -0.2, 0, 0.2, 0.4)
    points = [one(dx, dy, 0, 0, width) for dx in near for dy in near]
    return np.stack(trails), np.stack(points)


def _strip(reach: int, angle: float) -> "Bools":
    """Return the pixels about an axis, from one end to the other."""
    half = reach + _BESIDE
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    turn = math.radians(angle)
    along = math.cos(turn) * x + math.sin(turn) * y
    across = math.cos(turn) * y - math.sin(turn) * x
    return np.asarray((np.abs(along) <= reach) & (np.abs(across) <= _BESIDE))


def _scatter(values: "Float", bad: "Bools") -> "Float":
    """Return the scatter about each pixel, from cells, half-way between them."""
    shape = values.shape
    count = [node_count(n, _CELL) for n in shape]
    edges = [cell_edges(n, m) for n, m in zip(shape, count, strict=True)]
    nodes = np.zeros(count)
    for j in range(count[0]):
        for i in range(count[1]):
            cell = (
                slice(edges[0][j], edges[0][j + 1]),
                slice(edges[1][i], edges[1][i + 1]),
            )
            nodes[j, i] = _sigma(values[cell], bad[cell])
    known = nodes > 0
    if not known.any():
        return np.full(shape, np.inf, np.float32)
    nodes = np.where(known, nodes, np.median(nodes[known]))
    mesh = Mesh(nodes=nodes, shape=(shape[0], shape[1]), order=1)
    return np.asarray(mesh[:, :], np.float32)


def refined(
    cleaned: "Float", x: "Floats", y: "Floats", width: float
) -> "tuple[Floats, Floats]":
    """Return where points explain most, near given places.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Places within about half a pixel of the points, pixels, 0-based.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    x, y : ndarray
        Pixels: pixels are as wide as a point, so the filter itself is moved.
    """
    ny, nx = cleaned.shape

    def strength(x: "Floats", y: "Floats") -> "Floats":
        # Not the flux, which has more noise between pixels.
        return flux_at(cleaned, x, y, width) / phase_noise(x, y, width)

    for step in _STEPS:
        here = strength(x, y)
        sides = [(x - step, y), (x + step, y), (x, y - step), (x, y + step)]
        left, right, below, above = (strength(*s) for s in sides)
        x = np.clip(x + step * _top(left, here, right), -0.5, nx - 0.5)
        y = np.clip(y + step * _top(below, here, above), -0.5, ny - 0.5)
    return x, y


def _tops(
    flux: "Float", row: "NDArray[np.intp]", col: "NDArray[np.intp]"
) -> "tuple[Floats, Floats]":
    """Return the tops of parabolas through maxima and their neighbours."""
    wide = np.pad(flux, 1, mode="edge").astype(np.float64)
    r, c = row + 1, col + 1
    x = col + _top(wide[r, c - 1], wide[r, c], wide[r, c + 1])
    return x, row + _top(wide[r - 1, c], wide[r, c], wide[r + 1, c])


def _top(before: "Floats", here: "Floats", after: "Floats") -> "Floats":
    """Return where a parabola is highest, in steps from the middle, at most one."""
    bend = 2 * here - before - after
    with np.errstate(invalid="ignore"):
        known = np.isfinite(bend) & (bend > 0)
    shift = np.divide(after - before, 2 * bend, out=np.zeros(len(bend)), where=known)
    return np.clip(shift, -1, 1)


def _hot(
    cleaned: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    x: "Floats",
    y: "Floats",
    width: float,
    bad: "Bools",
) -> "Bools":
    """Return which points are one pixel and nothing about it."""
    sigma = _sigma(cleaned, bad)
    if not len(row) or not sigma > 0:
        return np.zeros(len(row), bool)
    single = cleaned[row, col].astype(np.float64)
    norm = float(np.sqrt(np.sum(kernel_of(width) ** 2)))
    point = flux_at(cleaned, x, y, width) / norm
    return np.asarray(single**2 - point**2 > _SINGLE * sigma**2)


def _sigma(values: "Float", bad: "Bools") -> float:
    """Return the scatter of the good pixels, 0 without one."""
    good = values[~bad]
    if not good.size:
        return 0.0
    return 1.4826 * float(np.median(np.abs(good - np.median(good))))
