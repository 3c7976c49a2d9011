"""Cells: napari's grid, laid out in one go, and what is written into its cells."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["GRID", "furnish", "has_bar", "reorder", "set_grid"]

GRID = ("shape", "stride", "spacing")
"""Fields of napari's grid beside the one that switches it on."""


def set_grid(viewer: "ViewerModel", *, enabled: bool, **fields: Any) -> None:
    """Set fields of the grid; napari lays out its cells once, not for each of them.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose grid it is.
    enabled : bool
        Whether there are cells.
    **fields
        Some of `GRID`.
    """
    # Not `layers.batched_update`: napari ends it by collecting garbage, which takes
    # half a second.
    grid = viewer.canvas.grid
    was = grid.enabled
    with ExitStack() as stack:
        held = [
            stack.enter_context(getattr(grid.events, name).blocker()) for name in fields
        ]
        for name, value in fields.items():
            setattr(grid, name, value)
    grid.enabled = enabled
    if grid.enabled == was and any(blocker.count for blocker in held):
        grid.events.shape(value=grid.shape)


def has_bar(layer: "Layer") -> bool:
    """Return whether a layer can have a colour bar: an image in one colour."""
    return hasattr(layer, "colorbar") and not getattr(layer, "rgb", False)


def furnish(viewer: "ViewerModel", images: "list[Layer]") -> "Iterator[None]":
    """Select the second image, show names and colour bars of all, and the scale bar.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With its cells.
    images : list of napari.layers.Layer
        The image of each cell; two at least.

    Yields
    ------
    None
        After each piece: napari makes and compiles it in up to some 0.2 seconds.
    """
    # The status bar says the values of all where one is selected. Of several napari
    # says each one's, from right to left.
    viewer.layers.selection = {images[1]}
    yield
    for image in images:
        image.name_overlay.visible = True
        yield
    for image in images:
        if has_bar(image):
            image.colorbar.visible = True
            yield
    # One for all cells: they have one camera.
    viewer.canvas.overlays.scale_bar.visible = True


def reorder(layers: Any, order: "list[Layer]") -> None:
    """Bring layers into an order; those not named stay on top as they were.

    Parameters
    ----------
    layers : napari.components.LayerList
        Those of a viewer.
    order : list of napari.layers.Layer
        From the bottom.
    """
    named = set(order)
    order = order + [layer for layer in layers if layer not in named]
    if order == list(layers):
        return
    # Not move_multiple, which loses count where a layer lies in its place already.
    with layers.events.reordered.blocker():
        for place, layer in enumerate(order):
            layers.move(layers.index(layer), place)
    layers.events.reordered(value=layers)
