"""Energies: the band of a counts map, and the plane of a counts cube that is meant."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import UsageError
from bgrem_core.settings import OpenSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astropy.io.fits import Header

    from bgrem_core.image import Image

__all__ = [
    "BAND",
    "Band",
    "band_of",
    "band_text",
    "choose_plane",
    "read_bounds",
    "selections",
]

Limits = tuple[float, float]

BAND: Limits = (1000.0, 2000.0)
"""MeV: what the PSF and the models of this version are for."""
_NEAR = 0.02
"""Relative difference of limits that are the same."""
_TO_MEV = {"ev": 1e-6, "kev": 1e-3, "mev": 1.0, "gev": 1e3, "tev": 1e6}
_MOST_SELECTIONS = 100
_CUBE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Energies of photons.

    Attributes
    ----------
    limits : tuple of float
        Lowest and highest, MeV.
    source : str
        What told it, such as "EBOUNDS".
    place : str
        Which plane of a cube it is, or "".
    """

    limits: Limits
    source: str
    place: str = ""

    @property
    def fits(self) -> bool:
        """Whether it is the band of the models."""
        return all(
            abs(own - wanted) <= _NEAR * wanted
            for own, wanted in zip(self.limits, BAND, strict=True)
        )


def band_of(image: "Image") -> Band | None:
    """Return the energies of the photons of an image.

    Parameters
    ----------
    image : Image
        A plane of a cube with an extension EBOUNDS; else the header is asked for the
        selection of energies that gtselect noted, or for E_MIN and E_MAX in MeV.

    Returns
    -------
    Band or None
        None where nothing is told.
    """
    index, path = image.origin.index, image.origin.path
    if path is not None and image.origin.format == "fits":
        bounds = read_bounds(path)
        if len(index) == 1 and len(image.origin.shape) == _CUBE:
            if len(bounds) == image.origin.shape[0]:
                k = index[0]
                place = f"plane {k} of the cube" if len(bounds) > 1 else ""
                return Band(limits=bounds[k], source="EBOUNDS", place=place)
        elif len(bounds) == 1:
            return Band(limits=bounds[0], source="EBOUNDS")
    for kind, unit, value in selections(image.header):
        if kind.strip().upper() == "ENERGY" and (limits := _limits(value, unit)):
            return Band(limits=limits, source="the cuts in the header")
    values = [_positive(image.header, key) for key in ("E_MIN", "E_MAX")]
    if values[0] and values[1]:
        return Band(limits=(values[0], values[1]), source="E_MIN and E_MAX")
    return None


def choose_plane(path: "Path", door: OpenSettings) -> OpenSettings:
    """Choose the plane of a counts cube by its energies, where none was named.

    Parameters
    ----------
    path : pathlib.Path
        FITS file.
    door : OpenSettings
        How it is to be opened.

    Returns
    -------
    OpenSettings
        With the plane that covers 1 to 2 GeV best; as they were for any other file.

    Raises
    ------
    UsageError
        No plane lies within 1 to 2 GeV.
    """
    bounds = read_bounds(path) if door.plane is None else ()
    if len(bounds) < 2 or _planes(path, door) != len(bounds):
        return door
    share = [_overlap(limits) for limits in bounds]
    if not max(share) > 0:
        listed = ", ".join(f"{k}: {band_text(b)}" for k, b in enumerate(bounds[:20]))
        raise UsageError(
            f"no plane of the cube lies within {band_text(BAND)}: {listed}",
            hint="choose one with --plane, or bin the photons anew",
        )
    return dataclasses.replace(door, plane=str(share.index(max(share))))


def read_bounds(path: "Path") -> tuple[Limits, ...]:
    """Return the energies of the planes of a cube.

    Parameters
    ----------
    path : pathlib.Path
        FITS file.

    Returns
    -------
    tuple of tuple of float
        Lowest and highest energy of each plane, MeV, by the extension EBOUNDS; () if
        there is none that can be read.
    """
    from astropy.io import fits

    from bgrem_core.io.fits import quiet

    try:
        with quiet(), fits.open(path, memmap=False) as hdus:
            names = [hdu.name for hdu in hdus]
            if "EBOUNDS" not in names:
                return ()
            table = hdus[names.index("EBOUNDS")]
            columns = [_in_mev(table, name) for name in ("E_MIN", "E_MAX")]
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError):
        return ()
    bounds = tuple(zip(*columns, strict=True))
    return bounds if all(0 < low < high for low, high in bounds) else ()


def selections(header: "Header | None") -> "Iterator[tuple[str, str, str]]":
    """Yield the cuts that gtselect notes in a header.

    Parameters
    ----------
    header : Header or None
        With keywords DSTYPn, DSUNIn and DSVALn.

    Yields
    ------
    tuple of str
        Type, unit and value of each.
    """
    if header is None:
        return
    for k in range(1, _MOST_SELECTIONS):
        kind = header.get(f"DSTYP{k}")
        if kind is None:
            return
        yield (
            str(kind),
            str(header.get(f"DSUNI{k}", "")),
            str(header.get(f"DSVAL{k}", "")),
        )


def band_text(limits: Limits) -> str:
    """Return energies as text.

    Parameters
    ----------
    limits : tuple of float
        MeV.

    Returns
    -------
    str
        Such as "1 to 2 GeV".
    """
    return f"{limits[0] / 1e3:.4g} to {limits[1] / 1e3:.4g} GeV"


def _in_mev(table: Any, name: str) -> list[float]:
    column = table.columns[name]
    # The OGIP standard has keV, and so has gtbin.
    factor = _TO_MEV[(column.unit or "keV").strip().lower()]
    return [float(v) * factor for v in table.data[name]]


def _planes(path: "Path", door: OpenSettings) -> int:
    """Return the number of planes of the image that the door would open, or 0."""
    from bgrem_core.errors import BGRemError
    from bgrem_core.io.choose import choose
    from bgrem_core.io.container import open_container
    from bgrem_core.io.fits import scan_fits

    try:
        with open_container(path) as container:
            record, _ = choose(scan_fits(container).records, door.hdu)
    except BGRemError:
        # The door says it better.
        return 0
    return record.shape[0] if len(record.shape) == _CUBE else 0


def _overlap(limits: Limits) -> float:
    """Return what a band and `BAND` share over what both cover, in the logarithm."""
    low, high = (math.log(v) for v in limits)
    first, last = (math.log(v) for v in BAND)
    common = min(high, last) - max(low, first)
    # Rounded, so that of equal planes the first is taken.
    return round(max(common, 0) / (max(high, last) - min(low, first)), 6)


def _limits(value: str, unit: str) -> Limits | None:
    """Read a cut such as 1000:2000; of several ranges nothing is said."""
    try:
        low, high = (float(v) for v in value.split(":"))
    except ValueError:
        return None
    factor = _TO_MEV.get(unit.strip().lower(), 1.0)
    return (low * factor, high * factor) if 0 < low < high else None


def _positive(header: "Header | None", key: str) -> float | None:
    value = None if header is None else header.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if value > 0 else None
