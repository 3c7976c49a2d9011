"""Segments: which pixels belong to sources whose places are known already."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from bgrem_core.blockwise import BLOCK, MARGIN, blocks_of, seen
from bgrem_core.catalog import SourceFlag
from bgrem_core.planes import allocate, bands
from bgrem_core.tiles import inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from bgrem_core.planes import Block, Plane
    from bgrem_core.tiles import Grid, Tile

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Labels = NDArray[np.int32]

__all__ = [
    "Facts", "claimed", "facts_in", "gathered", "in_sight", "reaching",
    "segment_facts", "segments_of",
]  # fmt: skip

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
    shape = (light.shape[0], light.shape[1])
    out = allocate(shape, np.int32)
    for tile in blocks_of(shape, block=block, margin=margin):
        near = in_sight(tile, shape, x, y)
        out[tile.keep] = claimed(
            light, tile, x[near], y[near], near, threshold=threshold, fwhm=fwhm
        )
    return out


def in_sight(
    tile: "Tile", shape: tuple[int, int], x: "Floats", y: "Floats"
) -> "NDArray[np.intp]":
    """Return which places lie in what a block reads."""
    row, col = _pixels(shape, x, y)
    rows, cols = seen(tile, shape)
    return np.flatnonzero(
        (row >= rows.start)
        & (row < rows.stop)
        & (col >= cols.start)
        & (col < cols.stop)
    )


def claimed(
    light: "Plane",
    tile: "Tile",
    x: "Floats",
    y: "Floats",
    source: "NDArray[np.intp]",
    *,
    threshold: float,
    fwhm: float,
) -> "Labels":
    """Give the pixels of light that a block keeps to sources.

    Parameters
    ----------
    light : Plane
        (ny, nx) of the frame.
    tile : Tile
        The block.
    x, y : ndarray, shape (n,)
        Places `in_sight`.
    source : ndarray of int, shape (n,)
        Number of each, from 0.
    threshold, fwhm
        As for `segments_of`.

    Returns
    -------
    ndarray of int32
        Of the shape of ``tile.keep``: the number k + 1 on the pixels of source k.
    """
    shape = (light.shape[0], light.shape[1])
    read = seen(tile, shape)
    row, col = _pixels(shape, x, y)
    labels = _claim(
        np.asarray(light[read], np.float32), row - read[0].start,
        col - read[1].start, source, threshold, fwhm,
    )  # fmt: skip
    return labels[inside(read, tile.keep)]


def _pixels(
    shape: tuple[int, int], x: "Floats", y: "Floats"
) -> "tuple[NDArray[np.intp], NDArray[np.intp]]":
    row = np.clip(np.rint(y), 0, shape[0] - 1).astype(np.intp)
    return row, np.clip(np.rint(x), 0, shape[1] - 1).astype(np.intp)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What the pixels of some sources say of them, in one piece of a frame.

    Attributes
    ----------
    label : ndarray of int, shape (n,)
        The sources that have pixels here or touch the piece, without repeats.
    flags : ndarray of int32, shape (n,)
        `SourceFlag`: EDGE, BLENDED (touches another source), MASKED (touches masked
        pixels), TRUNCATED (its light goes on beyond the piece, and is nobody's there).
    npix : ndarray of int64, shape (n,)
        Pixels here.
    low, high : ndarray of int, shape (n, 2)
        First row and column of them, and those after the last; high = 0 without any.
    """

    label: "NDArray[np.intp]"
    flags: "Labels"
    npix: "NDArray[np.int64]"
    low: "NDArray[np.intp]"
    high: "NDArray[np.intp]"


