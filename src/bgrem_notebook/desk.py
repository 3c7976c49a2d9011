"""Desk: one image in a cell, what is done with it, and what the view is told of that.

The run's state is the core's `Session`. What is told leaves by one function, from
whatever thread it becomes known on.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from bgrem_core.collected import Collected
from bgrem_core.errors import BGRemError
from bgrem_core.image import Image, Stack
from bgrem_core.io import open_image
from bgrem_core.io.peek import peek
from bgrem_core.planes import Block
from bgrem_core.settings import OpenSettings
from bgrem_core.stack import planes_of
from bgrem_notebook.jobs import Jobs
from bgrem_notebook.messages import banner, plain, seen_message, sources_message
from bgrem_notebook.scene import scene_of
from bgrem_notebook.state import State, truth_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.api import Result
    from bgrem_core.inspection import Inspection
    from bgrem_core.normalize import Scale
    from bgrem_core.progress import Progress
    from bgrem_core.separation import Separation

    Tell = Callable[[dict[str, Any], Sequence[NDArray[Any]]], None]

__all__ = ["Desk"]

LARGE = 64 * 2**20
"""Bytes of a file above which it is opened in the background."""


class Desk(State):
    """One image in a cell.

    Parameters
    ----------
    tell : callable
        ``tell(message, buffers)`` sends to the view; called from several threads.

    Attributes
    ----------
    listed : psygnal.Signal
        The sources have changed.
    chosen : psygnal.Signal
        A source was inspected: its row.
    moved : psygnal.Signal
        What is at work, and the share of it that is done; often.
    ended : psygnal.Signal
        What was at work has ended.
    """

    listed = Signal()
    chosen = Signal(object)
    moved = Signal(str, float)
    ended = Signal(str)

    def __init__(self, tell: "Tell") -> None:
        super().__init__()
        self._tell = tell
        self._jobs = Jobs()
        self._block: Block = slice(0, 0), slice(0, 0)
        self._notice: dict[str, Any] | None = None
        self._made_by: tuple[str, Any] | None = None
        session = self.session
        session.state_changed.connect(self._on_state)
        session.progressed.connect(self._on_progress)
        session.result_changed.connect(self._on_result)
        session.preview_changed.connect(self._on_preview)
        session.scale_changed.connect(self._on_scale)
        session.sources_changed.connect(self._on_sources)
        session.failed.connect(self._on_failed)

    @property
    def busy(self) -> str:
        """What is at work, "" for nothing."""
        return self._jobs.busy

    # What is done.

    def open(self, source: object, settings: OpenSettings | None = None) -> None:
        """Open an image: a large file in the background, with a first look at once.

        Parameters
        ----------
        source : path, ndarray or other
            As for `bgrem_core.open_image`.
        settings : OpenSettings, optional
            How it is read.

        Raises
        ------
        BGRemError
            It cannot be opened.
        """
        settings = settings or OpenSettings()
        path = Path(source).expanduser() if isinstance(source, (str, Path)) else None
        if path is not None and path.is_file() and path.stat().st_size > LARGE:
            self.name, self._jobs.busy = path.name, "loading"
            first = peek(path, settings.hdu)
            if first is not None:
                self.shown.peek(first)
            self.session.open(path, settings)
            return
        opened = open_image(source if path is None else path, settings=settings)
        self.session.take(opened, settings)
        self._show_plane()

    def run(self) -> None:
        """Run the method over the whole image."""
        self._start("run", self.session.start)

    def preview(self, block: Block) -> None:
        """Run the method over a rectangle."""

        def start() -> None:
            self._block = _inside(block, self.shown.shape)
            self.session.preview(self._block)

        self._start("preview", start)

    def estimate(self) -> None:
        """Measure the noise of the frame."""
        self._start("estimate", self.session.estimate)

    def find(self) -> None:
        """Search the result for sources."""
        self._start("find", lambda: self.session.find(self.need()))

    def call(
        self, busy: str, action: Callable[[], Any], then: Callable[[Any], Any]
    ) -> None:
        """Do something else that takes its time, on the worker thread.

        Parameters
        ----------
        busy : str
            What it is called.
        action : callable
            Does it.
        then : callable
            Is given what `action` returned, on the worker thread.
        """

        def finish(made: Any) -> None:
            then(made)
            self._finish()

        self._start(busy, lambda: self.session.call(busy, action, finish))

    def cancel(self) -> None:
        """Stop what is at work; what was done stays to be seen."""
        self._jobs.take_waiting()
        self.session.cancel()

    def look(self, x: float, y: float) -> None:
        """Inspect the source nearest to a pixel, and collect it if it is new.

        Raises
        ------
        UsageError
            There is no result, or the position lies outside the image.
        """
        self.need()
        now = self.collected
        assert now is not None  # noqa: S101 - there is a result
        seen = now.look(x, y)
        row = now.row_of(seen.x, seen.y)
        if row is None:
            row = len(now.positions)
            now.clicked.append(seen)
            self._list()
        self._see(seen, row)

    def look_again(self) -> None:
        """Read the source anew that was inspected: the strength is another one."""
        now = self.collected
        if self.seen is None or now is None:
            return
        seen, row = self.seen
        self.seen = now.look(seen.x, seen.y), row
        self.tell({**seen_message(now, *self.seen), "again": True})

    def take_sources(self, now: Collected, table: "QTable") -> None:
        """Take over what was found in a result, in place of what was known."""
        now.table, now.match, now.clicked = table, None, []
        truth = truth_of(now.separation.image)
        if truth is not None:
            now.compare(truth)
        self.seen = None
        self._list()

    def choose_row(self, row: int) -> None:
        """Inspect the source of a row of the table."""
        now = self.collected
        if now is not None and 0 <= row < len(now.positions):
            x, y = now.positions[row]
            self._see(now.look(float(x), float(y)), row)

    def choose_plane(self, index: int) -> None:
        """Show another plane of a stack."""
        opened = self.session.image
        if isinstance(opened, Stack) and 0 <= index < len(opened):
            self.index, self.seen = index, None
            self._show_plane()
            if self.session.result is not None:
                self._show_result()
                self.show()
            self._list()

    def as_python(self) -> str:
        """Return a script that gives the result that is shown.

        Raises
        ------
        UsageError
            There is no image.
        """
        session = self.session
        before = session.method, session.settings
        if self._made_by is not None and session.result is not None:
            session.method, session.settings = self._made_by
        if hasattr(session.settings, "strength"):
            session.settings = dataclasses.replace(
                session.settings,
                strength=self.strength,  # type: ignore[call-arg]
            )
        try:
            return session.as_python()
        finally:
            session.method, session.settings = before

    def close(self) -> None:
        """Stop, and tell nobody any more."""
        self._tell = lambda message, buffers: None  # noqa: ARG005 - nobody is there
        self.cancel()

    # What is told.

    def tell(
        self, message: dict[str, Any], buffers: "Sequence[NDArray[Any]]" = ()
    ) -> None:
        """Send a message to the view."""
        self._tell(plain(message), buffers)

    def show(self) -> None:
        """Tell the whole state, all but the pixels."""
        self.tell(*scene_of(self))

    def greet(self) -> None:
        """Tell all that a view needs that has just come."""
        self.show()
        self.tell(*sources_message(self.collected))
        if self.seen is not None and self.collected is not None:
            self.tell(seen_message(self.collected, *self.seen))
        if self._notice is not None:
            self.tell(self._notice)

    def warn(self, error: BGRemError) -> None:
        """Tell what went wrong; a view that comes later is told too."""
        self._notice = banner(error)
        self.tell(self._notice)

    def forget_notice(self) -> None:
        """Forget what went wrong: it was read."""
        self._notice = None

    def _see(self, seen: "Inspection", row: int | None) -> None:
        self.seen = seen, row
        now = self.collected
        if now is not None:
            self.tell(seen_message(now, seen, row))
        self.chosen.emit(row)

    def _list(self) -> None:
        self.tell(*sources_message(self.collected))
        self.listed.emit()

    # How it hangs together.

    def _start(self, busy: str, action: Callable[[], None]) -> None:
        if not self._jobs.begin(busy, partial(self._start, busy, action)):
            return
        self._notice = None
        # Before it starts: it may be over before this thread goes on.
        self.tell({"type": "progress", "busy": busy, "text": "", "share": None})
        self.moved.emit(busy, 0.0)
        try:
            action()
        except BaseException:
            self._finish()
            raise

    def _show_plane(self) -> None:
        """Show the image that was read."""
        image = self.image
        if image is not None:
            self.name = image.name
            self.shown.open(image)
            self.show()

    def _show_result(self) -> None:
        whole = self.session.result
        if whole is not None:
            self.shown.separated(planes_of(whole)[self.index])

    # What the session tells, on its own thread.

    def _on_state(self, state: str) -> None:
        if state != "idle" or not self.busy:
            return
        busy = self._jobs.end()
        if busy == "loading":
            self._show_plane()
        elif busy == "run":
            self._keep_partial()
        self.shown.stop()
        self.show()
        self.ended.emit(busy)
        waiting = self._jobs.take_waiting()
        if waiting is not None:
            waiting()

    def _keep_partial(self) -> None:
        """Show what a cancelled run has left, unless an earlier result is there."""
        so_far, image = self.session.partial, self.session.image
        if self.session.result is not None:
            self._show_result()
        elif so_far is not None and isinstance(image, Image):
            self.shown.partial(image, so_far)

    def _on_progress(self, step: "Progress") -> None:
        self._jobs.pace.take(step)
        if step.block is not None and step.tile is not None and self.busy == "run":
            self._fill(step.tile.keep)
        share = self._jobs.pace.share if step.total > 1 else None
        text = self._jobs.pace.text()
        self.tell({"type": "progress", "busy": self.busy, "text": text, "share": share})
        self.moved.emit(self.busy, share or 0.0)

    def _fill(self, keep: Block) -> None:
        """Show a block that has come from a run."""
        so_far = self.session.partial
        if so_far is None or isinstance(self.session.image, Stack):
            return
        revision = self.shown.fill(so_far, keep)
        if revision is None:
            self.show()
            return
        rows, cols = keep
        block = [rows.start, rows.stop, cols.start, cols.stop]
        self.tell({"type": "fresh", "plane": "live", "rev": revision, "block": block})

    def _on_result(self, result: "Result") -> None:
        del result
        self._made_by = self.session.method, self.session.settings
        self.forget()
        self._show_result()
        self._finish()
        self._list()

    def _on_preview(self, part: "Separation") -> None:
        image = self.image
        if image is not None:
            self.shown.preview(image, part, self._block)
        self._finish()

    def _on_scale(self, scale: "Scale") -> None:
        self.scale = scale
        self._finish()

    def _on_sources(self, sources: "QTable") -> None:
        now = self.collected
        self._finish()
        if now is not None:
            self.take_sources(now, sources)

    def _finish(self) -> None:
        busy = self._jobs.end()
        self.show()
        self.ended.emit(busy)

    def _on_failed(self, error: BGRemError) -> None:
        self.shown.stop()
        self.warn(error)
        self._jobs.take_waiting()
        self._finish()


def _inside(block: Block, shape: tuple[int, int]) -> Block:
    rows, cols = (slice(*b.indices(n)[:2]) for b, n in zip(block, shape, strict=True))
    return rows, cols
