"""Comparison: original, cleaned and residual side by side, and back as it was.

napari's grid puts equal numbers of layers of the list into each cell, hidden ones
counted. Cells are therefore filled up with layers that are hidden anyway, and with
empty ones where these run out. One camera moves all cells, and is scaled once so that a
cell shows what the canvas showed.
"""

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

import numpy as np
from psygnal import Signal

from napari_bgrem.before import Before
from napari_bgrem.cells import furnish, reorder, set_grid
from napari_bgrem.in_view import MARGIN, bring_into_view
from napari_bgrem.link import Link
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["OVER", "Comparison", "State"]

OVER = "bgrem_over"
"""Key of a layer's metadata: the image that it lies on, whose cell it shares."""
SPACING = 4
"""Between cells, screen pixels."""

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
    soon : callable
        ``soon(f)`` calls f after the window was served, so that names and bars do not
        come at the cost of one long standstill; without a window f is called at once.
    """

    changed = Signal(str)

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self.state: State = "off"
        self.groups: list[list[Layer]] = []
        self._last: list[list[ref[Layer]]] = []
        self._before: Before | None = None
        self._order: list[Layer] = []
        self._link: Link | None = None
        self._fillers: list[Layer] = []
        self._busy = False
        self._zoomed = 1.0
        self.soon: Callable[[Callable[[], None]], None] = lambda f: f()
        self._pieces: Iterator[None] | None = None

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
        bring_into_view(self._viewer, wanted[0][0])
        self.groups = wanted
        self._last = [[ref(layer) for layer in group] for group in wanted]
        self._before = Before(self._viewer, [group[0] for group in wanted])
        self._link = Link(wanted[0][0], wanted[1][0])
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
        reorder(layers, [layer for layer in self._order if layer in layers])
        self._order = []

    def rest(self) -> None:
        """Show no more names and bars: the window is on its way out."""
        self._pieces = None

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
        set_grid(
            viewer,
            enabled=True,
            shape=(1, len(self.groups)),
            spacing=SPACING,
            stride=self._arrange(),
        )
        self._zoomed = self._cell_zoom()
        self._zoom(self._zoomed)
        self._pieces = furnish(viewer, [group[0] for group in self.groups])
        self.soon(partial(self._furnish, self._pieces))

    def _furnish(self, pieces: "Iterator[None]") -> None:
        """Show a piece, and soon the next; nothing if the cells went meanwhile."""
        if pieces is self._pieces and next(pieces, self) is not self:
            self.soon(partial(self._furnish, pieces))

    def _arrange(self) -> int:
        """Order the layers so that each group fills its cell; return the stride."""
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
            reorder(layers, order + rest)
        return stride

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
            self._viewer.canvas.grid.stride = self._arrange()

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
        self._pieces = None
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
        images = MARGIN * (extent[1] - extent[0])[-2:]
        field = np.minimum(np.array(size, float) / zoom, images)
        cell = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
        if viewer.dims.ndisplay != 2 or not ((field > 0) & (cell > 0)).all():
            return 1.0
        return float(np.min(cell / field) / zoom)

    def _set_state(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)