def facts_in(
    segm: "Plane", light: "Plane", keep: "Block", *, threshold: float = np.inf
) -> Facts:
    """Return what the pixels of a piece of a frame say of their sources.

    Parameters
    ----------
    segm : Plane
        Labels as from `segments_of`, int32, (ny, nx).
    light : Plane
        (ny, nx); non-finite pixels are masked.
    keep : tuple of slice
        Rows and columns of the piece.
    threshold : float, optional
        Least light of a pixel of a source, where pieces were labelled one by one.

    Returns
    -------
    Facts
        Together, pieces that tile a frame see every pair of neighbours.
    """
    ny, nx = segm.shape
    rows, cols = keep
    # One line more, so that what meets across the pieces is seen.
    wide = (
        slice(rows.start, min(rows.stop + 1, ny)),
        slice(cols.start, min(cols.stop + 1, nx)),
    )
    whole, bright = np.asarray(segm[wide]), np.asarray(light[wide])
    own = (slice(0, rows.stop - rows.start), slice(0, cols.stop - cols.start))
    # Labels are small numbers: counted, not sorted.
    names = np.flatnonzero(np.bincount(whole.ravel()))
    count = len(names)
    number = np.zeros(names[-1] + 1, np.intp)
    number[names] = np.arange(count)
    label = number[whole]
    flags = np.zeros(count, np.int32)
    bad, lost = ~np.isfinite(bright), (bright >= threshold) & (whole == 0)
    lit = (bright >= threshold) & (whole > 0)
    for one, two in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        a, b = label[one], label[two]
        meet = (a != b) & (whole[one] > 0) & (whole[two] > 0)
        flags[a[meet]] |= SourceFlag.BLENDED
        flags[b[meet]] |= SourceFlag.BLENDED
        flags[a[bad[two]]] |= SourceFlag.MASKED
        flags[b[bad[one]]] |= SourceFlag.MASKED
        flags[a[lit[one] & lost[two]]] |= SourceFlag.TRUNCATED
        flags[b[lost[one] & lit[two]]] |= SourceFlag.TRUNCATED
    for at, line in (
        (rows.start == 0, label[0]),
        (wide[0].stop == ny, label[-1]),
        (cols.start == 0, label[:, 0]),
        (wide[1].stop == nx, label[:, -1]),
    ):
        if at:
            flags[line] |= SourceFlag.EDGE
    low, high = np.full((count, 2), max(ny, nx)), np.zeros((count, 2), np.intp)
    for k, box in enumerate(ndimage.find_objects(label[own] + 1, max_label=count)):
        if box is not None:
            low[k] = [rows.start + box[0].start, cols.start + box[1].start]
            high[k] = [rows.start + box[0].stop, cols.start + box[1].stop]
    some = names > 0
    return Facts(
        label=names[some].astype(np.intp),
        flags=flags[some],
        npix=np.bincount(label[own].ravel(), minlength=count)[some],
        low=low[some],
        high=high[some],
    )


def gathered(pieces: "Iterable[Facts]", number: int) -> Facts:
    """Put together what the pieces of a frame say of sources 1 to `number`."""
    out = Facts(
        label=np.arange(1, number + 1),
        flags=np.zeros(number, np.int32),
        npix=np.zeros(number, np.int64),
        low=np.full((number, 2), np.iinfo(np.intp).max),
        high=np.zeros((number, 2), np.intp),
    )
    for piece in pieces:
        k = piece.label - 1
        out.flags[k] |= piece.flags
        out.npix[k] += piece.npix
        out.low[k] = np.minimum(out.low[k], piece.low)
        out.high[k] = np.maximum(out.high[k], piece.high)
    return out


def reaching(facts: Facts, x: "Floats", y: "Floats", grid: "Grid") -> "Bools":
    """Tell which sources reach further than the margin beyond their block.

    Parameters
    ----------
    facts : Facts
        Of all sources.
    x, y : ndarray, shape (n,)
        Their places, pixels.
    grid : Grid
        The blocks.

    Returns
    -------
    ndarray of bool, shape (n,)
        True = the source may go on, and its pixels are cut there.
    """
    out = np.zeros(len(x), bool)
    for axis, place in enumerate((y, x)):
        side, length = grid.stride[axis], grid.shape[axis]
        start = (place + 0.5).astype(np.intp) // side * side
        low, high = start - grid.margin, start + side + grid.margin
        out |= (facts.low[:, axis] <= low) & (low > 0)
        out |= (facts.high[:, axis] >= high) & (high < length)
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
    every = slice(0, segm.shape[1])
    pieces = (facts_in(segm, light, (rows, every)) for rows in bands(segm.shape))
    all_of_it = gathered(pieces, number)
    return all_of_it.flags, all_of_it.npix


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
