"""Frames that ship with the package: real ones, and simulated ones with their truth.

README.md says whence they come.
"""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from astropy.table import QTable

__all__ = ["names", "path", "truth"]


def names() -> tuple[str, ...]:
    """Return the names of the sample frames.

    Returns
    -------
    tuple of str
        In alphabetical order.
    """
    return tuple(sorted(_files()))


def path(name: str) -> Path:
    """Return where a sample frame lies.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Path
        A FITS file; not to be written to.

    Raises
    ------
    UsageError
        There is no such sample.
    """
    files = _files()
    if name not in files:
        raise UsageError(
            f"sample {name!r} is not known", hint=f"use one of {', '.join(names())}"
        )
    return files[name]


def truth(name: str) -> "QTable | None":
    """Return what was put into a simulated sample frame.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    astropy.table.QTable or None
        Columns x, y (pixels, 0-based), flux (unit of the image), snr (the best that a
        linear filter can reach in white noise; of photons the square root of the
        Asimov TS), kind and size (half-light radius in pixels before the PSF), the
        brightest source first; None for a real frame.

    Raises
    ------
    UsageError
        There is no such sample.
    """
    import astropy.units as u
    from astropy.io import fits
    from astropy.table import QTable

    with fits.open(path(name)) as hdus:
        if "TRUTH" not in hdus:
            return None
        hdu = hdus["TRUTH"]
        table = QTable()
        for k, column in enumerate(hdu.columns, start=1):
            values = hdu.data[column.name]
            if values.dtype.kind in "US":
                table[column.name] = values.astype(str)
            elif column.unit:
                table[column.name] = u.Quantity(values, column.unit, dtype="f8")
            else:
                table[column.name] = values.astype("f8")
            table[column.name].info.description = hdu.header.get(f"TCOMM{k}")
    return table


def _files() -> dict[str, Path]:
    folder = Path(str(resources.files(__name__)))
    return {file.name.partition(".")[0]: file for file in folder.glob("*.fits*")}
