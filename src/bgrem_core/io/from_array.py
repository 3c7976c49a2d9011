"""Arrays, HDUs and NDData as Frames."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import Opened, Origin
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.axes import Planes, choose_planes
from bgrem_core.io.fits import quiet
from bgrem_core.io.frame import Frame, assemble, refuse_mosaic, reserve
from bgrem_core.io.pixels import Filler, rows_at_once
from bgrem_core.io.sigma import make_sigma
from bgrem_core.settings import OpenSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.io.fits import Header

_CHANNELS = (3, 4)


def open_array(
    source: object,
    settings: OpenSettings,
    *,
    mask: AnyArray | None = None,
    unit: str | None = None,
    header: "Header | Mapping[str, Any] | None" = None,
) -> Opened:
    """Make an image of an array, an astropy HDU, or NDData.

    Parameters
    ----------
    source : ndarray, HDU, NDData or CCDData
        Any real type and byte order. Native float32 is used as it is, without a copy.
    settings : OpenSettings
        What the user said.
    mask : ndarray, optional
        True = do not trust; added to the mask that `source` has.
    unit : str, optional
        In place of that of `source`.
    header : Header or mapping, optional
        In place of that of `source`.

    Returns
    -------
    Image or Stack
        As `assemble`.

    Raises
    ------
    ImageError
        Not an array of real numbers, or no usable pixel.
    UsageError
        A setting that only files know.
    """
    _refuse_file_settings(settings)
    parts = _take_apart(source)
    array = _real(parts.array)
    head = _as_header(header) if header is not None else parts.header
    values = header_values(head)
    shape, last = array.shape, _is_channel_last(array.shape)
    if last:
        array = np.moveaxis(array, -1, 0)
    planes = choose_planes(array.shape, settings.plane, values=values, rgb=last)
    refuse_mosaic(values, planes)
    data, notices = fill(array, planes)
    found = unit if unit is not None else parts.unit or str(values.get("BUNIT") or "")
    frame = Frame(
        data=data,
        planes=planes,
        origin=Origin(shape=shape),
        values=values,
        header=head,
        unit=found.strip(),
        notices=list(notices),
    )
    own = _reduced(parts.mask, array.shape, planes)
    given = _reduced(mask, array.shape, planes)
    both = own if given is None else given if own is None else (own != 0) | (given != 0)
    if parts.sigma is not None:
        _attach_sigma(frame, np.asarray(parts.sigma), parts.sigma_kind)
    return assemble(frame, settings, mask=both)


class _Parts:
    """What a source consists of."""

    def __init__(self, array: AnyArray) -> None:
        self.array = array
        self.mask: AnyArray | None = None
        self.header: Header | None = None
        self.unit = ""
        self.sigma: AnyArray | None = None
        self.sigma_kind = "std"


def fill(
    array: AnyArray, planes: Planes
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return the chosen planes as native float32, shape (n, ny, nx), and notices."""
    if array.dtype == np.float32 and array.dtype.isnative and planes.kind == "single":
        plane = array[planes.indices[0]]
        if plane.flags.c_contiguous:
            return _checked(plane)
    shape = reserve(len(planes.indices), array.shape[-2:])
    filler = Filler(shape)
    step = rows_at_once(shape[-1])
    for k, index in enumerate(planes.indices):
        for start in range(0, shape[1], step):
            rows = slice(start, min(start + step, shape[1]))
            filler.put((k, rows), array[index][rows])
    return filler.finish()


def _checked(plane: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    step = rows_at_once(plane.shape[1])
    filler = Filler((1, min(step, plane.shape[0]), plane.shape[1]))
    for start in range(0, plane.shape[0], step):
        band = plane[start : start + step]
        filler.put((0, slice(0, len(band))), band)
    filler.finish()
    return plane[np.newaxis], ()


def _take_apart(source: object) -> _Parts:
    if "astropy.nddata" in sys.modules:
        from astropy.nddata import NDData

        if isinstance(source, NDData):
            return _from_nddata(source)
    if "astropy.io.fits" in sys.modules:
        from astropy.io import fits

        if isinstance(source, fits.HDUList):
            raise UsageError("this is a list of HDUs", hint="hand over one of them")
        if isinstance(source, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)):
            return _from_hdu(source)
    if isinstance(source, np.ma.MaskedArray):
        parts = _Parts(np.asarray(source.data))
        parts.mask = np.ma.getmaskarray(source)
        return parts
    quantity_unit = getattr(source, "unit", None)
    array = getattr(source, "value", source) if quantity_unit is not None else source
    parts = _Parts(np.asanyarray(array))
    parts.unit = _unit_text(quantity_unit)
    return parts


