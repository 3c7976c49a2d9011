"""Opened: the core's image of a layer, the same one as long as its data are."""

import weakref
from typing import TYPE_CHECKING

from napari_bgrem.image_of import image_of, plane_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.image import Image, Stack

__all__ = ["Opened", "plane_shown"]


class Opened:
    """The last image that was made from a layer: to make one may take a while."""

    def __init__(self) -> None:
        self._layer: weakref.ref[Layer] | None = None
        self._data: object = None
        self._where: tuple[int, ...] = ()
        self._image: Image | Stack | None = None

    def open(self, layer: "Layer", where: tuple[int, ...]) -> "Image | Stack":
        """Return the image of a layer, or of a plane of it.

        Parameters
        ----------
        layer : napari.layers.Layer
            Ours or anybody's.
        where : tuple of int
            Which plane, () for a layer without.

        Returns
        -------
        Image or Stack
            The same object for the same data.

        Raises
        ------
        UsageError, ImageError
            As of `image_of` and `plane_of`.
        """
        same = self._layer is not None and self._layer() is layer
        if self._image and same and self._where == where and layer.data is self._data:
            return self._image
        image = plane_of(layer, where) if where else image_of(layer)
        self._layer, self._data = weakref.ref(layer), layer.data
        self._where, self._image = where, image
        return image


def plane_shown(viewer: "ViewerModel", layer: "Layer") -> tuple[int, ...]:
    """Return which plane of a layer is shown; () for an image or a colour image."""
    if getattr(layer, "rgb", False):
        return ()
    steps = tuple(int(k) for k in viewer.dims.current_step)
    return steps[-layer.ndim :][: layer.ndim - 2]
