"""Ledger: what became of each file of a run, kept on disk as the run goes on."""

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bgrem_core.batch import Outcome, Plan
from bgrem_core.errors import (
    CANCELLED,
    SOME_FAILED,
    BGRemError,
    UsageError,
    WriteError,
)
from bgrem_core.finished import asked
from bgrem_core.flags import Request
from bgrem_core.io import atomic_write, check_target, hold
from bgrem_core.io.provenance import written_at

#: Key by which a report is known, and the version of what it holds.
KEY, SCHEMA = "bgrem_report", 1
# Seconds between two reports while files are skipped.
_PAUSE = 1.0
#: Words for what became of a file.
STATUS = ("ok", "skipped", "failed", "waiting")


@dataclass(slots=True, kw_only=True)
class Entry:
    """What became of one file.

    Attributes
    ----------
    file : str
        The input.
    status : {"ok", "skipped", "failed", "waiting"}
        "waiting" until it is one of the others.
    output, catalog : str or None
        What is there now, of this run or of an earlier one.
    sources : int or None
        Rows of the catalogue, if this run made one.
    seconds : float or None
        Time that it took.
    why, hint : str
        Why it was skipped or failed, and what to do next; or "".
    code : int
        Exit code of its error, 0 for none.
    """

    file: str
    status: str = "waiting"
    output: str | None = None
    catalog: str | None = None
    sources: int | None = None
    seconds: float | None = None
    why: str = ""
    hint: str = ""
    code: int = 0


class Ledger:
    """What became of each file of a run; a context manager around the run.

    Parameters
    ----------
    plans : sequence of Plan
        All files of the run.
    request : Request
        All settings; ``output.report`` is where the report goes, None for nowhere.

    Attributes
    ----------
    entries : list of Entry
        One for each file, in order.
    trouble : WriteError or None
        Why the report on disk is behind.

    Raises
    ------
    UsageError
        The report would have the name of a result.
    """

    def __init__(self, plans: Sequence[Plan], request: Request) -> None:
        path = request.output.report
        self.entries = [Entry(file=str(plan.source)) for plan in plans]
        self.trouble: WriteError | None = None
        self._path = None if path is None else Path(path)
        self._asked = asked(request)
        self._lines = [_line(entry) for entry in self.entries]
        self._counts = Counter({"waiting": len(plans)})
        self._state, self._begun = "running", _now()
        self._clock = self._saved = time.perf_counter()
        self._held = ExitStack()
        if self._path is not None:
            _check_name(self._path, plans)

    def __enter__(self) -> Self:
        if self._path is not None:
            self._held.enter_context(hold(self._path))
            try:
                check_target(self._path, overwrite=True)
                _check_old(self._path)
                self._write()
            except BaseException:
                self._held.close()
                raise
        self._clock = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._held:
            self._state = _ended(error)
            self.save()

    @property
    def code(self) -> int:
        """Exit code: 0, that of the only file, or 1 if some of several failed."""
        codes = [entry.code for entry in self.entries if entry.code]
        if codes:
            return codes[0] if len(self.entries) == 1 else SOME_FAILED
        return 0

    def done(self, index: int, outcome: Outcome) -> None:
        """Enter a file that was cleaned or skipped."""
        self.told(index, **facts(outcome))

    def told(self, index: int, **known: Any) -> None:
        """Enter what `facts` gave, perhaps in another process."""
        entry = self.entries[index]
        for name, value in known.items():
            setattr(entry, name, value)
        self._enter(index, "skipped" if entry.why else "ok")

    def failed(self, index: int, error: BGRemError) -> None:
        """Enter a file that failed."""
        entry = self.entries[index]
        entry.why, entry.hint, entry.code = error.sentence, error.hint, error.code
        self._enter(index, "failed")

    def save(self) -> None:
        """Write the report; what is in the way stops no work and is kept as `trouble`.

        The report on disk is then the one before, whole.
        """
        if self._path is None:
            return
        self._saved = time.perf_counter()
        try:
            self._write()
        except WriteError as error:
            self.trouble = error
        else:
            self.trouble = None

    def _enter(self, index: int, status: str) -> None:
        entry, now = self.entries[index], time.perf_counter()
        self._counts.subtract([entry.status])
        self._counts.update([status])
        entry.status, entry.seconds = status, round(now - self._clock, 3)
        self._clock = now
        self._lines[index] = _line(entry)
        # To write takes longer than to pass over a file that is finished.
        if status != "skipped" or now - self._saved > _PAUSE:
            self.save()

    def _write(self) -> None:
        assert self._path is not None  # noqa: S101 - asked by those who call
        head = {
            KEY: SCHEMA,
            "state": self._state,
            "exit_code": _exit_code(self._state, self.code),
            "started": self._begun,
            "updated": _now(),
            "process": os.getpid(),
            "host": socket.gethostname(),
            "asked": self._asked,
            "counts": {status: self._counts[status] for status in STATUS},
        }
        # Lines are kept, as the whole of it is written after each of many files.
        text = json.dumps(head, indent=1, default=str)
        files = ",\n".join(self._lines)
        with atomic_write(self._path, overwrite=True) as file:
            file.write(f'{text[:-2]},\n "files": [\n{files}\n]\n}}\n'.encode())


def facts(outcome: Outcome) -> dict[str, Any]:
    """Return what a ledger holds of an outcome, as plain values."""
    return {
        "output": None if outcome.output is None else str(outcome.output),
        "catalog": None if outcome.catalog is None else str(outcome.catalog),
        "sources": None if outcome.sources is None else len(outcome.sources),
        "why": outcome.skipped,
    }


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry))


def _now() -> str:
    return written_at().strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended(error: BaseException | None) -> str:
    if error is None:
        return "finished"
    return "cancelled" if isinstance(error, KeyboardInterrupt) else "stopped"


def _exit_code(state: str, code: int) -> int | None:
    known: dict[str, int] = {"finished": code, "cancelled": CANCELLED}
    return known.get(state)


def _check_name(path: Path, plans: Sequence[Plan]) -> None:
    for plan in plans:
        if path.absolute() in {p.absolute() for p in (plan.target, plan.listing) if p}:
            raise UsageError(
                f"report={path} is where the results of {plan.source} go",
                hint="name another file with --report",
            )


def _check_old(path: Path) -> None:
    """Refuse to replace anything but a report."""
    if not os.path.lexists(path):
        return
    known: Any = None
    with suppress(OSError, ValueError):
        known = json.loads(path.read_text("utf-8"))
    if not isinstance(known, dict) or KEY not in known:
        raise WriteError(
            f"{path} exists already and is no report of bgrem",
            hint="name another file with --report",
        )
