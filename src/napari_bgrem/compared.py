"""Compared: which layers of a viewer belong side by side, and its one comparison."""

import weakref
from typing import TYPE_CHECKING

from napari_bgrem.comparison import Comparison
from napari_bgrem.mark import mark_of, marked, newest

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["comparison_of", "newest_groups"]

_COMPARISONS: "weakref.WeakKeyDictionary[ViewerModel, Comparison]" = (
    weakref.WeakKeyDictionary()
)


def comparison_of(viewer: "ViewerModel") -> Comparison:
    """Return the comparison of a viewer, one for all that ask."""
    if viewer not in _COMPARISONS:
        _COMPARISONS[viewer] = Comparison(weakref.proxy(viewer))
    return _COMPARISONS[viewer]


def newest_groups(
    viewer: "ViewerModel", source: "Layer | None" = None
) -> "list[list[Layer]]":
    """Return original, cleaned and residual of the newest result in a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are looked through.
    source : napari.layers.Layer, optional
        What was worked on, for an image that is not marked as an original.

    Returns
    -------
    list of list of napari.layers.Layer
        For each cell its image, then the sources that lie on it; empty without a
        result.
    """
    cleaned = newest(marked(viewer, "cleaned"))
    last = mark_of(cleaned)
    if cleaned is None or last is None:
        return []
    originals = [
        layer
        for layer in marked(viewer, "original")
        if (mark := mark_of(layer)) and mark.image is last.image
    ]
    if not originals and source is not None and source in viewer.layers:
        originals = [source]
    residuals = [
        layer
        for layer in marked(viewer, "residual", last.run)
        if (mark := mark_of(layer)) and mark.image is last.image
    ]
    cells = (originals, [cleaned], residuals)
    return [cell[:1] for cell in cells if cell]
