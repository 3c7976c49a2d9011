"""Settings of the method "stars"."""

from dataclasses import dataclass

from bgrem_core.options import option
from bgrem_core.settings import RunSettings

__all__ = ["DIFFUSIONS", "MASK", "PSF", "StarsSettings"]

PSF, MASK = "psf", "mask"
DIFFUSIONS = ("cohen2021", "perona-malik", "chao-tsai")
"""Published ways that know no list of stars."""


@dataclass(frozen=True, kw_only=True)
class StarsSettings(RunSettings):
    """Settings of the method "stars".

    Attributes
    ----------
    way : str
        "psf", "mask", or a published diffusion.
    threshold : float
        Least signal to noise of a star.
    spread : float
        How much wider than the PSF a star may be.
    extended : bool
        Take galaxies and knots as well.
    noise : bool
        Filled pixels get noise like that around them.
    denoise : bool
        Take the noise off what is left as well.
    iterations : int or None
        Of a diffusion; None = those of its paper.
    variant : str
        Of "cohen2021": "code" or "paper".
    strength : float
        Share of the stars that is taken away.
    """

    way: str = option(
        default=PSF,
        help="psf: stars are taken off by their PSF, and only what it cannot describe "
        "is filled; mask: all that stars cover is filled; or a published diffusion, "
        "which spreads their light",
        choices=(PSF, MASK, *DIFFUSIONS),
    )
    threshold: float = option(
        default=4.0,
        help="signal to noise from which stars are taken",
        range=(2.5, 1e6),
        label="Least S/N of a star",
    )
    noise: bool = option(
        default=False,
        help="give filled pixels noise like that around them: for the eye, not to be "
        "measured on",
        label="Noise in fillings",
    )
    denoise: bool = option(
        default=False, help="take the noise off what is left too, by the model optical"
    )
    spread: float = option(
        default=0.06,
        help="how much wider than the PSF a star may be; what is wider stays",
        range=(0, 10),
        advanced=True,
    )
    extended: bool = option(
        default=False,
        help="take what is wider than a star as well: galaxies, knots",
        advanced=True,
    )
    iterations: int | None = option(
        default=None,
        help="of a diffusion; default: those of its paper",
        range=(1, 10000),
        advanced=True,
    )
    variant: str = option(
        default="code",
        help="cohen2021 as the authors' program does it, or as their paper says",
        choices=("code", "paper"),
        advanced=True,
    )
    strength: float = option(
        default=1.0,
        help="share of the stars that is taken away",
        range=(0, 1),
        flags=("--strength",),
    )
