"""Inspector jobs: what takes its time, a search, a check or an export, in a thread."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from bgrem_core.errors import BGRemError
from napari_bgrem._qt.checks import LABELS, SEARCHED, run_check
from napari_bgrem._qt.worker import Worker

if TYPE_CHECKING:
    from astropy.table import QTable

    from napari_bgrem.collected import Collected
    from napari_bgrem.desk import Desk
    from napari_bgrem.results import Key, Results

__all__ = ["InspectorJobs"]


class InspectorJobs(QObject):
    """One job at a time, on the result that is looked at.

    Parameters
    ----------
    results : Results
        Say which result is looked at.
    desk : Desk
        Searches itself what the other dock shows, so that both know its sources.
    parent : QObject, optional
        As in Qt.

    Attributes
    ----------
    said : Signal(str)
        What is going on, or came of it.
    found : Signal(object, str)
        There are new sources of a result, known by its key; a check of this name
        follows, or none.
    checked : Signal(str, object)
        Name and result of a check.
    failed : Signal(BGRemError)
        A job failed.
    changed : Signal()
        One began or is over.
    """

    said = Signal(str)
    found = Signal(object, str)
    checked = Signal(str, object)
    failed = Signal(object)
    changed = Signal()

    def __init__(
        self, results: "Results", desk: "Desk", parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._results, self._desk = results, desk
        self._next = ""
        self._asked_desk = False
        self.worker = Worker(self)
        self.worker.failed.connect(self._fail)
        self.worker.done.connect(self.changed)

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self.worker.busy or self._desk.job == "find"

    def search(self, then: str = "") -> None:
        """Search the result for sources.

        Parameters
        ----------
        then : str, optional
            A check that is run on what was found, if that is not another result by
            then.
        """
        now, key, desk = self._results.now(), self._results.key, self._desk
        if now is None or self.busy:
            return
        self._next = then
        self.said.emit(f"Searching for sources{', then checking' if then else ''}...")
        settings = desk.session.find_settings
        if desk.result is now.separation and not desk.busy:
            self._asked_desk = True
            try:
                desk.find(settings)
            except BGRemError as error:
                self._fail(error)
        else:
            self.worker.start(
                lambda: now.find(settings), lambda table: self.take(key, table)
            )
        self.changed.emit()

    def take(self, key: "Key | None", table: "QTable") -> None:
        """Take over what was found in a result, here or by the other dock."""
        name, self._next, self._asked_desk = self._next, "", False
        now = self._results.known(key)
        if now is None:
            return
        now.table, now.match, now.clicked = table, None, []
        said = f"{_counted(len(table))} found."
        self.said.emit(said)
        if key != self._results.key:
            return
        self.found.emit(key, name)
        if name:
            self._check(now, name, said)

    def look_at_desk(self) -> None:
        """Forget a search that the other dock was asked for and that is over."""
        if self._asked_desk and self._desk.job != "find":
            self._next, self._asked_desk = "", False
            self.said.emit("")

    def check(self, name: str) -> None:
        """Run a check of the core; one that needs sources searches first.

        Parameters
        ----------
        name : str
            Key of `CHECKS`.
        """
        now = self._results.now()
        if now is None or self.busy:
            return
        if name in SEARCHED and now.table is None:
            self.search(then=name)
        else:
            self._check(now, name)

    def write(self, path: "str | Path") -> None:
        """Write the sources: those that were clicked are measured first.

        Parameters
        ----------
        path : str or Path
            Replaced if it exists.
        """
        now = self._results.now()
        if now is None or self.busy:
            return
        done = f"written to {Path(path).name}."
        self.said.emit("Writing...")
        self.worker.start(
            lambda: now.export(path),
            lambda n: self.said.emit(f"{_counted(n)} {done}"),
        )
        self.changed.emit()

    def _check(self, now: "Collected", name: str, said: str = "") -> None:
        """Run a check; what was said before stays in front."""
        after = f"{said} {LABELS[name]} checked." if said else ""
        self.said.emit(f"{said} Checking...".strip())

        def show(result: Any) -> None:
            self.said.emit(after)
            self.checked.emit(name, result)

        self.worker.start(lambda: run_check(name, now.separation, now.table), show)
        self.changed.emit()

    def _fail(self, error: BGRemError) -> None:
        self._next, self._asked_desk = "", False
        self.said.emit("")
        self.failed.emit(error)


def _counted(n: int) -> str:
    return f"{n} source" if n == 1 else f"{n} sources"
