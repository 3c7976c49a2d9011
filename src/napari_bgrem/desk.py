"""Desk: one viewer at work on one image: runs, and the layers that come of them.

The run's state is the core's `Session`; here it is only turned into layers. Nothing in
the viewer is changed but by layers that are added, and by those that were added here.
"""

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from bgrem_core.errors import BGRemError, OutOfMemory, UsageError
from bgrem_core.image import Stack
from bgrem_core.normalize import Scale
from bgrem_core.pace import Pace
from bgrem_core.session import Session
from bgrem_core.stack import planes_of
from napari_bgrem import added
from napari_bgrem.in_view import block_in_view
from napari_bgrem.job import Job, first_of, made_of, script_of
from napari_bgrem.live import Live
from napari_bgrem.mark import mark_of
from napari_bgrem.opened import Opened, plane_shown

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.api import Result
    from bgrem_core.progress import Progress
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings, RunSettings
    from napari_bgrem.job import Kind

__all__ = ["Desk", "close_desk", "desk_of"]

Later = Callable[[Callable[[], None]], None]

BUSY = "A run is at work"
_DESKS: "weakref.WeakKeyDictionary[ViewerModel, Desk]" = weakref.WeakKeyDictionary()


class Desk:
    """One viewer at work on one image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets the layers.
    later : callable, optional
        ``later(f)`` calls f on the thread of the viewer; by default at once.
    soon : callable, optional
        ``soon(f)`` does so after the window was served; by default as `later`.

    Attributes
    ----------
    session : Session
        The run; its settings are those of the next one.
    source : napari.layers.Layer or None
        The layer that is worked on.
    result : Separation, StackSeparation or None
        Of the last finished run.
    busy : bool
        Something is at work.
    """

    changed = Signal()
    progressed = Signal(Pace)
    scale_changed = Signal(Scale)
    shown = Signal(str)
    found = Signal(object)
    previewed = Signal(object)
    blended = Signal()
    failed = Signal(BGRemError)

    def __init__(
        self,
        viewer: "ViewerModel",
        *,
        later: Later | None = None,
        soon: Later | None = None,
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._later: Later = later or (lambda f: f())
        self._soon: Later = soon or self._later
        self.session = session = Session(acknowledge=True)
        self.source: Layer | None = None
        self.result: Result | None = None
        self._job: Job | None = None
        self._made_by: Job | None = None
        self._number = 0
        self.pace = Pace()
        self._opened = Opened()
        for signal, then in (
            (session.progressed, self._took),
            (session.state_changed, self._stopped),
            (session.scale_changed, self._measured),
            (session.sources_changed, self._listed),
            (session.failed, self._fail),
        ):
            signal.connect(self._handed(then))
        session.result_changed.connect(self._made(self._show))
        session.preview_changed.connect(self._made(self._show_preview))

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self._job is not None

    @property
    def job(self) -> str:
        """What is at work: "run", "preview", "estimate", "find" or ""."""
        return self._job.kind if self._job else ""

    @property
    def viewer(self) -> "ViewerModel":
        """The viewer.

        Raises
        ------
        UsageError
            It was closed.
        """
        viewer = self._viewer()
        if viewer is None:
            raise UsageError("the viewer was closed", hint="open a new one")
        return viewer

    def start(self, settings: "RunSettings", method: str) -> None:
        """Run a method over the source; its layers come when it is done.

        Raises
        ------
        UsageError, ImageError
            There is no source or none that can be used, or a run is at work.
        """
        job = self._begin("run", settings, method)
        shape = first_of(job.image).shape
        job.live = None if isinstance(job.image, Stack) else Live(shape)
        self._work(job, self.session.start)

    def preview(self, settings: "RunSettings", method: str) -> None:
        """Run a method over what is in view.

        Raises
        ------
        UsageError, ImageError
            As for `start`; or nothing of the source is in view.
        """
        job = self._begin("preview", settings, method)
        job.block = block_in_view(job.source)
        if job.block is None:
            raise UsageError(
                f"nothing of {job.name} is in view",
                hint="press Home to see all of it, then try again",
            )
        self._work(job, partial(self.session.preview, job.block))

    def estimate(self, settings: "RunSettings", method: str) -> None:
        """Measure the noise of the source and tell it by `scale_changed`."""
        job = self._begin("estimate", settings, method)
        self._work(job, self.session.estimate)

    def find(self, settings: "FindSettings") -> None:
        """Search the last result for sources and tell them by `found`.

        Raises
        ------
        UsageError
            There is no result, or a run is at work.
        """
        if self.busy:
            raise UsageError(BUSY.lower(), hint="wait for it or cancel it first")
        if self.result is None:
            raise UsageError("there is no result yet", hint="press Run first")
        self.session.find_settings = settings
        image = planes_of(self.result)[0].image
        job = Job(
            kind="find", name=image.name, number=str(self._number), source=None,
            image=image,
        )  # fmt: skip
        self._work(job, self.session.find)

    def cancel(self) -> None:
        """Stop what is at work after its current tile; what was done stays."""
        self.session.cancel()

    def close(self) -> None:
        """Stop, and tell nobody any more."""
        for signal in (
            self.changed, self.progressed, self.scale_changed, self.shown, self.found,
            self.failed, self.previewed, self.blended,
        ):  # fmt: skip
            signal.disconnect()
        # Whoever still holds this desk does its own searches from now on.
        self.result = self._made_by = None
        self.session.cancel()

    def look(self) -> None:
        """Tell the run what is in view, so that its tiles come first."""
        if self._job is not None and self._job.kind == "run":
            self.session.view = block_in_view(self._job.source)

    def as_python(self, strength: float = 1.0) -> str:
        """Return a script that gives the last result, at a strength.

        Raises
        ------
        UsageError
            There is no result.
        """
        if self._made_by is None:
            raise UsageError("there is no result yet", hint="press Run first")
        return script_of(self._made_by, self.session, strength)

    def forget(self) -> None:
        """Forget the last result: its layers were deleted."""
        self.result = self._made_by = None
        self.changed.emit()

    def _begin(self, kind: "Kind", settings: "RunSettings", method: str) -> Job:
        if self.busy:
            raise UsageError(BUSY.lower(), hint="wait for it or cancel it first")
        source = self.source
        if source is None or source not in self.viewer.layers:
            raise UsageError(
                "there is no image to work on",
                hint="open a FITS file or a sample, and choose its layer",
            )
        where = plane_shown(self.viewer, source)
        image = self._opened.open(source, where)
        session = self.session
        session.method, session.settings, session.image = method, settings, image
        name = source.name + "".join(f" [{k}]" for k in where)
        return Job(
            kind=kind, name=name, number="", source=source, image=image,
            method=method, settings=settings,
        )  # fmt: skip

    def _work(self, job: Job, start: Callable[[], None]) -> None:
        if job.kind == "run":
            self._number += 1
        job.number = job.number or str(self._number)
        self._job = job
        self.look()
        try:
            start()
        except BaseException:
            self._job = None
            raise
        self.changed.emit()

    # What these two return is called on the worker's thread.

    def _handed(self, then: Callable[[Job | None, Any], None]) -> Callable[[Any], None]:
        """Return what hands a value on to the thread of the viewer."""
        return lambda value: self._later(partial(then, self._job, value))

    def _made(
        self, then: Callable[[Job, Any, list[Any]], None]
    ) -> Callable[["Result"], None]:
        """Return what makes layers of a result, and hands them on."""

        def make(result: "Result") -> None:
            job = self._job
            if job is None:
                return
            try:
                made = made_of(job, result)
            except MemoryError:
                failure: BGRemError = OutOfMemory(
                    "memory ran out", hint="close other images, and try again"
                )
            except Exception as error:  # noqa: BLE001 - a window must survive everything
                kind = type(error).__name__
                failure = BGRemError(
                    f"{kind}: {error}", hint="this is a fault of bgrem"
                )
                failure.__cause__ = error
            else:
                self._later(partial(then, job, result, made))
                return
            self._later(partial(self._fail, job, failure))

        return make

    # What follows is called on the thread of the viewer.

    def _took(self, job: Job | None, step: "Progress") -> None:
        if job is not None and step.block is not None:
            added.fill(self.viewer, job, step)
            self.session.acknowledge()
        if job is not None and job is self._job:
            self.look()
            self.pace.take(step)
            self.progressed.emit(self.pace)

    def _end(self, job: Job | None) -> bool:
        """Note that a job is over; False if it was over before."""
        if job is None or job is not self._job:
            return False
        self._job, self.pace = None, Pace()
        return True

    def _stopped(self, job: Job | None, state: str) -> None:
        if state == "idle" and job is not None and self._end(job):
            added.keep_partial(job)
            self.changed.emit()

    def _fail(self, job: Job | None, error: BGRemError) -> None:
        if self._end(job):
            assert job is not None  # noqa: S101 - `_end` says so
            added.keep_partial(job)
            self.failed.emit(error)
            self.changed.emit()

    def _measured(self, job: Job | None, scale: Scale) -> None:
        self._end(job)
        self.scale_changed.emit(scale)
        self.changed.emit()

    def _listed(self, job: Job | None, sources: object) -> None:
        self._end(job)
        self.found.emit(sources)
        self.changed.emit()

    def _show(self, job: Job, result: "Result", made: list[Any]) -> None:
        """Add the layers one by one, then remove the one that filled.

        Each takes napari a while, and all a second.
        """
        if job is not self._job:
            return
        if made or added.remove_live(self.viewer, job):
            for entry in made[:1]:
                added.add(self.viewer, entry)
            self._soon(partial(self._show, job, result, made[1:]))
            return
        self._end(job)
        self.result = result
        self._made_by = job
        self._select(job.number)
        self.scale_changed.emit(planes_of(result)[0].scale)
        self.shown.emit(job.number)
        self.changed.emit()

    def _select(self, run: str) -> None:
        """Select what a run has cleaned; in colour, all planes in one layer."""
        layers = self.viewer.layers
        marks = ((layer, mark_of(layer)) for layer in layers)
        layers.selection = {
            layer
            for layer, mark in marks
            if mark and mark.run == run and mark.role.startswith("cleaned")
        }

    def _show_preview(self, job: Job, _: "Separation", made: list[Any]) -> None:
        if not self._end(job):
            return
        layer = added.add_preview(self.viewer, job, made)
        mark = mark_of(layer)
        if mark is None:
            return
        self.previewed.emit(layer)
        if mark.separation is not None:
            self.scale_changed.emit(mark.separation.scale)
        self.changed.emit()


def desk_of(
    viewer: "ViewerModel", *, later: Later | None = None, soon: Later | None = None
) -> Desk:
    """Return the desk of a viewer, one for all widgets that it shows."""
    if viewer not in _DESKS:
        _DESKS[viewer] = Desk(viewer, later=later, soon=soon)
    return _DESKS[viewer]


def close_desk(viewer: "ViewerModel") -> None:
    """Stop what the desk of a viewer does, and forget it."""
    desk = _DESKS.pop(viewer, None)
    if desk is not None:
        desk.close()
