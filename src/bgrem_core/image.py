"""Image and Stack: what the door hands inward. Parsed once, trusted ever after."""

from dataclasses import dataclass, field
from enum import IntFlag
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    from bgrem_core.normalize import Scale


class MaskBit(IntFlag):
    """Bits of the MASK layer."""

    NON_FINITE = 1
    DQ = 2
    SATURATED = 4
    USER = 8
    FILLED = 16
    NO_COVERAGE = 32
    ARTEFACT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an image came from, for those who write it back.

    Attributes
    ----------
    path : Path or None
        The file, or None for an array.
    format : {"fits", "tiff", "png", "array"}
        How the file is laid out.
    hdu : int
        Index of the HDU in a FITS file.
    extname : str
        Its EXTNAME, or "".
    index : tuple of int
        Position of this plane along the leading axes of the stored array, slowest
        axis first; () for a plain two-dimensional image.
    shape : tuple of int
        Shape of the whole stored array.
    salvaged : bool
        Opened with `salvage`: the file may be cut off or damaged.
    """

    path: Path | None = None
    format: Literal["fits", "tiff", "png", "array"] = "array"
    hdu: int = 0
    extname: str = ""
    index: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    salvaged: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """One plane of the sky, as read.

    Attributes
    ----------
    data : ndarray of float32, shape (ny, nx)
        Pixels in `unit`, native byte order, non-finite where the input was.
    flags : ndarray of uint8, shape (ny, nx)
        `MaskBit` of each pixel, 0 = good. Non-finite pixels always carry NON_FINITE.
    unit : str
        As in BUNIT, "" if unknown.
    header : Header or None
        The FITS header of the HDU as read, never modified.
    gain : float or None
        Electrons per `unit`, effective for a stack; None if unknown.
    rms : ndarray of float32 or None
        Noise sigma per pixel in `unit`, if it was given.
    fwhm : float or None
        FWHM of the PSF in pixels, if the user said so.
    zeropoint : float or None
        mag = zeropoint - 2.5 log10(flux), if known.
    saturation : float or None
        Level in `unit` above which pixels are saturated, if known.
    scale : Scale or None
        Noise and offset, if they are known beforehand: a cut-out keeps its frame's.
    origin : Origin
        The file and HDU.
    assumed : tuple of str
        What was assumed at the door, one line each, with the flag that changes it.
    notices : tuple of str
        What the user should know about this input.
    """

    data: NDArray[np.float32]
    flags: NDArray[np.uint8]
    unit: str = ""
    header: "Header | None" = None
    gain: float | None = None
    rms: NDArray[np.float32] | None = None
    fwhm: float | None = None
    zeropoint: float | None = None
    saturation: float | None = None
    scale: "Scale | None" = None
    origin: Origin = field(default_factory=Origin)
    assumed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, (ny, nx)."""
        ny, nx = self.data.shape
        return ny, nx

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels not to be trusted (True), shape (ny, nx)."""
        return np.not_equal(self.flags, 0)

    @property
    def name(self) -> str:
        """A short name for people: file name and HDU."""
        path = self.origin.path
        return path.name if path else "array"

    @cached_property
    def wcs(self) -> "WCS | None":
        """The celestial WCS, or None where there is none that works."""
        from bgrem_core.io.celestial import celestial_wcs

        return celestial_wcs(self.header, path=self.origin.path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Several planes of one field.

    Attributes
    ----------
    planes : tuple of Image
        In the order of the file.
    axis_name : str
        What the axis is, such as "rgb" or the CTYPE of the cube.
    kind : {"rgb", "cube", "degenerate"}
        rgb: one mask for all planes, written back in its shape.
    """

    planes: tuple[Image, ...]
    axis_name: str
    kind: Literal["rgb", "cube", "degenerate"]

    def __len__(self) -> int:
        """Return the number of planes."""
        return len(self.planes)


Opened = Image | Stack
