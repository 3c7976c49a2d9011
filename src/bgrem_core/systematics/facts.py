"""Facts: what was measured of a frame when its map was made, as plain values."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgrem_core.systematics.injection import KeptCurve
from bgrem_core.systematics.mid_time import MidTime
from bgrem_core.systematics.trails import TrailShape

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WIDTH", "Facts"]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
WIDTH = 2.0 / FWHM_PER_SIGMA
"""Sigma of a target where nothing tells it, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was measured of a frame when its map was made.

    Attributes
    ----------
    white : float
        White noise of a pixel, in the unit of the frame.
    share, rows, columns : float
        As of `bgrem_core.systematics.camera.Scatter`.
    trails : TrailShape or None
        None = there are none.
    fwhm : float
        Of a target, pixels.
    fwhm_source : str
        What tells it.
    kept : KeptCurve or None
        None = no target was put in.
    extra : float
        Work for the curve over the work for the map.
    time : MidTime
        Of the exposure.
    """

    white: float
    share: float
    rows: float
    columns: float
    trails: TrailShape | None
    fwhm: float
    fwhm_source: str
    kept: KeptCurve | None
    extra: float
    time: MidTime

    @property
    def width(self) -> float:
        """Sigma of a target, pixels."""
        return self.fwhm / FWHM_PER_SIGMA

    def as_dict(self) -> dict[str, Any]:
        """Return all as plain values."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.trails is not None:
            out["trails"] = dataclasses.asdict(self.trails)
        if self.kept is not None:
            out["kept"] = self.kept.as_dict()
        out["time"] = dataclasses.asdict(self.time)
        return out

    @classmethod
    def from_dict(cls, data: "Mapping[str, Any]") -> "Facts":
        """Return what `as_dict` gave as plain values."""
        rest = dict(data)
        trails, kept = rest.pop("trails"), rest.pop("kept")
        return cls(
            **{**rest, "time": MidTime(**rest["time"])},
            trails=None if trails is None else TrailShape(**trails),
            kept=None if kept is None else KeptCurve.from_dict(kept),
        )
