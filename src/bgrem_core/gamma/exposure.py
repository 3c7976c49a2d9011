"""Exposure: area times time, which turns counts into fluxes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ImageError, ReadError, UsageError
from bgrem_core.gamma.energies import BAND, band_text
from bgrem_core.planes import LazyPlane, Plane, constant

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from bgrem_core.image import Image

    Floats = NDArray[np.float64]

__all__ = ["Exposure", "open_exposure", "sample_plane"]

_LEAST = 1e3
"""cm2 s; what is less is in another unit, or an exposure of seconds."""
_UNITS = {"cm2s": 1.0, "cm^2s": 1.0, "cm**2s": 1.0, "m2s": 1e4, "m^2s": 1e4}
_MIDDLE = (BAND[0] * BAND[1]) ** 0.5
_INDEX = 2.4
_FULL = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The exposure of an image.

    Attributes
    ----------
    plane : Plane
        cm2 s, shape of the image; NaN where it is not known.
    notices : tuple of str
        What the user should know.
    """

    plane: Plane
    notices: tuple[str, ...] = ()


def open_exposure(said: float | str, image: "Image") -> Exposure:
    """Return the exposure of each pixel of an image.

    Parameters
    ----------
    said : float or str
        A number, cm2 s; or a FITS map in cm2 s on any WCS, such as that of gtexpcube2:
        of several planes those about 1 to 2 GeV are used.
    image : Image
        With a WCS, if a map is given.

    Returns
    -------
    Exposure
        Interpolated between the pixels of the map.

    Raises
    ------
    UsageError
        A number that cannot be one, or a map for an image without a WCS.
    ReadError
        The map cannot be read.
    ImageError
        The map has no WCS, or does not cover the image.
    """
    number = _number(said)
    if number is not None:
        if not (np.isfinite(number) and number >= _LEAST):
            raise UsageError(
                f"an exposure of {number:g} cm2 s is too small",
                hint="ten years of Fermi have about 2e11 cm2 s (FRONT, 1 to 2 GeV)",
            )
        return Exposure(plane=constant(number, image.shape))
    if image.wcs is None:
        raise UsageError(
            "a map of the exposure needs the place of the image, which has no WCS",
            hint="give a number: --gamma-exposure CM2S",
        )
    data, wcs, note = _read(Path(str(said)))
    plane = LazyPlane(image.shape, _sampler(data, wcs, image))
    every = np.asarray(plane)
    inside = image.flags == 0
    missing = int(np.count_nonzero(~np.isfinite(every) & inside))
    name = Path(str(said)).name
    if missing == np.count_nonzero(inside):
        raise ImageError(f"the exposure {name} does not cover the image")
    notices = [note] if note else []
    if missing:
        notices.append(
            f"the exposure {name} does not cover {missing} pixels: sources there have "
            "no flux"
        )
    return Exposure(plane=every, notices=tuple(notices))


def sample_plane(plane: Plane, x: "Floats", y: "Floats") -> "Floats":
    """Return the values of a plane at the nearest pixels.

    Parameters
    ----------
    plane : Plane
        (ny, nx).
    x, y : ndarray, shape (n,)
        Pixels, 0-based, within the plane.

    Returns
    -------
    ndarray of float64, shape (n,)
        Values.
    """
    ny, nx = plane.shape
    i = np.clip(np.round(x), 0, nx - 1).astype(int)
    j = np.clip(np.round(y), 0, ny - 1).astype(int)
    rows = (plane[b : b + 1, a : a + 1] for b, a in zip(j, i, strict=True))
    return np.array([float(r[0, 0]) for r in rows], np.float64)


def _number(said: float | str) -> float | None:
    try:
        return float(said)
    except ValueError:
        return None


def _read(path: Path) -> "tuple[Floats, WCS, str]":
    """Return the map at 1 to 2 GeV, its WCS, and how it was made of its planes."""
    from astropy.io import fits

    from bgrem_core.io.celestial import celestial_wcs
    from bgrem_core.io.fits import quiet

    if not path.is_file():
        raise ReadError(
            f"the exposure {str(path)!r} is neither a number nor a file",
            hint="give cm2 s, such as 1.9e11, or a FITS map",
        )
    try:
        with quiet(), fits.open(path, memmap=False) as hdus:
            hdu = next((h for h in hdus if h.is_image and h.header["NAXIS"] > 1), None)
            if hdu is None:
                raise ImageError(
                    f"the exposure {path.name} holds no image",
                    hint="a HEALPix map will not do: use gtexpcube2 with proj=CAR",
                )
            data, header = np.squeeze(np.asarray(hdu.data, np.float64)), hdu.header
            energies = _energies(hdus)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, (ImageError, ReadError)):
            raise
        raise ReadError(f"the exposure {path.name} cannot be read: {error}") from error
    wcs = celestial_wcs(header, path=path)
    if wcs is None:
        raise ImageError(f"the exposure {path.name} has no WCS")
    data = data * _factor(header, path)
    if data.ndim == 2:
        return data, wcs, ""
    if data.ndim != 3:
        raise ImageError(f"the exposure {path.name} has {data.ndim} axes, not 2 or 3")
    data, note = _at_band(data, energies, path)
    return data, wcs, note


