"""No coverage: connected runs of exactly equal values where no camera has looked.

Noise never repeats a float exactly, but whole numbers do, clipped and smooth pictures
do, and so does a frame without noise. What sets a hole apart is its rim: the values
next to it jump. Next to a plateau of an ordinary integer image they differ by one
step, next to a smooth sky by one unit in the last place.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import MaskBit
from bgrem_core.planes import bands

#: Connected pixels above which a run counts wherever it lies.
LEAST = 100
#: Least pixels of a run that reaches the frame's edge.
LEAST_AT_EDGE = 8
# Share of equal neighbours above which values are steps, not a continuum.
_QUANTISED = 0.01
# Least length of a row of equal values in a quantised frame, to be looked at at all.
_LEAST_ROW = 10
_MOST_RUNS = 4_000_000
_CELL = 64
# Pieces of rows, of _CELL pixels, that are more equal than this tell of no noise.
_FLAT = 0.9
_JUMP_STEPS = 1.5
_JUMP_ULP = 8
# Share of the frame that must be left, else the plateau is the frame.
_LEAST_LEFT = 0.01
_BRIGHT = 10
_SAMPLE = 400_000

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Holes(NamedTuple):
    """How many pixels were marked, and as what."""

    uncovered: int
    saturated: int


@dataclass(frozen=True, slots=True)
class _Runs:
    """Stretches of equal values within rows: row, first and last + 1 column, value."""

    row: Ints
    start: Ints
    stop: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.row)

    def where(self, keep: NDArray[np.bool_]) -> "_Runs":
        return _Runs(
            self.row[keep], self.start[keep], self.stop[keep], self.value[keep]
        )


def mark_holes(data: Floats, flags: NDArray[np.uint8]) -> Holes:
    """Mark connected runs of equal values that are no sky.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        The image, read by bands.
    flags : ndarray of uint8, shape (ny, nx)
        Gets NO_COVERAGE, or SATURATED where the plateau is the brightest of the frame.

    Returns
    -------
    Holes
        Pixels of both kinds.
    """
    grain = _grain(data)
    if grain is None:
        return Holes(0, 0)
    quantised, step = grain
    runs = _find_runs(data, least=_LEAST_ROW if quantised else 1)
    if not len(runs) or len(runs) > _MOST_RUNS:
        return Holes(0, 0)
    label, count = _connect(runs, data.shape[1])
    size = np.bincount(label, runs.stop - runs.start, count).astype(np.int64)
    least_at_edge = LEAST if quantised else LEAST_AT_EDGE
    edge = np.zeros(count, bool)
    edge[label[_at_edge(runs, data.shape)]] = True
    keep = (size > LEAST) | (edge & (size >= least_at_edge))
    runs, label = runs.where(keep[label]), label[keep[label]]
    if not len(runs):
        return Holes(0, 0)
    jumps = _jumps(data, runs, label, count, step=step if quantised else 0.0)
    chosen = keep & jumps
    finite = _count_finite(data)
    if not chosen.any() or finite - size[chosen].sum() < _LEAST_LEFT * data.size:
        return Holes(0, 0)
    return _paint(data, flags, runs.where(chosen[label]))


def _grain(data: Floats) -> tuple[bool, float] | None:
    """Return whether values are steps, and how large these are.

    None where all of the frame is flat.
    """
    # Pieces by how many of their neighbours are good, and how many equal: as many
    # numbers as a frame of any size needs.
    pieces = np.zeros((_CELL + 1, _CELL + 1), np.int64)
    steps = []
    whole = True
    for rows in bands(data.shape, _CELL):
        band = np.asarray(data[rows])
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(np.diff(band, axis=1))
        good = np.isfinite(difference)
        width = difference.shape[1] // _CELL * _CELL or difference.shape[1]
        cells = (len(band), -1, min(_CELL, width))
        equal = (difference[:, :width] == 0).reshape(cells).sum(2)
        number = good[:, :width].reshape(cells).sum(2)
        kinds = number * len(pieces) + equal
        pieces += np.bincount(kinds.ravel(), minlength=pieces.size).reshape(
            pieces.shape
        )
        positive = difference[good & (difference > 0)]
        if positive.size:
            # Not the smallest: a few odd pixels may lie between the steps.
            steps.append(np.percentile(positive[:: max(1, positive.size // 4096)], 2))
        whole = whole and bool(np.all((np.rint(band) == band) | ~np.isfinite(band)))
    number, equal = np.nonzero(pieces)
    share = equal / np.maximum(number, 1)
    counted = (number > 0) & (share < _FLAT)
    if not counted.any():
        return None
    # Holes raise the share of many pieces, but hardly of all; in whole numbers, bright
    # nebulae with much noise lower it.
    many = pieces[number, equal][counted]
    usual = _quantile(share[counted], many, 0.5 if whole else 0.2)
    return usual > _QUANTISED, float(np.median(steps))


def _quantile(values: NDArray[np.float64], many: Ints, share: float) -> float:
    """Return a quantile of values of which there are many each, as numpy takes it."""
    order = np.argsort(values)
    last = np.cumsum(many[order])
    place = share * (int(last[-1]) - 1)
    rank = int(place)
    low, high = (
        float(values[order][np.searchsorted(last, r, side="right")])
        for r in (rank, min(rank + 1, int(last[-1]) - 1))
    )
    return low + (high - low) * (place - rank)


def _find_runs(data: Floats, *, least: int) -> _Runs:
    """Find rows of at least `least` equal pixels; with 1, also columns of them."""
    found: list[_Runs] = []
    ny, _nx = data.shape
    total = 0
    for rows in bands(data.shape):
        low, high = max(rows.start - 1, 0), min(rows.stop + 1, ny)
        band = np.asarray(data[low:high])
        beside = band[:, 1:] == band[:, :-1]
        inner = slice(rows.start - low, rows.stop - low)
        candidate = np.zeros(band.shape, bool)
        candidate[:, 1:] |= beside
        candidate[:, :-1] |= beside
        if least == 1:
            above = band[1:] == band[:-1]
            candidate[1:] |= above
            candidate[:-1] |= above
        part = _runs_of(band[inner], candidate[inner], beside[inner], rows.start)
        part = part.where(part.stop - part.start >= least)
        total += len(part)
        found.append(part)
        if total > _MOST_RUNS:
            break
    return _Runs(*(np.concatenate([getattr(r, n) for r in found]) for n in _FIELDS))


_FIELDS = ("row", "start", "stop", "value")


def _runs_of(
    band: Floats,
    candidate: NDArray[np.bool_],
    beside: NDArray[np.bool_],
    offset: int,
) -> _Runs:
    first = candidate.copy()
    first[:, 1:] &= ~beside
    last = candidate.copy()
    last[:, :-1] &= ~beside
    row, start = np.nonzero(first)
    _, stop = np.nonzero(last)
    return _Runs(row + offset, start, stop + 1, band[row, start])


def _connect(runs: _Runs, width: int) -> tuple[NDArray[np.int32], int]:
    """Label runs of equal value that touch from row to row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # Runs are sorted by row and column, and do not overlap: those of the next row
    # that touch a run are a range, found by bisection on one key.
    stride = width + 1
    base = (runs.row + 1) * stride
    low = np.searchsorted(runs.row * stride + runs.stop, base + runs.start, "right")
    high = np.searchsorted(runs.row * stride + runs.start, base + runs.stop, "left")
    many = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(runs)), many)
    within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    lower = np.repeat(low, many) + within
    same = runs.value[upper] == runs.value[lower]
    edges = (np.ones(int(same.sum()), bool), (upper[same], lower[same]))
    graph = coo_array(edges, shape=(len(runs), len(runs)))
    count, label = connected_components(graph, directed=False)
    return label, int(count)


