"""Dock: "Remove background", from the choice of an image to the comparison."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from bgrem_core.controls import controls
from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.io.names import output_path
from bgrem_core.methods import get_method
from bgrem_core.pace import duration
from bgrem_core.settings import FindSettings
from bgrem_core.stack import planes_of
from napari_bgrem._qt.choice import Choice
from napari_bgrem._qt.form import SettingsForm
from napari_bgrem._qt.keys import Keys
from napari_bgrem._qt.look import LookPanel
from napari_bgrem._qt.marshal import Marshal
from napari_bgrem._qt.places import folder_for
from napari_bgrem._qt.run_bar import RunBar
from napari_bgrem.bare import bare
from napari_bgrem.blend import Blend
from napari_bgrem.compared import comparison_of, newest_groups
from napari_bgrem.desk import close_desk, desk_of
from napari_bgrem.guide import Stage, next_step
from napari_bgrem.image_of import TURNED, is_turned
from napari_bgrem.mark import mark_of
from napari_bgrem.status import watch
from napari_bgrem.stretch import apply_stretch, set_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer

    import napari
    from bgrem_core.normalize import Scale
    from bgrem_core.separation import Separation
    from napari_bgrem.mark import Mark

__all__ = ["RemoveBackground"]

FIND_SHOWN = ("threshold", "deep")
"""Settings of the search that are shown; the others keep their defaults."""


class RemoveBackground(QWidget):
    """Takes noise and sky off an image, and shows what was taken.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Whose layers are worked on.
    """

    def __init__(self, napari_viewer: "napari.Viewer") -> None:
        super().__init__()
        self.viewer = viewer = bare(napari_viewer)
        marshal = Marshal()
        self.desk = desk_of(viewer, later=marshal, soon=marshal.soon)
        self.comparison = comparison_of(viewer)
        self.choice = Choice(viewer)
        self.bar, self.look = RunBar(), LookPanel()
        self.find_form = SettingsForm(
            c for c in controls(FindSettings) if c.name in FIND_SHOWN
        )
        self.guide, self.sample = QLabel(), QPushButton("Open the sample")
        self.notes = QLabel()
        self.find = QPushButton("&Find sources")
        self.inspect = QPushButton("&Inspect...")
        self.save = QPushButton("&Save...")
        self.python = QPushButton("Copy as P&ython")
        self.blend: Blend | None = None
        self._settling: Iterator[None] | None = None
        self._started, self._run = 0.0, ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._settle_on)
        self._lay_out()
        self._wire()
        self._keys = Keys(
            viewer,
            {
                "Shift-R": self.start,
                "Shift-C": self.compare,
                "Shift-B": self.blink,
                "Shift-X": self.desk.cancel,
            },
        )
        self._pick()

    # What napari calls.

    def reset_choices(self, event: object = None) -> None:  # noqa: ARG002 - napari
        """Look again which layers there are."""
        self.choice.reset_choices()

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt says so
        """Look again which methods there are."""
        self.choice.reset_methods()
        self.choice.reset_choices()
        self._keys.bind()
        super().showEvent(event)

    def hideEvent(self, event: Any) -> None:  # noqa: N802 - Qt says so
        """Leave the viewer as it was: a closed dock is only hidden."""
        self._keys.unbind()
        super().hideEvent(event)

    # What buttons do.

    def start(self, _: object = None) -> None:
        """Run the method over the whole frame."""
        self._started = time.monotonic()
        self._try(lambda: self.desk.start(self.choice.settings(), self._method()))

    def preview(self) -> None:
        """Run the method over what is in view."""
        self._try(lambda: self.desk.preview(self.choice.settings(), self._method()))

    def measure(self) -> None:
        """Measure the noise."""
        self._try(lambda: self.desk.estimate(self.choice.settings(), self._method()))

    def find_sources(self) -> None:
        """Search the result; what is found is shown by the inspector."""

        def search() -> None:
            settings = FindSettings(**self.find_form.values())
            self.open_inspector()
            self.desk.find(settings)

        self._try(search)

    def compare(self, _: object = None) -> None:
        """Show original, cleaned and residual side by side, or leave that."""
        if self.comparison.active:
            self.comparison.leave()
        else:
            self.comparison.enter(self._groups())
        self._refresh()

    def blink(self, _: object = None) -> None:
        """Show original and cleaned in turn."""
        self.comparison.blink(self._groups())
        self._refresh()

    def save_result(self) -> None:
        """Write the result to a file that is asked for."""
        if self.desk.result is None:
            return
        source = planes_of(self.desk.result)[0].image.origin.path
        start = output_path(source or "result.fits", folder=folder_for(source))
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the result", str(start.with_suffix(".fits")), "FITS (*.fits)"
        )
        if path:
            target = path if Path(path).suffix else f"{path}.fits"
            self._try(lambda: self.write(target))

    def write(self, path: str) -> None:
        """Write the result with all its layers.

        Parameters
        ----------
        path : str
            A FITS file; replaced if it exists, for the dialog has asked.

        Raises
        ------
        UsageError
            There is no result.
        WriteError
            It is the input itself, or the disk is full or read-only.
        """
        import bgrem_core

        result = self.desk.result
        if result is None:
            raise UsageError("there is no result yet", hint="press Run first")
        # With the strength that is shown.
        shown = self.blend.shown if self.blend is not None else result
        bgrem_core.write(shown, path, layers=True, overwrite=True)
        self.bar.say(f"Wrote {path}")

    def copy_python(self) -> None:
        """Put a script that gives the same result on the clipboard."""
        self._try(self._copy)

    def _copy(self) -> None:
        strength = self.look.strength if self.blend and self.blend.possible else 1.0
        QApplication.clipboard().setText(self.desk.as_python(strength))
        self.bar.say("The script is on the clipboard.")

    # What the desk tells.

    def _on_shown(self, run: str) -> None:
        self._run = run
        layers = {
            mark.role: layer
            for layer in self.viewer.layers
            if (mark := mark_of(layer)) and mark.run == run
        }
        for layer in layers.values():
            watch(layer)
        result = layers.get("cleaned")
        mark = mark_of(result)
        separation = mark.separation if mark else None
        self._settling = None
        self.blend = None if separation is None else Blend(separation, layers)
        self.look.reset_strength()
        self._note(separation.notices if separation else ())
        self.bar.say(self._done(separation))
        if result is not None:
            apply_stretch([result], self.look.stretch.currentText())
        self.comparison.enter(self._groups())
        self._refresh()

    def _done(self, separation: "Separation | None") -> str:
        """Say how a run went, and where a network ran."""
        seconds = time.monotonic() - self._started
        if separation is None or not separation.provenance.model:
            return f"Done in {duration(seconds)}."
        # torch was loaded by the run.
        from bgrem_core.models import choose_device

        device = choose_device(str(separation.provenance.settings.get("device")))
        return f"Done in {duration(seconds)} on {device}."

    def _on_scale(self, scale: "Scale") -> None:
        image = self.desk.session.image
        self.choice.noise.show_scale(scale, getattr(image, "unit", ""))

    def _on_failed(self, error: BGRemError) -> None:
        _say(error)
        self.bar.say(str(error))

    def _on_previewed(self, layer: "Layer") -> None:
        apply_stretch([layer], self.look.stretch.currentText())
        mark = mark_of(layer)
        if mark is not None and mark.separation is not None:
            self._note(mark.separation.notices)

    def _on_removed(self, event: Any) -> None:
        """Forget a result whose cleaned image was deleted."""
        layer = event.value
        if self.blend is not None:
            self.blend.forget(layer)
        mark = mark_of(layer)
        if mark is not None and mark.role == "cleaned" and self._is_last(mark):
            self.blend, self._settling = None, None
            # Later: other layers may be on their way out at this moment.
            QTimer.singleShot(0, self.desk.forget)

    def _is_last(self, mark: "Mark") -> bool:
        """Return whether a layer is of the last run, or of a plane of it."""
        return bool(self._run) and mark.run.partition(".")[0] == self._run

    def _keep_find(self) -> None:
        """Have the inspector search as is typed here."""
        with suppress(BGRemError):
            values = self.find_form.values()
            self.desk.session.find_settings = FindSettings(**values)

    def _note(self, notices: "tuple[str, ...]") -> None:
        self.notes.setText("\n".join(f"Note: {n}" for n in dict.fromkeys(notices)))
        self.notes.setVisible(bool(notices))

    def _on_found(self, sources: Any) -> None:
        self.bar.say(f"{len(sources)} sources found.")

    # How the widgets hang together.

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        self.guide.setWordWrap(True)
        self.guide.setStyleSheet("font-style: italic;")
        self.notes.setWordWrap(True)
        self.notes.hide()
        layout.addWidget(self.guide)
        layout.addWidget(self.sample)
        layout.addWidget(self.choice)
        layout.addWidget(self.bar)
        layout.addWidget(self.notes)
        layout.addWidget(_line())
        layout.addWidget(self.look)
        layout.addWidget(_line())
        layout.addWidget(self.find_form)
        grid = QGridLayout()
        for k, button in enumerate((self.find, self.inspect, self.save, self.python)):
            grid.addWidget(button, k // 2, k % 2)
        layout.addLayout(grid)
        layout.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        bar = area.verticalScrollBar().sizeHint().width()
        self.setMinimumWidth(max(320, inner.minimumSizeHint().width() + bar))

    def _wire(self) -> None:
        desk, look, bar = self.desk, self.look, self.bar
        desk.changed.connect(self._refresh)
        desk.progressed.connect(bar.show_pace)
        desk.scale_changed.connect(self._on_scale)
        desk.shown.connect(self._on_shown)
        desk.found.connect(self._on_found)
        desk.previewed.connect(self._on_previewed)
        self.find_form.changed.connect(self._keep_find)
        self.viewer.layers.events.removed.connect(self._on_removed)
        desk.failed.connect(self._on_failed)
        self.comparison.changed.connect(self._refresh)
        self.choice.layer_changed.connect(self._pick)
        self.choice.measure.connect(self.measure)
        bar.run.clicked.connect(self.start)
        bar.preview.clicked.connect(self.preview)
        bar.cancel.clicked.connect(self._cancel)
        look.compare_asked.connect(self.compare)
        look.blink_asked.connect(self.blink)
        look.strength_moved.connect(self._blend_now)
        look.strength_settled.connect(self._settle)
        look.stretch_chosen.connect(self._stretch)
        look.limits_chosen.connect(self._limit)
        self.sample.clicked.connect(self.open_sample)
        self.find.clicked.connect(self.find_sources)
        self.inspect.clicked.connect(self.open_inspector)
        self.save.clicked.connect(self.save_result)
        self.python.clicked.connect(self.copy_python)
        # Nobody is left to be told when Qt takes this widget away with its window.
        viewer = self.viewer
        self.destroyed.connect(lambda: close_desk(viewer))

    def open_sample(self) -> None:
        """Open the first sample."""
        self._try(lambda: self.viewer.open_sample("napari-bgrem", "decam_r"))

    def open_inspector(self) -> None:
        """Show the inspector, as a tab beside this dock."""
        area, _ = self.viewer.window.add_plugin_dock_widget(
            "napari-bgrem", "Inspect sources", tabify=True
        )
        area.show()
        area.raise_()

    def _cancel(self) -> None:
        self.desk.cancel()
        self.bar.say("Stopping after this tile...", stay=False)

    def _method(self) -> str:
        return self.choice.method_name()

    def _pick(self) -> None:
        layer = self.choice.layer()
        if layer is not self.desk.source:
            self.desk.source = layer
            self.choice.noise.forget()
            turned = layer is not None and is_turned(layer)
            self._note((TURNED,) if turned else ())
            if layer is not None:
                watch(layer)
        self._refresh()

    def _groups(self) -> "list[list[Layer]]":
        return newest_groups(self.viewer, self.desk.source)

    def _stage(self) -> Stage:
        if self.desk.busy:
            return "busy"
        if self.comparison.active:
            return "compared"
        if self.desk.result is not None:
            return "done"
        return "ready" if self.desk.source is not None else "empty"

    def _refresh(self) -> None:
        ready = self.desk.source is not None
        if self.bar.cancel.isEnabled() != self.desk.busy or not self.desk.busy:
            self.bar.set_busy(job=self.desk.job, ready=ready)
        self.choice.noise.button.setEnabled(ready and not self.desk.busy)
        result = self.desk.result is not None
        strength = bool(self.blend and self.blend.possible)
        self.look.set_ready(result=result or self.comparison.active, strength=strength)
        self.look.show_state(self.comparison.state)
        for button in (self.find, self.save, self.python):
            button.setEnabled(result and not self.desk.busy)
        stage = self._stage()
        self.guide.setText(next_step(stage))
        self.sample.setVisible(stage == "empty")
        words = get_method(self._method()).panels
        self.look.compare.setToolTip(f"{', '.join(words)} side by side (Shift-C)")

    def _blend_now(self, strength: float) -> None:
        if self.blend is not None:
            self._settling = None
            self.blend.show(strength)

    def _settle(self, strength: float) -> None:
        if self.blend is not None and self.blend.possible:
            self._settling = self.blend.settle(strength)
            self._timer.start(0)

    def _settle_on(self) -> None:
        """Rewrite another band, then let the window breathe."""
        if self._settling is None or next(self._settling, self) is self:
            self._settling = None
            self._timer.stop()

    def _compared(self) -> "list[Any]":
        groups = [group[0] for group in self._groups() if group]
        return groups or [x for x in (self.desk.source,) if x is not None]

    def _stretch(self, name: str) -> None:
        self._try(lambda: apply_stretch(self._compared()[:2], name))

    def _limit(self, how: str) -> None:
        layers = self._compared()
        if layers and how:
            first = layers[1] if len(layers) > 1 else layers[0]
            rest = [x for x in layers[:2] if x is not first]
            self._try(lambda: set_limits(first, how, shared=rest))

    @staticmethod
    def _try(action: Any) -> None:
        try:
            action()
        except BGRemError as error:
            _say(error)


def _say(error: BGRemError) -> None:
    from napari.utils.notifications import show_error

    show_error(str(error))


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
