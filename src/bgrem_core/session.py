"""Session: one image at work, as a window sees it; the only place that starts threads.

A window sets `method`, `settings` and `find_settings`, calls `start`, and listens. All
signals but those of direct assignments are emitted on the worker thread: a view
marshals them to its own.
"""

import dataclasses
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from psygnal import Signal

from bgrem_core.api import Result, run
from bgrem_core.crop import crop
from bgrem_core.errors import BGRemError, OutOfMemory, UsageError
from bgrem_core.image import Image, Opened, Stack
from bgrem_core.io import open_image
from bgrem_core.methods import Method, get_method
from bgrem_core.normalize import Scale
from bgrem_core.planes import Block, allocate
from bgrem_core.progress import Progress, relabel
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, OpenSettings, RunSettings

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.inspection import Inspection

State = Literal["idle", "loading", "running", "cancelling", "done", "failed"]
T = TypeVar("T")
Work = Generator[Progress, Any, Callable[[], None]]

#: Blocks that may be on their way to a view at once.
IN_FLIGHT = 2


class Session:
    """One image, its settings, its run and what came of it.

    Parameters
    ----------
    image : Image, Stack, path, ndarray or other, optional
        As for `open_image`; opened at once, on the calling thread.
    acknowledge : bool, optional
        A view promises to call `acknowledge` for each `progressed` that carries a
        block; the worker then never runs more than two blocks ahead of it.

    Attributes
    ----------
    image : Image, Stack or None
        What is worked on.
    method : str
        Key of METHODS.
    settings : RunSettings
        Settings of that method.
    find_settings : FindSettings
        How sources are searched.
    state : str
        "idle", "loading", "running", "cancelling", "done" or "failed".
    progress : Progress or None
        The last step.
    partial : ndarray or None
        Blocks received so far, NaN elsewhere; what a cancelled run leaves.
    result : Separation, StackSeparation or None
        Of the last finished run.
    previewed : Separation or None
        Of the last finished preview.
    sources : QTable or None
        Sources of `result`.
    selected : Inspection or None
        What was last inspected.
    error : BGRemError or None
        Why the last run failed.
    view : tuple of slice or None
        Rows and columns that are looked at: their tiles come first. May be set while a
        run is at work; the result does not depend on it.
    """

    state_changed = Signal(str)
    progressed = Signal(Progress)
    result_changed = Signal(object)
    preview_changed = Signal(object)
    scale_changed = Signal(Scale)
    sources_changed = Signal(object)
    selected_changed = Signal(object)
    failed = Signal(BGRemError)

    def __init__(self, image: object = None, *, acknowledge: bool = False) -> None:
        self.image: Opened | None = None if image is None else open_image(image)
        self.method = "bgrem"
        self.settings: RunSettings = self.chosen.settings()
        self.find_settings = FindSettings()
        self.state: State = "idle"
        self.progress: Progress | None = None
        self.partial: NDArray[np.float32] | None = None
        self.result: Result | None = None
        self.previewed: Separation | None = None
        self.sources: QTable | None = None
        self.selected: Inspection | None = None
        self.error: BGRemError | None = None
        self.view: Block | None = None
        self._door = OpenSettings()
        self._scale: tuple[Image, tuple[float, str], Scale] | None = None
        self._flight = threading.Semaphore(IN_FLIGHT) if acknowledge else None
        self._change = threading.Condition(threading.RLock())
        self._newest = 0
        self._waiting: tuple[int, State, Callable[[], Work]] | None = None
        self._thread: threading.Thread | None = None

    @property
    def chosen(self) -> Method:
        """The registered method."""
        return get_method(self.method)

    def choose(self, method: str, **settings: Any) -> None:
        """Choose a method and its settings.

        Raises
        ------
        UsageError
            An unknown method or setting, or a value out of range.
        """
        from bgrem_core.api import make_settings

        self.settings = make_settings(get_method(method).settings, settings)
        self.method = method

    def open(self, source: object, settings: OpenSettings | None = None) -> None:
        """Open another image on the worker thread; what there was is dropped."""

        def work() -> Work:
            opened = open_image(source, settings=settings)
            yield Progress(stage="loading", done=1, total=1)

            def finish() -> None:
                self.take(opened, settings)
                self._set_state("idle")

            return finish

        self._submit("loading", work)

    def take(self, image: Opened, settings: OpenSettings | None = None) -> None:
        """Work on an image that is open already; what there was is dropped.

        Parameters
        ----------
        image : Image or Stack
            What `open_image` returned.
        settings : OpenSettings, optional
            How it was opened, for `as_python`.
        """
        self._door, self.image = settings or OpenSettings(), image
        self._scale = None
        self.result = self.sources = self.selected = self.previewed = None
        self.partial = None

    def start(self) -> None:
        """Run the method over the whole image; a run at work gives way.

        Raises
        ------
        UsageError
            There is no image.
        """
        image, method, settings = self._image(), self.chosen, self.settings

        def work() -> Work:
            self.partial = None
            steps = run(image, method, settings)
            result = yield from self._keep_partial(steps, image)

            def finish() -> None:
                self.result, self.partial = result, None
                self.sources = self.selected = None
                self._set_state("done")
                self.result_changed.emit(result)

            return finish

        self._submit("running", work)

    def preview(self, block: Block) -> None:
        """Run the method over a rectangle, with the whole frame's noise.

        Its sky comes from what is visible; the result is `previewed`, never `result`.

        Parameters
        ----------
        block : tuple of slice
            Rows and columns.
        """
        image, method, settings = self._plane(), self.chosen, self.settings
        if method.quick is not None:
            settings = method.quick(settings)

        def work() -> Work:
            scale = yield from self._frame_scale(image, settings)
            part = crop(image, block, scale=scale)
            result = yield from method.iterate(part, settings)
            made = result.provenance
            marked = dataclasses.replace(made, sky=f"{made.sky} (preview)")
            notice = "preview: its sky is that of the visible part alone"
            result = dataclasses.replace(
                result, provenance=marked, notices=(*result.notices, notice)
            )

            def finish() -> None:
                self.previewed = result
                self._set_state("done")
                self.preview_changed.emit(result)

            return finish

        self._submit("running", work)

    def estimate(self) -> None:
        """Measure the noise of the frame and tell it by `scale_changed`; no run.

        A preview with like settings uses what was measured.

        Raises
        ------
        UsageError
            There is no image.
        """
        image, settings = self._plane(), self.settings

        def work() -> Work:
            scale = yield from self._frame_scale(image, settings)

            def finish() -> None:
                self.scale_changed.emit(scale)
                self._set_state("done" if self.result is not None else "idle")

            return finish

        self._submit("running", work)

    def find(self, result: Separation | None = None) -> None:
        """Search a result for sources, on the worker thread.

        Parameters
        ----------
        result : Separation, optional
            Such as this session's at another strength; by default as it was made.
        """
        result, settings = result or self._separation(), self.find_settings
        method = get_method(result.provenance.method)

        def work() -> Work:
            yield Progress(stage="find", done=0, total=1)
            sources = method.find(result, settings)

            def finish() -> None:
                self.sources = sources
                self._set_state("done")
                self.sources_changed.emit(sources)

            return finish

        self._submit("running", work)

    def call(
        self, stage: str, action: Callable[[], T], then: Callable[[T], Any]
    ) -> None:
        """Do something that takes its time on the worker thread.

        Parameters
        ----------
        stage : str
            What the progress is called.
        action : callable
            Cannot be interrupted; what it returns is thrown away after `cancel`.
        then : callable
            Is given what `action` returned, on the worker thread.
        """

        def work() -> Work:
            yield Progress(stage=stage, done=0, total=1)
            made = action()

            def finish() -> None:
                self._set_state("idle" if self.result is None else "done")
                then(made)

            return finish

        self._submit("running", work)

    def inspect(self, x: float, y: float) -> "Inspection":
        """Look at the source nearest to a pixel, on the calling thread."""
        from bgrem_core.inspection import inspect

        self.selected = inspect(self._separation(), x, y)
        self.selected_changed.emit(self.selected)
        return self.selected

    def cancel(self) -> None:
        """Stop what is at work after its current step; nothing is lost but the run."""
        with self._change:
            self._newest += 1
            dropped, self._waiting = self._waiting, None
            if self.state in ("running", "loading"):
                self._set_state("cancelling")
            elif dropped and self.state != "cancelling":
                # It never began, and so will never tell that it ended.
                self._set_state("idle")

    def acknowledge(self) -> None:
        """Tell the worker that a view has taken a block."""
        if self._flight:
            self._flight.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is at work; False if `timeout` seconds passed before."""
        with self._change:
            return self._change.wait_for(lambda: self._thread is None, timeout)

    def as_python(self) -> str:
        """Return a script that gives the same result."""
        path = self._path()
        source = repr(str(path)) if path else "image"
        start = "" if path else "# image: the array that was worked on\n"
        default = self.chosen.settings()
        said = [f"method={self.method!r}"]
        said += _changed(self._opening(), OpenSettings())
        said += _changed(self.settings, default)
        found = _changed(self.find_settings, FindSettings())
        find = ", ".join(["result", *found])
        return (
            f"import bgrem_core\n\n{start}"
            f"result = bgrem_core.clean({source}, {', '.join(said)})\n"
            f"sources = bgrem_core.find_sources({find})\n"
        )

    def _opening(self) -> OpenSettings:
        """Return how the door opens this very image again."""
        image, door = self.image, self._door
        if not isinstance(image, Image) or image.origin.format != "fits":
            return door
        origin = image.origin
        if door.hdu is None and origin.path is not None:
            from bgrem_core.io.choose import list_hdus

            with suppress(BGRemError):
                pictures = [h for h in list_hdus(origin.path) if h.shape]
                if len(pictures) > 1:
                    door = dataclasses.replace(door, hdu=str(origin.hdu))
        if door.plane is None and len(origin.index) == 1:
            door = dataclasses.replace(door, plane=str(origin.index[0]))
        return door

    def _frame_scale(
        self, image: Image, settings: RunSettings
    ) -> Generator[Progress, None, Scale]:
        """Measure the frame once for all previews with like settings."""
        from bgrem_core.methods.common import frame_scale, scale_options

        known, options = self._scale, scale_options(settings)
        if known is not None and known[0] is image and known[1] == options:
            return known[2]
        scale = yield from frame_scale(image, settings)
        self._scale = image, options, scale
        return scale

    def _path(self) -> object:
        image = self.image.planes[0] if isinstance(self.image, Stack) else self.image
        return image.origin.path if image else None

    def _image(self) -> Opened:
        if self.image is None:
            raise UsageError("there is no image", hint="open one first")
        return self.image

    def _plane(self) -> Image:
        image = self._image()
        return image.planes[0] if isinstance(image, Stack) else image

    def _separation(self) -> Separation:
        if self.result is None:
            raise UsageError("there is no result yet", hint="run a method first")
        result = self.result
        return result if isinstance(result, Separation) else result.planes[0]

    def _keep_partial(
        self, steps: Generator[Progress, Any, Result], image: Opened
    ) -> Generator[Progress, Any, Result]:
        def keep(step: Progress) -> Progress:
            if step.block is not None and step.tile is not None:
                if self.partial is None:
                    self.partial = allocate(self._plane_shape(image))
                    self.partial[:] = np.nan
                self.partial[step.tile.keep] = step.block
            return step

        return relabel(steps, keep)

    @staticmethod
    def _plane_shape(image: Opened) -> tuple[int, int]:
        return (image.planes[0] if isinstance(image, Stack) else image).shape

    def _set_state(self, state: State) -> None:
        self.state = state
        self.state_changed.emit(state)

    def _submit(self, state: State, work: Callable[[], Work]) -> None:
        with self._change:
            self._newest += 1
            self._waiting = (self._newest, state, work)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name="bgrem-session", daemon=True
                )
                self._thread.start()

    def _loop(self) -> None:
        while True:
            with self._change:
                job, self._waiting = self._waiting, None
                if job is None:
                    self._thread = None
                    self._change.notify_all()
                    return
            # A listener that raises must not end the worker.
            with suppress(Exception):
                self._do(*job)

    def _do(self, ticket: int, state: State, work: Callable[[], Work]) -> None:
        self.error = None
        try:
            self._set_state(state)
            finish = self._follow(work(), ticket)
            if finish is not None:
                finish()
            elif self._waiting is None:
                self._set_state("idle")
        except BGRemError as error:
            self._fail(error, ticket)
        except MemoryError:
            full = OutOfMemory("memory ran out", hint="use smaller tiles")
            self._fail(full, ticket)
        except Exception as error:  # noqa: BLE001 - a window must survive everything
            kind = type(error).__name__
            failure = BGRemError(f"{kind}: {error}", hint="this is a fault of bgrem")
            failure.__cause__ = error
            self._fail(failure, ticket)

    def _fail(self, error: BGRemError, ticket: int) -> None:
        if not self._wanted(ticket):
            # Nobody waits for this run any more.
            if self._waiting is None:
                self._set_state("idle")
            return
        self.error = error
        self._set_state("failed")
        self.failed.emit(error)

    def _follow(self, work: Work, ticket: int) -> Callable[[], None] | None:
        """Run to the end, or close the work and return None if it is not wanted."""
        view: Block | None = None  # nothing can be sent before the first step
        try:
            while True:
                try:
                    step = work.send(view)
                except StopIteration as end:
                    finish: Callable[[], None] = end.value
                    return finish if self._wanted(ticket) else None
                if not self._wanted(ticket) or not self._take_off(step, ticket):
                    return None
                self.progress = step
                self.progressed.emit(step)
                view = self.view
        finally:
            work.close()

    def _wanted(self, ticket: int) -> bool:
        with self._change:
            return ticket == self._newest

    def _take_off(self, step: Progress, ticket: int) -> bool:
        """Wait until a view can take another block; False if the run was cancelled."""
        if self._flight is None or step.block is None:
            return True
        while not self._flight.acquire(timeout=0.05):
            if not self._wanted(ticket):
                return False
        return True


def _changed(settings: object, default: object) -> list[str]:
    """Return the fields that differ from their defaults, as keywords."""
    return [
        f"{f.name}={getattr(settings, f.name)!r}"
        for f in dataclasses.fields(settings)  # type: ignore[arg-type]
        if getattr(settings, f.name) != getattr(default, f.name)
    ]
