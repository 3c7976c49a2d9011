"""Dock: "Remove background", from the choice of an image to the comparison."""

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from bgrem_core.errors import BGRemError
from bgrem_core.pace import duration
from bgrem_core.stack import planes_of
from napari_bgrem._qt.choice import Choice
from napari_bgrem._qt.finish import FinishPanel
from napari_bgrem._qt.frames import fit_title, line, scrolled
from napari_bgrem._qt.keys import Keys
from napari_bgrem._qt.label import Label
from napari_bgrem._qt.looking import Looking
from napari_bgrem._qt.marshal import Marshal
from napari_bgrem._qt.offer import ReaderOffer
from napari_bgrem._qt.run_bar import RunBar
from napari_bgrem._qt.saving import ask_path, write_result
from napari_bgrem.bare import bare
from napari_bgrem.desk import close_desk, desk_of
from napari_bgrem.guide import Stage, next_step
from napari_bgrem.image_of import TURNED, is_turned
from napari_bgrem.mark import mark_of
from napari_bgrem.status import follow
from napari_bgrem.unmarked import unmarked

if TYPE_CHECKING:
    from napari.layers import Layer

    import napari
    from bgrem_core.normalize import Scale
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from napari_bgrem.blend import Blend
    from napari_bgrem.blends import Blends
    from napari_bgrem.mark import Mark

__all__ = ["RemoveBackground"]

