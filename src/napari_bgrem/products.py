"""Products: a result as layers, each with its look and its mark."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from bgrem_core.io.layers import SEGMENTS
from bgrem_core.planes import allocate, bands
from bgrem_core.pyramid import Pyramid
from bgrem_core.words import words_of
from napari_bgrem.called import part_name, role_name
from napari_bgrem.layers import labels_layer, mask_layer, metadata_of
from napari_bgrem.looks import look_of, sampled
from napari_bgrem.mark import FROM, KEY, Mark
from napari_bgrem.placement import placement_like, placement_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation
    from napari_bgrem.layers import LayerData

__all__ = ["result_layers"]


def result_layers(
    separation: "Separation",
    *,
    like: "Layer | None" = None,
    run: str = "",
    name: str = "",
    note: str = "",
) -> "list[LayerData]":
    """Return a result as layers.

    Parameters
    ----------
    separation : Separation
        Of any size: its planes are evaluated by bands; large ones live on disk and
        have coarser levels.
    like : napari.layers.Layer, optional
        The layer that was separated: the new ones lie upon it.
    run : str, optional
        Put into each mark.
    name : str, optional
        How the names of the layers begin; by default as that of `like` or of the image.
    note : str, optional
        How their names end, such as ", run 2".

    Returns
    -------
    list of LayerData
        Cleaned, which is visible; residual, each part, the mask (visible where
        anything is flagged) and the uncertainty.
    """
    made = _Made(separation, like, run)
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
    first = name or (separation.image.name if like is None else like.name)
    words = words_of(separation)
    for _, keywords, _ in layers:
        role = keywords["metadata"][KEY].role
        name_of = part_name if role in parts else role_name
        called = name_of(role, words)
        keywords["name"] = f"{first}: {called}{note}"
    return layers


class _Made:
    """Makes the layers of one result."""

    def __init__(
        self, separation: "Separation", like: "Layer | None", run: str
    ) -> None:
        self._separation, self._run = separation, run
        self._place = (
            placement_of(separation.image) if like is None else placement_like(like)
        )
        self._known: dict[str, Any] = {"provenance": separation.provenance.as_dict()}
        if like is not None:
            self._known[FROM] = ref(like)

    def image(self, role: str, data: Any, *, visible: bool = False) -> "LayerData":
        sigma = self._separation.scale.median_sigma
        look = look_of(role, sampled(_full(data)), sigma)
        return data, {**self._keywords(role), **look, "visible": visible}, "image"

    def labels(self, role: str, plane: "Plane") -> "LayerData":
        return labels_layer(_copied(plane), self._keywords(role))

    def mask(self) -> "LayerData":
        flags = _copied(self._separation.flags)
        return mask_layer(flags, self._keywords("mask"))

    def _keywords(self, role: str) -> dict[str, Any]:
        separation = self._separation
        mark = Mark(
            role=role, image=separation.image, separation=separation, run=self._run
        )
        metadata = {**metadata_of(separation.image, mark), **self._known}
        return {"metadata": metadata, **self._place}


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
