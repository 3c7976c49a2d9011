"""Injection: artificial targets that tell how much of a target a map leaves.

The same noise is drawn with and without them, so that what differs is the target alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.systematics.point_fit import flux_at
from bgrem_core.systematics.trails import trail_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = [
    "FAINTEST",
    "LEVELS",
    "ROOM",
    "KeptCurve",
    "Targets",
    "draw_targets",
    "fit_curve",
    "kept_of",
]

LEVELS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Signal to noise of the targets that are put in."""
FAINTEST = 0.01
"""Least share that fluxes are divided by."""
_EDGE = 6
_APART = 4
"""Least distance from the edges, and of rows and columns from each other, pixels: what
a target does to its row must not be taken for what it does to another one."""
ROOM = 1300
"""Pixels for each target."""
_TRIES = 400
_UNKNOWN, _LEAST = 0.1, 0.01
"""Scatter of what is kept where one target alone was put in, and the least one."""
_OF_MEDIAN = 1.2533


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Artificial targets of one tile; arrays of shape (n,).

    Attributes
    ----------
    x, y : ndarray
        Centres, pixels, 0-based.
    level : ndarray of int
        Which of `LEVELS`.
    flux : ndarray
        In the unit of the frame.
    """

    x: "Floats"
    y: "Floats"
    level: "NDArray[np.int64]"
    flux: "Floats"

    def __len__(self) -> int:
        """Return the number of targets."""
        return len(self.x)

    def light(self, shape: tuple[int, int], width: float) -> "Floats":
        """Return the light that they add.

        Parameters
        ----------
        shape : tuple of int
            (ny, nx).
        width : float
            Sigma of a point, pixels.

        Returns
        -------
        ndarray
            (ny, nx), in the unit of the frame.
        """
        y, x = np.indices(shape).astype(np.float64)
        out = np.zeros(shape)
        for cx, cy, flux in zip(self.x, self.y, self.flux, strict=True):
            out += flux * trail_profile(x - cx, y - cy, angle=0, length=0, width=width)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCurve:
    """What is left of a target, by its brightness; arrays of shape (n,).

    Attributes
    ----------
    flux : ndarray
        Of the targets that were put in, rising, in the unit of the frame.
    snr : ndarray
        The same over the noise of a flux.
    kept : ndarray
        Share that is left of it, median over the places.
    error : ndarray
        Standard error of that median.
    scatter : ndarray
        Scatter from place to place: 68 % lie within.
    number : ndarray of int
        Places.
    """

    flux: "Floats"
    snr: "Floats"
    kept: "Floats"
    error: "Floats"
    scatter: "Floats"
    number: "NDArray[np.int64]"

    def of(self, measured: "Floats") -> "tuple[Floats, Floats, Bools]":
        """Return what was kept of targets, from the flux that is left.

        Parameters
        ----------
        measured : ndarray
            (n,), flux without the map, in the unit of the frame.

        Returns
        -------
        kept, error : ndarray
            (n,), at least `FAINTEST`; the error is that of a single place. NaN where
            the flux is NaN.
        beyond : ndarray of bool
            (n,), fainter or brighter than what was put in: the nearest value is given.
        """
        known = np.maximum(self.kept, FAINTEST)
        left = np.maximum.accumulate(self.flux * known)
        # Noise may make a flux negative: it is as faint as the faintest.
        at = np.log(np.maximum(measured, left[0]))
        kept = np.interp(at, np.log(left), known)
        error = np.interp(at, np.log(left), np.hypot(self.error, self.scatter))
        with np.errstate(invalid="ignore"):
            beyond = ~((measured >= left[0]) & (measured <= left[-1]))
        return kept, error, beyond

    def as_dict(self) -> dict[str, list[float]]:
        """Return the curve as plain numbers."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: "Mapping[str, Any]") -> "KeptCurve":
        """Return the curve that `as_dict` gave as plain numbers."""
        names = ("flux", "snr", "kept", "error", "scatter")
        return cls(
            **{name: np.asarray(data[name], np.float64) for name in names},
            number=np.asarray(data["number"], np.int64),
        )


