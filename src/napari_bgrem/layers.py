"""Layers: images and results as napari takes them, each with its look and its mark."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.display import (
    percentile_limits,
    shared_limits,
    symmetric_limits,
    zscale_limits,
)
from bgrem_core.image import MaskBit, Stack
from bgrem_core.io.layers import SEGMENTS
from bgrem_core.planes import allocate, bands
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.placement import placement_like, placement_of
from napari_bgrem.pyramid import Pyramid
from napari_bgrem.stretch import colour_map

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from bgrem_core.image import Image, Opened
    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation

    Limits = tuple[float, float]

__all__ = [
    "CubeMark",
    "LayerData",
    "compared_limits",
    "cube_layer",
    "image_layers",
    "labels_layer",
    "look_of",
    "mask_layer",
    "result_layers",
    "sampled",
]

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keywords and kind of a layer: what napari calls layer data."""

SAMPLE = 512
"""Pixels a side that limits are taken from."""
ROWS = 64
"""Rows that are read of a plane which must be evaluated: each costs milliseconds."""

_SYMMETRIC = frozenset({"residual", "noise", "background", "systematics"})
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
        "metadata": _metadata(first, CubeMark(role="original", stack=stack)),
        **look_of("original", sampled(stack.planes[len(stack) // 2].data)),
        "scale": (1.0, *flat["scale"]),
        "units": ("pixel", *flat["units"]),
    }
    return _planes_as_one(stack), keywords, "image"


def result_layers(
    separation: "Separation", *, like: "Layer | None" = None, run: str = ""
) -> list[LayerData]:
    """Return a result as layers.

    Parameters
    ----------
    separation : Separation
        Of any size: its planes are evaluated by bands; large ones live on disk and
        have coarser levels.
    like : napari.layers.Layer, optional
        The layer that was separated: the new ones lie upon it and bear its name.
    run : str, optional
        Put into each mark.

    Returns
    -------
    list of LayerData
        Cleaned, which is visible; residual, each part, the mask (visible where
        anything is flagged) and the uncertainty.
    """
    name = separation.image.name if like is None else like.name
    place = placement_of(separation.image) if like is None else placement_like(like)
    made = _Made(separation, name, place, run)
    parts = {part: _shown(plane, own=False) for part, plane in separation.parts.items()}
    # What was evaluated once is not evaluated again for the sums.
    known = {part: _full(data) for part, data in parts.items()}
    sums = replace(separation, parts=known)
    layers = [
        made.image("cleaned", _shown(sums.cleaned_plane, own=True), visible=True),
        made.image("residual", _shown(sums.residual_plane, own=True)),
    ]
    layers += [made.image(part, data) for part, data in parts.items()]
    layers.append(made.mask())
    if separation.uncertainty is not None:
        data = _shown(separation.uncertainty, own=True)
        layers.append(made.image("uncertainty", data))
    # The other extras are for programs: they are in the file that is saved.
    if SEGMENTS in separation.extras:
        layers.append(made.labels(SEGMENTS, separation.extras[SEGMENTS]))
    return layers


def compared_limits(separation: "Separation") -> "tuple[Limits, Limits]":
    """Return the limits under which an image and its cleaned version look alike.

    Parameters
    ----------
    separation : Separation
        Read in a few rows.

    Returns
    -------
    original, cleaned : tuple of float
        They differ by the level of what was taken away.
    """
    sigma = separation.scale.median_sigma
    low, high = shared_limits(sampled(separation.cleaned_plane), sigma)
    level = _median(sampled(separation.residual_plane))
    return (low + level, high + level), (low, high)


def look_of(
    role: str, values: "NDArray[Any]", sigma: float = float("nan")
) -> dict[str, Any]:
    """Return how a layer looks by what it shows.

    Parameters
    ----------
    role : str
        As in `Mark`.
    values : ndarray
        Some of its pixels.
    sigma : float, optional
        Noise of the original, NaN = unknown.

    Returns
    -------
    dict
        Colour map, limits and interpolation: residual and noise in blue, white and
        orange, four sigma to both sides of their level; all else in grey.
    """
    look = {"interpolation2d": "nearest"}
    if role in _SYMMETRIC:
        middle = 0.0 if role == "noise" else _median(values)
        low, high = symmetric_limits(_spread(values, sigma))
        limits = middle + low, middle + high
        return {
            **look,
            "colormap": colour_map("blue-white-orange"),
            "contrast_limits": limits,
        }
    if role == "original":
        limits = zscale_limits(values)
    elif role == "cleaned":
        limits = shared_limits(values, sigma)
    else:
        limits = percentile_limits(values)
    return {**look, "colormap": "gray", "contrast_limits": limits}


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


def sampled(plane: "Plane") -> "NDArray[Any]":
    """Return evenly chosen pixels of a plane: some 500 a side.

    Parameters
    ----------
    plane : Plane
        One that must be evaluated is read in 64 rows only.

    Returns
    -------
    ndarray
        Two axes; a view where it can be one.
    """
    ny, nx = plane.shape
    if isinstance(plane, np.ndarray):
        return plane[:: max(1, ny // SAMPLE), :: max(1, nx // SAMPLE)]
    count = min(ny, ROWS)
    chosen = np.linspace(0, ny - 1, count).astype(int).tolist()
    step = max(1, nx * count // SAMPLE**2)
    return np.concatenate(
        [np.asarray(plane[row : row + 1, 0:nx])[:, ::step] for row in chosen]
    )


class _Made:
    """Makes the layers of one result."""

    def __init__(
        self, separation: "Separation", name: str, place: dict[str, Any], run: str
    ) -> None:
        self._separation, self._name = separation, name
        self._place, self._run = place, run
        self._provenance = separation.provenance.as_dict()

    def image(self, role: str, data: Any, *, visible: bool = False) -> LayerData:
        sigma = self._separation.scale.median_sigma
        look = look_of(role, sampled(_full(data)), sigma)
        return data, {**self._keywords(role), **look, "visible": visible}, "image"

    def labels(self, role: str, plane: "Plane") -> LayerData:
        return labels_layer(_copied(plane), self._keywords(role))

    def mask(self) -> LayerData:
        flags = _copied(self._separation.flags)
        return mask_layer(flags, self._keywords("mask"))

    def _keywords(self, role: str) -> dict[str, Any]:
        separation = self._separation
        mark = Mark(
            role=role, image=separation.image, separation=separation, run=self._run
        )
        return {
            "name": f"{self._name}: {role}",
            "metadata": {
                **_metadata(separation.image, mark),
                "provenance": self._provenance,
            },
            **self._place,
        }


def _original(image: "Image", name: str) -> LayerData:
    keywords = {
        "name": name,
        "metadata": _metadata(image, Mark(role="original", image=image)),
        **look_of("original", sampled(image.data)),
        **placement_of(image),
    }
    return Pyramid.over(image.data).data, keywords, "image"


def _metadata(image: "Image", mark: Mark) -> dict[str, Any]:
    return {KEY: mark, "header": image.header, "wcs": image.wcs}


def _shown(plane: "Plane", *, own: bool) -> Any:
    """Return what a layer takes for a plane; `own`: never the plane's own array.

    A change of strength rewrites layers, which must not change a result.
    """
    if isinstance(plane, np.ndarray) and not own:
        return Pyramid.over(plane).data
    ny, nx = plane.shape
    pyramid = Pyramid((ny, nx), plane.dtype)
    pyramid.fill(plane)
    return pyramid.data


def _full(data: Any) -> "NDArray[Any]":
    """Return the full level of what a layer takes."""
    full: NDArray[Any] = data[0] if isinstance(data, list) else data
    return full


def _copied(plane: "Plane") -> "NDArray[Any]":
    """Return a copy, for layers that a user can paint on."""
    array = allocate(plane.shape, plane.dtype)
    for rows in bands(plane.shape):
        array[rows] = plane[rows, 0 : plane.shape[1]]
    return array


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


def _median(values: "NDArray[Any]") -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else 0.0


def _spread(values: "NDArray[Any]", sigma: float) -> float:
    """Return sigma, or where there is none the spread of the pixels."""
    if np.isfinite(sigma) and sigma > 0:
        return sigma
    good = values[np.isfinite(values)]
    low, high = np.percentile(good, (16, 84)) if good.size else (0.0, 0.0)
    return float(high - low) / 2
