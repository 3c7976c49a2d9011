"""Linear images as the grey levels that the published diffusion methods need, and back.

Those methods were made for 8-bit pictures: their constants are grey levels from 0 to
255, and light far above that would never be diffused. The authors give no recipe for
linear data. This one clips an image at two percentiles and maps what is between.

The way back gives a starless image between the two levels, and the stars are what the
input has beyond it: ``stars = image - map.to_linear(starless_grey)``. All light above
the upper level is then in the stars, whatever it belongs to, and what is below the
lower level makes them negative there; starless and stars add up to the input. Pixels
that a method changes by nothing differ from the input by no more than rounding, if they
lie between the levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgrem_core.errors import ImageError, UsageError

__all__ = ["GreyMap", "grey_map"]

_Floats = NDArray[np.float64]

WHITE = 255.0
"""Grey level of the upper end."""
CLIP = (0.5, 99.5)
"""Percentiles that become black and white."""
SKY = 30.0
"""Percentile that is taken for blank sky."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreyMap:
    """A linear map of an image to grey levels from 0 to 255.

    Attributes
    ----------
    black, white : float
        What becomes 0 and 255, in the unit of the image; beyond them it is clipped.
    background : float
        Grey level of blank sky, which the methods are told; at least 1, since they
        divide by it.
    """

    black: float
    white: float
    background: float

    def to_grey(self, image: ArrayLike) -> _Floats:
        """Return an image in grey levels.

        Parameters
        ----------
        image : array_like
            Any shape, in the unit that the map was made for.

        Returns
        -------
        ndarray of float64
            Of the shape of `image`, from 0 to 255; NaN stays NaN.
        """
        scaled = (np.asarray(image, np.float64) - self.black) * self._per_unit
        return np.clip(scaled, 0, WHITE)

    def to_linear(self, grey: ArrayLike) -> _Floats:
        """Return grey levels in the unit of the image.

        Parameters
        ----------
        grey : array_like
            Any shape; not clipped.

        Returns
        -------
        ndarray of float64
            Of the shape of `grey`, in the unit that the map was made for.
        """
        out: _Floats = self.black + np.asarray(grey, np.float64) / self._per_unit
        return out

    @property
    def _per_unit(self) -> float:
        return WHITE / (self.white - self.black)


def grey_map(
    image: ArrayLike, *, clip: tuple[float, float] = CLIP, sky: float = SKY
) -> GreyMap:
    """Return the map of an image to grey levels.

    Parameters
    ----------
    image : array_like
        Any shape, linear, any unit; pixels that are not finite are not used.
    clip : tuple of float, optional
        Percentiles of the pixels that become 0 and 255.
    sky : float, optional
        Percentile of the grey levels that is taken for blank sky.

    Returns
    -------
    GreyMap
        Of this image; equal percentiles of another one may be other levels.

    Raises
    ------
    UsageError
        Percentiles that are not in order between 0 and 100.
    ImageError
        No finite pixel, or no difference between the two percentiles.
    """
    low, high = clip
    if not (0 <= low < high <= 100 and 0 <= sky <= 100):
        raise UsageError(
            f"clip={clip!r} and sky={sky!r} are no percentiles",
            hint="use numbers from 0 to 100, the lower of `clip` first",
        )
    values = np.asarray(image, np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        raise ImageError("no pixel is finite", hint="there is nothing to map")
    black, white, level = (float(v) for v in np.percentile(values, (low, high, sky)))
    if not white > black:
        raise ImageError(
            f"the image has no contrast: {low:g} % and {high:g} % of its pixels are "
            f"below the same level, {black:g}",
            hint="widen `clip`, or leave a flat image as it is",
        )
    # In float64 a difference of huge levels may overflow; of real images none does.
    grey = WHITE * (level - black) / (white - black)
    background = min(max(grey, 1.0), WHITE)
    return GreyMap(black=black, white=white, background=background)
