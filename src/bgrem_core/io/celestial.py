"""Celestial: the sky coordinates of an image, where its header has some that work."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from bgrem_core.io.fits import quiet
from bgrem_core.io.lookup import lookup_tables

if TYPE_CHECKING:
    from astropy.io.fits import Card, Header
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
# The parser takes memory and time by the square of these; SIP knows orders up to 9.
_MOST = 9
_COUNTS = re.compile(r"WCSAXES[A-Z]?|(A|B|AP|BP)_ORDER")
_EQUATORIAL = frozenset({"RA", "GLON"})
_OTHER_SKY = "the axis {} is neither equatorial nor galactic: RA and Dec are unknown"
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
        cards = _first_ones(header)
        if wcs_problem({card.keyword: card.value for card in cards}):
            return None
        return _build(header, cards, path)
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
        where there is no sky, and for axes that are neither equatorial nor galactic.
    """
    sky: Any = wcs.all_pix2world(x, y, 0)
    lon, lat = (np.asarray(sky[k], np.float64) for k in (wcs.wcs.lng, wcs.wcs.lat))
    kind = wcs.wcs.lngtyp.strip()
    if kind == "RA":
        return lon, lat
    if kind not in _EQUATORIAL:
        return np.full_like(lon, np.nan), np.full_like(lat, np.nan)
    from astropy.coordinates import SkyCoord

    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= _POLE)
    place = SkyCoord(
        np.where(good, lon, 0), np.where(good, lat, 0), frame="galactic", unit="deg"
    ).icrs
    return np.where(good, place.ra.deg, np.nan), np.where(good, place.dec.deg, np.nan)


def without_equatorial(header: "Header | None", wcs: "WCS | None") -> str:
    """Say why places have no RA and Dec though a header has celestial axes.

    Parameters
    ----------
    header : Header or None
        Of the image.
    wcs : astropy.wcs.WCS or None
        What `celestial_wcs` made of it.

    Returns
    -------
    str
        A notice; "" where RA and Dec are known, no axis is celestial, or the notice of
        `wcs_problem` says it.
    """
    if wcs is not None:
        kind = wcs.wcs.lngtyp.strip()
        return "" if kind in _EQUATORIAL else _OTHER_SKY.format(kind)
    values = {c.keyword: c.value for c in _first_ones(header)}
    if wcs_problem(values) or not _celestial_axes(values):
        return ""
    return _UNUSABLE.format("its cards cannot be understood")


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
    for key, value in values.items():
        if _COUNTS.fullmatch(key) and not (_is_number(value) and 0 <= value <= _MOST):
            return _UNUSABLE.format(f"{key} is not a number from 0 to {_MOST}")
    axes = _celestial_axes(values)
    if not axes:
        return ""
    for key, value in values.items():
        optional = value is None and key.startswith(("CROT", "LON", "LAT"))
        if _NUMERIC.fullmatch(key) and not _is_number(value) and not optional:
            return _UNUSABLE.format(f"{key} is not a number")
    for k in axes:
        unit = str(values.get(f"CUNIT{k}") or "deg").strip()
        if unit.upper() not in _ANGLES:
            return _UNUSABLE.format(f"CUNIT{k}={unit!r} is not an angle")
    if len(axes) > 1 and _determinant(values, axes[0], axes[1]) == 0:
        return _UNUSABLE.format("its matrix is singular")
    return ""


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _celestial_axes(values: Mapping[str, object]) -> list[str]:
    return [k for k in "12345" if _is_celestial(values.get(f"CTYPE{k}"))]


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


def _first_ones(header: "Header | None") -> list["Card"]:
    """Return the first card of each keyword, which is the one that counts."""
    first: dict[str, Card] = {}
    for card in header.cards if header is not None else ():
        if card.keyword:
            first.setdefault(card.keyword, card)
    return list(first.values())


def _build(header: "Header", cards: list["Card"], path: Path | None) -> "WCS | None":
    from astropy.io import fits
    from astropy.wcs import WCS

    wanted = [c for c in cards if WCS_KEY.fullmatch(c.keyword)]
    # Only what it needs: the parser has been crashed by other cards of real headers.
    small = fits.Header([*_sizes(header), *wanted])
    with quiet(), _unlogged():
        if path is None or not _needs_tables(small):
            wcs = WCS(_without_tables(small))
        else:
            wcs = WCS(small, lookup_tables(path))
        wcs = wcs.celestial
        # Faces of a cube that cover the sky are a third axis.
        if not wcs.has_celestial or wcs.naxis != 2:
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
    axes = min(header.get("NAXIS", 0), _MOST)
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
