"""Before: what a viewer looked like, to be put back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_bgrem.cells import GRID, has_bar, set_grid

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["Before"]


@dataclass
class _Overlays:
    """Which overlays of an image are shown."""

    name: bool
    bar: bool | None


class Before:
    """What a viewer looked like."""

    def __init__(self, viewer: "ViewerModel", images: "list[Layer]") -> None:
        self._viewer = viewer
        self.order = list(viewer.layers)
        self._visible = {layer: layer.visible for layer in viewer.layers}
        self._selected = set(viewer.layers.selection)
        grid = viewer.canvas.grid
        self._grid = {name: getattr(grid, name) for name in (*GRID, "enabled")}
        self._scale = viewer.canvas.overlays.scale_bar.visible
        self._overlays = {
            image: _Overlays(
                image.name_overlay.visible,
                image.colorbar.visible if has_bar(image) else None,
            )
            for image in images
        }

    def forget(self, layer: "Layer") -> None:
        """Drop a layer that was removed."""
        self.order = [x for x in self.order if x is not layer]
        self._visible.pop(layer, None)
        self._overlays.pop(layer, None)
        self._selected.discard(layer)

    def restore(self) -> None:
        """Put back all but the order."""
        viewer = self._viewer
        # First what is drawn in the cells, so that it does not move on to the canvas.
        for image, shown in self._overlays.items():
            image.name_overlay.visible = shown.name
            if shown.bar is not None:
                image.colorbar.visible = shown.bar
        viewer.canvas.overlays.scale_bar.visible = self._scale
        for layer, visible in self._visible.items():
            if layer.visible != visible:
                layer.visible = visible
        set_grid(viewer, **self._grid)
        viewer.layers.selection = {x for x in self._selected if x in viewer.layers}
