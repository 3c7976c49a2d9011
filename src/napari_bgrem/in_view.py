"""In view: which pixels of a layer are on the screen."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image

    from bgrem_core.planes import Block

__all__ = ["block_in_view"]


def block_in_view(layer: "Image") -> "Block | None":
    """Return the rows and columns of a layer that its canvas shows.

    Parameters
    ----------
    layer : napari.layers.Image
        Its last two axes are rows and columns.

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
    ny, nx = whole.shape[-2:]
    rows = slice(max(int(low[0]), 0), min(int(high[0]), ny))
    cols = slice(max(int(low[1]), 0), min(int(high[1]), nx))
    return rows, cols
