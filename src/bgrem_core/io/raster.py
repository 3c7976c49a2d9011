"""TIFF and PNG images as Frames; rows stay in order: row 0 is the top of the file."""

import warnings
from typing import Any

import numpy as np

from bgrem_core.errors import BGRemError, ImageError, ReadError
from bgrem_core.image import MaskBit, Opened, Origin
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.axes import choose_planes
from bgrem_core.io.container import Container
from bgrem_core.io.frame import Frame, assemble, reserve
from bgrem_core.io.from_array import fill
from bgrem_core.planes import allocate
from bgrem_core.settings import OpenSettings

_SAVE_PLAIN = "save it as an uncompressed 16- or 32-bit TIFF"
_COLOURS = 3
# Colour types of a PNG, and the byte of IHDR that holds them.
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTH_AT, _TYPE_AT = 24, 25
_MINISWHITE, _PALETTE_TIFF, _CFA, _LINEAR_RAW = 0, 3, 32803, 34892


def open_raster(
    container: Container, settings: OpenSettings, *, mask: AnyArray | None = None
) -> Opened:
    """Read a TIFF or PNG.

    Parameters
    ----------
    container : Container
        The open file.
    settings : OpenSettings
        What the user said.
    mask : ndarray, shape (ny, nx), optional
        True = do not trust.

    Returns
    -------
    Image or Stack
        Colours as a Stack; an alpha channel masks what is transparent and is dropped.

    Raises
    ------
    ReadError
        Damaged, or of a kind that would lose digits.
    ImageError
        No image of real numbers.
    """
    read = _read_tiff if container.format == "tiff" else _read_png
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array, colour_last, notices = read(container)
    except (BGRemError, MemoryError):
        raise
    except Exception as error:
        name = container.format.upper()
        text = " ".join(str(error).split())
        raise ReadError(
            f"the {name} cannot be decoded ({text})", hint=_SAVE_PLAIN
        ) from (error)
    return _to_image(container, array, settings, mask, colour_last, notices)


def _to_image(
    container: Container,
    array: AnyArray,
    settings: OpenSettings,
    mask: AnyArray | None,
    colour_last: bool | None,  # noqa: FBT001 - None: no colours
    notices: list[str],
) -> Opened:
    if array.dtype.kind not in "fiub":
        raise ImageError(f"pixels of {array.dtype} are not real numbers")
    alpha, array = _part_alpha(array, colour_last)
    shape = array.shape
    if colour_last:
        array = np.moveaxis(array, -1, 0)
    planes = choose_planes(array.shape, settings.plane, rgb=colour_last is not None)
    data, more = fill(array, planes)
    frame = Frame(
        data=data,
        planes=planes,
        origin=Origin(path=container.path, format=container.format, shape=shape),
        notices=[*notices, *more, "the file has no sky coordinates"],
    )
    if alpha is not None and not alpha.all():
        frame.flags = np.where(alpha == 0, np.uint8(MaskBit.NO_COVERAGE), np.uint8(0))
    return assemble(frame, settings, mask=mask)


def _part_alpha(
    array: AnyArray,
    colour_last: bool | None,  # noqa: FBT001
) -> tuple[AnyArray | None, AnyArray]:
    """Split the alpha channel off; a single grey channel becomes a plain image."""
    if colour_last is None:
        return None, array
    axis = -1 if colour_last else 0
    count = array.shape[axis]
    if count in {2, 4}:
        alpha = np.take(array, count - 1, axis)
        array = array[..., : count - 1] if colour_last else array[: count - 1]
        return alpha, array[..., 0] if array.shape[axis] == 1 else array
    return None, array


def _read_png(container: Container) -> tuple[AnyArray, bool | None, list[str]]:
    from PIL import Image as Pillow

    head = container.read(0, 33) if container.size > 33 else b""
    if len(head) <= _TYPE_AT:
        raise ReadError("the PNG is cut off", hint="fetch it again")
    depth, kind = head[_DEPTH_AT], head[_TYPE_AT]
    if depth > 8 and kind != _GREY:
        raise ReadError("a 16-bit PNG in colour would lose half its bits",
                        hint="save it as TIFF")  # fmt: skip
    container.file.seek(0)
    picture: Pillow.Image = Pillow.open(container.file, formats=("PNG",))
    reserve(3, picture.size)
    if kind == _PALETTE:
        picture = picture.convert("RGB")
    elif depth < 8:
        picture = picture.convert("L")
    array = np.asarray(picture)
    notices = [] if depth > 8 else [_EIGHT_BIT]
    return array, True if array.ndim > 2 else None, notices


_EIGHT_BIT = "8-bit picture: probably stretched, so fluxes mean little"


def _read_tiff(container: Container) -> tuple[AnyArray, bool | None, list[str]]:
    import tifffile

    container.file.seek(0)
    with tifffile.TiffFile(container.file, name=container.path.name) as tiff:
        if not tiff.series:
            raise ImageError("the TIFF holds no image")
        series = tiff.series[0]
        page: Any = series.keyframe
        _check_page(page)
        notices = []
        if len(tiff.series) > 1:
            notices.append(f"the TIFF has {len(tiff.series)} images: the first is used")
        reserve(1, series.shape)
        stored = int(sum(page.databytecounts)) if len(series.pages) == 1 else None
        if stored is not None and page.nbytes > 2000 * max(stored, 1):
            raise ReadError("the TIFF states more pixels than it can hold")
        array = series.asarray(out=allocate(series.shape, series.dtype))
        axes = series.axes
    if array.dtype == np.uint8:
        notices.append(_EIGHT_BIT)
    colour = axes.find("S")
    if colour < 0:
        return array, None, notices
    if colour == len(axes) - 1:
        return array, True, notices
    return np.moveaxis(array, colour, 0), False, notices


def _check_page(page: Any) -> None:
    photometric = int(page.photometric)
    if photometric in {_CFA, _LINEAR_RAW}:
        raise ImageError("this TIFF is camera raw data", hint="debayer the image first")
    if photometric == _PALETTE_TIFF:
        raise ReadError("this TIFF has a colour palette", hint=_SAVE_PLAIN)
    if photometric == _MINISWHITE:
        raise ReadError("this TIFF counts from white to black", hint=_SAVE_PLAIN)
    if page.dtype is None or page.dtype.kind not in "fiub":
        raise ImageError(f"pixels of {page.dtype} are not real numbers")
