"""Ranges from which full optical fields are drawn."""

from dataclasses import dataclass

from bgrem_core.simulate.optical import SCENE_LIMITS
from bgrem_core.simulate.ranges import TINY, check_crowd, check_ranges

__all__ = ["SurveySettings"]

Range = tuple[float, float]

_SHARE, _LIGHT, _NUMBER = (0, 1), (TINY, 1), (TINY, 1e5)
_LIMITS = SCENE_LIMITS | {
    "kolmogorov": _SHARE,
    "wings": (0, 0.9),
    "frame": (1, 1e7),
    "fwhm_change": (0, 0.5),
    "ellipticity_change": (0, 0.5),
    "bright": (0, 1e4),
    "sersic": (0.3, 6.2),  # what GalSim draws
    "real": _SHARE,
    "nebula": _SHARE,
    "nebula_peak": (TINY, 1e6),
    "full_well": (1, 1e12),
    "bleed": _SHARE,
    "halo": _LIGHT,
    "ghost": _SHARE,
    "ghost_light": _LIGHT,
    "spikes": _SHARE,
    "spike_light": _LIGHT,
    "streaks": (0, 1e4),
    "streak_peak": (TINY, 1e6),
    "cosmic_rays": _NUMBER,
    "hot_pixels": _NUMBER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveySettings:
    """Ranges of the optics, the sky objects and the detector.

    Attributes
    ----------
    fwhm : tuple of float
        Full width at half maximum of the effective PSF in the middle of the field,
        pixels; log-uniform.
    beta : tuple of float
        Exponent of the Moffat profile.
    kolmogorov : float
        Share of fields with a Kolmogorov profile and added wings instead.
    wings : tuple of float
        Share of a star's light in those wings.
    ellipticity : tuple of float
        1 - b/a of the PSF in the middle of the field.
    frame : tuple of float
        Side of the frame that the field is a part of, pixels; log-uniform. The PSF
        changes by the two amounts below over the frame, not over the field.
    fwhm_change : float
        Greatest relative change of the FWHM.
    ellipticity_change : float
        Greatest change of the ellipticity.
    density : tuple of float
        Sources per Mpix above S/N 5; log-uniform.
    slope : tuple of float
        Falling dex of the cumulative counts per dex of S/N.
    snr : tuple of float
        Faintest and brightest S/N of that law.
    bright : float
        Mean number per Mpix of stars above it, up to 15 times as bright.
    galaxies : tuple of float
        Share of galaxies at the lowest and at the highest density.
    sersic : tuple of float
        Index of the profiles of galaxies.
    real : float
        Share of real galaxies among those that are drawn one by one.
    discs : float
        Mean number of large faint exponential discs per Mpix.
    disc_scale : tuple of float
        Their scale length, pixels; log-uniform.
    disc_peak : tuple of float
        Their central surface brightness, sigma per pixel; log-uniform.
    nebula : float
        Share of fields with nebulosity.
    nebula_peak : tuple of float
        Its greatest surface brightness, sigma per pixel; log-uniform.
    full_well : tuple of float
        Level at which a pixel saturates, sigma above the sky; log-uniform.
    bleed : float
        Share of fields whose saturated columns bleed.
    halo : tuple of float
        Light of the broad halo over that of the star; log-uniform.
    ghost : float
        Share of fields where the bright stars have a defocused disc beside them.
    ghost_light : tuple of float
        Light of that disc over that of the star; log-uniform.
    spikes : float
        Share of fields with diffraction spikes.
    spike_light : tuple of float
        Light of the spikes over that of the star; log-uniform.
    streaks : float
        Mean number of satellite trails per Mpix.
    streak_peak : tuple of float
        Their height, sigma per pixel; log-uniform.
    cosmic_rays : tuple of float
        Number per Mpix; log-uniform.
    hot_pixels : tuple of float
        Number per Mpix; log-uniform.
    """

    fwhm: Range = (2.0, 9.0)
    beta: Range = (2.3, 4.5)
    kolmogorov: float = 0.35
    wings: Range = (0.02, 0.12)
    ellipticity: Range = (0.0, 0.15)
    frame: Range = (1024.0, 10560.0)
    fwhm_change: float = 0.06
    ellipticity_change: float = 0.05
    density: Range = (30.0, 4000.0)
    slope: Range = (0.6, 0.9)
    snr: Range = (0.4, 2e4)
    bright: float = 0.5
    galaxies: Range = (0.75, 0.15)
    sersic: Range = (0.5, 4.5)
    real: float = 0.4
    discs: float = 2.0
    disc_scale: Range = (8.0, 60.0)
    disc_peak: Range = (0.05, 1.5)
    nebula: float = 0.2
    nebula_peak: Range = (0.05, 3.0)
    full_well: Range = (300.0, 2e4)
    bleed: float = 0.8
    halo: Range = (0.003, 0.05)
    ghost: float = 0.3
    ghost_light: Range = (3e-4, 1e-2)
    spikes: float = 0.7
    spike_light: Range = (0.002, 0.02)
    streaks: float = 0.15
    streak_peak: Range = (0.3, 30.0)
    cosmic_rays: Range = (1.0, 60.0)
    hot_pixels: Range = (1.0, 300.0)

    def __post_init__(self) -> None:
        check_ranges(self, _LIMITS, unordered=("galaxies",))
        faintest = (5 / self.snr[0]) ** self.slope[1]
        check_crowd(self.density[1] * faintest, "density, slope and snr per Mpix")