def draw_targets(
    rng: np.random.Generator,
    bad: "Bools",
    *,
    noise: float,
    width: float,
    most: int,
    first: int,
) -> Targets:
    """Draw places and brightnesses of targets.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    bad : ndarray of bool
        (ny, nx), pixels that are not used: no target is put near one.
    noise : float
        Of a flux, in the unit of the frame.
    width : float
        Sigma of a point, pixels.
    most : int
        Number, if there is room.
    first : int
        Level of the first one; those that follow take the next levels in turn.

    Returns
    -------
    Targets
        Away from the edges and from each other; fewer where there is no room.
    """
    ny, nx = bad.shape
    edge = min(_EDGE, (min(ny, nx) - 1) // 2)
    most = min(most, max(1, bad.size // ROOM))
    rows: list[float] = []
    cols: list[float] = []
    for _ in range(_TRIES):
        if len(rows) == most:
            break
        y, x = rng.uniform(edge, ny - 1 - edge), rng.uniform(edge, nx - 1 - edge)
        j, i = round(y), round(x)
        if bad[max(j - 2, 0) : j + 3, max(i - 2, 0) : i + 3].any():
            continue
        away = np.abs([np.array(rows) - y, np.array(cols) - x])
        if (away >= _APART).all() and (np.hypot(*away) >= _APART + 8 * width).all():
            rows.append(y)
            cols.append(x)
    level = (first + np.arange(len(rows))) % len(LEVELS)
    return Targets(
        x=np.array(cols), y=np.array(rows), level=level,
        flux=noise * np.array(LEVELS)[level],
    )  # fmt: skip


def kept_of(targets: Targets, lost: "Float", width: float) -> "Floats":
    """Return the share that is left of each target.

    Parameters
    ----------
    targets : Targets
        What was put in.
    lost : ndarray
        (ny, nx), map with the targets minus map without them.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    ndarray
        (n,): flux of what is left, by the filter that measures targets, over the flux.
    """
    light = targets.light((lost.shape[0], lost.shape[1]), width)
    left = (light - lost).astype(np.float32)
    whole = light.astype(np.float32)
    return flux_at(left, targets.x, targets.y, width) / flux_at(
        whole, targets.x, targets.y, width
    )


def fit_curve(
    targets: list[Targets], kept: "list[Floats]", noise: float
) -> KeptCurve | None:
    """Collect what was kept into a curve over brightness.

    Parameters
    ----------
    targets : list of Targets
        Of several tiles, or of several turns over one.
    kept : list of ndarray
        As from `kept_of`.
    noise : float
        Of a flux, in the unit of the frame.

    Returns
    -------
    KeptCurve or None
        None without a target.
    """
    level = np.concatenate([t.level for t in targets]) if targets else np.zeros(0)
    if not len(level):
        return None
    share: Floats = np.concatenate(kept)
    used = np.unique(level)
    groups = [share[level == k] for k in used]
    middle = np.array([np.median(group) for group in groups])
    away = [np.abs(g - m) for g, m in zip(groups, middle, strict=True)]
    # Few at each level: what scatters at one of them does so at the next.
    scatter = np.array(
        [_scatter(away[max(k - 1, 0) : k + 2]) for k in range(len(used))]
    )
    number = np.array([len(group) for group in groups])
    snr = np.array(LEVELS)[used.astype(int)]
    return KeptCurve(
        flux=noise * snr, snr=snr, kept=middle, scatter=scatter,
        error=_OF_MEDIAN * scatter / np.sqrt(number), number=number,
    )  # fmt: skip


def _scatter(away: "list[Floats]") -> float:
    """Return the distance within which 68 % lie; those that are alone do not count."""
    known = [values for values in away if len(values) > 1]
    if not known:
        return _UNKNOWN
    freedom = sum(len(v) for v in known) / sum(len(v) - 1 for v in known)
    width = float(np.percentile(np.concatenate(known), 68)) * np.sqrt(freedom)
    return float(max(width, _LEAST))
