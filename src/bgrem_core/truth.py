"""Truth: found sources against the list of what was put into a simulated frame.

One detection belongs to one true source, the nearest pairs first, within 0.6 FWHM and a
factor of three in flux. False is a detection with nothing in the truth down to S/N 0.5
that could explain it; what lies between (second detections, pieces of large galaxies,
true sources too faint to count) is neither.
"""

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Words = NDArray[np.str_]
    Indices = NDArray[np.intp]

__all__ = ["FLUX_FACTOR", "MATCH", "Match", "match"]

MATCH = 0.6
"""Farthest distance of a detection from its true source, FWHM."""
FLUX_FACTOR = 3.0
"""Most by which their fluxes may differ."""
NEUTRAL = 0.5
"""True S/N down to which a source excuses a detection."""
FLOOR = 2.0
"""True S/N from which a source counts."""
MISSED = 5.0
"""True S/N from which a window shows a source that was not found."""
EXTENDED = ("disc", "nebula")
"""Kinds of true sources that are large faint light and no detection's target."""
LARGE = 20.0
"""True S/N above which pieces of a galaxy are found."""
_NOMINAL = 5.0
_SHIFT = 12.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """What became of each detection and of each true source.

    Attributes
    ----------
    found_fate : ndarray of str, shape (n,)
        "hit"; "false"; "double": a true source lies here, but has another detection or
        another flux; "shred": on the light of a large source; "neutral": a true source
        too faint to count.
    truth_fate : ndarray of str, shape (m,)
        "hit"; "miss"; "neutral": too faint to count, or large faint light.
    partner : ndarray of int, shape (n,)
        Row of the true source of each hit, -1 for the others.
    chance : float
        Hits that would come about by chance: mean over shifted lists.
    snr : ndarray of float64, shape (m,)
        True S/N, NaN if unknown.
    radius : float
        Matching radius, pixels.
    """

    found_fate: "Words"
    truth_fate: "Words"
    partner: "Indices"
    chance: float
    snr: "Floats"
    radius: float

    @property
    def hit(self) -> "Bools":
        """Detections that are true sources, shape (n,)."""
        return np.equal(self.found_fate, "hit")

    @property
    def false(self) -> "Bools":
        """Detections of nothing, shape (n,)."""
        return np.equal(self.found_fate, "false")

    @property
    def recovered(self) -> "Bools":
        """True sources that were found, shape (m,)."""
        return np.equal(self.truth_fate, "hit")

    @property
    def miss(self) -> "Bools":
        """True sources that count and were not found, shape (m,)."""
        return np.equal(self.truth_fate, "miss")

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return what a window shows: labels and texts."""
        rows = [
            ("Hits", f"{np.count_nonzero(self.hit)} of {len(self.hit)} detections"),
            ("By chance", f"{self.chance:.1f} of them expected"),
            ("False", f"{np.count_nonzero(self.false)}"),
        ]
        other = (("double", "Second detections"), ("shred", "Pieces of large sources"))
        for word, label in (*other, ("neutral", "Of sources too faint to count")):
            count = int(np.count_nonzero(self.found_fate == word))
            if count:
                rows.append((label, f"{count}"))
        counted = (self.truth_fate != "neutral") & ~(self.snr < _NOMINAL)
        share = int(np.count_nonzero(counted & self.recovered))
        known = "" if np.isnan(self.snr).all() else f" from S/N {_NOMINAL:g}"
        rows.append((f"True sources{known}", f"{share} of {counted.sum()} found"))
        return tuple(rows)


def match(
    found: "QTable", truth: "QTable", *, fwhm: float, floor: float = FLOOR
) -> Match:
    """Match detections with the truth of a simulated frame.

    Parameters
    ----------
    found : astropy.table.QTable
        Columns x and y in pixels, 0-based; flux is used if it is there.
    truth : astropy.table.QTable
        Columns x and y; flux, snr, kind and size (half-light radius, pixels) are used
        if they are there. Without snr every source counts.
    fwhm : float
        FWHM of the PSF, pixels.
    floor : float, optional
        True S/N from which a source counts.

    Returns
    -------
    Match
        In the order of both tables.

    Raises
    ------
    UsageError
        `fwhm` is no positive number, or a table has no positions.
    """
    if not (isfinite(fwhm) and fwhm > 0):
        raise UsageError(f"fwhm={fwhm!r} is not a positive number", "give it in pixels")
    field = _Field(found, truth, fwhm, floor)
    partner, fate = field.fates()
    truth_fate = np.where(field.counted, "miss", "neutral")
    truth_fate[partner[partner >= 0]] = "hit"
    return Match(
        found_fate=fate,
        truth_fate=truth_fate,
        partner=partner,
        chance=field.by_chance(),
        snr=field.snr,
        radius=field.radius,
    )


class _Field:
    """Both lists as arrays."""

    def __init__(
        self, found: "QTable", truth: "QTable", fwhm: float, floor: float
    ) -> None:
        self.radius = MATCH * fwhm
        self.shift = _SHIFT * self.radius
        self.found = _positions(found, "the catalogue")
        self.truth = _positions(truth, "the truth")
        self.found_flux, self.truth_flux = _fluxes(found, truth)
        self.snr = _plain(truth, "snr")
        size = np.nan_to_num(_plain(truth, "size"))
        kinds = truth["kind"] if "kind" in truth.colnames else [""] * len(truth)
        extended = np.isin(np.asarray(kinds, str), EXTENDED)
        place = np.isfinite(self.truth).all(axis=1)
        # NaN: the S/N is not known, and the source counts.
        self.counted = place & ~extended & ~(self.snr < floor)
        self.usable = place & ~extended & ~(self.snr < NEUTRAL)
        self.large = place & ((size > 0) & (self.snr > LARGE) | extended)
        self.reach = np.where(extended, 2.0, 1.5) * np.hypot(size, fwhm / 2)

    def fates(self) -> tuple["Indices", "Words"]:
        """Return the true source of each detection, or -1, and what became of it."""
        partner = self.partners(self.found)
        fate = np.where(partner >= 0, "hit", "false").astype("U7")
        at, _, k = self._pairs(self.found, self.usable)
        alike = self._alike(at, k)
        excused = np.zeros(len(fate), bool)
        excused[at[alike]] = True
        near = np.zeros(len(fate), bool)
        near[at[self.counted[k]]] = True
        left = fate == "false"
        fate[left & self._on_large()] = "shred"
        fate[left & excused] = "neutral"
        fate[left & near] = "double"
        return partner, fate

    def partners(self, found: "Floats") -> "Indices":
        """Return the row of the true source of each detection, -1 for none."""
        at, distance, k = self._pairs(found, self.counted)
        alike = self._alike(at, k)
        at, distance, k = at[alike], distance[alike], k[alike]
        partner = np.full(len(found), -1, np.intp)
        free = np.ones(len(self.truth), bool)
        for n in np.lexsort((k, at, distance)):
            if partner[at[n]] < 0 and free[k[n]]:
                partner[at[n]], free[k[n]] = k[n], False
        return partner

    def by_chance(self) -> float:
        """Return the mean number of hits of detections that were moved away."""
        moves = self.shift * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        hits = [np.count_nonzero(self.partners(self.found + m) >= 0) for m in moves]
        return float(np.mean(hits))

    def _pairs(
        self, found: "Floats", wanted: "Bools"
    ) -> tuple["Indices", "Floats", "Indices"]:
        """Return detections, distances and true sources of all pairs within reach."""
        rows = np.flatnonzero(wanted)
        good = np.flatnonzero(np.isfinite(found).all(axis=1))
        none = np.zeros(0, np.intp)
        if not len(rows) or not len(good):
            return none, np.zeros(0), none
        near = cKDTree(self.truth[rows]).query_ball_point(found[good], self.radius)
        at = np.repeat(good, [len(n) for n in near])
        k = rows[np.concatenate([np.asarray(n, np.intp) for n in near])]
        distance = np.hypot(*(found[at] - self.truth[k]).T)
        return at, distance, k

    def _alike(self, at: "Indices", k: "Indices") -> "Bools":
        """Return which pairs agree in flux; one that is not known agrees."""
        with np.errstate(invalid="ignore"):
            one, two = self.found_flux[at], self.truth_flux[k]
            apart = (one * FLUX_FACTOR < two) | (one > two * FLUX_FACTOR)
        return ~apart

    def _on_large(self) -> "Bools":
        """Return which detections lie on the light of a large source."""
        out = np.zeros(len(self.found), bool)
        for k in np.flatnonzero(self.large):
            with np.errstate(invalid="ignore"):
                out |= np.hypot(*(self.found - self.truth[k]).T) < self.reach[k]
        return out


def _positions(table: "QTable", what: str) -> "Floats":
    if not {"x", "y"} <= set(table.colnames):
        raise UsageError(f"{what} has no columns x and y", hint="give pixels, 0-based")
    return np.stack([_plain(table, "x"), _plain(table, "y")], axis=1)


def _plain(table: "QTable", name: str) -> "Floats":
    """Return a column without its unit, NaN if there is none."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    column: Any = table[name]
    return np.array(getattr(column, "value", column), np.float64)


def _fluxes(found: "QTable", truth: "QTable") -> tuple["Floats", "Floats"]:
    """Return both fluxes in one unit; NaN where they cannot be compared."""
    both = _plain(found, "flux"), _plain(truth, "flux")
    units = [
        getattr(t["flux"], "unit", None) if "flux" in t.colnames else None
        for t in (found, truth)
    ]
    if units[0] is None or units[1] is None:
        return both
    from astropy.units import UnitConversionError

    try:
        factor = float(units[1].to(units[0]))
    except UnitConversionError:
        factor = np.nan
    return both[0], both[1] * factor
