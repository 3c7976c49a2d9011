"""Rings: sources as circles, judged against the truth where it is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

Line = Literal["solid", "dashed", "dotted"]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rings:
    """Circles of one kind.

    Attributes
    ----------
    label : str
        What they are.
    line : {"solid", "dashed", "dotted"}
        Told apart without colours too.
    colour : tuple of int
        Red, green, blue.
    at : ndarray, shape (n, 2)
        Positions x, y in the frame, 0-based.
    """

    label: str
    line: Line
    colour: tuple[int, int, int]
    at: Points


_FOUND = ("solid", (86, 190, 255))
_HIT = ("solid", (60, 200, 90))
_MISS = ("dashed", (245, 215, 50))
_FALSE = ("dotted", (240, 70, 60))


def make_rings(
    catalog: "Mapping[str, Any] | None",
    truth: "Mapping[str, Any] | None",
    *,
    radius: float,
) -> tuple[Rings, ...]:
    """Return the rings of a catalogue: found, or hits, misses and false ones.

    Parameters
    ----------
    catalog : mapping or None
        Columns ``x`` and ``y`` of what was found; None = nothing.
    truth : mapping or None
        Columns ``x`` and ``y`` of what is there; None = unknown.
    radius : float
        A source is a hit within this many pixels of a true one.

    Returns
    -------
    tuple of Rings
        Kinds without a source too, so that a legend can say none.
    """
    if catalog is None:
        return ()
    found = _points(catalog)
    if truth is None:
        return (_rings("sources found", _FOUND, found),)
    real = _points(truth)
    hits, caught = match(found, real, radius)
    return (
        _rings("found, real", _HIT, found[hits]),
        _rings("missed", _MISS, real[~caught]),
        _rings("found, not real", _FALSE, found[~hits]),
    )


def match(
    found: Points, real: Points, radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pair points one to one, nearest pairs first.

    Parameters
    ----------
    found, real : ndarray, shape (n, 2) and (m, 2)
        Positions.
    radius : float
        Greatest distance of a pair.

    Returns
    -------
    tuple of ndarray of bool
        Which of `found` and which of `real` have a partner.
    """
    hits, caught = np.zeros(len(found), bool), np.zeros(len(real), bool)
    if not (len(found) and len(real)):
        return hits, caught
    from scipy.spatial import cKDTree

    pairs = cKDTree(found).sparse_distance_matrix(
        cKDTree(real), radius, output_type="ndarray"
    )
    for pair in np.sort(pairs, order=["v", "i", "j"]):
        if not (hits[pair["i"]] or caught[pair["j"]]):
            hits[pair["i"]] = caught[pair["j"]] = True
    return hits, caught


def _points(columns: "Mapping[str, Any]") -> Points:
    both = [np.asarray(columns[name], np.float64).ravel() for name in ("x", "y")]
    points = np.stack(both, axis=1)
    return points[np.isfinite(points).all(axis=1)]


def _rings(label: str, style: tuple[Any, Any], at: Points) -> Rings:
    return Rings(label=f"{len(at)} {label}", line=style[0], colour=style[1], at=at)
