"""Faint flux: what denoising does to the flux of sources, from faint to bright."""

from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.checks._sources import DISTURBED, sources_of
from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]

EDGES = (5.0, 7.0, 10.0, 20.0, 50.0, np.inf)
"""Of the bins, S/N."""
FEWEST = 5
"""Sources of a bin about which something is said."""
SLOPE = (0.5, 2.0)
"""Range of the slope of the counts; the lower end if too few sources tell it."""
_BRIGHT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaintFlux:
    """Flux on the cleaned image over flux on the photometric plane.

    Attributes
    ----------
    edges : ndarray of float64, shape (6,)
        Of the bins, S/N on the photometric plane.
    median : ndarray of float64, shape (5,)
        Median ratio; NaN in an empty bin.
    low, high : ndarray of float64, shape (5,)
        68 % interval of the median; NaN with fewer than three sources.
    count : ndarray of int64, shape (5,)
        Sources.
    expected : ndarray of float64, shape (5,)
        What choice alone does to the ratio, roughly: noise lifts more sources into a
        bin than it drops out, so that their measured flux is too high.
    left_out : int
        Sources that are blended, extended, masked or at an edge.
    """

    edges: "Floats"
    median: "Floats"
    low: "Floats"
    high: "Floats"
    count: "NDArray[np.int64]"
    expected: "Floats"
    left_out: int

    @property
    def verdict(self) -> str:
        """What the numbers say, in one sentence."""
        told = np.flatnonzero(self.count >= FEWEST)
        if not len(told):
            return "Too few isolated sources to say what happened to faint fluxes."
        k = int(told[0])
        ratio = self._ratio(k)
        kept = f"At S/N {self._bin(k)} cleaning keeps {ratio} of the measured flux"
        # Twice the 68 % interval: what is said to be there should be.
        middle = self.median[k]
        low, high = 2 * self.low[k] - middle, 2 * self.high[k] - middle
        if low <= 1 <= high:
            return f"{kept}: no loss within the errors."
        if low > 1:
            return f"{kept}: too much."
        alone = f"{self.expected[k]:.2f}"
        if high >= self.expected[k]:
            return f"{kept}; choosing by a noisy flux explains it (about {alone})."
        return f"{kept}, less than the {alone} that choosing by a noisy flux gives."

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return what a window shows: labels and texts."""
        rows = []
        for k, count in enumerate(self.count.tolist()):
            many = f"{count} source" + "s" * (count != 1)
            text = many
            if count:
                text = f"{self._ratio(k)}\n{many}; {self.expected[k]:.3f} by choice"
            rows.append((f"S/N {self._bin(k)}", text))
        rows.append(("Left out", f"{self.left_out} disturbed or extended"))
        return tuple(rows)

    def _bin(self, k: int) -> str:
        low, high = self.edges[k], self.edges[k + 1]
        return f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}"

    def _ratio(self, k: int) -> str:
        middle = f"{self.median[k]:.3f}"
        if not np.isfinite(self.low[k]):
            return middle
        return f"{middle} ({self.low[k]:.3f} to {self.high[k]:.3f})"


def faint_flux(separation: "Separation", sources: "QTable | None") -> FaintFlux:
    """Compare the flux on the cleaned image with that on the photometric plane.

    Both are summed in one aperture at one position. What is not denoised is no truth:
    its flux has noise, and sources are chosen by it. How far that alone lowers the
    ratio is estimated from the slope of the counts (Hogg & Turner 1998) [1]_; it is
    more where only a part of the faint sources is found.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    sources : astropy.table.QTable or None
        What `find_sources` gave for it; None = the sources of the separation.

    Returns
    -------
    FaintFlux
        Medians in bins of S/N, of sources that stand alone and are no larger than the
        PSF.

    Raises
    ------
    UsageError
        There are no sources, or they carry no flux on the cleaned image.

    References
    ----------
    .. [1] PASP 110, 727, equation 4.
    """
    known = sources_of(separation, sources)
    if known is None:
        raise UsageError("there are no sources yet", hint="find sources first")
    if len(known) and not np.isfinite(known.flux_cleaned).any():
        raise UsageError(
            "these sources have no flux on the cleaned image", hint="find sources first"
        )
    wrong = DISTURBED | SourceFlag.EXTENDED | SourceFlag.SKY_RING
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = known.flux_cleaned / known.flux
        good = np.isfinite(ratio) & np.isfinite(known.snr) & (known.flux > 0)
    alone = good & ((known.flags & int(wrong)) == 0)
    snr, ratio = known.snr[alone], ratio[alone]
    shrunk = _chosen(snr)
    edges = np.array(EDGES)
    bins = [
        np.flatnonzero((snr >= low) & (snr < high)) for low, high in pairwise(edges)
    ]
    summary = np.array([_median(ratio[rows]) for rows in bins])
    return FaintFlux(
        edges=edges,
        median=summary[:, 0],
        low=summary[:, 1],
        high=summary[:, 2],
        count=np.array([len(rows) for rows in bins]),
        expected=np.array([_median(shrunk[rows])[0] for rows in bins]),
        left_out=int(np.count_nonzero(~alone)),
    )


def _chosen(snr: "Floats") -> "Floats":
    """Return the most likely true flux over the measured one, from noise and counts."""
    bright = snr[snr >= _BRIGHT]
    slope = SLOPE[0]
    if len(bright) >= 20:
        steep = 1 / max(float(np.mean(np.log(bright / _BRIGHT))), 1e-9)
        slope = float(np.clip(steep, *SLOPE))
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = 1 - 4 * (1 + slope) / snr**2
    return np.asarray((1 + np.sqrt(np.clip(shrink, 0, 1))) / 2)


def _median(values: "Floats") -> tuple[float, float, float]:
    """Return the median and its 68 % interval, by order statistics."""
    n = len(values)
    if not n:
        return nan, nan, nan
    ordered = np.sort(values)
    middle = float(np.median(ordered))
    if n < 3:
        return middle, nan, nan
    # Ranks within one standard deviation of a binomial with p = 1/2.
    half = n**0.5 / 2
    low = int(np.floor((n - 1) / 2 - half))
    high = int(np.ceil((n - 1) / 2 + half))
    return middle, float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])
