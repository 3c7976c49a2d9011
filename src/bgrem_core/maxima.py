"""Maxima: the hills of an image above a threshold, and the passes between them.

Every pixel climbs to its highest neighbour; the pixels that end on one maximum are its
basin. The pass between two basins is the highest point at which one can be left for
the other. Maxima and passes hold all that is needed to part blends: the tree in which
hills join as the threshold falls, exact, without a list of trial thresholds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Index = NDArray[np.intp]
    Float = NDArray[np.float32]
    Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hills:
    """Basins of all maxima above a threshold.

    Attributes
    ----------
    pixel : ndarray of intp, shape (n,)
        Flat index, in the image, of each pixel above the threshold.
    basin : ndarray of intp, shape (n,)
        Basin of each of those pixels.
    top : ndarray of intp, shape (m,)
        Flat index of the maximum of each basin.
    height : ndarray of float32, shape (m,)
        Value at the maximum.
    left, right : ndarray of intp, shape (k,)
        The two basins of each pass.
    level : ndarray of float32, shape (k,)
        Height of each pass, in falling order.
    """

    pixel: "Index"
    basin: "Index"
    top: "Index"
    height: "Float"
    left: "Index"
    right: "Index"
    level: "Float"


def find_hills(image: "Float", above: "Bool") -> Hills:
    """Share the pixels above a threshold out among the maxima they climb to.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Values; finite where `above` is True.
    above : ndarray of bool, shape (ny, nx)
        Pixels to be shared out; eight neighbours are connected.

    Returns
    -------
    Hills
        A plateau is one maximum, or several joined by passes of its own height.
    """
    nx = image.shape[1]
    width = nx + 2
    padded = np.full((image.shape[0] + 2, width), -np.inf, np.float32)
    padded[1:-1, 1:-1] = np.where(above, image, -np.inf)
    flat = padded.ravel()
    place = np.flatnonzero(flat > -np.inf)
    value = flat[place]
    rank = np.full(flat.size, -1, np.intp)
    rank[place] = np.arange(len(place))
    basin_top = _climb(_highest_neighbour(flat, place, value, width), rank)
    tops, basin = np.unique(basin_top, return_inverse=True)
    left, right, level = _passes(rank, place, value, basin, width)
    y, x = np.divmod(place, width)
    pixel = (y - 1) * nx + (x - 1)
    return Hills(
        pixel=pixel,
        basin=basin,
        top=pixel[tops],
        height=value[tops],
        left=left,
        right=right,
        level=level,
    )


def _highest_neighbour(
    flat: "Float", place: "Index", value: "Float", width: int
) -> "Index":
    """Return where each pixel climbs to; equal values climb to the later pixel."""
    best_value, best_place = value.copy(), place.copy()
    for step in (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1):
        there = place + step
        other = flat[there]
        higher = (other > best_value) | ((other == best_value) & (there > best_place))
        best_value[higher] = other[higher]
        best_place[higher] = there[higher]
    return best_place


def _climb(uphill: "Index", rank: "Index") -> "Index":
    """Follow the climb to its end, doubling the step each time."""
    end = rank[uphill]
    while True:
        further = end[end]
        if np.array_equal(further, end):
            return end
        end = further


def _passes(
    rank: "Index", place: "Index", value: "Float", basin: "Index", width: int
) -> tuple["Index", "Index", "Float"]:
    """Return the highest pass between every two basins that touch, highest first."""
    pairs, levels = [], []
    count = int(basin.max(initial=-1)) + 1
    for step in (1, width - 1, width, width + 1):
        other = rank[place + step]
        here = np.flatnonzero((other >= 0) & (basin[other] != basin))
        there = other[here]
        low = np.minimum(basin[here], basin[there])
        high = np.maximum(basin[here], basin[there])
        pairs.append(low * count + high)
        levels.append(np.minimum(value[here], value[there]))
    pair, level = np.concatenate(pairs), np.concatenate(levels)
    order = np.lexsort((-level, pair))
    pair, first = np.unique(pair[order], return_index=True)
    level = level[order][first]
    falling = np.argsort(-level, kind="stable")
    left, right = np.divmod(pair[falling], max(count, 1))
    return left, right, level[falling]
