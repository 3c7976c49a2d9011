"""Comparison: original, cleaned and residual side by side, and back as it was.

napari's grid puts equal numbers of layers of the list into each cell, hidden ones
counted. Cells are therefore filled up with layers that are hidden anyway, and with
empty ones where these run out. One camera moves all cells, and is scaled once so that a
cell shows what the canvas showed.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

import numpy as np
from psygnal import Signal

from napari_bgrem.placement import placement_like
from napari_bgrem.stretch import level_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

__all__ = ["OVER", "Comparison", "State"]

OVER = "bgrem_over"
"""Key of a layer's metadata: the image that it lies on, whose cell it shares."""
SPACING = 4
"""Between cells, screen pixels."""
_LINKED = ("contrast_limits", "gamma", "colormap")
_GRID = ("shape", "stride", "spacing", "enabled")

State = Literal["off", "side by side", "blink"]


class Comparison:
    """Original, cleaned and residual side by side, or in turn in one place.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are compared.

    Attributes
    ----------
    state : str
        "off", "side by side" or "blink".
    groups : list of list of napari.layers.Layer
        What is in each cell, the image first; empty if nothing is compared.
    changed : psygnal.Signal
        Emits the state when it has changed.
    """

    changed = Signal(str)

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self.state: State = "off"
        self.groups: list[list[Layer]] = []
        self._last: list[list[ref[Layer]]] = []
        self._before: _Before | None = None
        self._order: list[Layer] = []
        self._link: _Link | None = None
        self._fillers: list[Layer] = []
        self._busy = False
        self._zoomed = 1.0

    @property
    def active(self) -> bool:
        """Whether anything is compared now."""
        return self.state != "off"

    def enter(self, groups: "Iterable[Sequence[Layer]]") -> None:
        """Show groups of layers side by side; all others are hidden.

        Parameters
        ----------
        groups : iterable of sequence of napari.layers.Layer
            For each cell from left to right its image, then what lies on it; visible
            layers that name an image as the one below them (`OVER`) come by themselves.
            Layers that the viewer does not hold are left out; the first image and the
            second share limits (less the level between them), gamma and colours. With
            fewer than two images nothing happens.
        """
        groups = [list(group) for group in groups]
        self.leave()
        wanted = [
            [layer for layer in g if layer in self._viewer.layers] for g in groups
        ]
        wanted = [group for group in wanted if group]
        if len(wanted) < 2:
            return
        known = {layer for group in wanted for layer in group}
        for group in wanted:
            group += [
                layer
                for layer in self._viewer.layers
                if layer.visible and layer.metadata.get(OVER) is group[0]
                if layer not in known
            ]
        self.groups = wanted
        self._last = [[ref(layer) for layer in group] for group in wanted]
        self._before = _Before(self._viewer, [group[0] for group in wanted])
        self._link = _Link(wanted[0][0], wanted[1][0])
        self._side_by_side()
        self._viewer.layers.events.inserted.connect(self._on_inserted)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._set_state("side by side")

    def leave(self) -> None:
        """Put everything back as it was; layers that came meanwhile stay on top.

        Where an image was removed, the comparison ended by itself, but could not touch
        the order of the layers while they were on their way out. Calling this once more
        puts the order back too.
        """
        self._leave()
        layers = self._viewer.layers
        for filler in self._fillers:
            if filler in layers:
                layers.remove(filler)
        self._fillers.clear()
        _reorder(layers, [layer for layer in self._order if layer in layers])
        self._order = []

    def toggle(self, groups: "Iterable[Sequence[Layer]] | None" = None) -> None:
        """Leave if anything is compared, else enter.

        Parameters
        ----------
        groups : iterable of sequence of napari.layers.Layer, optional
            As for `enter`; those of the last time by default.
        """
        if self.active:
            self.leave()
        else:
            self.enter(self._last_groups() if groups is None else groups)

    def blink(self, groups: "Iterable[Sequence[Layer]] | None" = None) -> None:
        """Show the first image and the second in turn in one place.

        Parameters
        ----------
        groups : iterable of sequence of napari.layers.Layer, optional
            As for `enter`, which is called first if nothing is compared.
        """
        if not self.active:
            self.enter(self._last_groups() if groups is None else groups)
        if not self.active:
            return
        if self.state == "blink":
            shown = 1 if self.groups[0][0].visible else 0
        else:
            shown = 0
            self._viewer.canvas.grid.enabled = False
            self._zoom(1 / self._zoomed)
        for k, group in enumerate(self.groups):
            for layer in group:
                layer.visible = k == shown
        self._set_state("blink")

    def side_by_side(self) -> None:
        """Return from blinking to the cells."""
        if self.state == "blink":
            self._side_by_side()
            self._set_state("side by side")

    def _last_groups(self) -> "list[list[Layer]]":
        alive = [[layer() for layer in group] for group in self._last]
        return [[layer for layer in group if layer is not None] for group in alive]

    def _side_by_side(self) -> None:
        viewer = self._viewer
        shown = [layer for group in self.groups for layer in group]
        for layer in viewer.layers:
            if layer.visible != (layer in shown):
                layer.visible = not layer.visible
        self._arrange()
        grid = viewer.canvas.grid
        grid.shape = (1, len(self.groups))
        grid.spacing = SPACING
        grid.enabled = True
        self._zoomed = self._cell_zoom()
        self._zoom(self._zoomed)
        images = [group[0] for group in self.groups]
        for image in images:
            image.name_overlay.visible = True
            if hasattr(image, "colorbar"):
                image.colorbar.visible = True
        bar = viewer.canvas.overlays.scale_bar
        # In this order: napari lays out the bars of all cells when they are shown.
        bar.visible = True
        bar.gridded = True
        viewer.layers.selection = set(images)

    def _arrange(self) -> None:
        """Order the layers so that each group fills its cell."""
        layers = self._viewer.layers
        stride = max(len(group) for group in self.groups)
        shown = {layer for group in self.groups for layer in group}
        rest = [layer for layer in layers if layer not in shown]
        order: list[Layer] = []
        for k, group in enumerate(self.groups):
            order += group
            last = k == len(self.groups) - 1
            missing = 0 if last and not rest else stride - len(group)
            fill, rest = rest[:missing], rest[missing:]
            while not last and len(fill) < missing:
                fill.append(self._filler(group[0]))
            order += fill
        with self._quietly():
            for filler in order:
                if filler not in layers:
                    layers.append(filler)
            _reorder(layers, order + rest)
        self._viewer.canvas.grid.stride = stride

    def _filler(self, image: "Layer") -> "Layer":
        """Return a hidden layer without content that keeps a place."""
        from napari.layers import Points

        filler = Points(ndim=2, name="(spacer)", visible=False, **placement_like(image))
        self._fillers.append(filler)
        return filler

    def _on_inserted(self, event: Any) -> None:
        """Put a new layer on its image, or on the first one."""
        layer = event.value
        if self._busy or layer in self._fillers:
            return
        below = layer.metadata.get(OVER)
        cells = [g for g in self.groups if g[0] is below] or self.groups[:1]
        cells[0].append(layer)
        if self.state == "side by side":
            self._arrange()

    def _on_removed(self, event: Any) -> None:
        """Keep the places of the others; the order must not change while they go.

        A slice of the list may be on its way out, by index from the end.
        """
        layer, index = event.value, event.index
        if self._busy or layer in self._fillers:
            return
        if self._before:
            self._before.forget(layer)
        if any(group[0] is layer for group in self.groups):
            self._leave()
            return
        self.groups = [[x for x in group if x is not layer] for group in self.groups]
        if index < self._viewer.canvas.grid.stride * len(self.groups):
            with self._quietly():
                self._viewer.layers.insert(index, self._filler(self.groups[0][0]))

    def _leave(self) -> None:
        """Put back all but the order of the layers."""
        if self._before is None:
            return
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)
        before, self._before = self._before, None
        if self._link:
            self._link.undo()
            self._link = None
        before.restore()
        if self.state == "side by side":
            self._zoom(1 / self._zoomed)
        self._order = before.order
        self.groups = []
        self._set_state("off")

    @contextmanager
    def _quietly(self) -> "Iterator[None]":
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _zoom(self, factor: float) -> None:
        camera = self._viewer.scene.camera
        camera.zoom = camera.zoom * factor

    def _cell_zoom(self) -> float:
        """Return by how much to zoom so that a cell shows what the canvas showed."""
        viewer = self._viewer
        size, zoom = viewer.canvas.size, viewer.scene.camera.zoom
        extent = viewer.layers.get_extent([group[0] for group in self.groups]).world
        # A margin of 5 %, as napari leaves when it fits an image.
        images = 1.05 * (extent[1] - extent[0])[-2:]
        field = np.minimum(np.array(size, float) / zoom, images)
        cell = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
        if viewer.dims.ndisplay != 2 or not ((field > 0) & (cell > 0)).all():
            return 1.0
        return float(np.min(cell / field) / zoom)

    def _set_state(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)


