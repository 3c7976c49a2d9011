"""Inspector: click a source and read it before and after; find, test and export."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.methods import METHODS
from napari_bgrem._qt.checks import ChecksPanel, run_check
from napari_bgrem._qt.marshal import Marshal
from napari_bgrem._qt.places import folder_for
from napari_bgrem._qt.plots import Curve, CurvePlot
from napari_bgrem._qt.rows import Rows
from napari_bgrem._qt.table import SourceTable
from napari_bgrem._qt.worker import Worker
from napari_bgrem.bare import bare
from napari_bgrem.collected import Collected, key_of, newest_result, truth_of
from napari_bgrem.compared import comparison_of
from napari_bgrem.desk import desk_of
from napari_bgrem.inspecting import ClickTool, panels
from napari_bgrem.mark import mark_of, marked
from napari_bgrem.rings import MISSED, Rings, sources_layer, truth_layer
from napari_bgrem.status import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import QTable
    from napari.layers import Image, Layer

    import napari
    from bgrem_core.inspection import Inspection
    from napari_bgrem.mark import Mark

__all__ = ["Inspector"]

FORMATS = {
    "ECSV, with everything that is known (*.ecsv)": ".ecsv",
    "CSV (*.csv)": ".csv",
    "FITS (*.fits)": ".fits",
    "VOTable (*.vot)": ".vot",
    "DS9 regions (*.reg)": ".reg",
}
NOTHING = "No result yet: open Remove background and press Run."
HOW = "Press Inspect, then click a source in any panel."
LEGEND = (
    "green ring: hit   ·   yellow square: missed, true S/N over "
    f"{MISSED:g}   ·   red cross: not real"
)


class Inspector(QWidget):
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
        self._known: dict[tuple[int, str], Collected] = {}
        self._heard: set[tuple[int, str]] = set()
        self._key: tuple[int, str] | None = None
        self._seen: tuple[Inspection, Image] | None = None
        self._points: Layer | None = None
        self._quiet = False
        self._worker = Worker(self)
        self.title = QLabel(NOTHING)
        self.inspect = QPushButton("&Inspect")
        self.find = QPushButton("&Find sources")
        self.state = QLabel()
        self.rows = Rows()
        self.profile = CurvePlot("Radial profile")
        self.growth = CurvePlot("Curve of growth")
        self.table = SourceTable()
        self.truth = Rows()
        self.legend = QLabel(LEGEND)
        self.export = QPushButton("&Export...")
        self.forget = QPushButton("Forget clic&ks")
        self.checks = ChecksPanel()
        self.tabs = QTabWidget()
        self._lay_out()
        self._wire()
        follow(viewer)
        self._refresh()

    @property
    def collected(self) -> Collected | None:
        """The result that is looked at, and its sources."""
        return None if self._key is None else self._known.get(self._key)

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
        now = self._now()
        if now is None or self._worker.busy:
            return
        key, desk = self._key, self._desk
        # What the other dock shows is searched by it, so that both know.
        if desk.result is now.separation and not desk.busy:
            self._try(lambda: desk.find(desk.session.find_settings))
            self._say("Searching for sources...")
        else:
            settings = desk.session.find_settings
            self._say("Searching for sources...")
            self._worker.start(
                lambda: now.find(settings), lambda table: self._found(key, table)
            )
        self._enable()

    def check(self, name: str) -> None:
        """Run a check of the core on the result, in a thread."""
        now = self._now()
        if now is None or self._worker.busy:
            return
        self.checks.forget()
        self._say("Checking...")
        self._worker.start(
            lambda: run_check(name, now.separation, now.table),
            lambda result: self._checked(name, result),
        )
        self._enable()

    def export_sources(self) -> None:
        """Write the sources to a file that is asked for."""
        now = self.collected
        if now is None:
            return
        path = now.separation.image.origin.path
        stem = path.name.partition(".")[0] if path else "sources"
        folder = folder_for(path)
        name, chosen = QFileDialog.getSaveFileName(
            self,
            "Export sources",
            str(folder / f"BGRem_{stem}.ecsv"),
            ";;".join(FORMATS),
        )
        if name:
            target = Path(name)
            if not target.suffix:
                target = target.with_suffix(FORMATS.get(chosen, ".ecsv"))
            self.write(target)

    def write(self, path: "str | Path") -> None:
        """Write the sources, in a thread: those that were clicked are measured first.

        Parameters
        ----------
        path : str or Path
            Replaced if it exists, for the dialog has asked.
        """
        now = self._now()
        if now is None or self._worker.busy:
            return
        self._say("Writing...")
        self._worker.start(
            lambda: now.export(path),
            lambda n: self._say(f"{_counted(n)} written to {Path(path).name}."),
        )
        self._enable()

    def forget_clicks(self) -> None:
        """Leave only what was found."""
        now = self.collected
        if now is not None:
            now.clicked.clear()
            self._fill(now)

    def look(self, x: float, y: float, layer: "Image | None" = None) -> None:
        """Show the source nearest to a pixel: values, curves and rings.

        Parameters
        ----------
        x, y : float
            Data pixels, 0-based.
        layer : napari.layers.Image, optional
            The image that was clicked; the cleaned one by default.
        """
        now = self._now()
        if now is None:
            return
        seen = now.look(x, y)
        self.rows.show_rows(now.rows(seen))
        self._draw(seen)
        layer = layer or self._layer("cleaned")
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
        self._mark_point(row)

    def _on_row(self, row: int) -> None:
        """Show the source of a row that was chosen, and bring it into view."""
        x, y = self.table.sources.position(row)
        self._try(lambda: self.look(x, y))
        self._mark_point(row)
        layer = self._layer("cleaned") or (self._seen and self._seen[1])
        if layer is not None and np.isfinite([x, y]).all():
            at = layer.data_to_world((*(0,) * (layer.ndim - 2), y, x))
            self.viewer.scene.camera.center = tuple(at[-2:])

    def _on_points(self) -> None:
        """Show the source of a point that was selected."""
        chosen = set(self._points.selected_data) if self._points is not None else set()
        if self._quiet or len(chosen) != 1:
            return
        row = int(next(iter(chosen)))
        self.table.select(row)
        self._try(lambda: self.look(*self.table.sources.position(row)))

    def _on_layers(self, event: Any = None) -> None:  # noqa: ARG002 - napari says so
        # Later: other layers may be on their way out at this moment.
        QTimer.singleShot(0, self._refresh)

    def _on_compared(self, state: str) -> None:  # noqa: ARG002 - told by the signal
        QTimer.singleShot(0, self._ring)

    def _on_found(self, sources: "QTable") -> None:
        """Take over what the other dock found."""
        result = self._desk.result
        image = getattr(result, "image", None) or getattr(
            next(iter(getattr(result, "planes", ())), None), "image", None
        )
        mark = newest_result(self.viewer, image) if image is not None else None
        if mark is not None:
            self._use(mark)
            self._found(self._key, sources)

    def _on_desk(self) -> None:
        self._enable()

    def _found(self, key: tuple[int, str] | None, table: "QTable") -> None:
        now = self._known.get(key) if key is not None else None
        if now is None:
            return
        now.table, now.match = table, None
        now.clicked = []
        self._say(f"{_counted(len(table))} found.")
        if key == self._key:
            self._fill(now)
            self._try(lambda: self._show_points(now))
            self.tabs.setCurrentIndex(1)

    def _checked(self, name: str, result: Any) -> None:
        self._say("")
        self.checks.show_result(name, result)

    # What is shown.

    def _refresh(self) -> None:
        """Look again which results there are."""
        here = {
            key_of(mark): mark
            for layer in self.viewer.layers
            if (mark := mark_of(layer)) and mark.separation is not None
        }
        newest = newest_result(self.viewer)
        fresh = newest is not None and key_of(newest) not in self._heard
        self._heard = set(here)
        self._known = {k: v for k, v in self._known.items() if k in here}
        if newest is not None and (fresh or self._key not in here):
            self._use(newest)
            self._adopt(newest)
        elif self._key not in here:
            self._key = None
            self.table.fill(None)
            self._clear()
        self._enable()

    def _use(self, mark: "Mark") -> None:
        """Look at a result, and at what is known of its sources."""
        if mark.separation is None:
            return
        key = key_of(mark)
        now = self._known.setdefault(key, Collected(separation=mark.separation))
        # The strength may have changed since.
        now.separation = mark.separation
        if key == self._key:
            return
        self._key = key
        self._clear()
        self._fill(now)
        self._points = self._layer("sources")

    def _adopt(self, mark: "Mark") -> None:
        """Take over what was found before this window was opened."""
        now, session = self.collected, self._desk.session
        if now is None or now.table is not None:
            return
        if session.sources is not None and session.result is mark.separation:
            self._found(self._key, session.sources)

    def _clear(self) -> None:
        """Show no source and no check."""
        self._seen = None
        self.rings.clear()
        self.rows.show_rows(())
        for plot in (self.profile, self.growth):
            plot.clear(HOW)
        self.checks.forget()

    def _fill(self, now: Collected) -> None:
        self.table.fill(now.table, now.clicked)
        rows = now.match.rows() if now.match else ()
        self.truth.show_rows(rows)
        self.truth.setVisible(bool(rows))
        self.legend.setVisible(bool(rows))
        self._enable()

    def _draw(self, seen: "Inspection") -> None:
        unit = seen.unit or "image unit"
        curves = {
            "original": seen.original,
            "cleaned": seen.cleaned,
            "residual": seen.residual,
        }
        for plot, name, label in (
            (self.profile, "profile", f"{unit} per pixel"),
            (self.growth, "growth", unit),
        ):
            plot.set_curves(
                [
                    Curve(name=k, x=seen.radii, y=np.asarray(getattr(v, name)))
                    for k, v in curves.items()
                ],
                x_label="radius (pix)",
                y_label=label,
                zero=True,
                mark=seen.radius,
            )

    def _ring(self) -> None:
        """Draw the rings anew: the cells may have changed."""
        if self._seen is None or not self.isVisible():
            return
        seen, layer = self._seen
        if layer in self.viewer.layers:
            self.rings.show(seen, panels(self.viewer, layer))
        else:
            self.rings.clear()

    def _show_points(self, now: Collected) -> None:
        """Put what was found on the cleaned image, with what is true of it."""
        from napari.layers import Layer as AnyLayer

        cleaned = self._layer("cleaned")
        if cleaned is None or now.table is None:
            return
        for role in ("sources", "fates"):
            old = self._layer(role)
            if old is not None:
                self.viewer.layers.remove(old)
        selected = set(self.viewer.layers.selection)
        points = AnyLayer.create(*sources_layer(now.table, cleaned))
        truth = truth_of(self.viewer, now.separation.image)
        if truth is not None:
            match = now.compare(truth)
            made = truth_layer(match, now.table, truth, cleaned)
            fates = self.viewer.add_layer(AnyLayer.create(*made))
            self.rings.pen.add(fates)
            # Hits are ringed there.
            points.visible = False
            self._fill(now)
        self.viewer.add_layer(points)
        self.rings.pen.add(points)
        self.viewer.layers.selection = selected
        self._points = points
        points.selected_data.events.items_changed.connect(self._on_points)

    def _mark_point(self, row: int) -> None:
        points = self._points
        if points is None or points not in self.viewer.layers:
            return
        self._quiet = True
        try:
            wanted = {row} if row < len(points.data) else set()
            if set(points.selected_data) != wanted:
                points.selected_data = wanted
                points.refresh(thumbnail=False, extent=False)
        finally:
            self._quiet = False

    def _now(self) -> Collected | None:
        """Return the result as it is shown: its strength may have changed."""
        mark = mark_of(self._layer("cleaned"))
        if mark is not None:
            self._use(mark)
        return self.collected

    def _layer(self, role: str) -> "Layer | None":
        """Return the layer of a role of the result that is looked at."""
        return next(
            (
                layer
                for layer in reversed(marked(self.viewer, role))
                if (mark := mark_of(layer)) and key_of(mark) == self._key
            ),
            None,
        )

    def _listen(self, on: bool) -> None:  # noqa: FBT001 - told by a button
        if on and self.isVisible():
            self.clicks.attach()
            self._ring()
        else:
            self.clicks.detach()
            self.rings.clear()

    def _say(self, text: str) -> None:
        self.state.setText(text)
        self.state.setVisible(bool(text))

    def _enable(self) -> None:
        now = self.collected
        busy = self._worker.busy or self._desk.job == "find"
        ready = now is not None and not busy
        some = now is not None and bool(now.clicked)
        found = now is not None and now.table is not None and len(now.table) > 0
        self.find.setEnabled(ready)
        self.checks.set_ready(ready)
        self.export.setEnabled(ready and (some or found))
        self.forget.setEnabled(some)
        self.title.setText(NOTHING if now is None else self._name(now))
        count = self.table.sources.rowCount()
        self.tabs.setTabText(1, f"Sources ({count})" if count else "Sources")

    def _name(self, now: Collected) -> str:
        """Return what a result is called: its image and how it was made."""
        made = now.separation.provenance
        method = METHODS.get(made.method)
        how = method.label if method else made.method
        cleaned = self._layer("cleaned")
        name = now.separation.image.name
        if cleaned is not None:
            name = str(cleaned.name).removesuffix(": cleaned")
        return f"{name}   ·   {how}" + (f", {made.model}" if made.model else "")

    def _failed(self, error: BGRemError) -> None:
        self._say("")
        self._show_error(error)

    def _try(self, action: "Callable[[], object]") -> None:
        try:
            action()
        except BGRemError as error:
            self._show_error(error)

    @staticmethod
    def _show_error(error: BGRemError) -> None:
        from napari.utils.notifications import show_error

        show_error(f"{error}")

    # How the widgets hang together.

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        self.title.setWordWrap(True)
        self.inspect.setCheckable(True)
        self.inspect.setToolTip("Click a source in any panel to read it")
        self.find.setToolTip("Search the result for sources and measure them")
        buttons = QHBoxLayout()
        buttons.addWidget(self.inspect)
        buttons.addWidget(self.find)
        self.state.setWordWrap(True)
        layout.addWidget(self.title)
        layout.addLayout(buttons)
        layout.addWidget(self.state)
        layout.addWidget(self.tabs, 1)
        self.tabs.addTab(_scrolled(self._source_page()), "Source")
        self.tabs.addTab(self._sources_page(), "Sources")
        self.tabs.addTab(_scrolled(self.checks), "Checks")
        self.setMinimumWidth(300)

    def _source_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.rows)
        layout.addWidget(self.profile, 1)
        layout.addWidget(self.growth, 1)
        return page

    def _sources_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 4, 0, 0)
        self.legend.setWordWrap(True)
        self.table.setToolTip("Ctrl-C copies rows; a row that is chosen is shown")
        self.export.setToolTip("Write what was found and clicked as a catalogue")
        self.forget.setToolTip("Leave only what was found")
        layout.addWidget(self.table, 1)
        layout.addWidget(self.truth)
        layout.addWidget(self.legend)
        grid = QGridLayout()
        grid.addWidget(self.export, 0, 0)
        grid.addWidget(self.forget, 0, 1)
        layout.addLayout(grid)
        return page

    def _wire(self) -> None:
        self.inspect.toggled.connect(self._listen)
        self.find.clicked.connect(self.find_sources)
        self.export.clicked.connect(self.export_sources)
        self.forget.clicked.connect(self.forget_clicks)
        self.table.selected.connect(self._on_row)
        self.checks.asked.connect(self.check)
        self._worker.failed.connect(self._failed)
        self._worker.done.connect(self._enable)
        events, desk, compared = (
            self.viewer.layers.events, self._desk, self._comparison.changed
        )  # fmt: skip
        links = [
            (events.inserted, self._on_layers),
            (events.removed, self._on_layers),
            (desk.found, self._on_found),
            (desk.changed, self._on_desk),
            (compared, self._on_compared),
        ]
        for signal, slot in links:
            signal.connect(slot)

        def unlink() -> None:
            for signal, slot in links:
                # The desk may have told all to go already.
                with suppress(ValueError):
                    signal.disconnect(slot)

        # Nobody is left to be told when Qt takes this widget away.
        self.destroyed.connect(unlink)


def _scrolled(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area


def _counted(n: int) -> str:
    return f"{n} source" if n == 1 else f"{n} sources"