TITLE = "Remove background"
INSPECTOR = "Inspect sources"


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
        self.choice, self.bar = Choice(viewer), RunBar()
        self.looking = Looking(viewer, self.desk, self._try, marshal.soon)
        self.look, self.comparison = self.looking.panel, self.looking.comparison
        self.finish = FinishPanel()
        self.find, self.save = self.finish.find, self.finish.save
        self.python, self.inspect = self.finish.python, self.finish.inspect
        self.guide, self.sample = Label(), QPushButton("Open &the sample")
        self.offer = ReaderOffer()
        self.notes = Label()
        self._started, self._run = 0.0, ""
        follow(viewer)
        self._lay_out()
        self._wire()
        self._keys = Keys(
            viewer,
            {
                "Shift-P": self.preview,
                "Shift-R": self.start,
                "Shift-C": self.looking.compare,
                "Shift-B": self.looking.blink,
                "Shift-X": self.desk.cancel,
            },
        )
        self._pick()

    @property
    def blend(self) -> "Blend | Blends | None":
        """What moves the strength of the last result, None without one."""
        return self.looking.strength.blend

    # What napari calls.

    def reset_choices(self, event: object = None) -> None:  # noqa: ARG002 - napari
        """Look again which layers there are."""
        self.choice.reset_choices()

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt says so
        """Look again which methods there are."""
        self.choice.reset_methods()
        self.choice.reset_choices()
        self._keys.bind()
        fit_title(self, TITLE)
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

    def preview(self, _: object = None) -> None:
        """Run the method over what is in view."""
        self._try(lambda: self.desk.preview(self.choice.settings(), self._method()))

    def measure(self) -> None:
        """Measure the noise."""
        self._try(lambda: self.desk.estimate(self.choice.settings(), self._method()))

    def find_sources(self) -> None:
        """Search the result; what is found is shown by the inspector."""

        def search() -> None:
            settings = self.finish.settings()
            self.open_inspector()
            self.desk.find(settings)

        self._try(search)

    def save_result(self) -> None:
        """Write the result to a file that is asked for."""
        if self.desk.result is None:
            return
        path = ask_path(self, self.desk.result)
        if path:
            self._try(lambda: self.write(path))

    def write(self, path: str) -> None:
        """Write the result with all its layers, at the strength that is shown.

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
        result = self.desk.result
        if result is not None and self.blend is not None:
            result = self.blend.shown
        write_result(result, path)
        self.bar.say(f"Wrote {path}")

    def copy_python(self) -> None:
        """Put a script that gives the same result on the clipboard."""
        self._try(self._copy)

    def _copy(self) -> None:
        possible = self.looking.strength.possible
        strength = self.look.strength if possible else 1.0
        QApplication.clipboard().setText(self.desk.as_python(strength))
        self.bar.say("The script is on the clipboard.")

    # What the desk tells.

    def _on_shown(self, run: str) -> None:
        self._run = run
        layers: dict[str, dict[str, Layer]] = {}
        for layer in self.viewer.layers:
            mark = mark_of(layer)
            if mark is not None and mark.run.partition(".")[0] == run:
                layers.setdefault(mark.run, {})[mark.role] = layer
        made = self.desk.result
        separation = None if made is None else planes_of(made)[0]
        result = layers.get(run, {}).get("cleaned")
        self.looking.strength.take(made, layers)
        self.looking.refresh(comparable=True, method=self._method())
        self.look.reset_strength()
        self._note(separation.notices if separation else ())
        self.bar.say(self._done(separation))
        if result is not None:
            self.looking.stretch(result)
        self.comparison.enter(self.looking.groups())
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
        self.looking.stretch(layer)
        mark = mark_of(layer)
        if mark is not None and mark.separation is not None:
            self._note(mark.separation.notices)

    def _on_removed(self, event: Any) -> None:
        """Forget a result whose cleaned image was deleted."""
        layer = event.value
        self.looking.strength.forget(layer)
        mark = mark_of(layer)
        if mark is not None and mark.role == "cleaned" and self._is_last(mark):
            self.looking.strength.take(None, {})
            # Later: other layers may be on their way out at this moment.
            QTimer.singleShot(0, self.desk.forget)

    def _is_last(self, mark: "Mark") -> bool:
        """Return whether a layer is of the last run, or of a plane of it."""
        return bool(self._run) and mark.run.partition(".")[0] == self._run

    def _keep_find(self, settings: "FindSettings") -> None:
        """Have the inspector search as is typed here."""
        self.desk.session.find_settings = settings

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
        layout.addWidget(self.offer)
        layout.addWidget(self.choice)
        layout.addWidget(self.bar)
        layout.addWidget(self.notes)
        layout.addWidget(line())
        layout.addWidget(self.look)
        layout.addWidget(line())
        layout.addWidget(self.finish)
        layout.addStretch(1)
        area = scrolled(inner)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        bar = area.verticalScrollBar().sizeHint().width()
        self.setMinimumWidth(max(320, inner.minimumSizeHint().width() + bar))

    def _wire(self) -> None:
        desk, bar = self.desk, self.bar
        desk.changed.connect(self._refresh)
        desk.progressed.connect(bar.show_pace)
        desk.scale_changed.connect(self._on_scale)
        desk.shown.connect(self._on_shown)
        desk.found.connect(self._on_found)
        desk.previewed.connect(self._on_previewed)
        self.finish.settings_changed.connect(self._keep_find)
        self.viewer.layers.events.removed.connect(self._on_removed)
        desk.failed.connect(self._on_failed)
        self.comparison.changed.connect(self._refresh)
        self.choice.layer_changed.connect(self._pick)
        self.choice.measure.connect(self.measure)
        bar.run.clicked.connect(self.start)
        bar.preview.clicked.connect(self.preview)
        bar.cancel.clicked.connect(self._cancel)
        self.sample.clicked.connect(self.open_sample)
        self.offer.clicked.connect(self.read_fits)
        self.find.clicked.connect(self.find_sources)
        self.inspect.clicked.connect(self.open_inspector)
        self.save.clicked.connect(self.save_result)
        self.python.clicked.connect(self.copy_python)
        # Nobody is left to be told when Qt takes this widget away with its window.
        viewer, comparison = self.viewer, self.comparison
        self.destroyed.connect(lambda: close_desk(viewer))
        self.destroyed.connect(lambda: comparison.rest())

    def open_sample(self) -> None:
        """Open the first sample."""
        self._try(lambda: self.viewer.open_sample("napari-bgrem", "decam_r"))

    def open_inspector(self) -> None:
        """Show the inspector, as a tab beside this dock."""
        area, widget = self.viewer.window.add_plugin_dock_widget(
            "napari-bgrem", INSPECTOR, tabify=True
        )
        fit_title(widget, INSPECTOR)
        area.show()
        area.raise_()

    def read_fits(self) -> None:
        """Have napari open FITS files with our reader, as was asked for."""
        self.bar.say(self.offer.accept())
        self._refresh()

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
        self._refresh()

    def _stage(self) -> Stage:
        if self.desk.busy:
            return "busy"
        if self.comparison.active:
            return "compared"
        if self.desk.result is not None:
            return "done"
        if len(self.looking.groups()) > 1:
            return "file"
        return "ready" if self.desk.source is not None else "empty"

    def _refresh(self) -> None:
        ready = self.desk.source is not None
        if self.bar.cancel.isEnabled() != self.desk.busy or not self.desk.busy:
            self.bar.set_busy(job=self.desk.job, ready=ready)
        self.choice.noise.button.setEnabled(ready and not self.desk.busy)
        result = self.desk.result is not None
        comparable = self.comparison.active or len(self.looking.groups()) > 1
        self.looking.refresh(comparable=comparable, method=self._method())
        self.finish.set_ready(result=result and not self.desk.busy)
        stage = self._stage()
        self.guide.setText(next_step(stage, self.looking.words(self._method())))
        self.sample.setVisible(stage == "empty")
        self.offer.look(self.desk.source)

    @staticmethod
    def _try(action: Any) -> None:
        try:
            action()
        except BGRemError as error:
            _say(error)


def _say(error: BGRemError) -> None:
    from napari.utils.notifications import show_error

    show_error(unmarked(error))
