"""What stands where a star was: the subtracted image as far as it can be trusted.

Two things are known of a pixel under a star: the image without the star's model, with
the photon noise and the model's error in it, and the sky round it. Their best mixture
weights each by its variance: in the wings the image as it is, in bright cores what a
thin plate spanned over the hole says.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from bgrem_core.stars.pixels import smooth_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["heal", "spanned"]

_LARGE = 2500
"""Pixels from which a hole gets a soap film, which cannot overshoot, not a plate."""
_HARD = 0.12
"""Trust in a pixel below which it is filled and nothing else."""
_SOFT = 0.98
_SMOOTH, _RIM, _NOISE = 1.6, 1.0, 2.5


def heal(
    left: "Floats", trust: "Floats", sigma: "Floats", hole: "Bools", bad: "Bools"
) -> tuple["Floats", "Bools"]:
    """Mix what is left under stars with what its surroundings say.

    Parameters
    ----------
    left : ndarray of float64, shape (ny, nx)
        Image without the light of the stars.
    trust : ndarray of float64, shape (ny, nx)
        Variance of the sky over that of `left`: 1 far from stars, 0 in their cores.
    sigma : ndarray of float64, shape (ny, nx)
        Expected noise of `left`.
    hole : ndarray of bool, shape (ny, nx)
        Pixels that say nothing at all: saturated cores.
    bad : ndarray of bool, shape (ny, nx)
        Pixels that are neither used nor changed.

    Returns
    -------
    healed : ndarray of float64, shape (ny, nx)
        Equal to `left` where trust is 1.
    filled : ndarray of bool, shape (ny, nx)
        Pixels that come from their surroundings alone.
    """
    filled = (hole | (trust < _HARD)) & ~bad
    weight = np.where(filled | bad, 0.0, trust)
    usable = weight > 0
    if not usable.any():
        return left.copy(), np.zeros_like(filled)
    out = np.where(filled, 0.0, left)
    if filled.any():
        rim = smooth_level(np.where(usable, left, 0.0), weight, _RIM)
        out = spanned(np.where(usable, rim, 0.0), filled, ~usable & ~filled)
        out = np.where(filled, out, left)
    # Filled pixels support the mean where little else does.
    support = np.where(filled, 0.3, weight)
    smooth = smooth_level(np.where(bad, 0.0, out), np.where(bad, 0.0, support), _SMOOTH)
    mixed = (trust < _SOFT) & ~filled & ~bad
    # What stands out by more than noise is a knot of the sky, and stays.
    off = np.clip(left - smooth, -_NOISE * sigma, _NOISE * sigma)
    out[mixed] = (left - (1 - trust) * off)[mixed]
    out[bad] = left[bad]
    return out, filled


def spanned(values: "Floats", hole: "Bools", unknown: "Bools") -> "Floats":
    """Fill holes with the smoothest surface through their surroundings.

    Small holes get a thin plate (biharmonic), large ones and those that touch unknown
    pixels or the edge of the frame a soap film (Laplace): both are the steady states
    of diffusion from the rim, solved for at once.

    Parameters
    ----------
    values : ndarray of float64, shape (ny, nx)
        Known pixels.
    hole : ndarray of bool, shape (ny, nx)
        Pixels to fill.
    unknown : ndarray of bool, shape (ny, nx)
        Further pixels without a value, not to be filled.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        With `hole` filled; where no known pixel touches a hole, the median of all.
    """
    out = values.copy()
    known = ~hole & ~unknown
    if not hole.any() or not known.any():
        return out
    label, count = ndimage.label(hole, np.ones((3, 3)))
    boxes = ndimage.find_objects(label)
    area = np.bincount(label.ravel(), minlength=count + 1)
    middle = float(np.median(values[known]))
    plate = np.zeros(count + 1, bool)
    ny, nx = hole.shape
    for k, box in enumerate(boxes, start=1):
        a, b, c, d = box[0].start, box[0].stop, box[1].start, box[1].stop
        inner = a >= 2 and b <= ny - 2 and c >= 2 and d <= nx - 2
        near = (slice(max(a - 2, 0), b + 2), slice(max(c - 2, 0), d + 2))
        plate[k] = inner and area[k] < _LARGE and not unknown[near].any()
    film = ~plate[label] & hole
    if film.any():
        _film(out, film, known, middle)
    if plate.any():
        _plate(out, hole & ~film, known | film, middle)
    return out


def _film(out: "Floats", hole: "Bools", known: "Bools", middle: float) -> None:
    """Laplace: each pixel is the mean of its four neighbours that have a value."""
    index, row, col = _numbered(hole)
    ny, nx = hole.shape
    n = len(row)
    number = np.zeros(n)
    rhs = np.zeros(n)
    lines, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        j, i = row + dy, col + dx
        on = (j >= 0) & (j < ny) & (i >= 0) & (i < nx)
        j, i = np.where(on, j, 0), np.where(on, i, 0)
        inside, rim = on & hole[j, i], on & known[j, i]
        number += inside | rim
        rhs += np.where(rim, out[j, i], 0)
        lines.append(np.flatnonzero(inside))
        columns.append(index[j, i][inside])
    # A pull to the median so weak that only pixels without any rim feel it.
    tiny = 1e-9
    line, column = np.concatenate(lines), np.concatenate(columns)
    matrix = sparse.csc_array(
        (-np.ones(len(line)), (line, column)), shape=(n, n)
    ) + sparse.diags_array(number + tiny)
    out[row, col] = splu(sparse.csc_matrix(matrix)).solve(rhs + tiny * middle)


_STENCIL = {
    (0, 0): 20.0, (0, 1): -8.0, (1, 0): -8.0, (0, -1): -8.0, (-1, 0): -8.0,
    (1, 1): 2.0, (1, -1): 2.0, (-1, 1): 2.0, (-1, -1): 2.0,
    (0, 2): 1.0, (2, 0): 1.0, (0, -2): 1.0, (-2, 0): 1.0,
}  # fmt: skip


def _plate(out: "Floats", hole: "Bools", known: "Bools", middle: float) -> None:
    """Biharmonic: the thin plate; two pixels round each hole are known or holes."""
    index, row, col = _numbered(hole)
    n = len(row)
    rhs = np.zeros(n)
    lines, columns, values = [], [], []
    for (dy, dx), weight in _STENCIL.items():
        j, i = row + dy, col + dx
        inside = hole[j, i]
        value = np.where(known[j, i], out[j, i], middle)
        rhs -= np.where(inside, 0.0, weight * value)
        lines.append(np.flatnonzero(inside))
        columns.append(index[j, i][inside])
        values.append(np.full(int(inside.sum()), weight))
    matrix = sparse.csc_matrix(
        (np.concatenate(values), (np.concatenate(lines), np.concatenate(columns))),
        shape=(n, n),
    )
    out[row, col] = splu(matrix).solve(rhs)


def _numbered(
    hole: "Bools",
) -> tuple["NDArray[np.intp]", "NDArray[np.intp]", "NDArray[np.intp]"]:
    row, col = np.nonzero(hole)
    index = np.zeros(hole.shape, np.intp)
    index[row, col] = np.arange(len(row))
    return index, row, col
