"""What the benchmarks of the window share: a viewer with the dock, and its clock."""

import time
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QSettings, QTimer
from qtpy.QtWidgets import QApplication

import napari

TICK = 5  # ms


def open_dock(folder: Path):
    """Return a viewer and the dock in it; what is remembered goes into a folder."""
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder)
    )
    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    dock = viewer.window.add_plugin_dock_widget("napari-bgrem", "Remove background")[1]
    return viewer, dock


class Gaps:
    """The time between two ticks of the event loop, in seconds."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self._last: float | None = None
        self._timer = QTimer()
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)

    def __enter__(self) -> "Gaps":
        self.all, self._last = [], None
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.all.append(now - self._last)
        self._last = now


def serve(until: Callable[[], bool], limit: float = 3600) -> None:
    """Run the event loop until something is so."""
    end = time.monotonic() + limit
    while not until():
        if time.monotonic() > end:
            raise TimeoutError
        QApplication.processEvents()
        time.sleep(0.001)


def pause(seconds: float) -> None:
    """Run the event loop for a while."""
    end = time.monotonic() + seconds
    serve(lambda: time.monotonic() > end)
