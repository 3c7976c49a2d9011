"""Inspecting: a click on an image of ours, told from a pan, in any cell of the grid."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bgrem.mark import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    OnClick = Callable[[Image, float, float], Any]

__all__ = ["ClickTool", "clicked", "is_ours", "panels"]

FARTHEST = 4.0
"""Screen pixels that a click may move."""
LONGEST = 0.4
"""Seconds that a click may last."""


class ClickTool:
    """Calls back with the layer and the pixel that was clicked.

    Panning goes on as ever. A double click, with which napari zooms, counts as the one
    click that it begins with.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose canvas is clicked.
    on_click : callable
        ``on_click(layer, x, y)`` with data pixels, 0-based, x along columns.
    """

    def __init__(self, viewer: "ViewerModel", on_click: "OnClick") -> None:
        self._viewer = viewer
        self._on_click = on_click

    @property
    def attached(self) -> bool:
        """Whether clicks are listened to."""
        return self._callback in self._viewer.mouse_drag_callbacks

    def attach(self) -> None:
        """Listen to clicks; twice is once."""
        if not self.attached:
            self._viewer.mouse_drag_callbacks.append(self._callback)

    def detach(self) -> None:
        """Listen no more; nothing of ours is left in the viewer."""
        if self.attached:
            self._viewer.mouse_drag_callbacks.remove(self._callback)

    def _callback(self, viewer: "ViewerModel", event: Any) -> "Iterator[None]":
        if event.button != 1 or event.modifiers or not _free(viewer):
            return
        start, pressed = np.asarray(event.pos, float), time.monotonic()
        yield
        while event.type == "mouse_move":
            if _distance(event, start) >= FARTHEST:
                return
            yield
        # A release may lie elsewhere with no move before it.
        if _distance(event, start) >= FARTHEST:
            return
        if event.type != "mouse_release" or time.monotonic() - pressed > LONGEST:
            return
        # Detached between press and release: the dock was closed meanwhile.
        if not self.attached:
            return
        hit = clicked(viewer, event.position, getattr(event, "viewbox", None))
        if hit is not None:
            self._on_click(*hit)


def clicked(
    viewer: "ViewerModel", position: Any, viewbox: tuple[int, int] | None = None
) -> "tuple[Image, float, float] | None":
    """Return the image of ours at a place, and the pixel there.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With or without a grid.
    position : sequence of float
        World coordinates.
    viewbox : tuple of int, optional
        Row and column of the cell in the grid.

    Returns
    -------
    tuple of napari.layers.Image, float and float, or None
        The topmost visible one under the place, else the selected one; x and y in data
        pixels, 0-based. An image of a stranger counts where it was the source of ours.
        None where neither lies.
    """
    layers: list[Layer] = list(viewer.layers)
    if viewer.canvas.grid.enabled and viewbox is not None:
        inside = viewer.canvas.grid.contents_at(viewbox, viewer.layers)
        layers = [viewer.layers[k] for k in inside]
    shown = [layer for layer in reversed(layers) if layer.visible]
    ours = [layer for layer in viewer.layers if is_ours(layer)]
    for layer in [*shown, viewer.layers.selection.active]:
        if layer not in ours and not any(_covers(layer, other) for other in ours):
            continue
        y, x = (float(v) for v in layer.world_to_data(position)[-2:])
        ny, nx = _shape(layer)
        if -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5:
            return layer, x, y
    return None


def panels(viewer: "ViewerModel", layer: "Image") -> "list[Image]":
    """Return the images of one field that are shown beside each other.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With or without a grid.
    layer : napari.layers.Image
        One of them.

    Returns
    -------
    list of napari.layers.Image
        The topmost visible one of each cell that covers the same field; without a grid
        the layer itself.
    """
    if not viewer.canvas.grid.enabled:
        return [layer]
    found = []
    for _, inside in viewer.canvas.grid.iter_viewboxes(viewer.layers):
        cell = [viewer.layers[k] for k in reversed(inside)]
        alike = (x for x in cell if x.visible and (x is layer or _covers(x, layer)))
        found += [next(alike, None)]
    return [x for x in found if x is not None] or [layer]


def is_ours(layer: "Layer | None") -> bool:
    """Return whether a layer is an image with a mark that knows its image."""
    mark = mark_of(layer)
    return bool(mark and mark.image) and hasattr(layer, "contrast_limits")


def _covers(layer: "Layer | None", ours: "Image") -> bool:
    """Return whether an image of a stranger is what one of ours was made from."""
    if layer is None or not hasattr(layer, "contrast_limits"):
        return False
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return (
        layer.ndim == ours.ndim
        and _shape(layer) == _shape(ours)
        and all(
            np.allclose(layer.data_to_world(at), ours.data_to_world(at))
            for at in np.pad(corners, ((0, 0), (ours.ndim - 2, 0)))
        )
    )


def _shape(layer: "Image") -> tuple[int, int]:
    data: Any = layer.data[0] if layer.multiscale else layer.data
    # A colour image carries its channels last.
    end = -1 if layer.rgb else None
    ny, nx = data.shape[:end][-2:]
    return int(ny), int(nx)


def _distance(event: Any, start: "np.ndarray[Any, Any]") -> float:
    return float(np.hypot(*(np.asarray(event.pos, float) - start)))


def _free(viewer: "ViewerModel") -> bool:
    """Return whether a click is not meant for a tool of the active layer."""
    active = viewer.layers.selection.active
    return active is None or str(active.mode) == "pan_zoom"
