"""Packed: tile-compressed HDUs as astropy reads them, here and in the child process."""

from typing import IO, Any

from bgrem_core.errors import ReadError

__all__ = ["open_packed"]


def open_packed(file: IO[bytes], hdu: int, shape: tuple[int, ...], kind: object) -> Any:
    """Return a compressed HDU, of which ``section`` gives stored numbers.

    Parameters
    ----------
    file : binary file
        A FITS file; it can be sought.
    hdu : int
        Position in the file, 0 = primary.
    shape : tuple of int
        Shape of the image, slowest axis first.
    kind : object
        ZCMPTYPE.

    Returns
    -------
    astropy.io.fits.CompImageHDU
        It is never closed: that would close a file that is not its own.

    Raises
    ------
    ReadError
        The shape or the algorithm is another one. Damage raises anything else.
    """
    from astropy.io import fits

    file.seek(0)
    hdus = fits.open(file, mode="readonly", do_not_scale_image_data=True)
    found: Any = hdus[hdu]
    if found.shape != shape or found.compression_type != kind:
        raise ReadError(f"the compressed HDU {hdu} contradicts itself")
    return found