def _at_band(
    data: "Floats", energies: "Floats | None", path: Path
) -> "tuple[Floats, str]":
    """Average planes over the band, as photons of a power law are spread over it."""
    if energies is None or len(energies) != len(data):
        raise ImageError(
            f"the exposure {path.name} has {len(data)} planes of unknown energies",
            hint="give a map of one plane, or one with an extension ENERGIES",
        )
    order = np.argsort(energies)
    energies, data = energies[order], data[order]
    if not energies[0] * 0.99 <= _MIDDLE <= energies[-1] * 1.01:
        raise ImageError(
            f"the exposure {path.name} is for "
            f"{band_text((float(energies[0]), float(energies[-1])))}, not for "
            f"{band_text(BAND)}"
        )
    edges = np.geomspace(*BAND, 33)
    middle = np.clip(np.sqrt(edges[1:] * edges[:-1]), energies[0], energies[-1])
    photons = edges[:-1] ** (1 - _INDEX) - edges[1:] ** (1 - _INDEX)
    weight = np.zeros(len(energies))
    at = np.interp(np.log(middle), np.log(energies), np.arange(len(energies)))
    for place, share in zip(at, photons / photons.sum(), strict=True):
        low = min(int(place), len(energies) - 1)
        high = min(low + 1, len(energies) - 1)
        weight[low] += share * (1 - (place - low))
        weight[high] += share * (place - low)
    note = (
        f"exposure from {np.count_nonzero(weight)} planes of {path.name}, averaged "
        f"over {band_text(BAND)}"
    )
    return np.tensordot(weight, data, 1), note


def _energies(hdus: Any) -> "Floats | None":
    """Return the energies of planes, MeV, as gtexpcube2 writes them."""
    for hdu in hdus:
        if hdu.name == "ENERGIES" and hdu.columns is not None:
            return np.asarray(hdu.data.field(0), np.float64)
    return None


def _factor(header: "Header", path: Path) -> float:
    unit = str(header.get("BUNIT", "cm2 s")).replace(" ", "").replace(".", "").lower()
    unit = unit.replace("*s", "s")
    if unit not in _UNITS and unit:
        raise ImageError(
            f"the exposure {path.name} is in {header['BUNIT']}, not in cm2 s"
        )
    return _UNITS.get(unit, 1.0)


def _sampler(data: "Floats", wcs: "WCS", image: "Image") -> Any:
    from scipy.ndimage import map_coordinates

    ny, nx = data.shape
    own = image.wcs
    assert own is not None  # noqa: S101 - it was asked for before
    # Longitudes go round: a pixel is looked for a whole turn to either side, too.
    turn = _turn(wcs)
    frame_to_frame = _converter(own, wcs)

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        y, x = np.mgrid[rows, cols].astype(np.float64)
        at_x, at_y = frame_to_frame(x.ravel(), y.ravel())
        for shift in (turn, -turn):
            outside = (at_x < -0.5) | (at_x > nx - 0.5)
            moved = at_x + shift
            fits = outside & (moved >= -0.5) & (moved <= nx - 0.5)
            at_x = np.where(fits, moved, at_x)
        inside = (at_x >= -0.5) & (at_x <= nx - 0.5)
        inside &= (at_y >= -0.5) & (at_y <= ny - 0.5)
        at = np.stack([np.nan_to_num(at_y), np.nan_to_num(at_x)])
        value = map_coordinates(data, at, order=1, mode="nearest")
        value = np.where(inside & (value > 0), value, np.nan)
        return value.reshape(x.shape).astype(np.float32)

    return evaluate


def _turn(wcs: "WCS") -> float:
    """Return the columns of a whole turn, 0 where columns are no longitudes."""
    cylindrical = str(wcs.wcs.ctype[0])[-3:] in {"CAR", "CEA", "MER", "CYP"}
    step = abs(float(wcs.wcs.get_cdelt()[0] * wcs.wcs.get_pc()[0, 0]))
    return _FULL / step if cylindrical and step > 0 else 0.0


def _converter(own: "WCS", other: "WCS") -> Any:
    """Return what turns pixels of one WCS into pixels of another one."""
    from astropy.wcs.utils import pixel_to_pixel

    def convert(x: "Floats", y: "Floats") -> "tuple[Floats, Floats]":
        at_x, at_y = pixel_to_pixel(own, other, x, y)
        return np.asarray(at_x, np.float64), np.asarray(at_y, np.float64)

    return convert
