"""Layers: images as napari takes them, each with its look and its mark."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.image import MaskBit, Stack
from bgrem_core.planes import allocate, bands
from bgrem_core.pyramid import Pyramid
from napari_bgrem.looks import look_of, sampled
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.placement import placement_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.image import Image, Opened

__all__ = [
    "CubeMark",
    "LayerData",
    "cube_layer",
    "image_layers",
    "labels_layer",
    "mask_layer",
    "metadata_of",
]

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keywords and kind of a layer: what napari calls layer data."""

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeMark(Mark):
    """The mark of a layer that shows all planes of a stack.

    Attributes
    ----------
    stack : Stack
        As it was opened.
    """

    stack: Stack


def image_layers(opened: "Opened", *, name: str) -> list[LayerData]:
    """Return what was opened as layers.

    Parameters
    ----------
    opened : Image or Stack
        As from `bgrem_core.open_image`.
    name : str
        Of the layer; of several layers, how their names begin.

    Returns
    -------
    list of LayerData
        One image layer for each plane, in grey between the limits of zscale. Its data
        are those of the image itself, with coarser levels if it is large.
    """
    if not isinstance(opened, Stack):
        return [_original(opened, name)]
    return [
        _original(plane, f"{name}: {word}")
        for plane, word in zip(opened.planes, _words(opened), strict=True)
    ]


def cube_layer(stack: Stack, *, name: str) -> LayerData:
    """Return all planes of a stack as one layer with a slider.

    Parameters
    ----------
    stack : Stack
        As from `bgrem_core.open_image`.
    name : str
        Of the layer.

    Returns
    -------
    LayerData
        An image layer of three axes; `plane_of` gives a plane of it to the core.
    """
    first = stack.planes[0]
    flat = placement_of(first)
    keywords = {
        "name": name,
        "metadata": metadata_of(first, CubeMark(role="original", stack=stack)),
        **look_of("original", sampled(stack.planes[len(stack) // 2].data)),
        "scale": (1.0, *flat["scale"]),
        "units": ("pixel", *flat["units"]),
    }
    return _planes_as_one(stack), keywords, "image"


def metadata_of(image: "Image", mark: Mark) -> dict[str, Any]:
    """Return what a layer knows of an image: a mark, the header and the WCS."""
    return {KEY: mark, "header": image.header, "wcs": image.wcs}


def mask_layer(flags: "NDArray[np.uint8]", keywords: dict[str, Any]) -> LayerData:
    """Return a mask as a layer that says what its bits mean.

    Parameters
    ----------
    flags : ndarray of uint8, shape (ny, nx)
        `MaskBit` of each pixel.
    keywords : dict
        Name, place and metadata.

    Returns
    -------
    LayerData
        A labels layer, hidden if no pixel is flagged; the status bar names the bits
        under the pointer.
    """
    counts = np.zeros(256, np.int64)
    for rows in bands(flags.shape):
        counts += np.bincount(flags[rows].ravel(), minlength=256)
    there = np.flatnonzero(counts).tolist()
    metadata = {
        **keywords["metadata"],
        "bits": {bit.value: _bit_name(bit) for bit in MaskBit},
    }
    keywords = {
        "visible": bool(counts[1:].any()),
        "opacity": 0.5,
        "features": {"index": there, "flags": [_flag_names(f) for f in there]},
        **keywords,
        "metadata": metadata,
    }
    return Pyramid.over(flags).data, keywords, "labels"


def labels_layer(labels: "NDArray[Any]", keywords: dict[str, Any]) -> LayerData:
    """Return numbers of sources as a hidden layer.

    Parameters
    ----------
    labels : ndarray of int, shape (ny, nx)
        0 = none.
    keywords : dict
        Name, place and metadata.

    Returns
    -------
    LayerData
        A labels layer.
    """
    return Pyramid.over(labels).data, {"visible": False, **keywords}, "labels"


def _original(image: "Image", name: str) -> LayerData:
    keywords = {
        "name": name,
        "metadata": metadata_of(image, Mark(role="original", image=image)),
        **look_of("original", sampled(image.data)),
        **placement_of(image),
    }
    return Pyramid.over(image.data).data, keywords, "image"


def _planes_as_one(stack: Stack) -> "NDArray[np.float32]":
    """Return the planes as one array, which they are where they were read together."""
    planes = [plane.data for plane in stack.planes]
    whole = planes[0].base
    shape = (len(planes), *planes[0].shape)
    if isinstance(whole, np.ndarray) and whole.shape == shape:
        starts = [plane.__array_interface__["data"][0] for plane in planes]
        if starts == [part.__array_interface__["data"][0] for part in whole]:
            return whole
    array = allocate(shape)
    for k, plane in enumerate(planes):
        array[k] = plane
    return array


def _words(stack: Stack) -> list[str]:
    """Return what the planes of a stack are called."""
    if stack.kind == "rgb" and len(stack) >= len(_COLOURS):
        rest = range(len(_COLOURS), len(stack))
        return [*_COLOURS, *(f"plane {k}" for k in rest)]
    return [f"{stack.axis_name} {k}" for k in range(len(stack))]


def _bit_name(bit: MaskBit) -> str:
    return str(bit.name).lower().replace("_", " ")


def _flag_names(flag: int) -> str:
    names = [_bit_name(bit) for bit in MaskBit if flag & bit]
    return ", ".join(names) or ("good" if not flag else f"unknown ({flag})")
