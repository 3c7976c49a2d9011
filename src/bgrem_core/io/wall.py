"""Wall: decoders that damaged data can make crash work in a child process.

The decoders of HCOMPRESS and PLIO trust what they decode: damaged data make them write
beyond their buffers, which ends the process. Theirs is a child, with limits on its
memory and time; it sees the file only through a pipe, and what it hands back is taken
for pixels only if it has their number and type. If it dies, this process lives on.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ReadError
from bgrem_core.io import pipes
from bgrem_core.io.arrays import AnyArray

if TYPE_CHECKING:
    from bgrem_core.io.container import Container

__all__ = ["REFETCH", "Order", "Wall", "wall_of"]

#: What to do about damaged data.
REFETCH = "fetch the file again"

_CHILD = [sys.executable, "-P", "-m", "bgrem_core.io.decoder"]
# The slowest machine decodes a million pixels a second many times over.
_SECONDS, _PIXELS_A_SECOND = 2, 2e6
# Time on the clock is no measure of work on a machine that is busy: this is for a
# child that does not work at all, and for systems without limits.
_PATIENCE, _PATIENCE_A_SECOND = 60, 20
_BYTES, _BYTES_A_PIXEL = 512 * 2**20, 64
_MOST_DEATHS = 5
_SENTENCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Rows of a compressed image.

    Attributes
    ----------
    hdu : int
        Position in the file, 0 = primary.
    kind : str
        ZCMPTYPE.
    shape : tuple of int
        Of the image, slowest axis first.
    tile : tuple of int
        Of its tiles, in the same order.
    dtype : dtype
        Of the stored numbers, native.
    index : tuple of int
        The plane, along the leading axes.
    rows : slice
        The rows.
    """

    hdu: int
    kind: str
    shape: tuple[int, ...]
    tile: tuple[int, ...]
    dtype: np.dtype[Any]
    index: tuple[int, ...]
    rows: slice

    @property
    def result(self) -> tuple[int, int]:
        """Shape of what is ordered."""
        return self.rows.stop - self.rows.start, self.shape[-1]

    @property
    def seconds(self) -> int:
        """Seconds of work that it may take."""
        return math.ceil(_SECONDS + self._work / _PIXELS_A_SECOND)

    @property
    def memory(self) -> int:
        """Bytes that it may take."""
        return _BYTES + _BYTES_A_PIXEL * self._work

    @property
    def _work(self) -> int:
        """Pixels that have to be decoded, as tiles are decoded whole."""
        wanted = (*(1 for _ in self.index), *self.result)
        return math.prod(map(max, wanted, self.tile))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the child."""
        return {
            "hdu": self.hdu,
            "kind": self.kind,
            "shape": self.shape,
            "dtype": self.dtype.str,
            "index": self.index,
            "rows": [self.rows.start, self.rows.stop],
            "seconds": self.seconds,
            "memory": self.memory,
        }


class Wall:
    """Decodes rows of one file in a child process.

    The child is started by the first order and kept for the next ones; where it died,
    the next order starts another.

    Parameters
    ----------
    read : callable
        ``read(offset, size)`` gives bytes of the file.
    size : int
        Bytes in the file.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._child: subprocess.Popen[bytes] | None = None
        self._deaths = 0

    def rows(self, order: Order) -> AnyArray:
        """Return stored numbers, shape ``order.result``, native byte order.

        Raises
        ------
        ReadError
            The data ended the child, or took it too long or too much memory.
        ValueError
            The decoder says that they are damaged.
        """
        if self._deaths >= _MOST_DEATHS:
            raise ReadError(f"{_subject(order)} ended {self._deaths} processes",
                            hint=REFETCH)  # fmt: skip
        child = self._started()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            child.kill()

        patience = _PATIENCE + _PATIENCE_A_SECOND * order.seconds
        timer = threading.Timer(patience, give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._ask(child, order)
        except (EOFError, BrokenPipeError) as error:
            child.kill()
            how = f"more than {patience} s" if late.is_set() else ""
            status = child.wait()
            self._deaths += 1
            raise _died(order, status, how) from error
        except ValueError:
            raise
        except BaseException:
            # Ctrl-C, or a file that vanished: half a message is under way.
            self.close()
            raise
        finally:
            timer.cancel()
            if child.poll() is not None or late.is_set():
                self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                # What was not sent yet cannot be sent any more.
                continue
        child.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is not None:
            return self._child
        try:
            self._child = _spawn()
            kind, _ = pipes.receive(_out(self._child), most=0)
        except (OSError, EOFError, ValueError, TypeError) as error:
            self.close()
            raise _unstartable() from error
        except BaseException:
            self.close()
            raise
        if kind != pipes.READY:
            self.close()
            raise _unstartable()
        return self._child

    def _ask(self, child: "subprocess.Popen[bytes]", order: Order) -> AnyArray:
        given, taken = _in(child), _out(child)
        pipes.send_json(given, pipes.ORDER, {**order.as_dict(), "size": self._size})
        size = math.prod(order.result) * order.dtype.itemsize
        while True:
            kind, payload = pipes.receive(taken, most=max(size, _SENTENCE))
            if kind == pipes.WANT:
                pipes.send(given, pipes.BYTES, self._wanted(payload))
            elif kind == pipes.PIXELS and len(payload) == size:
                return np.frombuffer(payload, order.dtype).reshape(order.result)
            elif kind == pipes.FAILED:
                raise ValueError(payload.decode("utf-8", "replace"))
            elif kind == pipes.MEMORY:
                raise ReadError(f"{_subject(order)} need more memory than their number "
                                "explains", hint=REFETCH)  # fmt: skip
            else:
                raise EOFError("the child says what it cannot say")

    def _wanted(self, payload: bytearray) -> bytes:
        """Return the bytes that the child asks for, as far as the file has them."""
        try:
            offset, size = (int(v) for v in json.loads(payload))
        except (ValueError, TypeError) as error:
            raise EOFError("the child asks for nonsense") from error
        if offset < 0 or size < 0:
            raise EOFError("the child asks for nonsense")
        return self._read(offset, max(0, min(size, self._size - offset)))


def wall_of(container: "Container") -> Wall:
    """Return the wall of an open file, which ends with it."""
    if container.wall is None:
        container.wall = Wall(container.read, container.size)
    return container.wall


def _spawn() -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(p for p in sys.path if p)
    # Threads of a linear algebra that nobody uses take much address space.
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        _CHILD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **one, "PYTHONPATH": path},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _in(child: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert child.stdin is not None  # noqa: S101 - it was made with one
    return child.stdin


def _out(child: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert child.stdout is not None  # noqa: S101 - it was made with one
    return child.stdout


def _subject(order: Order) -> str:
    return f"the {order.kind} data of HDU {order.hdu}"


def _died(order: Order, status: int, how: str) -> ReadError:
    if status == -getattr(signal, "SIGXCPU", 0):
        how = f"more than {order.seconds} s of work"
    rows = f"rows {order.rows.start} to {order.rows.stop}"
    if how:
        said = f"took {how} for {rows}"
    else:
        said = f"ended their decoder with {_named(status)} at {rows}"
    return ReadError(f"{_subject(order)} are damaged: they {said}", hint=REFETCH)


def _named(status: int) -> str:
    """Return the name of a signal, or the exit code."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"code {status}"


def _unstartable() -> ReadError:
    return ReadError(
        "the process that decodes this compression cannot be started",
        hint="unpack the file first, such as with funpack",
    )
