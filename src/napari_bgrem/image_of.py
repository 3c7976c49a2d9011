"""Image of a layer: from what napari shows to what the core works on."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.image import Image, Opened, Stack
from bgrem_core.io import open_image
from bgrem_core.planes import allocate, bands
from napari_bgrem.layers import CubeMark
from napari_bgrem.mark import mark_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_bgrem.mark import Mark

    Array = NDArray[Any]

__all__ = ["TURNED", "image_of", "is_turned", "plane_of"]

_FLAT = 2
_ENDINGS = (".fits", ".fit", ".fts", ".fz")
TURNED = (
    "napari itself read this file: it turned the image upside down and left its header "
    "out; open it with BGRem instead"
)


def image_of(layer: "Layer") -> Opened:
    """Return the image that a layer shows.

    Parameters
    ----------
    layer : napari.layers.Layer
        Ours or anybody's. Of several levels the full one counts.

    Returns
    -------
    Image or Stack
        For a layer of ours that shows what was opened, that very object; else a new
        one, with the layer's header if it has one. A Stack for a layer in colour.

    Raises
    ------
    UsageError
        The layer is no image, or has more than two axes.
    ImageError
        The core cannot use its pixels.
    """
    _check_kind(layer)
    data, mark = _full(layer), mark_of(layer)
    if mark is not None and mark.role == "original":
        known = mark.image
        if known is not None and _is_unchanged(data, known.data):
            return known
    rgb = bool(getattr(layer, "rgb", False))
    if data.ndim - rgb > _FLAT:
        planes = " x ".join(str(n) for n in data.shape[: data.ndim - rgb - _FLAT])
        raise UsageError(
            f"the layer {layer.name!r} has {planes} planes",
            hint="choose one of them",
        )
    if rgb:
        return _in_colour(layer, data)
    return _open(layer, data, mark)


def plane_of(layer: "Layer", index: int | tuple[int, ...]) -> Image:
    """Return one plane of a layer with more than two axes.

    Parameters
    ----------
    layer : napari.layers.Layer
        An image layer.
    index : int or tuple of int
        Which plane, along the leading axes.

    Returns
    -------
    Image
        For a layer of ours that shows what was opened, that very plane.

    Raises
    ------
    UsageError
        The layer is no image, or has no such plane.
    ImageError
        The core cannot use its pixels.
    """
    _check_kind(layer)
    wanted = (index,) if isinstance(index, int) else tuple(index)
    data, mark = _full(layer), mark_of(layer)
    leading = data.shape[:-_FLAT]
    inside = all(0 <= k < n for k, n in zip(wanted, leading, strict=False))
    if getattr(layer, "rgb", False) or len(wanted) != len(leading) or not inside:
        raise UsageError(
            f"the layer {layer.name!r} has no plane {', '.join(map(str, wanted))}",
            hint=f"its planes are {' x '.join(map(str, leading)) or 'one'}, from 0",
        )
    flat = data[wanted]
    if isinstance(mark, CubeMark) and len(mark.stack) == int(np.prod(leading)):
        plane = mark.stack.planes[int(np.ravel_multi_index(wanted, leading))]
        if _is_unchanged(flat, plane.data):
            return plane
    opened = _open(layer, flat, mark)
    assert isinstance(opened, Image)  # noqa: S101 - two axes make no stack
    return opened


def _check_kind(layer: "Layer") -> None:
    from napari.layers import Image as ImageLayer

    if not isinstance(layer, ImageLayer):
        kind = type(layer).__name__.lower()
        raise UsageError(
            f"the layer {layer.name!r} is no image: it holds {kind}",
            hint="choose an image layer",
        )


def _full(layer: "Layer") -> Any:
    """Return the array of a layer, of several levels the full one."""
    return layer.data[0] if layer.multiscale else layer.data


def _open(layer: "Layer", data: Any, mark: "Mark | None") -> Opened:
    options: dict[str, Any] = {}
    known = mark.image if mark is not None else None
    if isinstance(mark, CubeMark):
        known = mark.stack.planes[0]
    if known is not None:
        # What the user said at the door is not in the header.
        options = {
            "unit": known.unit,
            "gain": known.gain,
            "fwhm": known.fwhm,
            "zeropoint": known.zeropoint,
        }
    opened = open_image(_as_array(data), header=_header(layer), **options)
    return _told(opened, layer)


def is_turned(layer: "Layer") -> bool:
    """Return whether napari's own reader read a FITS file, which it turns over."""
    source = layer.source
    path = str(source.path or "").lower()
    return source.reader_plugin == "napari" and path.endswith(_ENDINGS)


def _in_colour(layer: "Layer", data: Any) -> Opened:
    array = _as_array(data)
    clear = array[..., 3] == 0 if array.shape[-1] > 3 else None
    # The core takes colours last only where no other reading is possible.
    planes = np.moveaxis(array[..., :3], -1, 0)
    opened = open_image(planes, header=_header(layer), mask=clear, plane="all")
    return _told(opened, layer)


def _told(opened: Opened, layer: "Layer") -> Opened:
    """Add what must be known of a FITS image that napari read by itself."""
    if not is_turned(layer):
        return opened
    if isinstance(opened, Stack):
        planes = tuple(_noticed(plane) for plane in opened.planes)
        return replace(opened, planes=planes)
    return _noticed(opened)


def _noticed(image: Image) -> Image:
    return replace(image, notices=(*image.notices, TURNED))


def _header(layer: "Layer") -> Any:
    """Return the header that a layer carries; that of strangers may be anything."""
    found = layer.metadata.get("header")
    return found if hasattr(found, "items") else None


def _as_array(data: Any) -> "Array":
    """Return an array in memory or on disk, read by bands where it is lazy."""
    if isinstance(data, np.ndarray):
        return data
    array = allocate(data.shape, data.dtype)
    for rows in bands(data.shape):
        array[rows] = np.asarray(data[rows])
    return array


def _is_unchanged(data: Any, known: "NDArray[np.float32]") -> bool:
    """Whether a layer shows the very pixels of an image, or equal ones."""
    if not isinstance(data, np.ndarray):
        return False
    if data.shape != known.shape or data.dtype != known.dtype:
        return False
    if data.__array_interface__ == known.__array_interface__:
        return True
    return all(
        np.array_equal(data[rows], known[rows], equal_nan=True)
        for rows in bands(known.shape)
    )
