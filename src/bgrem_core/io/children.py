"""Children: the processes behind the wall, of which one may wait for another file."""

import atexit
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO

from bgrem_core.errors import ReadError
from bgrem_core.io import pipes

__all__ = ["Child", "end", "end_spare", "keep", "take"]

_COMMAND = [sys.executable, "-P", "-m", "bgrem_core.io.decoder"]


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A process that decodes.

    Attributes
    ----------
    process : Popen
        The process.
    given, taken : binary file
        Its standard input and output.
    """

    process: "subprocess.Popen[bytes]"
    given: IO[bytes]
    taken: IO[bytes]


class _Spare:
    """Room for one process that has nothing to do.

    To start one takes as long as to decode a large frame: whoever opens one file after
    the other should pay for it once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._inherited: Child | None = None

    def swap(self, child: Child | None) -> Child | None:
        with self._lock:
            child, self._child = self._child, child
        return child

    def forget(self) -> None:
        """Leave the process to the one that started it, after a fork."""
        self._lock = threading.Lock()
        # Not let go, or it would be waited for: it is no child of this process.
        self._inherited, self._child = self._child, None
        if self._inherited is not None:
            # Held open here, it would not end with its own parent.
            self._inherited.given.close()
            self._inherited.taken.close()


_spare = _Spare()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spare.forget)


def take() -> Child:
    """Return a process that has no file: the one that waits, or a new one.

    Raises
    ------
    ReadError
        None can be started.
    """
    child = _spare.swap(None)
    if child is not None:
        if child.process.poll() is None:
            return child
        end(child)
    return _start()


def keep(child: Child) -> None:
    """Let a process forget its file and wait for the next one."""
    try:
        pipes.send(child.given, pipes.FORGET)
    except OSError:
        end(child)
        return
    other = _spare.swap(child)
    if other is not None:
        end(other)


def end(child: Child) -> None:
    """End a process, whatever it is doing."""
    child.process.kill()
    for pipe in (child.given, child.taken):
        try:
            pipe.close()
        except OSError:
            # What was not sent yet cannot be sent any more.
            continue
    child.process.wait()


@atexit.register
def end_spare() -> None:
    """End the process that waits, if there is one."""
    child = _spare.swap(None)
    if child is not None:
        end(child)


def _start() -> Child:
    try:
        process = _spawn()
    except (OSError, TypeError) as error:
        raise _unstartable() from error
    assert process.stdin is not None  # noqa: S101 - it was made with both
    assert process.stdout is not None  # noqa: S101
    child = Child(process, process.stdin, process.stdout)
    try:
        kind, _ = pipes.receive(child.taken, most=0)
    except BaseException as error:
        end(child)
        if isinstance(error, (OSError, EOFError)):
            raise _unstartable() from error
        raise
    if kind != pipes.READY:
        end(child)
        raise _unstartable()
    return child


def _spawn() -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(p for p in sys.path if p)
    # Threads of a linear algebra that nobody uses take much address space.
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **one, "PYTHONPATH": path},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _unstartable() -> ReadError:
    return ReadError(
        "the process that decodes compressed images cannot be started",
        hint="unpack the file first, such as with funpack",
    )
