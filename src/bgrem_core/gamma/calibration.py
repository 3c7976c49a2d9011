"""Calibration: what a network's background is off, and what it takes of a source.

Both were measured on simulated skies that the network had not seen, and stand in its
card (`benchmarks/gamma/calibrate.py`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.gamma.search import PointSources

    Floats = NDArray[np.float64]
    Rows = tuple[tuple[float, float], ...]

__all__ = ["Calibration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of the errors of a background.

    Attributes
    ----------
    error : tuple of (float, float)
        Counts per pixel of the background, rising, and its relative error about
        sources, alike over a PSF.
    kept : tuple of (float, float)
        Photons over their error, rising, and the share of a source's photons that the
        background leaves to it.
    """

    error: "Rows" = ()
    kept: "Rows" = ()

    @classmethod
    def of(cls, calibration: Mapping[str, Any]) -> "Calibration":
        """Return that of a model card; without one nothing is known."""
        rows = calibration.get("photons", {})
        return cls(error=rows.get("error", ()), kept=rows.get("kept", ()))

    def doubt(self, background: "NDArray[np.floating]") -> "Floats | None":
        """Return the relative error of each pixel, None if it is not known."""
        if not self.error:
            return None
        level, error = np.array(self.error).T
        seen = np.log(np.maximum(background, level[0]))
        out: Floats = np.interp(seen, np.log(level), error)
        return out

    def corrected(self, found: "PointSources") -> "PointSources":
        """Return sources with the photons that the background took of them."""
        if not self.kept:
            return found
        ratio, kept = np.array(self.kept).T
        significance = np.nan_to_num(found.counts / found.counts_err)
        share = np.interp(significance, ratio, kept)
        return dataclasses.replace(
            found, counts=found.counts / share, counts_err=found.counts_err / share
        )
