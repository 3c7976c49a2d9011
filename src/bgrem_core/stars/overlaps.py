"""Stars that share pixels: the normal equations of a fit to all of them.

Stamps are larger than the numbers that are sought, and few of them overlap. So what two
stars have in common is summed once, and the pixels are not needed any more.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse, spatial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["Stamps", "normal_matrix"]

_PAIRS = 60_000
"""Pixels of pairs that are looked at together: few enough for the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """Stars of one stamp size.

    Attributes
    ----------
    some : ndarray of intp, shape (n,)
        Which stars they are.
    disc : ndarray of bool, shape ((2 half + 1) ** 2,)
        Pixels of a stamp that are used.
    templates : ndarray of float64, shape (n, size, pixels of the disc + 1)
        What each number of a star changes there; the last is 0.
    """

    some: "Index"
    disc: "Bools"
    templates: "Floats"

    @property
    def half(self) -> int:
        """Half side of a stamp, pixels."""
        return (int(np.sqrt(len(self.disc))) - 1) // 2


def normal_matrix(
    stamps: list[Stamps], row: "Index", col: "Index", blocks: "Floats"
) -> "sparse.bsr_array":
    """Return the sums of products of all templates.

    Parameters
    ----------
    stamps : list of Stamps
        Each star in one of them.
    row, col : ndarray of intp, shape (n,)
        Middles of the stamps.
    blocks : ndarray of float64, shape (n, size, size)
        What stands on the diagonal: each star with itself.

    Returns
    -------
    sparse.bsr_array, shape (n size, n size)
        Symmetric.
    """
    n, size = blocks.shape[:2]
    lines, columns, data = [np.arange(n)], [np.arange(n)], [blocks]
    for a, b, found in _common(stamps, row, col):
        lines += [a, b]
        columns += [b, a]
        data += [found, found.transpose(0, 2, 1)]
    line, column = np.concatenate(lines), np.concatenate(columns)
    order = np.lexsort((column, line))
    ends = np.concatenate([[0], np.cumsum(np.bincount(line, minlength=n))])
    return sparse.bsr_array(
        (np.concatenate(data)[order], column[order], ends), shape=(n * size, n * size)
    )


def _common(
    stamps: list[Stamps], row: "Index", col: "Index"
) -> "Iterator[tuple[Index, Index, Floats]]":
    """Yield pairs of stars whose stamps overlap, and sums of products of templates."""
    place = np.column_stack([row, col])
    # Small ones first: of two stars the pixels of the smaller are gone through.
    stamps = sorted(stamps, key=lambda s: s.half)
    trees = [spatial.KDTree(place[s.some]) for s in stamps]
    for k, (one, tree) in enumerate(zip(stamps, trees, strict=True)):
        for other, far in zip(stamps[k:], trees[k:], strict=True):
            reach = one.half + other.half
            if other is one:
                pairs = tree.query_pairs(reach, p=np.inf, output_type="ndarray")
                a, b = pairs[:, 0], pairs[:, 1]
            else:
                near = tree.query_ball_tree(far, reach, p=np.inf)
                a = np.repeat(np.arange(len(near)), [len(x) for x in near])
                b = np.array([x for each in near for x in each], np.intp)
            step = max(1, _PAIRS // one.templates.shape[2])
            for first in range(0, len(a), step):
                i, j = a[first : first + step], b[first : first + step]
                off = place[one.some[i]] - place[other.some[j]]
                found = _products(one, other, i, j, off)
                yield one.some[i], other.some[j], found


def _products(
    one: Stamps, other: Stamps, i: "Index", j: "Index", off: "Index"
) -> "Floats":
    """Return sums of products of templates of two stars each, shape (n, size, size)."""
    size, pixels = other.templates.shape[1:]
    # Which pixel of the other's disc each of its stamp is: the last one is none.
    number = np.full(len(other.disc), pixels - 1, np.intp)
    number[other.disc] = np.arange(pixels - 1)
    side = 2 * other.half + 1
    at = np.flatnonzero(one.disc)
    dy, dx = at // (2 * one.half + 1) - one.half, at % (2 * one.half + 1) - one.half
    y, x = dy + off[:, :1] + other.half, dx + off[:, 1:] + other.half
    on = (y >= 0) & (y < side) & (x >= 0) & (x < side)
    there = np.where(on, number.take(np.where(on, y * side + x, 0)), pixels - 1)
    line = (j[:, None] * size + np.arange(size)) * pixels
    theirs = other.templates.ravel().take(line[:, :, None] + there[:, None, :])
    ours = one.templates[i, :, :-1]
    return np.asarray(np.matmul(ours, theirs.transpose(0, 2, 1)))
