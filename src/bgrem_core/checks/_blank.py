"""Blank sky: whether it is at zero, even, and as noisy as was estimated."""

from dataclasses import dataclass
from math import erf, exp, isfinite, nan, pi
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.checks._patches import Looks
from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Indices = NDArray[np.intp]

EDGES = np.linspace(-5, 5, 201)
"""Of the histogram, sigma."""
CELL, PIECE = 64, 16
"""Sides of the cells whose means are compared, and of the pieces of a cell by whose
scatter it is known what noise alone does to the mean of a cell; pixels."""
SURE = 3.0
"""Standard errors beyond which something is said to be there."""
SMALL = 0.05
"""What is below this, in sigma, is called small however well it is known."""
EVEN = 0.1
"""Unevenness in sigma that must be ruled out before the sky is called even."""
WIDTH = 0.03
"""The noise is as wide as estimated if it is so to this share."""
FEWEST = 64
_CLIP, _FAR = 3.5, 5.0
_TAIL = 2 * _CLIP * exp(-(_CLIP**2) / 2) / (2 * pi) ** 0.5 / erf(_CLIP / 2**0.5)
_KEPT = (1 - _TAIL) ** 0.5
"""Width of a unit Gaussian that is cut at +- `_CLIP`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """Values of blank pixels on one plane, in sigma of the frame's noise.

    Attributes
    ----------
    counts : ndarray of int64, shape (bins,)
        Pixels in each bin of the histogram.
    mean, mean_err : float
        Mean of the pixels within five widths of the median, and its standard error, in
        which cells that differ from each other count.
    rms, rms_err : float
        Width without outliers, corrected for what a Gaussian loses, and its error.
    uneven, uneven_err : float
        Scatter of the means of 64-pixel cells beyond what the noise does to them; 0 if
        there is none, NaN where there are fewer than four cells.
    """

    counts: "NDArray[np.int64]"
    mean: float
    mean_err: float
    rms: float
    rms_err: float
    uneven: float
    uneven_err: float

    @property
    def is_uneven(self) -> bool:
        """Cells differ by more than the noise explains, by three standard errors."""
        # u^2 is what was measured: its error is 2 u times that of u.
        return bool(self.uneven > 2 * SURE * self.uneven_err)

    @property
    def even_to(self) -> float:
        """Scatter of cells that is not ruled out by two standard errors."""
        error = 2 * self.uneven_err * max(self.uneven, 2 * self.uneven_err)
        return float((self.uneven**2 + 2 * error) ** 0.5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlankSky:
    """Pixels far from sources, before and after.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
        Of the histograms, sigma.
    original : Spread
        The original less its sky: the photometric plane.
    cleaned : Spread
        The cleaned image.
    n : int
        Pixels.
    share : float
        Of the pixels that were looked at.
    sigma : float
        Median noise of the frame, image unit.
    unit : str
        Unit of the image.
    """

    edges: "Floats"
    original: Spread
    cleaned: Spread
    n: int
    share: float
    sigma: float
    unit: str = ""

    @property
    def excess(self) -> float:
        """How far the width of the original is from that of the estimated noise."""
        return self.original.rms - 1

    @property
    def verdict(self) -> str:
        """What the numbers say, in two short sentences."""
        from bgrem_core.display import format_value

        sky = self.original
        where = "above zero" if sky.mean > 0 else "below zero"
        if abs(sky.mean) <= SMALL:
            where = "close to zero"
        if abs(sky.mean) <= SURE * sky.mean_err:
            where = "at zero"
        level = f"{where} ({format_value(sky.mean, sky.mean_err, 'sigma')})"
        uneven = format_value(sky.uneven, sky.uneven_err, "sigma")
        if sky.is_uneven and sky.uneven > SMALL:
            level += f" and uneven by {uneven}"
        elif sky.is_uneven:
            level += f" and even to {uneven}"
        elif sky.even_to <= EVEN:
            level += f" and even to {sky.even_to:.2g} sigma"
        wide = format_value(sky.rms, sky.rms_err)
        noise = f"{wide} times the estimate"
        if abs(self.excess) <= max(SURE * sky.rms_err, WIDTH):
            noise = f"as estimated ({wide} times)"
        return f"Blank sky is {level}. Its noise is {noise}."

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return what a window shows: labels and texts, with units and errors."""
        from bgrem_core.display import format_value

        unit = f"{self.unit or 'image units'} per pixel"
        rows = [
            ("Blank pixels", f"{self.n} ({100 * self.share:.0f} %)"),
            ("Noise sigma", format_value(self.sigma, None, unit)),
        ]
        for name, sky in (("Original", self.original), ("Cleaned", self.cleaned)):
            rows += [
                (f"{name}: mean", format_value(sky.mean, sky.mean_err, "sigma")),
                (f"{name}: width", format_value(sky.rms, sky.rms_err, "sigma")),
                (f"{name}: uneven by", _unevenness(sky)),
            ]
        if self.original.mean > SURE * self.original.mean_err:
            rows.append(("Note", "sources that were not found may lift the mean"))
        return tuple(rows)


