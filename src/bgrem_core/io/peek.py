"""Peek: the pixels of a file before it is opened, where that costs nothing."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import BGRemError
from bgrem_core.io.choose import choose
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import scan_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["peek"]


def peek(path: str | os.PathLike[str], hdu: str | None = None) -> "NDArray[Any] | None":
    """Map the image that `open_image` would open, without reading it.

    Parameters
    ----------
    path : path
        Any file.
    hdu : str, optional
        As in `OpenSettings`.

    Returns
    -------
    ndarray, shape (ny, nx), or None
        Read-only, big-endian floats as stored, nothing checked; None where a file has
        to be unpacked, scaled or chosen from first.
    """
    from astropy.io import fits

    try:
        with open_container(path) as container:
            if container.format != "fits" or not _is_plain(container.path):
                return None
            record, _ = choose(scan_fits(container).records, hdu)
        with fits.open(path, memmap=True, mode="denywrite") as hdus:
            item = hdus[record.index]
            # A packed HDU may call itself an image too.
            packed = isinstance(item, fits.CompImageHDU)
            plain = isinstance(item, (fits.PrimaryHDU, fits.ImageHDU))
            if packed or not plain or item.header["BITPIX"] > 0:
                return None
            if {"BSCALE", "BZERO"} & set(item.header):
                return None
            data: Any = item.data
    except (BGRemError, OSError, ValueError, TypeError):
        return None
    return data if isinstance(data, np.ndarray) and data.ndim == 2 else None


def _is_plain(path: Path) -> bool:
    """Return whether a file is FITS as it lies there, not packed as a whole."""
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"
