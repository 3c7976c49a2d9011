"""Source points: what was found, as points on the cleaned image, row by row."""

from typing import TYPE_CHECKING

from napari_bgrem.collected import truth_of
from napari_bgrem.rings import sources_layer, truth_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_bgrem.collected import Collected
    from napari_bgrem.results import Results
    from napari_bgrem.rings import Pen

__all__ = ["SourcePoints"]


class SourcePoints:
    """Shows the sources of the result that is looked at, and which one is chosen.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets the layers.
    results : Results
        Say which result is looked at.
    pen : Pen
        Keeps the lines of the points thin.
    on_chosen : callable
        ``on_chosen(row)`` when one point is selected in the viewer.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        results: "Results",
        pen: "Pen",
        on_chosen: "Callable[[int], object]",
    ) -> None:
        self._viewer, self._results, self._pen = viewer, results, pen
        self._on_chosen = on_chosen
        self._layer: Layer | None = None
        self._quiet = False

    def take(self) -> None:
        """Follow the points of the result that is looked at, if it has any."""
        self._layer = self._results.layer("sources")

    def show(self, now: "Collected") -> None:
        """Put what was found on the cleaned image, with what is true of it.

        Parameters
        ----------
        now : Collected
            The result that is looked at; where the truth is known, it is compared.
        """
        from napari.layers import Layer as AnyLayer

        cleaned = self._results.layer("cleaned")
        if cleaned is None or now.table is None:
            return
        for role in ("sources", "fates"):
            old = self._results.layer(role)
            if old is not None:
                self._viewer.layers.remove(old)
        selected = set(self._viewer.layers.selection)
        points = AnyLayer.create(*sources_layer(now.table, cleaned))
        truth = truth_of(self._viewer, now.separation.image)
        if truth is not None:
            match = now.compare(truth)
            made = truth_layer(match, now.table, truth, cleaned)
            fates = self._viewer.add_layer(AnyLayer.create(*made))
            self._pen.add(fates)
            # Hits are ringed there.
            points.visible = False
        self._viewer.add_layer(points)
        self._pen.add(points)
        self._viewer.layers.selection = selected
        self._layer = points
        points.selected_data.events.items_changed.connect(self._on_selected)

    def mark(self, row: int) -> None:
        """Select the point of a row without saying so; none if it has no point."""
        points = self._layer
        if points is None or points not in self._viewer.layers:
            return
        self._quiet = True
        try:
            wanted = {row} if row < len(points.data) else set()
            if set(points.selected_data) != wanted:
                points.selected_data = wanted
                points.refresh(thumbnail=False, extent=False)
        finally:
            self._quiet = False

    def _on_selected(self) -> None:
        chosen = set(self._layer.selected_data) if self._layer is not None else set()
        if not self._quiet and len(chosen) == 1:
            self._on_chosen(int(next(iter(chosen))))
