"""Plateau: the level of a frame's faintest part, as where a galaxy fills it."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bgrem_core.cells import Grid
from bgrem_core.mesh import node_count
from bgrem_core.planes import Plane
from bgrem_core.sky_nodes import BLOCK, LEAST, Frame, cell_nodes, clipped_mode

__all__ = ["iter_plateau", "plateau_level"]

_Floats = NDArray[np.float64]


def iter_plateau(
    plane: Plane, flags: Plane, sigma: Plane, *, denoised: bool
) -> Generator[tuple[int, int], None, float]:
    """Level of the faintest part of a frame that sources fill."""
    ny, nx = plane.shape
    side = min(2 * BLOCK, max(8, min(ny, nx) // 8))
    grid = Grid(shape=(ny, nx), count=(node_count(ny, side), node_count(nx, side)))
    frame = Frame(plane, flags, sigma, grid)
    nodes, used = yield from cell_nodes(frame, 1, clipped_mode)
    noise = float(np.median(sigma[ny // 2 : ny // 2 + 1, 0:nx]))
    error = (0.02 if denoised else 2.5 / side) * noise or 1e-30
    level = np.where(used >= LEAST, nodes, np.nan)
    return _under_galaxy(level, plateau_level(level, error), error)


def plateau_level(level: _Floats, error: float) -> float:
    """Level that the faintest blocks share, to the error of one of them."""
    known = level[np.isfinite(level)]
    if known.size == 0:
        return 0.0
    base = float(np.quantile(known, 0.05)) + 1.645 * error
    for _ in range(20):
        near = known[np.abs(known - base) < 2.5 * error]
        if near.size == 0 or abs(float(near.mean()) - base) < 1e-3 * error:
            break
        base = float(near.mean())
    return base


def _under_galaxy(level: _Floats, plateau: float, error: float) -> float:
    """Sky where a galaxy reaches the edges: its exponential outskirts extrapolated.

    The outer disc follows an exponential (Freeman 1970, ApJ 160, 811) on ellipses
    given by the second moments of the light; the sky is the constant under it.
    """
    known = np.isfinite(level)
    light = np.where(known, np.maximum(level - plateau - 3 * error, 0), 0.0)
    total = float(light.sum())
    if known.sum() < 24 or total <= 0:
        return plateau
    y, x = np.mgrid[0 : level.shape[0], 0 : level.shape[1]].astype(np.float64)
    y -= float((light * y).sum()) / total
    x -= float((light * x).sum()) / total
    xx, yy, xy = (float((light * t).sum()) / total for t in (x * x, y * y, x * y))
    det = xx * yy - xy * xy
    if det <= 0.01 * (xx + yy) ** 2 / 4:
        return plateau
    radius = np.sqrt((yy * x * x - 2 * xy * x * y + xx * y * y) / np.sqrt(det))
    my, mx = level.shape
    rows, cols = np.mgrid[0:my, 0:mx].astype(np.float64)
    slope = np.stack([(2 * rows + 1) / my - 1, (2 * cols + 1) / mx - 1])
    outer = known & (level < np.quantile(level[known], 0.7))
    r, values = radius[outer], (level[outer] - plateau) / error
    along_y, along_x = slope[0][outer], slope[1][outer]
    weight = 1 / (1 + 0.1 * np.abs(values))
    span = float(radius[known].max())

    def residual(p: _Floats) -> _Floats:
        plane = p[0] + p[1] * along_y + p[2] * along_x
        out: _Floats = (plane + np.exp(p[3] - r / p[4]) - values) * weight
        return out

    top = float(np.log(max(float(values.max()), 1.0)))
    fit = optimize.least_squares(
        residual,
        [-1.0, 0.0, 0.0, top + 3, span / 5],
        bounds=(
            [-50, -np.inf, -np.inf, -20, span / 40],
            [np.inf, np.inf, np.inf, 40, span / 2.5],
        ),
        x_scale=[1.0, 1.0, 1.0, 1.0, span / 10],
        loss="soft_l1",
    )
    depth, length = float(fit.x[0]), float(fit.x[4])
    highest = float(np.quantile(values, 0.5))
    if length > 0.95 * span / 2.5 or not -49 < depth < highest:
        # No curvature: a slope of the sky itself, or no disc at all.
        return plateau
    return plateau + error * depth
