"""Celestial: the sky coordinates of an image, where its header has some that work."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.io.fits import quiet

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NUMERIC = re.compile(r"(CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)\d_\d|(LON|LAT)POLE")
#: Keywords of world coordinates, those of lookup tables and of IRAF included.
WCS_KEY = re.compile(
    r"WCSAXES|WCSNAME|WCSDIM|WAT\d_\d{3}"
    r"|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER)\d+[A-Z]?"
    r"|(CD|PC|PV|PS|LTM|TM)\d+_\d+[A-Z]?|LTV\d+|DISTORT"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
    r"|D2IM\S*|(AX|CP)\S*DIS\S*|CPERR\d|CQERR\d|(DP|DQ)\d+\S*|DVERR\d"
    r"|RADE(SYS|CSYS)[A-Z]?|EQUINOX[A-Z]?|EPOCH|(LON|LAT)POLE[A-Z]?"
    r"|MJD-(OBS|AVG|BEG|END)|DATE-(OBS|AVG|BEG|END)|MJDREF[IF]?|TIMESYS"
    r"|(SPEC|REST|VEL|SSYS|OBSGEO|ZSOURCE)\S*"
)
_ANGLES = frozenset({
    "DEG", "DEGREE", "DEGREES", "ARCMIN", "ARCSEC", "MAS", "UAS", "RAD", "RADIAN",
    "RADIANS",
})  # fmt: skip
_POLE = 90.0
_UNUSABLE = "WCS unusable: {}; there will be no sky coordinates"


def celestial_wcs(header: "Header | None", *, path: Path | None = None) -> "WCS | None":
    """Return the celestial WCS of a header.

    Parameters
    ----------
    header : Header or None
        As read.
    path : Path, optional
        FITS file with the lookup tables, if the header needs any. Without it their
        small corrections are left out.

    Returns
    -------
    astropy.wcs.WCS or None
        Two axes; None where there is none that works. Never raises.
    """
    if header is None:
        return None
    try:
        values = {card.keyword: card.value for card in header.cards if card.keyword}
        if wcs_problem(values):
            return None
        return _build(header, path)
    except Exception:  # noqa: BLE001 - a header can make the parser fail in any way
        return None


def equatorial(wcs: "WCS", x: "Floats", y: "Floats") -> "tuple[Floats, Floats]":
    """Return RA and Dec of pixels, also where the axes are those of the Galaxy.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial.
    x, y : ndarray
        Pixels, 0-based.

    Returns
    -------
    ra, dec : ndarray
        Degrees, in the system of the WCS where that has RA and Dec, else ICRS; NaN
        where there is no sky.
    """
    sky: Any = wcs.all_pix2world(x, y, 0)
    lon, lat = (np.asarray(sky[k], np.float64) for k in (wcs.wcs.lng, wcs.wcs.lat))
    if wcs.wcs.lngtyp.strip() == "RA":
        return lon, lat
    from astropy.coordinates import SkyCoord
    from astropy.wcs.utils import wcs_to_celestial_frame

    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= _POLE)
    place = SkyCoord(
        np.where(good, lon, 0), np.where(good, lat, 0),
        frame=wcs_to_celestial_frame(wcs), unit="deg",
    ).icrs  # fmt: skip
    return np.where(good, place.ra.deg, np.nan), np.where(good, place.dec.deg, np.nan)


def wcs_problem(values: Mapping[str, object]) -> str:
    """Say why the world coordinates of a header cannot be used.

    Parameters
    ----------
    values : mapping
        Keywords of the header.

    Returns
    -------
    str
        A notice; "" where all is well or there is no WCS.
    """
    axes = [k for k in "12345" if _is_celestial(values.get(f"CTYPE{k}"))]
    if not axes:
        return ""
    for key, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        optional = value is None and key.startswith(("CROT", "LON", "LAT"))
        if _NUMERIC.fullmatch(key) and not is_number and not optional:
            return _UNUSABLE.format(f"{key} is not a number")
    for k in axes:
        unit = str(values.get(f"CUNIT{k}") or "deg").strip()
        if unit.upper() not in _ANGLES:
            return _UNUSABLE.format(f"CUNIT{k}={unit!r} is not an angle")
    if len(axes) > 1 and _determinant(values, axes[0], axes[1]) == 0:
        return _UNUSABLE.format("its matrix is singular")
    return ""


def _is_celestial(ctype: object) -> bool:
    if not isinstance(ctype, str):
        return False
    name = ctype.strip().upper()
    return "-" in name and name.split("-", 1)[0][-3:] in {
        "RA", "DEC", "LON", "LAT",
    }  # fmt: skip


def _determinant(values: Mapping[str, object], x: str, y: str) -> float:
    def number(key: str, default: float) -> float:
        value = values.get(key, default)
        return float(value) if isinstance(value, (int, float)) else default

    if any(re.fullmatch(r"CD\d_\d", key) for key in values):
        corner = [number(f"CD{a}_{b}", 0) for a, b in ((x, x), (x, y), (y, x), (y, y))]
        scale = 1.0
    else:
        keys = ((x, x, 1), (x, y, 0), (y, x, 0), (y, y, 1))
        corner = [number(f"PC{a}_{b}", default) for a, b, default in keys]
        scale = number(f"CDELT{x}", 1) * number(f"CDELT{y}", 1)
    determinant = scale * (corner[0] * corner[3] - corner[1] * corner[2])
    return determinant if np.isfinite(determinant) else 0.0


def _build(header: "Header", path: Path | None) -> "WCS | None":
    from astropy.io import fits
    from astropy.wcs import WCS

    cards = [c for c in header.cards if WCS_KEY.fullmatch(c.keyword)]
    # Only what it needs: the parser has been crashed by other cards of real headers.
    small = fits.Header([*_sizes(header), *cards])
    with quiet(), _unlogged():
        if path is None or not _needs_tables(small):
            wcs = WCS(_without_tables(small))
        else:
            with fits.open(path) as hdus:
                wcs = WCS(small, hdus)
        wcs = wcs.celestial
        if not wcs.has_celestial:
            return None
        middle = [(n - 1) / 2 for n in wcs.array_shape or (1, 1)]
        world = wcs.all_pix2world([middle[::-1]], 0)
    return wcs if np.isfinite(world).all() else None


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the parser from writing to standard output, which may be that of JSON."""
    from astropy import log

    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _sizes(header: "Header") -> list[tuple[str, int]]:
    axes = header.get("NAXIS", 0)
    return [("NAXIS", axes)] + [
        (f"NAXIS{k + 1}", header.get(f"NAXIS{k + 1}", 1)) for k in range(axes)
    ]


def _needs_tables(header: "Header") -> bool:
    return any(key.startswith(("D2IMDIS", "CPDIS")) for key in header)


def _without_tables(header: "Header") -> "Header":
    plain = header.copy()
    for key in {k for k in header if re.match(r"D2IM|CPDIS|CPERR|DP\d|CQDIS", k)}:
        plain.remove(key, remove_all=True)
    return plain
