"""Worker: one job at a time in a thread, its outcome told on that of the window."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from bgrem_core.errors import BGRemError, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]


class Worker(QObject):
    """Runs a function in a thread.

    Attributes
    ----------
    failed : Signal(BGRemError)
        It raised.
    done : Signal()
        It is over, well or not; nothing is at work now.
    """

    failed = Signal(object)
    done = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._at_work: Any = None
        self._then: Callable[[Any], object] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self._at_work is not None

    def start(
        self, function: "Callable[[], Any]", then: "Callable[[Any], object]"
    ) -> None:
        """Run a function in a thread; one that is at work is waited for by nobody.

        Parameters
        ----------
        function : callable
            Takes nothing; must not touch widgets or layers.
        then : callable
            Gets what it returned, on the thread of the window.
        """
        from superqt.utils import create_worker

        # An error that is raised there would end up in a window of its own.
        self._then = then
        self._at_work = create_worker(_guarded, function)
        self._at_work.returned.connect(self._on_returned)
        self._at_work.start()

    def _on_returned(self, outcome: tuple[bool, Any]) -> None:
        self._at_work, then, self._then = None, self._then, None
        good, value = outcome
        try:
            if not good:
                self.failed.emit(value)
            elif then is not None:
                then(value)
        finally:
            self.done.emit()


def _guarded(function: "Callable[[], Any]") -> tuple[bool, Any]:
    """Return whether a function ended well, and its value or its error."""
    try:
        return True, function()
    except BGRemError as error:
        return False, error
    except MemoryError:
        return False, OutOfMemory("memory ran out", hint="close other images")
    except Exception as error:  # noqa: BLE001 - a window must survive everything
        kind = type(error).__name__
        failure = BGRemError(f"{kind}: {error}", hint="this is a fault of bgrem")
        failure.__cause__ = error
        return False, failure
