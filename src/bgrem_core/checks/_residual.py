"""Residual: whether it is like the noise, and whether light of sources is in it."""

from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.cells import grow_along
from bgrem_core.checks._blank import SURE, clipped_width
from bgrem_core.checks._patches import Looks
from bgrem_core.checks._stack import Stack, stack
from bgrem_core.errors import UsageError
from bgrem_core.matched import noise_taps
from bgrem_core.noise import difference

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.checks._patches import Patch
    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Pairs = tuple[tuple[Float32, Bools], tuple[Float32, Bools]]

LAGS = 5
"""Pixels up to which the correlation is measured."""
WHITE = 0.03
"""Correlations that differ by less than this are called alike."""
FAR = 5.0
"""Pixels beyond so many sigma count as if they were there."""
NOTHING = 0.05
"""Width of the residual, in sigma, below which no noise was taken away."""
_BOX = 33
_ORDER = 4
_FEWEST = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualCheck:
    """What was taken away as noise, far from sources and at sources.

    Attributes
    ----------
    part : str
        Name of the part that is looked at; several joined by "+", less their level
        over 33 pixels.
    rms, rms_err : float
        Width on blank sky without outliers, in sigma of the frame's noise.
    correlation, correlation_err : ndarray of float64, shape (2, 5)
        At 1 to 5 pixels along x (first row) and y, on blank sky; NaN where there is
        next to nothing in the residual.
    expected, expected_err : ndarray of float64, shape (2, 5)
        Of the noise of the input, measured on the same pixels by differences along the
        other axis, which leave out what the PSF has smoothed; where that is not to be
        had, by the model of `bgrem_core.matched.noise_taps`.
    uncertain : bool
        The correlation of the input's noise is not well known.
    n_pixels : int
        Pixels of blank sky.
    n_sources : int
        Isolated sources that were stacked.
    origin : str
        Where their positions come from: "catalogue" or "image".
    cutout : ndarray of float64, shape (m, m)
        Mean residual at those sources, the source in the middle, local level off:
        share of the flux in the aperture that each pixel holds; NaN without sources.
    share, share_err : float
        Share of the sources' flux within `radius` that is in the residual. That noise
        helps to choose sources lifts it by some 0.1 %.
    wide_share, wide_share_err : float
        The same within `wide_radius`.
    radius, wide_radius : float
        Pixels.
    """

    part: str
    rms: float
    rms_err: float
    correlation: "Floats"
    correlation_err: "Floats"
    expected: "Floats"
    expected_err: "Floats"
    uncertain: bool
    n_pixels: int
    n_sources: int
    origin: str
    cutout: "Floats"
    share: float
    share_err: float
    wide_share: float
    wide_share_err: float
    radius: float
    wide_radius: float

    @property
    def worst(self) -> tuple[int, int]:
        """Axis (0 = x) and lag in pixels where the correlation is farthest off."""
        apart = np.nan_to_num(np.abs(self.correlation - self.expected))
        axis, lag = divmod(int(np.argmax(apart)), LAGS)
        return axis, lag + 1

    @property
    def excess(self) -> float:
        """Correlation less that of the input's noise, where it is farthest off."""
        axis, lag = self.worst
        return float((self.correlation - self.expected)[axis, lag - 1])

    @property
    def excess_err(self) -> float:
        """Standard error of `excess`."""
        axis, lag = self.worst
        error = np.hypot(self.correlation_err, self.expected_err)
        return float(error[axis, lag - 1])

    @property
    def is_white(self) -> bool:
        """The correlation is that of the input's noise, within errors or 0.03."""
        return abs(self.excess) <= max(WHITE, SURE * self.excess_err)

    @property
    def has_light(self) -> bool:
        """There is more (or less) light at sources than the errors explain."""
        pairs = (
            (self.share, self.share_err),
            (self.wide_share, self.wide_share_err),
        )
        return any(abs(share) > SURE * error for share, error in pairs)

    @property
    def verdict(self) -> str:
        """What the numbers say, in two short sentences."""
        return f"{self._whiteness()}. {self._light()}."

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return what a window shows: labels and texts, with units and errors."""
        from bgrem_core.display import format_value

        rows = [
            ("Looked at", self.part),
            ("Blank pixels", str(self.n_pixels)),
            ("Width", format_value(self.rms, self.rms_err, "sigma")),
        ]
        for axis, name in enumerate("xy"):
            value, error = self.correlation[axis, 0], self.correlation_err[axis, 0]
            text = format_value(float(value), float(error))
            known = format_value(
                float(self.expected[axis, 0]), float(self.expected_err[axis, 0])
            )
            label = f"Neighbours along {name}"
            rows.append((label, f"{text}\ninput {known}"))
        if isfinite(self.excess):
            axis, lag = self.worst
            text = format_value(self.excess, self.excess_err)
            where = f"{lag} pix along {'xy'[axis]}"
            rows.append(("Farthest off", f"{text}\n{where}"))
        if self.uncertain:
            rows.append(("Note", "correlation of the input's noise is uncertain"))
        rows.append(("Isolated sources", f"{self.n_sources} (from {self.origin})"))
        if self.n_sources:
            for name, radius, share, error in (
                ("core", self.radius, self.share, self.share_err),
                ("wide", self.wide_radius, self.wide_share, self.wide_share_err),
            ):
                label = f"Their light, {name}"
                text = _percent(share, error)
                rows.append((label, f"{text}\nwithin {radius:.1f} pix"))
        return tuple(rows)

    def _whiteness(self) -> str:
        from bgrem_core.display import format_value

        if not isfinite(self.excess):
            width = format_value(self.rms, self.rms_err, "sigma")
            return f"Pixel by pixel the residual is next to nothing ({width})"
        size = format_value(abs(self.excess), self.excess_err)
        if self.is_white:
            within = "" if abs(self.excess) <= WHITE else " within the errors"
            return (
                f"The residual is correlated like the input's noise{within} "
                f"(off by at most {size})"
            )
        more = "more" if self.excess > 0 else "less"
        return f"The residual is {more} correlated than the input's noise, by {size}"

    def _light(self) -> str:
        if not self.n_sources:
            return "No isolated bright source tells whether it holds light"
        core = abs(self.share) > SURE * self.share_err
        share, error = (
            (self.share, self.share_err)
            if core or not self.has_light
            else (self.wide_share, self.wide_share_err)
        )
        text = _percent(share, error)
        many = f"{self.n_sources} source" + "s" * (self.n_sources > 1)
        if not self.has_light:
            return f"It holds no light of {many} ({text})"
        return f"It holds {text} of the light of {many}"


def residual(
    separation: "Separation", sources: "QTable | None" = None
) -> ResidualCheck:
    """Look at what was taken away as noise.

    Parameters
    ----------
    separation : Separation
        What a method returned. Its part "noise" is looked at; if it has none, the sum
        of the parts less its level over 33 pixels.
    sources : astropy.table.QTable, optional
        Sources to keep away from, and to stack; those of the separation by default.
        Where none of them is bright and alone, maxima of the input itself are stacked,
        so that a method that took sources away cannot hide them.

    Returns
    -------
    ResidualCheck
        In sigma of the frame's noise, and in shares of the sources' flux.

    Raises
    ------
    UsageError
        The frame has no noise, or too few pixels of blank sky.
    """
    looks = Looks(separation, sources)
    part, plane, bent = _taken(separation)
    sums, before = _Products(), _Products()
    values: list[Float32] = []
    for patch in looks.patches():
        z = patch.read(plane)
        if bent:
            z = _flattened(z, patch.blank)
        blank = patch.blank[patch.inner]
        values.append(z[patch.inner][blank])
        # A few bright stars would drown what the rest of the pixels say.
        tame = np.clip(z[patch.inner], -FAR, FAR)
        sums.add(((tame, blank), (tame, blank)))
        before.add(_without_stars(patch, patch.read(separation.photometric)))
    pixels = np.concatenate(values)
    if len(pixels) < _FEWEST:
        raise UsageError(
            f"there are only {len(pixels)} pixels of blank sky in this frame",
            hint=f"at least {_FEWEST} are needed",
        )
    width = clipped_width(pixels)[1]
    correlation, error = sums.solve()
    if width < NOTHING:
        correlation, error = correlation * nan, error * nan
    expected, expected_err = before.solve()
    model = np.stack([_expected(rho) for rho in separation.scale.rho_xy])
    known = np.isfinite(expected)
    seen: Stack = stack(looks, plane)
    return ResidualCheck(
        part=part,
        rms=width,
        rms_err=width / (2 * len(pixels)) ** 0.5,
        correlation=correlation,
        correlation_err=error,
        expected=np.where(known, expected, model),
        expected_err=np.where(known, expected_err, 0.0),
        uncertain=separation.scale.uncertain,
        n_pixels=len(pixels),
        n_sources=seen.n,
        origin=seen.origin,
        cutout=seen.cutout,
        share=seen.core[0],
        share_err=seen.core[1],
        wide_share=seen.wide[0],
        wide_share_err=seen.wide[1],
        radius=seen.radii[0],
        wide_radius=seen.radii[1],
    )


def _percent(share: float, error: float) -> str:
    from bgrem_core.display import format_value

    # Digits beyond a hundredth of a percent are of no use.
    return format_value(100 * share, max(100 * error, 0.01), "%")


def _taken(separation: "Separation") -> tuple[str, "Plane", bool]:
    """Return name and plane of what was taken as noise, and whether it has a level."""
    if "noise" in separation.parts:
        return "noise", separation.parts["noise"], False
    return "+".join(separation.parts) or "nothing", separation.residual_plane, True


def _flattened(z: "Float32", blank: "Bools") -> "Float32":
    """Take the mean of the blank pixels around off each pixel."""
    from scipy.ndimage import uniform_filter

    light = np.where(blank, z, 0).astype(np.float64)
    total = uniform_filter(light, _BOX, mode="constant")
    weight = uniform_filter(blank.astype(np.float64), _BOX, mode="constant")
    level = total / np.maximum(weight, 0.5 / _BOX**2)
    return np.asarray(z - level, np.float32)


def _without_stars(patch: "Patch", values: "Float32") -> "Pairs":
    """Return pixels for the correlation along x and along y, free of faint stars."""
    out = []
    for axis in (0, 1):
        used = ~grow_along(~patch.blank, _ORDER // 2, axis)
        out.append((difference(values, _ORDER, axis)[patch.inner], used[patch.inner]))
    return out[0], out[1]


def _expected(rho: float) -> "Floats":
    """Return the correlation at lags 1 to `LAGS` of the model of correlated noise."""
    taps = noise_taps(rho)
    out = np.zeros(LAGS)
    out[:2] = np.correlate(taps, taps, "full")[3:]
    return out


class _Products:
    """Sums of products of pixels at each lag, patch by patch."""

    def __init__(self) -> None:
        self._sums: list[Floats] = []

    def add(self, pairs: "Pairs") -> None:
        """Add a patch: pixels and which are used, for the lags along x and along y."""
        out = np.zeros((2, 2, LAGS + 1))
        for axis, (z, blank) in enumerate(pairs):
            # Float32 products of millions of pixels would lose the small ones.
            values, used = np.where(blank, z, 0).astype(np.float64), blank
            if axis == 0:
                values, used = values.T, used.T
            for lag in range(min(LAGS + 1, len(values))):
                end = len(values) - lag
                out[axis, 0, lag] = np.vdot(values[:end], values[lag:])
                out[axis, 1, lag] = np.count_nonzero(used[:end] & used[lag:])
        self._sums.append(out)

    def solve(self) -> tuple["Floats", "Floats"]:
        """Return correlations (2, lags) and their errors, NaN without a pair."""
        sums: Any = np.stack(self._sums)
        total = sums.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = total[:, 0, :1] / total[:, 1, :1]
            found = total[:, 0, 1:] / total[:, 1, 1:] / variance
            error = 1 / np.sqrt(total[:, 1, 1:])
            if len(sums) >= 8:
                # Patches that differ from each other count.
                off = sums[:, :, 0, 1:] - found * variance * sums[:, :, 1, 1:]
                scatter = np.sqrt(np.sum(off**2, axis=0) * len(sums) / (len(sums) - 1))
                error = np.maximum(error, scatter / (variance * total[:, 1, 1:]))
        unknown = ~np.isfinite(found)
        return np.where(unknown, nan, found), np.where(unknown, nan, error)
