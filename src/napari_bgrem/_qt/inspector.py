"""Inspector: click a source and read it before and after; find, test and export."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.goto import find_place
from bgrem_core.stack import planes_of
from napari_bgrem._qt.connect import connect_for_life
from napari_bgrem._qt.export import ask_where
from napari_bgrem._qt.inspector_jobs import InspectorJobs
from napari_bgrem._qt.inspector_layout import SOURCES, InspectorLayout
from napari_bgrem._qt.marshal import Marshal
from napari_bgrem.bare import bare
from napari_bgrem.collected import newest_result
from napari_bgrem.compared import comparison_of
from napari_bgrem.desk import desk_of
from napari_bgrem.inspecting import ClickTool, panels
from napari_bgrem.mark import mark_of
from napari_bgrem.results import Results
from napari_bgrem.rings import Rings
from napari_bgrem.source_points import SourcePoints
from napari_bgrem.status import follow
from napari_bgrem.unmarked import unmarked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from astropy.table import QTable
    from napari.layers import Image, Layer

    import napari
    from bgrem_core.inspection import Inspection
    from napari_bgrem.collected import Collected
    from napari_bgrem.mark import Mark
    from napari_bgrem.results import Key

__all__ = ["Inspector"]

NOTHING = "No result yet: open Remove background and press Run."
HOW = "Press Inspect, then click a source in any panel, or type its place above."


class Inspector(InspectorLayout):
    """Reads sources of the newest result in a viewer, with or without the other dock.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Whose results are looked at.
    """

    def __init__(self, napari_viewer: "napari.Viewer") -> None:
        super().__init__()
        self.viewer = viewer = bare(napari_viewer)
        self.clicks = ClickTool(viewer, self._on_click)
        self.rings = Rings(viewer)
        marshal = Marshal()
        self._desk = desk_of(viewer, later=marshal, soon=marshal.soon)
        self._comparison = comparison_of(viewer)
        self.results = Results(viewer)
        self.points = SourcePoints(viewer, self.results, self.rings.pen, self._on_point)
        self.jobs = InspectorJobs(self.results, self._desk, self)
        self._seen: tuple[Inspection, Image] | None = None
        self._wire()
        follow(viewer)
        self._refresh()

    @property
    def collected(self) -> "Collected | None":
        """The result that is looked at, and its sources."""
        return self.results.collected

    # What Qt calls.

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt says so
        """Listen to clicks again, if Inspect is on."""
        super().showEvent(event)
        self._refresh()
        self._listen(on=self.inspect.isChecked())

    def hideEvent(self, event: Any) -> None:  # noqa: N802 - Qt says so
        """Leave the viewer as it was: a closed dock is only hidden."""
        self._listen(on=False)
        super().hideEvent(event)

    # What buttons do.

    def find_sources(self) -> None:
        """Search the result, in a thread."""
        self.jobs.search()

    def check(self, name: str) -> None:
        """Run a check of the core on the result, in a thread.

        Parameters
        ----------
        name : str
            Key of `CHECKS`. Where it needs sources and there are none, they are
            searched for first.
        """
        if not self.jobs.busy:
            self.checks.forget()
            self.jobs.check(name)

    def go_to(self, text: str) -> None:
        """Read the source at a typed place as a click does, and bring it into view.

        Parameters
        ----------
        text : str
            As `find_place` takes it.

        Raises
        ------
        UsageError
            The text is no place, or one outside the image.
        """
        now, layer = self.results.now(), self.results.layer("cleaned")
        if now is None or layer is None:
            return
        self.click(layer, *find_place(text, now.separation.image))
        if self._seen is not None:
            self._bring_into_view(layer, self._seen[0].x, self._seen[0].y)

    def export_sources(self) -> None:
        """Write the sources to a file that is asked for."""
        now = self.collected
        target = None if now is None else ask_where(self, now.separation.image)
        if target is not None:
            self.write(target)

    def write(self, path: "str | Path") -> None:
        """Write the sources, in a thread: those that were clicked are measured first.

        Parameters
        ----------
        path : str or Path
            Replaced if it exists, for the dialog has asked.
        """
        self.jobs.write(path)

    def forget_clicks(self) -> None:
        """Leave only what was found."""
        now = self.collected
        if now is not None:
            now.clicked.clear()
            self.sources.fill(now)
            self._enable()

    def look(self, x: float, y: float, layer: "Image | None" = None) -> None:
        """Show the source nearest to a pixel: values, curves and rings.

        Parameters
        ----------
        x, y : float
            Data pixels, 0-based.
        layer : napari.layers.Image, optional
            The image that was clicked; the cleaned one by default.
        """
        now = self.results.now()
        if now is None:
            return
        seen = now.look(x, y)
        self.source.show_source(seen, now.rows(seen))
        layer = layer or self.results.layer("cleaned")
        self._seen = None if layer is None else (seen, layer)
        self._ring()

    # What is told from outside.

    def _on_click(self, layer: "Image", x: float, y: float) -> None:
        self._try(lambda: self.click(layer, x, y))

    def click(self, layer: "Image", x: float, y: float) -> None:
        """Read the source that was clicked, and collect it if it was not found.

        Parameters
        ----------
        layer : napari.layers.Image
            The image that was clicked; it decides which result is read.
        x, y : float
            Data pixels, 0-based.

        Raises
        ------
        UsageError
            There is no result, or the position lies outside the image.
        """
        mark = mark_of(layer)
        if mark is None or mark.separation is None:
            mark = newest_result(self.viewer, mark.image if mark else None)
        if mark is None or mark.separation is None:
            raise UsageError("there is no result yet", hint="run a method first")
        self._use(mark)
        self.look(x, y, layer)
        now = self.collected
        if now is None or self._seen is None:
            return
        seen = self._seen[0]
        row = self.table.sources.nearest(seen.x, seen.y, within=now.fwhm / 2)
        if row is None:
            now.clicked.append(seen)
            row = self.table.append(seen)
            self._enable()
        self.table.select(row)
        self.points.mark(row)

    def _on_row(self, row: int) -> None:
        """Show the source of a row that was chosen, and bring it into view."""
        x, y = self.table.sources.position(row)
        self._try(lambda: self.look(x, y))
        self.points.mark(row)
        layer = self.results.layer("cleaned") or (self._seen and self._seen[1])
        if layer is not None and np.isfinite([x, y]).all():
            self._bring_into_view(layer, x, y)

    def _on_point(self, row: int) -> None:
        """Show the source of a point that was selected."""
        self.table.select(row)
        self._try(lambda: self.look(*self.table.sources.position(row)))

    def _on_blended(self) -> None:
        """Read the source anew that is shown: what is left of it is another share."""
        if self._seen is None or not self.isVisible():
            return
        seen, layer = self._seen
        if layer in self.viewer.layers:
            self._try(lambda: self.look(seen.x, seen.y, layer))

    def _on_layers(self, event: Any = None) -> None:  # noqa: ARG002 - napari says so
        # Later: other layers may be on their way out at this moment.
        QTimer.singleShot(0, self._refresh)

    def _on_compared(self, state: str) -> None:  # noqa: ARG002 - told by the signal
        QTimer.singleShot(0, self._ring)

    def _on_found(self, sources: "QTable") -> None:
        """Take over what the other dock found."""
        result = self._desk.result
        if result is None:
            return
        mark = newest_result(self.viewer, planes_of(result)[0].image)
        if mark is not None:
            self._use(mark)
            self.jobs.take(self.results.key, sources)

    def _on_desk(self) -> None:
        self.jobs.look_at_desk()
        self._enable()

    def _on_sources(self, key: "Key", check: str) -> None:
        """Show the sources that were found."""
        now = self.results.known(key)
        if now is None:
            return
        self.sources.fill(now)
        self._try(lambda: self.points.show(now))
        if now.match is not None:
            self.sources.fill(now)
        self._enable()
        if not check:
            self.tabs.setCurrentIndex(SOURCES)

    # What is shown.

    # What is shown.

    def _refresh(self) -> None:
        """Look again which results there are."""
        newest = self.results.refresh()
        if newest is not None:
            self._use(newest)
            self._adopt(newest)
        elif self.results.key is None:
            self.table.fill(None)
            self._clear()
        self._enable()

    def _use(self, mark: "Mark") -> None:
        """Look at a result, and at what is known of its sources."""
        if self.results.use(mark) and (now := self.collected) is not None:
            self._clear()
            self.sources.fill(now)
            self.points.take()
            self._enable()

    def _adopt(self, mark: "Mark") -> None:
        """Take over what was found before this window was opened."""
        now, session = self.collected, self._desk.session
        if now is None or now.table is not None:
            return
        if session.sources is not None and session.result is mark.separation:
            self.jobs.take(self.results.key, session.sources)

    def _clear(self) -> None:
        """Show no source and no check."""
        self._seen = None
        self.rings.clear()
        self.source.clear(HOW)
        self.checks.forget()

    def _ring(self) -> None:
        """Draw the rings anew: the cells may have changed."""
        if self._seen is None or not self.isVisible():
            return
        seen, layer = self._seen
        if layer in self.viewer.layers:
            self.rings.show(seen, panels(self.viewer, layer))
        else:
            self.rings.clear()

    def _bring_into_view(self, layer: "Layer", x: float, y: float) -> None:
        """Move the camera to a data pixel of a layer."""
        at = layer.data_to_world((*(0,) * (layer.ndim - 2), y, x))
        self.viewer.scene.camera.center = tuple(at[-2:])

    def _listen(self, on: bool) -> None:  # noqa: FBT001 - told by a button
        if on and self.isVisible():
            self.clicks.attach()
            self._ring()
        else:
            self.clicks.detach()
            self.rings.clear()

    def _enable(self) -> None:
        now = self.collected
        clicks = now is not None and bool(now.clicked)
        found = now is not None and now.table is not None and len(now.table) > 0
        self.set_ready(
            result=now is not None,
            idle=not self.jobs.busy,
            sources=clicks or found,
            clicks=clicks,
        )
        self.title.setText(self.results.title() or NOTHING)

    def _try(self, action: "Callable[[], object]") -> None:
        try:
            action()
        except BGRemError as error:
            self._show_error(error)

    @staticmethod
    def _show_error(error: BGRemError) -> None:
        from napari.utils.notifications import show_error

        show_error(unmarked(error))

    def _wire(self) -> None:
        self.inspect.toggled.connect(self._listen)
        self.find.clicked.connect(self.find_sources)
        self.sources.export.clicked.connect(self.export_sources)
        self.sources.forget.clicked.connect(self.forget_clicks)
        self.place.asked.connect(lambda text: self._try(lambda: self.go_to(text)))
        self.table.selected.connect(self._on_row)
        self.checks.asked.connect(self.check)
        self.jobs.said.connect(self.say)
        self.jobs.found.connect(self._on_sources)
        self.jobs.checked.connect(self.checks.show_result)
        self.jobs.failed.connect(self._show_error)
        self.jobs.changed.connect(self._enable)
        events, desk = self.viewer.layers.events, self._desk
        connect_for_life(
            self,
            (
                (events.inserted, self._on_layers),
                (events.removed, self._on_layers),
                (desk.found, self._on_found),
                (desk.changed, self._on_desk),
                (desk.blended, self._on_blended),
                (self._comparison.changed, self._on_compared),
            ),
        )
