"""Options of the removal of stars by their PSF."""

from dataclasses import dataclass

__all__ = ["StarOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StarOptions:
    """What may be said about the removal of stars; checked where it is asked for.

    Attributes
    ----------
    method : str
        "psf": subtract each star by its PSF and fill what that cannot describe;
        "mask": fill the whole footprint of each star.
    fwhm : float or None
        Of the PSF, pixels; None = measured.
    threshold : float
        Least S/N of a star.
    saturation : float or None
        Level of saturated pixels, image unit; None = estimated from flat tops.
    keep_extended : bool
        Galaxies and knots, wider than the PSF, stay.
    spread_max : float
        Spread up to which a source is a star.
    passes : int
        Times that stars are searched for in what is left.
    noise : bool
        Filled pixels get noise like that around them.
    seed : int
        Of that noise.
    amount : float
        Share of the stars' light that is taken, 0 to 1.
    """

    method: str = "psf"
    fwhm: float | None = None
    threshold: float = 4.0
    saturation: float | None = None
    keep_extended: bool = True
    spread_max: float = 0.06
    passes: int = 3
    noise: bool = False
    seed: int = 0
    amount: float = 1.0