@dataclass
class _Overlays:
    """Which overlays of an image are shown."""

    name: bool
    bar: bool | None


class _Before:
    """What a viewer looked like."""

    def __init__(self, viewer: "ViewerModel", images: "list[Layer]") -> None:
        self._viewer = viewer
        self.order = list(viewer.layers)
        self._visible = {layer: layer.visible for layer in viewer.layers}
        self._selected = set(viewer.layers.selection)
        grid, scale = viewer.canvas.grid, viewer.canvas.overlays.scale_bar
        self._grid = {name: getattr(grid, name) for name in _GRID}
        self._scale = scale.visible, scale.gridded
        self._overlays = {
            image: _Overlays(
                image.name_overlay.visible,
                image.colorbar.visible if hasattr(image, "colorbar") else None,
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
        layers = self._viewer.layers
        for name in reversed(_GRID):
            setattr(self._viewer.canvas.grid, name, self._grid[name])
        for layer, visible in self._visible.items():
            layer.visible = visible
        for image, shown in self._overlays.items():
            image.name_overlay.visible = shown.name
            if shown.bar is not None:
                image.colorbar.visible = shown.bar
        scale = self._viewer.canvas.overlays.scale_bar
        scale.visible, scale.gridded = self._scale
        layers.selection = {x for x in self._selected if x in layers}


class _Link:
    """Limits, gamma and colours of two images, the level between them taken off.

    napari's own links would give both the same limits, sky or not.
    """

    def __init__(self, upper: "Image", lower: "Image") -> None:
        self._upper, self._lower = upper, lower
        self._shift = 0.0
        self._busy = False
        self._was: dict[str, Any] = {}
        self._made: dict[str, Any] = {}
        if not all(hasattr(x, "contrast_limits") for x in (upper, lower)):
            return
        self._shift = level_between(upper, lower)
        self._was = {name: getattr(upper, name) for name in _LINKED}
        self._follow_lower()
        self._made = {name: getattr(upper, name) for name in _LINKED}
        for name in _LINKED:
            getattr(upper.events, name).connect(self._follow_upper)
            getattr(lower.events, name).connect(self._follow_lower)

    def undo(self) -> None:
        """Unlink; what the user did not change meanwhile becomes what it was."""
        if not self._was:
            return
        for name in _LINKED:
            getattr(self._upper.events, name).disconnect(self._follow_upper)
            getattr(self._lower.events, name).disconnect(self._follow_lower)
            if getattr(self._upper, name) == self._made[name]:
                setattr(self._upper, name, self._was[name])

    def _follow_upper(self) -> None:
        self._copy(self._upper, self._lower, -self._shift)

    def _follow_lower(self) -> None:
        self._copy(self._lower, self._upper, self._shift)

    def _copy(self, source: "Image", target: "Image", shift: float) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            limits = [limit + shift for limit in source.contrast_limits]
            if not np.allclose(target.contrast_limits, limits, rtol=1e-6, atol=0):
                target.contrast_limits = limits
            for name in ("gamma", "colormap"):
                if getattr(target, name) != getattr(source, name):
                    setattr(target, name, getattr(source, name))
        finally:
            self._busy = False


def _reorder(layers: Any, order: "list[Layer]") -> None:
    """Bring layers into an order; those not named stay on top as they were."""
    named = set(order)
    order = order + [layer for layer in layers if layer not in named]
    if order == list(layers):
        return
    # Not move_multiple, which loses count where a layer lies in its place already.
    with layers.events.reordered.blocker():
        for place, layer in enumerate(order):
            layers.move(layers.index(layer), place)
    layers.events.reordered(value=layers)
