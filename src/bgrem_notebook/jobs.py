"""Jobs: one thing at a time; while an image is read, the next one waits for it."""

import threading
from collections.abc import Callable

from bgrem_core.errors import UsageError
from bgrem_core.pace import Pace

__all__ = ["Jobs"]

_DOING = {
    "loading": "the image is being read",
    "run": "a run is at work",
    "preview": "a preview is at work",
    "estimate": "the noise is being measured",
    "find": "a search is at work",
    "check": "a check is at work",
    "steps": "steps are being recorded",
    "save": "a file is being written",
}


class Jobs:
    """What is at work.

    Attributes
    ----------
    busy : str
        "loading", "run", "preview", "estimate", "find", "check", "steps", "save" or "".
    pace : Pace
        How far it is.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.busy, self.pace = "", Pace()
        self._waiting: Callable[[], None] | None = None

    def begin(self, busy: str, again: Callable[[], None]) -> bool:
        """Begin a job, or have it wait.

        Parameters
        ----------
        busy : str
            What it is called.
        again : callable
            Begins it once more, after the image was read.

        Returns
        -------
        bool
            False if it waits.

        Raises
        ------
        UsageError
            Something else is at work.
        """
        with self._lock:
            if self.busy == "loading":
                self._waiting = again
                return False
            if self.busy:
                hint = "wait for it or cancel it first"
                raise UsageError(_DOING.get(self.busy, self.busy), hint=hint)
            self.busy, self.pace = busy, Pace()
            return True

    def end(self) -> str:
        """Note that nothing is at work any more; return what was."""
        with self._lock:
            busy, self.busy = self.busy, ""
        return busy

    def take_waiting(self) -> Callable[[], None] | None:
        """Return what waits, and have it wait no more."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        return waiting
