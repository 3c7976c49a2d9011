"""Segments: which pixels belong to sources whose places are known already."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.planes import allocate, bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int32]

__all__ = ["segment_facts", "segments_of"]

BLOCK, MARGIN = 2048, 128
NEAREST = 6
"""Sources that may claim one pixel."""


def segments_of(
    light: "Plane",
    x: "Floats",
    y: "Floats",
    *,
    threshold: float,
    fwhm: float,
    block: int = BLOCK,
    margin: int = MARGIN,
) -> "Labels":
    """Give each pixel of light to the source that brings most of it.

    A pixel above the threshold belongs to one of the sources that it is connected with
    (eight neighbours): to the one whose point-source profile, as high as the light at
    its place, is highest there. A source without such pixels has the one at its place.

    Parameters
    ----------
    light : Plane
        (ny, nx), sky removed; non-finite pixels belong to nobody.
    x, y : ndarray, shape (n,)
        Places, pixels, 0-based, inside the plane.
    threshold : float
        Least light of a pixel.
    fwhm : float
        Of a point source, pixels.
    block, margin : int, optional
        Side of what is labelled at once, and what is read beyond it, pixels.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
        The number k + 1 on the pixels of source k, 0 elsewhere.
    """
    ny, nx = light.shape
    out = allocate((ny, nx), np.int32)
    row = np.clip(np.rint(y), 0, ny - 1).astype(int)
    col = np.clip(np.rint(x), 0, nx - 1).astype(int)
    for top in range(0, ny, block):
        for left in range(0, nx, block):
            low = max(top - margin, 0), max(left - margin, 0)
            high = min(top + block + margin, ny), min(left + block + margin, nx)
            near = np.flatnonzero(
                (row >= low[0]) & (row < high[0]) & (col >= low[1]) & (col < high[1])
            )
            part = np.asarray(light[low[0] : high[0], low[1] : high[1]], np.float32)
            labels = _claim(
                part, row[near] - low[0], col[near] - low[1], near, threshold, fwhm
            )
            bottom, right = min(top + block, ny), min(left + block, nx)
            out[top:bottom, left:right] = labels[
                top - low[0] : bottom - low[0], left - low[1] : right - low[1]
            ]
    return out


def segment_facts(
    segm: "Labels", light: "Plane", number: int
) -> "tuple[Labels, NDArray[np.int64]]":
    """Return what the pixels of each source say of it.

    Parameters
    ----------
    segm : ndarray of int32, shape (ny, nx)
        As from `segments_of`.
    light : Plane
        (ny, nx); non-finite pixels are masked.
    number : int
        Of sources.

    Returns
    -------
    flags : ndarray of int32, shape (number,)
        `SourceFlag`: EDGE, BLENDED (touches another source), MASKED (touches masked
        pixels).
    npix : ndarray of int64, shape (number,)
        Pixels.
    """
    npix = np.zeros(number + 1, np.int64)
    flags = np.zeros(number + 1, np.int32)
    ny = segm.shape[0]
    for rows in bands(segm.shape):
        # One row more, so that what meets across the bands is seen.
        wide = slice(rows.start, min(rows.stop + 1, ny))
        label, bad = segm[wide], ~np.isfinite(light[wide, :])
        npix += np.bincount(segm[rows].ravel(), minlength=number + 1)
        for one, two in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
            a, b = label[one], label[two]
            meet = (a != b) & (a > 0) & (b > 0)
            flags[a[meet]] |= SourceFlag.BLENDED
            flags[b[meet]] |= SourceFlag.BLENDED
            flags[a[bad[two]]] |= SourceFlag.MASKED
            flags[b[bad[one]]] |= SourceFlag.MASKED
    for line in (segm[0], segm[-1], segm[:, 0], segm[:, -1]):
        flags[line] |= SourceFlag.EDGE
    return flags[1:], npix[1:]


def _claim(
    light: "NDArray[np.float32]",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    source: "NDArray[np.intp]",
    threshold: float,
    fwhm: float,
) -> "Labels":
    out = np.zeros(light.shape, np.int32)
    if not len(source):
        return out
    with np.errstate(invalid="ignore"):
        island, _ = ndimage.label(light >= threshold, np.ones((3, 3)))
    home = island[row, col]
    height = np.maximum(np.nan_to_num(light[row, col]), threshold)
    first, number = np.unique(home, return_counts=True)
    owner = np.zeros(island.max() + 1, np.int32)
    owner[home] = source + 1  # right where it is alone
    owner[0] = 0
    np.take(owner, island, out=out)
    crowd = np.zeros(len(owner), bool)
    crowd[first[(first > 0) & (number > 1)]] = True
    py, px = np.nonzero(crowd[island])
    members = crowd[home]
    if len(py):
        out[py, px] = _strongest(
            np.stack([py, px], 1), island[py, px],
            np.stack([row[members], col[members]], 1), home[members],
            height[members], source[members], fwhm,
        )  # fmt: skip
    out[row, col] = source + 1
    return out


def _strongest(
    pixel: "NDArray[np.intp]",
    island: "NDArray[np.intp]",
    place: "NDArray[np.intp]",
    home: "NDArray[np.intp]",
    height: "NDArray[np.float32]",
    source: "NDArray[np.intp]",
    fwhm: float,
) -> "Labels":
    """Return, for pixels on shared islands, the strongest of their nearest sources."""
    # The island is a third coordinate, so far apart that none looks across.
    apart = 10 * float(np.abs(pixel).max() + 1)
    tree = KDTree(np.column_stack([place, home * apart]))
    at = np.column_stack([pixel, island * apart])
    distance, index = tree.query(at, k=min(NEAREST, len(place)))
    distance = distance.reshape(len(at), -1)
    index = index.reshape(len(at), -1)
    profile = (1 + (2 * distance / fwhm) ** 2 * (2 ** (1 / 3) - 1)) ** -3.0
    claim = height[index] * profile
    claim[home[index] != island[:, None]] = -1
    best = np.argmax(claim, axis=1)
    label: Labels = (source[index[np.arange(len(at)), best]] + 1).astype(np.int32)
    return label
