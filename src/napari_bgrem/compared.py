"""Compared: which layers of a viewer belong side by side, and its one comparison."""

import weakref
from typing import TYPE_CHECKING

from napari_bgrem.comparison import Comparison
from napari_bgrem.in_colour import IN_COLOUR
from napari_bgrem.mark import FROM, mark_of, marked, newest

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
        What was worked on, for a result that does not know it.

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
    residuals = [
        layer
        for layer in marked(viewer, "residual", last.run)
        if (mark := mark_of(layer)) and mark.image is last.image
    ]
    # Of an image in colour all planes are shown at once.
    colours = [marked(viewer, role, last.run.partition(".")[0]) for role in IN_COLOUR]
    shown = colours if all(colours) else ([cleaned], residuals)
    cells = (_originals(viewer, cleaned, source), *shown)
    return [cell[:1] for cell in cells if cell]


def _originals(
    viewer: "ViewerModel", cleaned: "Layer", source: "Layer | None"
) -> "list[Layer]":
    """Return the layers that show what a cleaned image was made from."""
    last = mark_of(cleaned)
    originals = [
        layer
        for layer in marked(viewer, "original")
        if (mark := mark_of(layer)) and last and mark.image is last.image
    ]
    made_from = cleaned.metadata.get(FROM, lambda: source)()
    if not originals and made_from is not None and made_from in viewer.layers:
        originals = [made_from]
    return originals