def blank_sky(separation: "Separation", sources: "QTable | None" = None) -> BlankSky:
    """Look at the pixels of blank sky, before and after.

    Sources that were not found lift the mean and the width a little.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    sources : astropy.table.QTable, optional
        Sources to keep away from; those of the separation by default. Without any, all
        that stands out on the denoised image is kept out.

    Returns
    -------
    BlankSky
        In sigma of the frame's noise.

    Raises
    ------
    UsageError
        The frame has no noise, or too few pixels of blank sky.
    """
    looks = Looks(separation, sources)
    planes = separation.photometric, separation.cleaned_plane
    values: tuple[list[Float32], list[Float32]] = ([], [])
    cells: list[Indices] = []
    pieces: list[Indices] = []
    seen = 0
    for patch in looks.patches():
        blank = patch.blank[patch.inner]
        seen += blank.size
        for plane, found in zip(planes, values, strict=True):
            found.append(patch.read(plane)[patch.inner][blank])
        cells.append(_numbers(patch.block, CELL, separation.shape)[blank])
        pieces.append(_numbers(patch.block, PIECE, separation.shape)[blank])
    n = sum(map(len, cells))
    if n < FEWEST:
        raise UsageError(
            f"there are only {n} pixels of blank sky in this frame",
            hint=f"at least {FEWEST} are needed",
        )
    cell, piece = (_ranked(np.concatenate(v)) for v in (cells, pieces))
    original, cleaned = (_spread(np.concatenate(v), cell, piece) for v in values)
    return BlankSky(
        edges=EDGES,
        original=original,
        cleaned=cleaned,
        n=n,
        share=n / seen,
        sigma=looks.sigma,
        unit=separation.image.unit,
    )


def clipped_width(values: "NDArray[np.floating]") -> tuple[float, float]:
    """Return median and width of values without outliers."""
    middle = float(np.median(values))
    width = 1.4826 * float(np.median(np.abs(values - middle)))
    width = width or float(np.std(values, dtype=np.float64))
    for _ in range(8):
        kept = values[np.abs(values - middle) <= _CLIP * width]
        if not len(kept) or not width:
            break
        width = float(np.std(kept, dtype=np.float64)) / _KEPT
    return middle, width


def _spread(values: "Float32", cell: "Indices", piece: "Indices") -> Spread:
    middle, width = clipped_width(values)
    counts = np.histogram(values, EDGES)[0]
    kept = np.abs(values - middle) <= _FAR * width
    pixels = values[kept].astype(np.float64)
    mean = float(pixels.mean())
    within, between, error = _components(pixels - mean, cell[kept], piece[kept])
    number = np.bincount(cell[kept])
    total = len(pixels)
    share = float(np.sum((number / total) ** 2))
    mean_err = (max(between, 0.0) * share + within / total) ** 0.5
    uneven = max(between, 0.0) ** 0.5 if isfinite(error) else nan
    return Spread(
        counts=counts,
        mean=mean,
        mean_err=float(mean_err),
        rms=width,
        rms_err=_width_error(pixels - mean, cell[kept], width),
        uneven=uneven,
        # An upper limit has the size of its error.
        uneven_err=error / (2 * max(error**0.5, uneven)) if error else 0.0,
    )


def _components(
    values: "Floats", cell: "Indices", piece: "Indices"
) -> tuple[float, float, float]:
    """Return variance components: of one pixel, between cells, error of the latter.

    One-way analysis of variance on the means of pieces of cells. That of one pixel is
    what it seems to be from the scatter of the pieces: correlation of neighbours is in.
    """
    number = np.bincount(piece)
    filled = np.flatnonzero(number)
    weight = number[filled].astype(np.float64)
    mean = np.bincount(piece, values)[filled] / weight
    home = np.zeros(len(number), np.intp)
    home[piece] = cell
    home = home[filled]
    sums, used = np.bincount(home, weight), np.bincount(home)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.bincount(home, weight * mean) / sums
    inside = float(np.sum(weight * (mean - middle[home]) ** 2))
    some = used > 0
    free, cells = int(np.sum(used[some] - 1)), int(some.sum())
    if free < 1:
        return float(np.var(values)), 0.0, nan
    within = float(inside / free)
    total = float(np.sum(weight))
    if cells < 4:
        return within, 0.0, nan
    outside = float(np.sum(sums[some] * middle[some] ** 2)) / (cells - 1)
    typical = (total - float(np.sum(sums[some] ** 2)) / total) / (cells - 1)
    spread = 2 * (outside**2 / (cells - 1) + within**2 / free)
    return within, (outside - within) / typical, float(spread**0.5) / typical


def _width_error(values: "Floats", cell: "Indices", width: float) -> float:
    """Return the error of a width, from how it differs from cell to cell."""
    number = np.bincount(cell)
    some = number >= CELL
    cells = int(some.sum())
    if cells < 4:
        return float(width / (2 * len(values)) ** 0.5)
    variance: Floats = np.bincount(cell, values**2)[some] / number[some]
    share = number[some] / number[some].sum()
    middle = float(np.sum(share * variance))
    if not middle:
        return 0.0
    error = float(np.sum((share * (variance - middle)) ** 2))
    return float(0.5 * width * error**0.5 / middle)


def _numbers(
    block: tuple[slice, slice], side: int, shape: tuple[int, int]
) -> "NDArray[np.intp]":
    """Return the number of the square of a frame in which each pixel lies."""
    rows, cols = (np.arange(s.start, s.stop) // side for s in block)
    return np.asarray(rows[:, None] * (shape[1] // side + 1) + cols[None, :], np.intp)


def _ranked(numbers: "Indices") -> "Indices":
    """Return numbers from 0 on without gaps."""
    return np.unique(numbers, return_inverse=True)[1].astype(np.intp)


def _unevenness(sky: Spread) -> str:
    from bgrem_core.display import format_value

    if sky.is_uneven or not isfinite(sky.uneven):
        return format_value(sky.uneven, sky.uneven_err, "sigma")
    return f"less than {sky.even_to:.2g} sigma" if sky.even_to else "0 sigma"
