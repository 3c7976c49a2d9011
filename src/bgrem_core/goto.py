"""Go to: the pixel that a typed place means.

Decimals alone are pixels. What is a place on the sky says so by a marker, for
"188.7 -1.03" could be either.
"""

import re
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.io.celestial import without_equatorial
from bgrem_core.sexagesimal import sexagesimal

if TYPE_CHECKING:
    from astropy.coordinates import Angle
    from astropy.wcs import WCS

    from bgrem_core.image import Image

__all__ = ["EXAMPLES", "find_place"]

EXAMPLES = '"123.4 56", "12:34:56.7 -01:02:03" or "188.7d -1.03d"'
"""What can be typed."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BETWEEN = r"(?:\s*[,;]\s*|\s+)"
_PIXELS = re.compile(
    rf"(?:x\s*=?\s*)?({_NUMBER}){_BETWEEN}(?:y\s*=?\s*)?({_NUMBER})(?:\s*(?:pix|px))?"
)
_DEGREES = re.compile(rf"({_NUMBER}){_BETWEEN}({_NUMBER})\s*(?:d|deg|degrees|°)")
_SIGNED = re.compile(r"(.*\S)\s+([+-].+)")
#: Minus signs and dashes, primes and quotation marks, as other programs write them.
_PLAIN = str.maketrans("\u2212\u2013\u2032\u2019\u2033\u201d", "--''\"\"")


def find_place(text: str, image: "Image") -> tuple[float, float]:
    """Return the pixel that a typed place means.

    Parameters
    ----------
    text : str
        Two decimals are x and y in data pixels, 0-based. RA and Dec, in the system of
        the image's WCS, are sexagesimal, such as "12:34:56.7 -01:02:03" or "12h34m56s
        +1d2m3s", or degrees with a marker, such as "188.7d -1.03d".
    image : Image
        Its shape and its WCS count.

    Returns
    -------
    x, y : float
        Data pixels, 0-based, within the image.

    Raises
    ------
    UsageError
        The text is no place, the place lies outside the image, or the image has no
        sky coordinates.
    """
    words = " ".join(text.translate(_PLAIN).lower().split())
    pixels = _PIXELS.fullmatch(words)
    if pixels:
        x, y = float(pixels[1]), float(pixels[2])
        ny, nx = image.shape
        hint = f"x goes from 0 to {nx - 1}, y from 0 to {ny - 1}"
        if image.wcs is not None:
            hint += '; degrees carry a d, such as "188.7d -1.03d"'
        _check(image, x, y, f"({x:g}, {y:g})", hint)
        return x, y
    ra, dec = _sky_of(words)
    wcs = image.wcs
    if wcs is None or without_equatorial(image.header, wcs):
        raise UsageError(
            "this image has no RA and Dec", hint='type x and y, such as "123.4 56"'
        )
    x, y = _pixel_at(wcs.celestial, ra, dec)
    place = sexagesimal(float(ra.deg), float(dec.deg))
    _check(image, x, y, place, _middle(image, wcs.celestial))
    return x, y


def _sky_of(words: str) -> "tuple[Angle, Angle]":
    """Return RA and Dec of a text that is not in pixels."""
    import astropy.units as u

    degrees = _DEGREES.fullmatch(words)
    ra, dec = (f"{degrees[k]}d" for k in (1, 2)) if degrees else _halves(words)
    # A bare number could be hours or degrees.
    if re.fullmatch(_NUMBER, ra) or re.search("h", dec):
        _refuse(words)
    # Units are those of what has no marker, such as 12:34:56.
    angles = _angle(ra, u.hourangle, words), _angle(dec, u.deg, words)
    if abs(angles[1].deg) > 90:
        raise UsageError(
            f"Dec {dec} is over 90 degrees", hint="RA comes first, then Dec"
        )
    return angles


def _halves(words: str) -> tuple[str, str]:
    """Return the texts of RA and Dec: a comma, a sign or the middle parts them."""
    signed = _SIGNED.fullmatch(words)
    parts = re.split(r"\s*[,;]\s*", words)
    if len(parts) == 1 and signed:
        parts = [signed[1], signed[2]]
    elif len(parts) == 1:
        single = words.split()
        half = len(single) // 2
        parts = [" ".join(single[:half]), " ".join(single[half:])]
        if len(single) % 2:
            _refuse(words)
    if len(parts) != 2 or not all(parts):
        _refuse(words)
    return parts[0], parts[1]


def _angle(text: str, unit: Any, words: str) -> "Angle":
    from astropy.coordinates import Angle

    try:
        with warnings.catch_warnings():
            # 60 seconds are a minute; astropy says that it took them so.
            warnings.simplefilter("ignore")
            return Angle(text, unit=unit)
    except Exception:  # noqa: BLE001 - its parser fails in many ways
        _refuse(words)


def _pixel_at(wcs: "WCS", ra: "Angle", dec: "Angle") -> tuple[float, float]:
    """Return the pixel of a place through the whole WCS, NaN where it has none."""
    from astropy.coordinates import ICRS, SkyCoord
    from astropy.wcs.utils import wcs_to_celestial_frame

    try:
        frame = wcs_to_celestial_frame(wcs)
        # What is typed is in the system of what is shown; galactic images show
        # no RA, so that ICRS is meant there.
        own = "ra" in frame.get_representation_component_names()
        place = SkyCoord(ra, dec, frame=frame if own else ICRS())
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            x, y = wcs.world_to_pixel(place)
    except Exception:  # noqa: BLE001 - a distortion that cannot be undone, and others
        return np.nan, np.nan
    return float(x), float(y)


def _middle(image: "Image", wcs: "WCS") -> str:
    """Return a hint that says where an image lies."""
    ny, nx = image.shape
    at = wcs.all_pix2world((nx - 1) / 2, (ny - 1) / 2, 0)
    lon, lat = (float(at[k]) for k in (wcs.wcs.lng, wcs.wcs.lat))
    if not np.isfinite([lon, lat]).all() or wcs.wcs.lngtyp.strip() != "RA":
        return "RA comes first, then Dec"
    return f"its middle lies at {sexagesimal(lon, lat)}"


def _check(image: "Image", x: float, y: float, place: str, hint: str) -> None:
    ny, nx = image.shape
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
        raise UsageError(f"{place} lies outside the image", hint=hint)


def _refuse(words: str) -> NoReturn:
    what = f'"{words}" is no place' if words else "no place was typed"
    raise UsageError(what, hint=f"type {EXAMPLES}")
