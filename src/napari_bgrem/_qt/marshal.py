"""Marshal: calls from a worker's thread, made on that of the window."""

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject, Qt, QTimer, Signal

__all__ = ["Marshal"]

SERVED = 10  # ms, in which a window draws itself and takes what was pressed


class Marshal(QObject):
    """Calls functions on the thread it was made on, in the order they came."""

    _asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._asked.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def __call__(self, function: Callable[[], None]) -> None:
        """Have a function called soon; the caller does not wait."""
        # The window may be gone; then nobody is left to tell.
        with suppress(RuntimeError):
            self._asked.emit(function)

    def soon(self, function: Callable[[], None]) -> None:
        """Have a function called once the window has been served."""
        QTimer.singleShot(SERVED, function)

    @staticmethod
    def _call(function: Callable[[], None]) -> None:
        function()
