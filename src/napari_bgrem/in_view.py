"""In view: which pixels of a layer are on the screen, and how they get there."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from bgrem_core.planes import Block

__all__ = ["block_in_view", "bring_into_view"]

MARGIN = 1.05
"""By how much a view is larger than what it was fitted to, as napari has it."""


def block_in_view(layer: "Image") -> "Block | None":
    """Return the rows and columns of a layer that its canvas shows.

    Parameters
    ----------
    layer : napari.layers.Image
        Its last two axes are rows and columns, before those of colours.

    Returns
    -------
    tuple of slice or None
        In pixels of the full image, not empty; None where nothing was drawn yet or the
        layer is out of view.
    """
    corners = np.asarray(layer.corner_pixels, float)[:, -2:]
    whole = layer.data[0] if layer.multiscale else layer.data
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level][-2:]
    # Out of view both corners are one pixel.
    if (corners[0] == corners[1]).any():
        return None
    low, high = np.floor(corners[0]).astype(int), np.ceil(corners[1]).astype(int) + 1
    ny, nx = whole.shape[:2] if layer.rgb else whole.shape[-2:]
    rows = slice(max(int(low[0]), 0), min(int(high[0]), ny))
    cols = slice(max(int(low[1]), 0), min(int(high[1]), nx))
    return rows, cols


def bring_into_view(viewer: "ViewerModel", layer: "Layer") -> bool:
    """Fit the view to a layer of which it shows nothing; else leave the camera alone.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        In two dimensions, else nothing happens.
    layer : napari.layers.Layer
        Whose whole extent is to be seen.

    Returns
    -------
    bool
        Whether the camera was moved.
    """
    camera = viewer.scene.camera
    canvas = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
    low, high = layer.extent.world[:, -2:]
    if viewer.dims.ndisplay != 2 or not (canvas > 0).all() or not (high > low).all():
        return False
    middle, half = np.array(camera.center[-2:]), canvas / camera.zoom / 2
    if (low < middle + half).all() and (high > middle - half).all():
        return False
    camera.center = (*camera.center[:-2], *((low + high) / 2))
    camera.zoom = float(np.min(canvas / (MARGIN * (high - low))))
    return True
