"""Separation: one result type for all methods; everything adds up.

image = cleaned + the sum of the parts. Both sides of that sum are derived here, so no
method can break it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import Image
from bgrem_core.normalize import Scale
from bgrem_core.planes import LazyPlane, Plane

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from astropy.table import QTable

    from bgrem_core.io.provenance import Provenance


@dataclass(frozen=True, kw_only=True, eq=False)
class Separation:
    """An image and what was taken away from it.

    Attributes
    ----------
    image : Image
        The input.
    parts : mapping of str to Plane
        What was taken away, by name, in order; float32, shape (ny, nx), image unit.
        NaN where the input is not finite.
    flags : ndarray of uint8, shape (ny, nx)
        `MaskBit` of each pixel: the input's and those that the method set.
    scale : Scale
        Noise and offset of the frame as they were estimated.
    provenance : Provenance
        What made this result.
    photometric : Plane
        The unclipped plane that fluxes are measured on.
    uncertainty : Plane or None
        68 % deviation of `cleaned` from the noise-free, sky-free truth.
    extras : mapping of str to Plane
        Maps outside the sum, such as "rms".
    catalog : QTable or None
        Sources, if they were searched for.
    notices : tuple of str
        What the user should know about this result.
    """

    image: Image
    parts: Mapping[str, Plane]
    flags: NDArray[np.uint8]
    scale: Scale
    provenance: "Provenance"
    photometric: Plane
    uncertainty: Plane | None = None
    extras: Mapping[str, Plane] = field(default_factory=dict)
    catalog: "QTable | None" = None
    notices: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, (ny, nx)."""
        return self.image.shape

    def part(self, name: str) -> Plane:
        """Return a part by name; a part that the method does not have is zero."""
        if name in self.parts:
            return self.parts[name]
        return LazyPlane(self.shape, self._zero)

    @property
    def residual_plane(self) -> LazyPlane:
        """The sum of the parts, evaluated by block."""
        return LazyPlane(self.shape, self._residual)

    @property
    def cleaned_plane(self) -> LazyPlane:
        """Image minus residual, evaluated by block."""
        return LazyPlane(self.shape, self._cleaned)

    @property
    def quiet_plane(self) -> LazyPlane | None:
        """The photometric plane without any of its noise, whatever the strength.

        None if noise is no part of this separation, or nothing of it was taken away.
        """
        strength = float(self.provenance.settings.get("strength", 1.0))
        starry = "stars" in self.parts
        if starry:
            strength = 1.0  # a share of the stars, not of the noise
        if "noise" not in self.parts or strength <= 0:
            return None
        if strength == 1 and not starry:
            return self.cleaned_plane
        whole, noise = self.photometric, self.parts["noise"]
        return LazyPlane(self.shape, lambda r, c: whole[r, c] - noise[r, c] / strength)

    @cached_property
    def residual(self) -> NDArray[np.float32]:
        """What was taken away in all, shape (ny, nx)."""
        return np.asarray(self.residual_plane)

    @cached_property
    def cleaned(self) -> NDArray[np.float32]:
        """The image without the parts, signed, shape (ny, nx)."""
        return np.asarray(self.cleaned_plane)

    @property
    def noise(self) -> NDArray[np.float32]:
        """The part "noise", zero if there is none."""
        return np.asarray(self.part("noise"))

    @property
    def sky(self) -> NDArray[np.float32]:
        """The part "sky", zero if there is none."""
        return np.asarray(self.part("sky"))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels not to be trusted (True), shape (ny, nx)."""
        return np.not_equal(self.flags, 0)

    def to_ccddata(self) -> "CCDData":
        """Return `cleaned` as astropy CCDData with unit, mask, WCS and header.

        Returns
        -------
        astropy.nddata.CCDData
            Dimensionless where the unit is unknown to astropy.
        """
        from bgrem_core.io.ccddata import to_ccddata

        return to_ccddata(self)

    def _zero(self, rows: slice, cols: slice) -> NDArray[Any]:
        return np.zeros_like(self.image.data[rows, cols], np.float32)

    def _residual(self, rows: slice, cols: slice) -> NDArray[Any]:
        total = self._zero(rows, cols)
        for plane in self.parts.values():
            total += plane[rows, cols]
        return total

    def _cleaned(self, rows: slice, cols: slice) -> NDArray[Any]:
        return subtract(self.image.data[rows, cols], self._residual(rows, cols))


def subtract(data: NDArray[Any], residual: NDArray[Any]) -> NDArray[Any]:
    """Return a block of an image without what was taken away.

    Parameters
    ----------
    data, residual : ndarray of float32
        Of one shape and unit; the residual is NaN where the data are not finite.

    Returns
    -------
    ndarray of float32
        Non-finite pixels keep their own bits; a zero residual changes no bit of the
        rest, not even the sign of a zero.
    """
    keep = ~np.isfinite(data) | (residual == 0)
    with np.errstate(invalid="ignore"):
        return np.where(keep, data, data - residual)
