"""Collected: which result of a viewer is the newest, and what is true of it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.collected import Collected
from napari_bgrem.mark import mark_of, marked, newest

if TYPE_CHECKING:
    from astropy.table import QTable
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.image import Image
    from napari_bgrem.mark import Mark

__all__ = ["Collected", "key_of", "newest_result", "truth_of"]

TABLE = "table"
"""Key of the metadata of a layer with the truth: its catalogue."""


def key_of(mark: "Mark") -> tuple[int, str]:
    """Return what a result is known by: its strength may change meanwhile."""
    return id(mark.image), mark.run


def newest_result(viewer: "ViewerModel", image: "Image | None" = None) -> "Mark | None":
    """Return the mark of the newest result in a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are looked through.
    image : Image, optional
        Only results of this image.

    Returns
    -------
    Mark or None
        That of the cleaned layer, which comes and goes with its result. Runs that are
        numbered are compared by number, others by the place of their layers.
    """
    found = [
        layer
        for layer in marked(viewer, "cleaned")
        if (mark := mark_of(layer)) and mark.separation is not None
        if image is None or mark.image is image
    ]
    return mark_of(newest(found))


def truth_of(viewer: "ViewerModel", image: "Image | None") -> "QTable | None":
    """Return what is known to be in an image, from a layer of the role "truth"."""
    from astropy.table import QTable

    for layer in reversed(marked(viewer, "truth")):
        mark = mark_of(layer)
        if mark is None or mark.image is not image or image is None:
            continue
        table = layer.metadata.get(TABLE)
        return table if isinstance(table, QTable) else _from_points(layer)
    return None


def _from_points(layer: "Layer") -> "QTable":
    """Return points and their features as a catalogue."""
    from astropy.table import QTable

    points: Any = layer
    columns = {str(name): np.asarray(points.features[name]) for name in points.features}
    y, x = np.asarray(points.data, float)[:, -2:].T
    return QTable({**columns, "x": x, "y": y})
