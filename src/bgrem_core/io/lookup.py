"""Lookup: the tables of a WCS that lie in other HDUs, read as images are read.

astropy would decode a compressed one in this process, which damage can end.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.io.container import Container, open_container
from bgrem_core.io.fits import header_of, is_whole, quiet, rows_of, scan_fits
from bgrem_core.io.layout import HDURecord
from bgrem_core.io.pixels import scaling_of

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, ImageHDU

#: Names of such HDUs.
TABLES = frozenset({"WCSDVARR", "D2IMARR"})
# Pixels: those of real cameras are far smaller than the frame.
_MOST = 2**22


def lookup_tables(path: Path) -> "HDUList":
    """Return the lookup tables of a FITS file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    astropy.io.fits.HDUList
        An empty primary HDU, and those named WCSDVARR or D2IMARR that can be read.

    Raises
    ------
    ReadError
        The file or a table is damaged.
    """
    from astropy.io.fits import HDUList, PrimaryHDU

    hdus = HDUList([PrimaryHDU()])
    with open_container(path, salvage=True) as container, quiet():
        for record in scan_fits(container, salvage=True).records:
            small = len(record.shape) == 2 and math.prod(record.shape) <= _MOST
            if record.name in TABLES and small and is_whole(container, record):
                hdus.append(_table(container, record))
    return hdus


def _table(container: Container, record: HDURecord) -> "ImageHDU":
    from astropy.io.fits import ImageHDU

    ny, nx = record.shape
    rows = rows_of(container, record)
    stored = rows((), slice(0, ny), slice(0, nx))
    scaling = scaling_of(record.values, integer=stored.dtype.kind in "iu")
    header = header_of(record)
    for key in ("BSCALE", "BZERO", "BLANK"):
        header.remove(key, ignore_missing=True)
    values = scaling.zero + scaling.scale * stored.astype(np.float64)
    return ImageHDU(values.astype(np.float32), header)
