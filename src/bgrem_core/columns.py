"""Columns: measurements put into the table that users read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.image import Image

    Floats = NDArray[np.float64]
    Ints = NDArray[np.integer]

DESCRIPTIONS = {
    "id": "label in SEGM, from 1",
    "x": "column, 0-based: the centre of the first pixel is 0",
    "y": "row, 0-based: the centre of the first pixel is 0",
    "x_fits": "column, 1-based as in FITS and DS9",
    "y_fits": "row, 1-based as in FITS and DS9",
    "ra": "right ascension of the WCS, ICRS where that is a galactic one",
    "dec": "declination of the WCS, ICRS where that is a galactic one",
    "flux": "total flux on the photometric plane, which is not denoised",
    "flux_err": "its standard error, noise correlation included",
    "snr": "flux over its error without that of the aperture correction",
    "mag": "zero point - 2.5 log10(flux)",
    "fwhm": "full width at half maximum, PSF included",
    "a": "standard deviation along the major axis",
    "b": "standard deviation along the minor axis",
    "theta": "direction of the major axis, anticlockwise from +x",
    "peak": "highest value in the detection image, in noise sigma",
    "flags": "1 edge, 2 saturated, 4 blended, 8 masked pixels in aperture, "
    "16 truncated, 32 sky ring contaminated, 64 extended, "
    "128 below the nominal significance, 256 artefact, 512 no gain, "
    "1024 a correction beyond where it was measured",
    "flux_cleaned": "same aperture on the cleaned image; carries no error",
    "npix": "pixels above the detection threshold",
}


class Measurement(Protocol):
    """What must be known of n positions; arrays of shape (n,), NaN = unknown."""

    @property
    def flux(self) -> "Floats":
        """Total flux, image unit."""

    @property
    def flux_err(self) -> "Floats":
        """Its standard error."""

    @property
    def snr(self) -> "Floats":
        """Flux over the noise."""

    @property
    def fwhm(self) -> "Floats":
        """Full width at half maximum, pixels."""

    @property
    def a(self) -> "Floats":
        """Standard deviation along the major axis, pixels."""

    @property
    def b(self) -> "Floats":
        """Standard deviation along the minor axis, pixels."""

    @property
    def theta(self) -> "Floats":
        """Direction of the major axis, degrees."""

    @property
    def flags(self) -> "Ints":
        """`SourceFlag`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluxes:
    """A `Measurement` as plain arrays, of a method that measures itself."""

    flux: "Floats"
    flux_err: "Floats"
    snr: "Floats"
    fwhm: "Floats"
    a: "Floats"
    b: "Floats"
    theta: "Floats"
    flags: "Ints"


def source_table(
    image: "Image",
    x: Any,
    y: Any,
    measured: Measurement,
    *,
    peak: "NDArray[Any] | None" = None,
    flux_cleaned: "Floats | None" = None,
    npix: "NDArray[Any] | None" = None,
    flags: "NDArray[Any] | None" = None,
) -> "QTable":
    """Build the catalogue.

    Parameters
    ----------
    image : Image
        Unit, zero point and WCS.
    x, y : sequence of float, shape (n,)
        Positions, pixels, 0-based.
    measured : Measurement
        What was measured there, such as `bgrem_core.total_flux.Measured`.
    peak, flux_cleaned, npix : ndarray, optional
        Columns that only a detection knows; NaN or 0 by default.
    flags : ndarray of int, optional
        Bits that are added to those of the measurement.

    Returns
    -------
    astropy.table.QTable
        Columns of `DESCRIPTIONS`, in that order; unknown = NaN.
    """
    import astropy.units as u
    from astropy.table import QTable

    at_x, at_y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x, y))
    unknown = np.full(len(at_x), np.nan)
    ra, dec = sky_position(image, at_x, at_y)
    bits = measured.flags if flags is None else measured.flags | flags
    with np.errstate(invalid="ignore", divide="ignore"):
        mag = -2.5 * np.log10(np.where(measured.flux > 0, measured.flux, np.nan))
    values = {
        "id": np.arange(1, len(at_x) + 1, dtype=np.int32),
        "x": at_x,
        "y": at_y,
        "x_fits": at_x + 1,
        "y_fits": at_y + 1,
        "ra": ra,
        "dec": dec,
        "flux": measured.flux,
        "flux_err": measured.flux_err,
        "snr": measured.snr,
        "mag": unknown if image.zeropoint is None else image.zeropoint + mag,
        "fwhm": measured.fwhm,
        "a": measured.a,
        "b": measured.b,
        "theta": measured.theta,
        "peak": unknown if peak is None else np.asarray(peak, np.float64),
        "flags": bits.astype(np.int32),
        "flux_cleaned": unknown if flux_cleaned is None else flux_cleaned,
        "npix": np.zeros(len(at_x), np.int32) if npix is None else npix.astype("i4"),
    }
    flux_unit = parse_unit(image.unit)
    pixel = ("x", "y", "x_fits", "y_fits", "fwhm", "a", "b")
    units = dict.fromkeys(pixel, u.pix) | {
        "ra": u.deg, "dec": u.deg, "theta": u.deg, "mag": u.mag,
        "flux": flux_unit, "flux_err": flux_unit, "flux_cleaned": flux_unit,
    }  # fmt: skip
    table = QTable()
    for name, column in values.items():
        unit = units.get(name)
        table[name] = column if unit is None else u.Quantity(column, unit, copy=False)
        table[name].info.description = DESCRIPTIONS[name]
    table.meta.update(_orientation(image))
    return table


def _orientation(image: "Image") -> dict[str, float]:
    """Return the pixel scale and the direction of north, for region files."""
    if image.wcs is None:
        return {}
    matrix = np.asarray(image.wcs.celestial.pixel_scale_matrix, np.float64)
    area = abs(np.linalg.det(matrix))
    if not area > 0:
        return {}
    north = np.linalg.solve(matrix, [0.0, 1.0])
    return {
        "pixel_scale_arcsec": float(3600 * area**0.5),
        "north_angle_deg": float(np.rad2deg(np.arctan2(north[1], north[0]))),
    }


def parse_unit(text: str) -> Any:
    """Return the unit that a BUNIT names, None where astropy does not know it."""
    import astropy.units as u

    if not text.strip():
        return None
    # Headers spell these in ways that astropy does not take.
    known = {"adu": "adu", "dn": "adu", "counts": "ct", "electrons": "electron"}
    word = known.get(text.strip().lower())
    if word is not None:
        return u.Unit(word)
    for form in ("fits", None):
        try:
            return u.Unit(text, format=form)
        except (ValueError, TypeError):
            continue
    return None


def sky_position(image: "Image", x: "Floats", y: "Floats") -> tuple["Floats", "Floats"]:
    """Return RA and Dec in degrees through the whole WCS, distortions included.

    Parameters
    ----------
    image : Image
        Its WCS is used if it has one.
    x, y : ndarray, shape (n,)
        Pixels, 0-based.

    Returns
    -------
    ra, dec : ndarray of float64, shape (n,)
        In the system of the WCS, ICRS for one without RA and Dec, such as a galactic
        one; NaN without a celestial WCS.
    """
    unknown = np.full(len(x), np.nan)
    wcs = image.wcs
    if wcs is None or not len(x):
        return unknown, unknown.copy()
    from bgrem_core.io.celestial import equatorial

    return equatorial(wcs.celestial, x, y)