def _at_edge(runs: _Runs, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    ny, nx = shape
    high = (runs.row == 0) | (runs.row == ny - 1)
    wide = (runs.start == 0) | (runs.stop == nx)
    edge: NDArray[np.bool_] = high | wide
    return edge


def _jumps(
    data: Floats, runs: _Runs, label: NDArray[np.int32], count: int, *, step: float
) -> NDArray[np.bool_]:
    """Whether the values beside each run's rim jump; a run without a rim does not."""
    ny, nx = data.shape
    middle = (runs.start + runs.stop) // 2
    places = [
        (runs.row, runs.start - 1),
        (runs.row, runs.stop),
        *(
            (runs.row + d, c)
            for d in (-1, 1)
            for c in (runs.start, middle, runs.stop - 1)
        ),
    ]
    far = np.zeros(count)
    seen = np.zeros(count)
    for row, column in places:
        inside = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
        beside = data[row[inside], column[inside]].astype(np.float64)
        value = runs.value[inside].astype(np.float64)
        rim = np.isfinite(beside) & (beside != value)
        with np.errstate(invalid="ignore"):
            # A run may be one of infinities.
            least = np.maximum(
                _JUMP_STEPS * step, _JUMP_ULP * np.spacing(runs.value[inside])
            )
            jump = rim & (np.abs(beside - value) > least)
        seen += np.bincount(label[inside], rim, count)
        far += np.bincount(label[inside], jump, count)
    return (seen > 0) & (far > seen / 2)


def _count_finite(data: Floats) -> int:
    return sum(int(np.isfinite(data[rows]).sum()) for rows in bands(data.shape))


def _paint(data: Floats, flags: NDArray[np.uint8], runs: _Runs) -> Holes:
    bright = runs.value > _bright_level(data)
    counts = [0, 0]
    for kind, bit in enumerate((MaskBit.NO_COVERAGE, MaskBit.SATURATED)):
        part = runs.where(bright == bool(kind))
        counts[kind] = int((part.stop - part.start).sum())
        for row, start, stop in zip(part.row, part.start, part.stop, strict=True):
            flags[row, start:stop] |= np.uint8(bit)
    return Holes(*counts)


def _bright_level(data: Floats) -> float:
    """Return a level that only clipped stars reach."""
    stride = max(1, int(np.sqrt(data.size / _SAMPLE)))
    sample = np.asarray(data[::stride, ::stride], np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.inf
    middle = np.median(sample)
    spread = 1.4826 * np.median(np.abs(sample - middle))
    return float(max(middle + _BRIGHT * spread, np.percentile(sample, 98)))
