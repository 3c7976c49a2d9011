"""Star fields to draw: what is in them, and the ones that figures are quoted on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bgrem_core.errors import UsageError
from bgrem_core.simulate.ranges import TINY, check_crowd, check_ranges

__all__ = ["PRESETS", "StarFieldSettings", "preset"]

_LIMITS = {
    "stars": (0, 1e7),
    "flux": (TINY, 1e12),
    "slope": (0, 5),
    "fwhm": (0.3, 50),
    "beta": (1.5, 100),
    "ellipticity": (0, 0.5),
    "halo": (0, 0.9),
    "halo_fwhm": (0.3, 500),
    "halo_beta": (1.5, 10),
    "spikes": (0, 0.5),
    "spike_length": (1, 500),
    "sky": (TINY, 1e6),
    "nebula": (0, 1e7),
    "filaments": (0, 1),
    "galaxies": (0, 1e7),
    "galaxy_flux": (TINY, 1e9),
    "galaxy_radius": (0.3, 100),
    "streaks": (0, 1e4),
    "streak_snr": (0, 1e4),
    "streak_length": (1, 1e5),
    "read_noise": (0, 1e5),
    "saturation": (1, math.inf),
    "channels": (1, 16),
    "colour": (0, 3),
    "chromatic": (0, 0.5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StarFieldSettings:
    """What a field of stars is drawn from; all light in electrons.

    Attributes
    ----------
    stars : int
        Stars of a frame, also those a little outside that shine in.
    flux : tuple of float
        Least and greatest total flux of a star, e-.
    slope : float
        Of the counts: the number of stars brighter than F falls as ``F ** -slope``.
    fwhm, beta : float
        Of the Moffat core, pixels.
    ellipticity : float
        Greatest of the core, at the corners; the middle is round.
    halo : float
        Share of a star's light in a wide Moffat halo.
    halo_fwhm, halo_beta : float
        Of the halo, pixels.
    spikes : float
        Share of a star's light in four diffraction spikes.
    spike_length : float
        Distance at which a spike has fallen to 1/e, pixels.
    sky : float
        Level of the blank sky, e-.
    nebula : float
        Its 99.8 percentile, e-.
    filaments : float
        Share of that peak that filaments have.
    galaxies : int
        Galaxies of a frame.
    galaxy_flux, galaxy_radius : tuple of float
        Total flux in e-, and half-light radius in pixels.
    streaks : int
        Thin straight lines through stars.
    streak_snr, streak_length : tuple of float
        Peak over the noise of a pixel of blank sky, and length in pixels.
    read_noise, saturation : float
        E-.
    channels : int
        Planes of one scene with the same stars.
    colour : float
        Scatter of a star's flux from channel to channel, natural logarithm.
    chromatic : float
        Relative change of the FWHM from the first to the last channel.
    """

    stars: int = 250
    flux: tuple[float, float] = (300.0, 1e6)
    slope: float = 0.8
    fwhm: float = 3.0
    beta: float = 3.2
    ellipticity: float = 0.05
    halo: float = 0.05
    halo_fwhm: float = 12.0
    halo_beta: float = 2.0
    spikes: float = 0.01
    spike_length: float = 20.0
    sky: float = 200.0
    nebula: float = 1500.0
    filaments: float = 0.5
    galaxies: int = 0
    galaxy_flux: tuple[float, float] = (3e3, 1e5)
    galaxy_radius: tuple[float, float] = (2.0, 7.0)
    streaks: int = 0
    streak_snr: tuple[float, float] = (1.0, 10.0)
    streak_length: tuple[float, float] = (50.0, 400.0)
    read_noise: float = 5.0
    saturation: float = 60000.0
    channels: int = 1
    colour: float = 0.4
    chromatic: float = 0.08

    def __post_init__(self) -> None:
        """Refuse what nothing can be drawn from.

        Raises
        ------
        UsageError
            It begins with the name of the field.
        """
        check_ranges(self, _LIMITS)
        check_crowd(self.stars, "stars")
        if self.halo + self.spikes >= 1:
            raise UsageError(
                f"halo={self.halo} and spikes={self.spikes} leave the core no light",
                "let their sum be below 1",
            )


_A = StarFieldSettings()
_NAMED = {
    "A": _A,
    "B": replace(_A, stars=1500),
    "C": replace(_A, stars=400, flux=(1e3, 3e6), slope=0.45),
    "D": replace(_A, stars=300, galaxies=25, nebula=300.0),
    "E": replace(_A, fwhm=4.5),
    "S": replace(_A, streaks=6, nebula=300.0),
    "RGB": replace(_A, channels=3),
}
PRESETS: Mapping[str, StarFieldSettings] = MappingProxyType(_NAMED)
"""A sparse, B dense, C bright with saturated stars and spikes, D galaxies, E wide PSF,
S streaks, RGB three channels: frames of 512 x 512 pixels."""


def preset(name: str, shape: tuple[int, int] = (512, 512)) -> StarFieldSettings:
    """Return a named field with the numbers of its sources scaled to a frame.

    Parameters
    ----------
    name : str
        A key of `PRESETS`.
    shape : tuple of int, optional
        (ny, nx), pixels.

    Returns
    -------
    StarFieldSettings
        With the density of stars, galaxies and streaks that the preset has.

    Raises
    ------
    UsageError
        The name is unknown.
    """
    if name not in PRESETS:
        raise UsageError(f"preset {name!r} is not known", f"use {', '.join(PRESETS)}")
    s, share = PRESETS[name], shape[0] * shape[1] / 512**2
    return replace(
        s,
        stars=round(s.stars * share),
        galaxies=round(s.galaxies * share),
        streaks=math.ceil(s.streaks * share),
    )
