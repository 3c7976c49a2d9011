"""The door: whatever holds an image becomes an Image or a Stack, once."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import Image, MaskBit, Opened, Stack
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.container import Container, open_container
from bgrem_core.io.sigma import make_sigma
from bgrem_core.settings import OpenSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.io.fits import Header

Path = str | os.PathLike[str]


def open_image(
    source: object,
    *,
    settings: OpenSettings | None = None,
    mask: object = None,
    rms: object = None,
    unit: object = None,
    header: "Header | Mapping[str, Any] | None" = None,
    **options: Any,
) -> Opened:
    """Open an image.

    Parameters
    ----------
    source : path, HDU, ndarray, NDData, CCDData, Image or Stack
        A FITS file (also gzip, bzip2 or tile-compressed), TIFF or PNG; or data of any
        real type and byte order. An Image or Stack is returned as it is.
    settings : OpenSettings, optional
        How it is read.
    mask : ndarray, shape (ny, nx), optional
        True = do not trust; these pixels get USER.
    rms : float or ndarray, shape (ny, nx), optional
        Noise sigma per pixel, in the unit of the image.
    unit : str or astropy unit, optional
        In place of BUNIT.
    header : Header or mapping, optional
        In place of that of `source`; arrays only.
    **options
        Fields of `OpenSettings`, in place of those in `settings`.

    Returns
    -------
    Image or Stack
        Pixels as native float32, row 0 as stored: the bottom row of a FITS image, the
        top row of a TIFF or PNG. A Stack if several planes were asked for or are
        colours.

    Raises
    ------
    UsageError
        An unknown option; an HDU or plane that does not exist or must be chosen.
    ReadError
        The file cannot be read.
    ImageError
        There is no usable image in it.
    """
    if isinstance(source, (Image, Stack)):
        return source
    chosen = _merge(settings, options)
    bad = None if mask is None else np.asarray(mask)
    text = None if unit is None else _unit_text(unit)
    if isinstance(source, (str, os.PathLike)):
        if chosen.hdu == "all":
            raise UsageError("hdu='all' opens many images", hint="use open_all")
        with open_container(source, salvage=chosen.salvage) as container:
            opened = _open(container, chosen, bad)
        opened = _retitle(opened, text, chosen)
    else:
        from bgrem_core.io.from_array import open_array

        opened = open_array(source, chosen, mask=bad, unit=text, header=header)
    return opened if rms is None else _with_rms(opened, np.asarray(rms))


def open_all(path: Path, settings: OpenSettings | None = None) -> list[Opened]:
    """Open every science image of a file.

    Parameters
    ----------
    path : path
        A FITS file; of others the one image.
    settings : OpenSettings, optional
        How they are read; `hdu` is not used.

    Returns
    -------
    list of Image or Stack
        In the order of the file; HDUs that hold nothing usable are left out.

    Raises
    ------
    ReadError, ImageError
        As `open_image`; ImageError only if nothing is usable.
    """
    from bgrem_core.io.fits_image import open_every

    chosen = replace(settings or OpenSettings(), hdu=None)
    with open_container(path, salvage=chosen.salvage) as container:
        if container.format != "fits":
            return [_open(container, chosen, None)]
        found = open_every(container, chosen)
        container.check_unchanged()
        return found


def _open(
    container: Container, settings: OpenSettings, mask: AnyArray | None
) -> Opened:
    if container.format == "fits":
        from bgrem_core.io.fits_image import open_fits

        opened = open_fits(container, settings, mask=mask)
    else:
        from bgrem_core.io.raster import open_raster

        opened = open_raster(container, settings, mask=mask)
    container.check_unchanged()
    return opened


def _merge(settings: OpenSettings | None, options: dict[str, Any]) -> OpenSettings:
    for key in ("hdu", "plane", "mask_ext", "dq_bits", "error"):
        # A number or a path is what people write for these words.
        if options.get(key) is not None:
            options[key] = str(options[key])
    try:
        return replace(settings or OpenSettings(), **options)
    except TypeError as error:
        known = ", ".join(OpenSettings.__dataclass_fields__)
        raise UsageError(
            f"an option of {sorted(options)} is not known", hint=f"use {known}"
        ) from error


def _unit_text(unit: object) -> str:
    return (
        unit
        if isinstance(unit, str)
        else str(getattr(unit, "to_string", unit.__str__)())
    )


def _retitle(opened: Opened, unit: str | None, settings: OpenSettings) -> Opened:
    """Give another unit, and the gain that follows from it."""
    if unit is None:
        return opened
    from bgrem_core.io.from_array import header_values
    from bgrem_core.io.gain import find_gain

    def change(image: Image) -> Image:
        gain, said = find_gain(settings.gain, unit, header_values(image.header))
        kept = [a for a in image.assumed if not a.startswith(("unit ", "gain "))]
        assumed = (*kept, f"unit {unit} as stated", said)
        return replace(image, unit=unit, gain=gain, assumed=assumed)

    return _each(opened, change)


def _with_rms(opened: Opened, rms: AnyArray) -> Opened:
    def change(image: Image) -> Image:
        if rms.shape not in {(), image.shape}:
            raise ImageError(
                f"the noise map has shape {rms.shape}, the image {image.shape}"
            )
        flags = np.zeros(image.shape, np.uint8)
        whole = [(slice(0, image.shape[0]), np.broadcast_to(rms, image.shape))]
        sigma = make_sigma(whole, flags, "sigma")
        if sigma is None:
            raise ImageError("the noise map has no positive value")
        image.flags[flags != 0] |= np.uint8(MaskBit.NO_COVERAGE)
        return replace(image, rms=sigma.values)

    return _each(opened, change)


def _each(opened: Opened, change: Any) -> Opened:
    if isinstance(opened, Stack):
        return replace(opened, planes=tuple(change(p) for p in opened.planes))
    result: Image = change(opened)
    return result
