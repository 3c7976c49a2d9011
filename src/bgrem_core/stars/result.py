"""What comes back from the removal of stars."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["StarRemoval", "StarTable"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StarTable:
    """Sources that were found: those taken away, and wider ones that were left.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Places in pixels, 0-based.
    flux : ndarray of float64, shape (planes, n)
        Total flux in the image unit; of what was left, that of a star there.
    snr : ndarray of float64, shape (n,)
        Of the flux in the mean plane: noise of sky and star, and error of the PSF;
        NaN for what was left.
    spread : ndarray of float64, shape (n,)
        Relative excess of width over the PSF; NaN for saturated stars.
    saturated : ndarray of bool, shape (n,)
        Fitted on the wings alone.
    left : ndarray of bool, shape (n,)
        Found, but not a star: nothing was taken away.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    snr: "Floats"
    spread: "Floats"
    saturated: "Bools"
    left: "Bools"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StarRemoval:
    """An image in two: stars, and what is there without them.

    ``starless`` equals ``image - stars`` in float32, so both sum to the image to half
    a unit in the last place of the greater of the two; outside of `support` it has the
    bits of the image.

    Attributes
    ----------
    starless : ndarray of float32, shape (planes, ny, nx)
        Image unit.
    stars : ndarray of float32, shape (planes, ny, nx)
        Light that was taken away; 0 at bad pixels.
    filled : ndarray of bool, shape (ny, nx)
        Pixels whose starless value comes from their surroundings alone; a subset of
        `support`.
    support : ndarray of bool, shape (ny, nx)
        Pixels at which any plane was changed.
    table : StarTable
        What was found.
    fwhm : float
        Of the PSF in pixels; NaN if there was no star.
    psf : ndarray of float64, shape (planes, m, m)
        PSF in the middle of the field, sum 1; m = 0 if there was no star.
    sigma : ndarray of float64, shape (planes,)
        Noise of a sky pixel, image unit.
    method : str
        "psf", "mask" or "none".
    notices : tuple of str
        What the user should know.
    """

    starless: "Float"
    stars: "Float"
    filled: "Bools"
    support: "Bools"
    table: StarTable
    fwhm: float
    psf: "Floats"
    sigma: "Floats"
    method: str
    notices: tuple[str, ...]
