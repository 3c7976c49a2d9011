"""Sensor, sky and targets from which frames of satellites are drawn."""

from dataclasses import dataclass

from bgrem_core.errors import UsageError
from bgrem_core.simulate.plain import later
from bgrem_core.simulate.ranges import TINY, check_crowd, check_ranges

__all__ = ["COUNTS_AT", "SatelliteSettings"]

_SENSOR = "sensor"
COUNTS_AT = 16.0
"""Magnitude to which `SatelliteSettings.density` counts stars."""
_LIMITS = {
    "exposures": (1e-6, 1e5),
    "pixel": (1e-3, 1e3),
    "rate": (0, 1e4),
    "angle": (-360, 360),
    "fwhm": (1e-3, 1e4),
    "zero_point": (-10, 50),
    "density": (0, 1e7),
    "slope": (0.01, 2),
    "magnitudes": (-30, 40),
    "sky": (5, 40),
    "gradient": (0, 1),
    "bowl": (0, 1),
    "cloud": (0, 1),
    "cloud_rms": (0, 1),
    "cloud_scale": (1e-3, 1),
    "prnu": (0, 0.5),
    "dark": (0, 1e6),
    "hot": (0, 1),
    "hot_charge": (0, 1e7),
    "read_noise": (0, 1e5),
    "rows": (0, 1e3),
    "row_parts": (0, 10),
    "row_scale": (0.1, 1e3),
    "columns": (0, 1e3),
    "targets": (0, 1e4),
    "target_sigma": (0.1, 50),
    "target_peak": (TINY, 1e6),
    "moving": (0, 1),
    "moving_length": (0, 1e4),
    "fast": (0, 1),
    "fast_length": (0, 1e4),
    "amplifiers": (1, 4),
    "amplifier_offset": (0, 1e3),
    "amplifier_gain": (0, 0.5),
    "amplifier_rows": (0, 1),
    "glow": (0, 1),
    "glow_charge": (TINY, 1e6),
    "glow_scale": (1e-3, 10),
    "saturating": (0, 1),
    "full_well": (1, 1e8),
    "bleed": (0, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SatelliteSettings:
    """Sensor, sky and targets from which frames are drawn.

    The defaults are a telescope of 35 cm and f/3 with pixels binned 2 x 2, as of
    optical sensors that survey the geostationary belt.

    Attributes
    ----------
    exposures : tuple of float
        Exposure times, seconds; one is picked.
    pixel : float
        Pixel scale after binning, arcsec.
    rate : float
        Motion of the stars, arcsec/s.
    angle : tuple of float
        Direction of the trails, degrees from +x towards +y.
    fwhm : float
        Full width at half maximum across a trail, arcsec.
    zero_point : float
        Magnitude that gives one electron per second.
    density : float
        Stars per square degree brighter than magnitude 16.
    slope : float
        Rising dex of the cumulative counts per magnitude.
    magnitudes : tuple of float
        Brightest and faintest star.
    sky : tuple of float
        Surface brightness, mag/arcsec^2.
    gradient : float
        Scatter of the two slopes of the sky, share of it from centre to edge.
    bowl : float
        Scatter of its three quadratic terms, share from centre to edge.
    cloud : float
        Share of frames with thin cloud.
    cloud_rms : float
        Rms of the sky's brightness in cloud, share of it.
    cloud_scale : float
        Sigma of the smoothing of cloud, share of the frame's shorter side.
    prnu : float
        Rms of the pixels' sensitivity (photo-response non-uniformity).
    dark : float
        Mean dark current, e-/s; exponential over pixels.
    hot : float
        Share of hot pixels.
    hot_charge : float
        Their mean excess, e-; exponential.
    read_noise : float
        Rms of a binned pixel, e-.
    rows : tuple of float
        Rms of the row pattern, in units of the white noise of blank sky.
    row_parts : tuple of float
        Its white and its slow part, as shares of that rms.
    row_scale : float
        Sigma of the smoothing of the slow part, rows.
    columns : tuple of float
        Rms of the column pattern, in units of the same noise.
    targets : float
        Mean number of satellites per frame; Poisson.
    target_sigma : float
        Sigma of a satellite's profile, pixels.
    target_peak : tuple of float
        Peak of its profile in units of the standard deviation of the frame after
        `bgrem_core.zscale.normalise`; log-uniform.
    moving : float
        Share of satellites that the tracking does not follow.
    moving_length : tuple of float
        Length of their trails, pixels.
    fast : float
        Share of satellites on other orbits, which leave longer trails.
    fast_length : tuple of float
        Length of these, pixels.
    amplifiers : tuple of int
        Amplifiers that read the sensor: 1, 2 (its halves, side by side) or 4 (its
        quarters); one is picked.
    amplifier_offset : tuple of float
        Rms of their offsets, in units of the white noise of blank sky.
    amplifier_gain : float
        Rms of their gains about 1.
    amplifier_rows : float
        Share of the row pattern's variance that the two sides of the sensor do not
        have in common, where there are several amplifiers.
    glow : float
        Share of sensors that glow in one corner.
    glow_charge : tuple of float
        Charge of the glow in the corner, e-; log-uniform.
    glow_scale : float
        Length over which it falls by e, share of the frame's shorter side.
    saturating : float
        Share of sensors whose full well is within reach of the stars.
    full_well : tuple of float
        Their full well, e-; log-uniform.
    bleed : float
        Share of them whose columns bleed; the others lose the charge.
    """

    exposures: tuple[float, ...] = (0.3, 0.5, 1.0, 1.5, 2.0)
    pixel: float = 1.5
    rate: float = 15.04
    angle: tuple[float, float] = (34.5, 35.5)
    fwhm: float = 3.0
    zero_point: float = 23.0
    density: float = 1500.0
    slope: float = 0.33
    magnitudes: tuple[float, float] = (9.0, 19.0)
    sky: tuple[float, float] = (18.0, 20.5)
    gradient: float = 0.08
    bowl: float = 0.05
    cloud: float = 0.15
    cloud_rms: float = 0.1
    cloud_scale: float = 1 / 6
    prnu: float = 0.006
    dark: float = 0.02
    hot: float = 3e-4
    hot_charge: float = 60.0
    read_noise: float = 4.4
    rows: tuple[float, float] = (0.3, 1.0)
    row_parts: tuple[float, float] = (0.75, 0.65)
    row_scale: float = 4.0
    columns: tuple[float, float] = (0.0, 0.25)
    targets: float = 0.6
    target_sigma: float = 0.5
    target_peak: tuple[float, float] = (0.5, 5.0)
    moving: float = 0.2
    moving_length: tuple[float, float] = (1.0, 8.0)
    fast: float = later(0.0, group=_SENSOR)
    fast_length: tuple[float, float] = later((8.0, 60.0), group=_SENSOR)
    amplifiers: tuple[int, ...] = later((1,), group=_SENSOR)
    amplifier_offset: tuple[float, float] = later((0.0, 0.0), group=_SENSOR)
    amplifier_gain: float = later(0.0, group=_SENSOR)
    amplifier_rows: float = later(0.0, group=_SENSOR)
    glow: float = later(0.0, group=_SENSOR)
    glow_charge: tuple[float, float] = later((5.0, 80.0), group=_SENSOR)
    glow_scale: float = later(0.15, group=_SENSOR)
    saturating: float = later(0.0, group=_SENSOR)
    full_well: tuple[float, float] = later((2000.0, 30000.0), group=_SENSOR)
    bleed: float = later(0.5, group=_SENSOR)

    def __post_init__(self) -> None:
        check_ranges(self, _LIMITS, unordered=("exposures", "row_parts", "amplifiers"))
        if 3 in self.amplifiers:
            raise UsageError("amplifiers=3 is no layout", "give 1, 2 or 4")
        faintest = 10 ** (self.slope * (self.magnitudes[1] - COUNTS_AT))
        check_crowd(
            self.density * faintest, "density, slope and magnitudes per square degree"
        )
