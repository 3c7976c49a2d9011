"""Options of the removal of stars by their PSF."""

from dataclasses import dataclass

from bgrem_core.options import option, validate

__all__ = ["StarOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StarOptions:
    """What a user may say about the removal of stars.

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

    method: str = option(
        default="psf",
        help="subtract stars by their PSF, or fill all that they cover",
        choices=("psf", "mask"),
        advanced=True,
    )
    fwhm: float | None = option(
        default=None, help="width of a star", unit="pix", range=(0.5, 60)
    )
    threshold: float = option(default=4.0, help="least S/N of a star", range=(2.5, 1e6))
    saturation: float | None = option(
        default=None, help="level of saturated pixels, in the unit of the image"
    )
    keep_extended: bool = option(
        default=True, help="keep what is wider than a star: galaxies, knots"
    )
    spread_max: float = option(
        default=0.06,
        help="how much wider than the PSF a star may be",
        range=(0, 1),
        advanced=True,
    )
    passes: int = option(
        default=3,
        help="times that stars are searched for",
        range=(1, 10),
        advanced=True,
    )
    noise: bool = option(
        default=False, help="give filled pixels noise like that around them"
    )
    seed: int = option(
        default=0, help="of that noise", range=(0, 2**63 - 1), advanced=True
    )
    amount: float = option(
        default=1.0, help="share of the stars' light that is taken", range=(0, 1)
    )

    def __post_init__(self) -> None:
        """Refuse values that cannot be used.

        Raises
        ------
        UsageError
            A value is of the wrong kind or out of range.
        """
        validate(self)
