"""Sources as plain arrays, whatever columns a table has."""

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import UsageError
from bgrem_core.growth import Profile
from bgrem_core.photometry import DEFAULT_FWHM

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

DISTURBED = (
    SourceFlag.EDGE
    | SourceFlag.SATURATED
    | SourceFlag.BLENDED
    | SourceFlag.MASKED
    | SourceFlag.TRUNCATED
    | SourceFlag.ARTEFACT
)
"""A source with one of these is no measure of what was done to sources."""
FAINTEST_WING = 0.05
"""Light of a source in sigma per pixel below which a pixel is called blank."""
_LEAST, _MOST = 1.5, 40.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sources:
    """Columns of a catalogue, NaN or 0 where there is none.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Pixels, 0-based.
    flux, flux_cleaned, snr, a : ndarray of float64, shape (n,)
        As in the catalogue.
    flags : ndarray of int64, shape (n,)
        `SourceFlag`.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    flux_cleaned: "Floats"
    snr: "Floats"
    a: "Floats"
    flags: "NDArray[np.int64]"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)

    def reach(self, fwhm: float, sigma: float) -> "Floats":
        """Return how far the light of each source reaches, pixels."""
        profile = Profile(fwhm=fwhm)
        top = profile.density(np.zeros(1), np.zeros(1))[0]
        with np.errstate(invalid="ignore"):
            light = np.nan_to_num(self.flux * top / (FAINTEST_WING * sigma))
        wing = np.sqrt(np.maximum(light, 1) ** (1 / profile.beta) - 1) * profile.core
        # Extended sources fade more slowly, and of saturated ones light is missing.
        wing = np.maximum(wing, 5 * np.nan_to_num(self.a))
        wing = np.where(self.flags & SourceFlag.SATURATED, 2 * wing, wing)
        return np.asarray(np.clip(wing, _LEAST * fwhm, _MOST * fwhm))


def sources_of(separation: "Separation", table: "QTable | None") -> Sources | None:
    """Return the given sources, else those of the separation, else None.

    Raises
    ------
    UsageError
        The table has no positions.
    """
    table = separation.catalog if table is None else table
    if table is None:
        return None
    if not {"x", "y"} <= set(table.colnames):
        raise UsageError(
            "these sources have no columns x and y", hint="give what find_sources gave"
        )
    names = ("x", "y", "flux", "flux_cleaned", "snr", "a")
    columns: dict[str, Any] = {name: _plain(table, name) for name in names}
    flags = np.nan_to_num(_plain(table, "flags")).astype(np.int64)
    return Sources(flags=flags, **columns)


def fwhm_of(separation: "Separation", table: "QTable | None") -> float:
    """Return the FWHM of the PSF in pixels: a catalogue's, else the frame's."""
    table = separation.catalog if table is None else table
    meta = {} if table is None else table.meta
    known = (meta.get("fwhm"), separation.image.fwhm, separation.scale.fwhm)
    return next((float(w) for w in known if w and isfinite(w)), DEFAULT_FWHM)


def noise_of(separation: "Separation") -> float:
    """Return the median noise of a frame, image unit.

    Raises
    ------
    UsageError
        The frame has none.
    """
    sigma = separation.scale.median_sigma
    if not (isfinite(sigma) and sigma > 0):
        raise UsageError(
            "this frame has no noise to compare with", hint="use a frame with noise"
        )
    return sigma


def _plain(table: "QTable", name: str) -> "Floats":
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    column: Any = table[name]
    return np.array(getattr(column, "value", column), np.float64)