def _from_hdu(hdu: Any) -> _Parts:
    try:
        with quiet():
            data = hdu.data
    except Exception as error:
        raise ImageError(f"the HDU's data cannot be read ({error})") from error
    if data is None:
        raise ImageError("the HDU holds no image")
    parts = _Parts(data)
    parts.header = hdu.header
    return parts


def _from_nddata(source: Any) -> _Parts:
    data = source.data
    if isinstance(data, np.ma.MaskedArray):
        data = data.data
    parts = _Parts(np.asanyarray(data))
    if source.mask is not None:
        parts.mask = np.broadcast_to(np.asarray(source.mask), parts.array.shape)
    parts.unit = _unit_text(source.unit)
    parts.header = _as_header(source.meta)
    if source.wcs is not None:
        parts.header = _with_wcs(parts.header, source.wcs)
    uncertainty = source.uncertainty
    if uncertainty is not None and uncertainty.uncertainty_type in _TYPES:
        parts.sigma = np.asarray(uncertainty.array)
        parts.sigma_kind = uncertainty.uncertainty_type
    return parts


_TYPES = {"std": "sigma", "var": "variance", "ivar": "inverse variance"}


def _attach_sigma(frame: Frame, stored: AnyArray, kind: str) -> None:
    flags = np.zeros(frame.flat, np.uint8)
    whole = slice(0, frame.flat[0])
    if stored.size != flags.size:
        raise ImageError(
            f"the noise map has shape {stored.shape}, the image {frame.flat}"
        )
    pieces = [(whole, stored.reshape(frame.flat))]
    sigma = make_sigma(pieces, flags, _TYPES[kind])  # type: ignore[arg-type]
    if sigma is None:
        frame.notices.append("the noise map has no positive value and is not used")
        return
    frame.flags, frame.rms = flags, sigma.values
    frame.assumed.append(f"noise from the uncertainty, read as {_TYPES[kind]}")


def _with_wcs(header: "Header | None", wcs: Any) -> "Header | None":
    from astropy.io.fits import Header

    merged = Header() if header is None else header.copy()
    try:
        with quiet():
            merged.update(wcs.to_header(relax=True))
    except Exception:  # noqa: BLE001 - a WCS of another kind has no header
        return header
    return merged


def _as_header(meta: Any) -> "Header | None":
    from astropy.io.fits import Header

    if meta is None or isinstance(meta, Header):
        return meta
    header = Header()
    with quiet():
        for key, value in meta.items():
            try:
                header[str(key)] = value
            except (ValueError, TypeError):
                continue
    return header


def header_values(header: "Header | None") -> dict[str, object]:
    """Return the keywords of a header, without what cannot be read."""
    values: dict[str, object] = {}
    if header is None:
        return values
    with quiet():
        for card in header.cards:
            # Any card may be broken, in any way.
            with suppress(Exception):
                values.setdefault(card.keyword, card.value)
    return values


def _unit_text(unit: Any) -> str:
    if unit is None:
        return ""
    try:
        return str(unit.to_string("fits"))
    except Exception:  # noqa: BLE001 - some units have no FITS name
        return str(unit)


def _real(array: AnyArray) -> AnyArray:
    if array.dtype.kind == "c":
        raise ImageError("the pixels are complex numbers", hint="take their modulus")
    if array.dtype.kind not in "fiub":
        raise ImageError(f"an array of {array.dtype} is not an image")
    return array


def _is_channel_last(shape: tuple[int, ...]) -> bool:
    return (
        len(shape) == 3 and shape[-1] in _CHANNELS and min(shape[:2]) > max(_CHANNELS)
    )


def _reduced(
    mask: AnyArray | None, shape: tuple[int, ...], planes: Planes
) -> AnyArray | None:
    """Cut a mask of the whole array down to the chosen planes."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape == shape and len(shape) > 2:
        return (
            np.stack([mask[index] for index in planes.indices])
            if (planes.kind != "single")
            else mask[planes.indices[0]]
        )
    return mask


def _refuse_file_settings(settings: OpenSettings) -> None:
    for name in ("hdu", "mask_ext", "dq_bits", "error"):
        if getattr(settings, name) is not None:
            raise UsageError(
                f"{name}={getattr(settings, name)!r} has no meaning for an array",
                hint="open a file, or use mask= and rms=",
            )
