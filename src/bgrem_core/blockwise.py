"""Detection by blocks: what each block says of its sources, and the list of them all.

A source belongs to the block whose `keep` holds its centroid. Blocks name a source by
its highest pixel in the frame, and work out its centroid in coordinates of the frame:
all that see the source whole come to the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.detect import Detections, Rules, detect_piece
from bgrem_core.planes import allocate
from bgrem_core.tiles import Grid, Tile, inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Block, Plane

    Labels = NDArray[np.int32]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = [
    "BLOCK", "MARGIN", "Part", "blocks_of", "detect_blocks", "detect_part", "holds",
    "join", "seen",
]  # fmt: skip

BLOCK, MARGIN = 2048, 128
"""Side of what a block keeps, and what it reads beyond it, pixels."""
_MINE, _TOP, _FOREIGN = range(3)
"""Claims of a block on a source, the strongest first."""
_ROWS = ("x", "y", "peak", "npix", "flags", "top")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What one block tells of the sources that concern it.

    Attributes
    ----------
    rows : Detections
        In coordinates of the frame, without pixels: sources that the block keeps, and
        those of others that reach into it. TRUNCATED: cut where the block ends.
    claim : ndarray of int, shape (n,)
        0 = the centroid lies in `keep`, 1 = the highest pixel alone, 2 = neither.
    pixels : ndarray of int64, shape (n,)
        Pixels of each inside `keep`.
    """

    rows: Detections
    claim: "Index"
    pixels: "NDArray[np.int64]"


def blocks_of(
    shape: tuple[int, int], *, block: int = BLOCK, margin: int = MARGIN
) -> Grid:
    """Return the blocks of a frame, as tiles that are searched one by one."""
    return Grid(shape=shape, stride=(block, block), margin=margin)


def seen(tile: Tile, shape: tuple[int, ...]) -> "Block":
    """Return what a block reads: its margin, cut at the frame."""
    y, x = (
        slice(max(r.start, 0), min(r.stop, n))
        for r, n in zip(tile.read, shape, strict=True)
    )
    return y, x


def holds(keep: "Block", y: "NDArray[np.float64]", x: "NDArray[np.float64]") -> "Bools":
    """Tell which positions lie on pixels of a block."""
    rows, cols = keep
    return np.asarray(
        (y >= rows.start - 0.5)
        & (y < rows.stop - 0.5)
        & (x >= cols.start - 0.5)
        & (x < cols.stop - 0.5)
    )


def detect_part(
    image: "NDArray[np.float32]",
    tile: Tile,
    shape: tuple[int, int],
    rules: Rules,
    *,
    mask: "Bools | None" = None,
) -> tuple[Part, "Labels"]:
    """Search one block.

    Parameters
    ----------
    image : ndarray of float32
        What `seen` says.
    tile : Tile
        The block.
    shape : tuple of int
        (ny, nx) of the frame.
    rules : Rules
        What makes a source.
    mask : ndarray of bool, optional
        Of the shape of `image`; True = pixel is ignored.

    Returns
    -------
    part : Part
        What the block tells.
    labels : ndarray of int32
        Of the shape of ``tile.keep``: k + 1 on the pixels of row k of the part.
    """
    read = seen(tile, shape)
    found = detect_piece(image, rules, at=read, shape=shape, mask=mask)
    labels = found.segm[inside(read, tile.keep)]
    count = np.bincount(labels.ravel(), minlength=len(found) + 1)[1:]
    mine = holds(tile.keep, found.y, found.x)
    top = holds(tile.keep, *found.top.astype(np.float64).T)
    claim = np.where(mine, _MINE, np.where(top, _TOP, _FOREIGN))
    known = (claim != _FOREIGN) | (count > 0)
    new = np.zeros(len(found) + 1, np.int32)
    new[1:][known] = 1 + np.arange(np.count_nonzero(known))
    rows = found.take(known).without_pixels()
    return Part(rows=rows, claim=claim[known], pixels=count[known]), new[labels]


def join(
    parts: Sequence[Part], shape: tuple[int, int]
) -> tuple[Detections, list["Labels"]]:
    """Make one list of what all blocks tell.

    Each highest pixel is one source. Where blocks saw different pieces of it, and none
    has its centroid, it belongs to the block of that pixel, and is flagged.

    Parameters
    ----------
    parts : sequence of Part
        Of all blocks, in order.
    shape : tuple of int
        (ny, nx) of the frame.

    Returns
    -------
    found : Detections
        In the order of the rows of their highest pixels, without pixels.
    tables : list of ndarray of int32
        For each part the number k + 1 in `found` of its labels, from 0 on; 0 = none.
    """
    rows = {
        name: np.concatenate([getattr(part.rows, name) for part in parts])
        for name in _ROWS
    }
    name = rows["top"][:, 0].astype(np.int64) * shape[1] + rows["top"][:, 1]
    claim = np.concatenate([part.claim for part in parts])
    pixels = np.concatenate([part.pixels for part in parts])
    order = np.lexsort((claim, name))
    order = order[claim[order] != _FOREIGN]
    own, first = np.unique(name[order], return_index=True)
    chosen = order[first]
    place = np.minimum(np.searchsorted(own, name), max(len(own) - 1, 0))
    known = own[place] == name if len(own) else np.zeros(len(name), bool)
    number = np.where(known, place + 1, 0).astype(np.int32)
    total = np.bincount(number, pixels, len(own) + 1)[1:].astype(np.int64)
    cut = total != rows["npix"][chosen]  # blocks do not agree on its pixels
    flags = rows["flags"][chosen] | np.where(cut, SourceFlag.TRUNCATED, 0)
    found = Detections(
        **{
            **{key: values[chosen] for key, values in rows.items()},
            "flags": flags.astype(np.int32),
        },
        segm=np.zeros((0, 0), np.int32),
    )
    ends = np.cumsum([len(part.rows) for part in parts])[:-1]
    zero = np.zeros(1, np.int32)
    return found, [np.concatenate([zero, n]) for n in np.split(number, ends)]


def detect_blocks(
    significance: "Plane",
    *,
    threshold: float,
    minarea: int = 3,
    deblend: float = 0.4,
    fwhm: float = 3.0,
    mask: "Bools | None" = None,
    block: int = BLOCK,
    margin: int = MARGIN,
) -> Detections:
    """Find sources in a frame of any size, one block at a time.

    Parameters
    ----------
    significance : Plane
        As for `detect`; read block by block.
    threshold, minarea, deblend, fwhm, mask
        As for `detect`.
    block : int, optional
        Side of what a block keeps, pixels.
    margin : int, optional
        Pixels that are read beyond it on each side.

    Returns
    -------
    Detections
        Those of `detect`, in its order, where no group of touching sources is larger
        than the margin. Each is listed once in any case; one that is cut where a block
        ends has the flag TRUNCATED.
    """
    rules = Rules(threshold=threshold, minarea=minarea, deblend=deblend, fwhm=fwhm)
    shape = (significance.shape[0], significance.shape[1])
    segm = allocate(shape, np.int32)
    tiles = list(blocks_of(shape, block=block, margin=margin))
    parts = []
    for tile in tiles:
        read = seen(tile, shape)
        image = np.ascontiguousarray(significance[read], np.float32)
        bad = None if mask is None else mask[read]
        part, segm[tile.keep] = detect_part(image, tile, shape, rules, mask=bad)
        parts.append(part)
    found, tables = join(parts, shape)
    for tile, table in zip(tiles, tables, strict=True):
        segm[tile.keep] = table[segm[tile.keep]]
    return found.on(segm)
