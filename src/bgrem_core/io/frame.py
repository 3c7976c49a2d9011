"""Frame: planes as they were read, on their way to becoming an Image or a Stack."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ImageError, OutOfMemory
from bgrem_core.image import Image, Opened, Origin, Stack
from bgrem_core.io import masks
from bgrem_core.io.axes import Planes
from bgrem_core.io.celestial import wcs_problem
from bgrem_core.io.coverage import mark_holes
from bgrem_core.io.gain import find_gain, find_zeropoint
from bgrem_core.planes import IN_MEMORY, AnyArray, allocate, scratch_folder
from bgrem_core.settings import OpenSettings

if TYPE_CHECKING:
    from astropy.io.fits import Header

_BAYER = ("BAYERPAT", "CFAIMAGE", "COLORTYP", "CFATYPE")
_MOSAIC = ("RGGB", "BGGR", "GRBG", "GBRG", "TRUE", "CMYG")


@dataclass(kw_only=True, eq=False)
class Frame:
    """Planes of one image HDU, and what came with them.

    Attributes
    ----------
    data : ndarray of float32, shape (n, ny, nx)
        One plane for each of ``planes.indices``.
    planes : Planes
        What they are.
    origin : Origin
        Of the whole, without `index`.
    values : mapping
        Keywords, those of the primary HDU behind those of the image.
    header : Header or None
        Header of the image.
    unit : str
        As in BUNIT.
    flags : ndarray of uint8, shape (ny, nx), or None
        What the file says is bad, for all planes.
    rms : ndarray of float32, shape (ny, nx), or None
        Noise sigma.
    assumed, notices : list of str
        What the user should know.
    """

    data: NDArray[np.float32]
    planes: Planes
    origin: Origin
    values: Mapping[str, object] = field(default_factory=dict)
    header: "Header | None" = None
    unit: str = ""
    flags: NDArray[np.uint8] | None = None
    rms: NDArray[np.float32] | None = None
    assumed: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def flat(self) -> tuple[int, int]:
        """Shape (ny, nx) of a plane."""
        ny, nx = self.data.shape[1:]
        return ny, nx


def reserve(count: int, flat: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a stack, after a look at the room for it.

    Raises
    ------
    OutOfMemory
        The scratch disk is too small.
    """
    # Pixels and flags; twice, as results need room too.
    needed = 2 * count * int(np.prod(flat)) * 5
    if needed > IN_MEMORY:
        folder = scratch_folder()
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise OutOfMemory(
                f"{needed / 2**30:.1f} GiB of scratch space are needed, "
                f"{free / 2**30:.1f} are free in {folder}",
                hint="set TMPDIR to a folder on a larger disk",
            )
    return (count, *flat)


def refuse_mosaic(values: Mapping[str, object], planes: Planes) -> None:
    """Refuse pixels behind a colour filter array.

    Raises
    ------
    ImageError
        A single plane whose header names a Bayer pattern.
    """
    for key in _BAYER:
        said = str(values.get(key, "")).strip().upper()
        if planes.kind == "single" and said.startswith(_MOSAIC):
            raise ImageError(
                f"the pixels lie behind a colour filter ({key}={said})",
                hint="debayer the image first",
            )


def assemble(
    frame: Frame, settings: OpenSettings, *, mask: AnyArray | None = None
) -> Opened:
    """Make the Image or Stack of a frame: flags, gain, zero point, notices.

    Parameters
    ----------
    frame : Frame
        What was read.
    settings : OpenSettings
        What the user said.
    mask : ndarray, shape (ny, nx) or (n, ny, nx), optional
        True = do not trust.

    Returns
    -------
    Image or Stack
        An Image if there is one plane.

    Raises
    ------
    ImageError
        No pixel can be used, or `mask` does not fit.
    """
    _check_mask(frame, mask)
    flags, level, said = _flag_planes(frame, settings, mask)
    gain, said_gain = find_gain(settings.gain, frame.unit, frame.values)
    zeropoint, said_zero = find_zeropoint(settings.zeropoint, frame.unit, frame.values)
    unit = f"unit {frame.unit} (BUNIT)" if frame.unit else "unit unknown: no BUNIT"
    problem = wcs_problem(frame.values)
    notices = [*frame.notices, *said, problem]
    images = tuple(
        Image(
            data=frame.data[k],
            flags=flags[k],
            unit=frame.unit,
            header=frame.header,
            gain=gain,
            rms=frame.rms,
            fwhm=settings.fwhm,
            zeropoint=zeropoint,
            saturation=level,
            origin=replace(frame.origin, index=index),
            assumed=tuple(filter(None, [*frame.assumed, unit, said_gain, said_zero])),
            notices=tuple(filter(None, [*notices, *masks.describe(flags[k])])),
        )
        for k, index in enumerate(frame.planes.indices)
    )
    if frame.planes.kind == "single":
        return images[0]
    return Stack(
        planes=images, axis_name=frame.planes.axis_name, kind=frame.planes.kind
    )


def _check_mask(frame: Frame, mask: AnyArray | None) -> None:
    if mask is None or mask.shape in {frame.flat, frame.data.shape}:
        return
    raise ImageError(
        f"the mask has shape {mask.shape}, the image {frame.flat}",
        hint="give a mask of the shape of the image, True = do not trust",
    )


def _flag_planes(
    frame: Frame, settings: OpenSettings, mask: AnyArray | None
) -> tuple[list[NDArray[np.uint8]], float | None, list[str]]:
    """Return flags for each plane, the saturation level, and notices."""
    level, source = masks.saturation_level(settings.saturation, frame.values)
    said: dict[str, None] = {}
    every = []
    for k in range(len(frame.data)):
        data = frame.data[k]
        flags: NDArray[np.uint8] = allocate(frame.flat, np.uint8)
        if frame.flags is not None:
            np.copyto(flags, frame.flags)
        masks.flag_non_finite(data, flags)
        if mask is not None:
            masks.flag_user(mask if mask.shape == frame.flat else mask[k], flags)
        mark_holes(data, flags)
        if level is not None:
            stated = settings.saturation is not None
            count, used = masks.flag_saturated(data, flags, level, stated=stated)
            if not used:
                said[
                    f"{source}={level:g} is not used: {count} pixels reach it, so it "
                    "seems to be in another unit (--saturation)"
                ] = None
                level = None
        every.append(flags)
    if frame.planes.kind == "rgb":
        every = [masks.unite(every)] * len(every)
    return every, level, list(said)
