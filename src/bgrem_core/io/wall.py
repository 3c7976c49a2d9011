"""Wall: decoders that damaged data can make crash work in a child process.

The decoders of compressed images trust what they decode: damaged data make that of RICE
read, and those of HCOMPRESS and PLIO write, beyond their buffers, which ends the
process; and tiles of gzip may unpack to any size. Theirs is a child, with limits on its
memory and time; it sees the file only through a pipe, and what it hands back is taken
for pixels only if it has their number and type. If it dies, this process lives on.
"""

import json
import math
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ReadError
from bgrem_core.io import children, pipes
from bgrem_core.io.arrays import AnyArray

if TYPE_CHECKING:
    from bgrem_core.io.container import Container

__all__ = ["REFETCH", "Order", "Wall", "wall_of"]

#: What to do about damaged data.
REFETCH = "fetch the file again"

# The slowest machine decodes a million pixels a second many times over.
_SECONDS, _PIXELS_A_SECOND = 2, 2e6
# Time on the clock is no measure of work on a machine that is busy: this is for a
# child that does not work at all, and for systems without limits.
_PATIENCE, _PATIENCE_A_SECOND = 60, 20
_BYTES, _BYTES_A_PIXEL = 512 * 2**20, 64
_MOST_DEATHS = 5
_SENTENCE = 10_000
# Their decoders write nowhere else, whatever they read; a child that worked on others
# may not be what it was, and serves no second file.
_HARMLESS = frozenset({"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A block of a compressed image.

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
    rows, cols : slice
        The block of it.
    """

    hdu: int
    kind: str
    shape: tuple[int, ...]
    tile: tuple[int, ...]
    dtype: np.dtype[Any]
    index: tuple[int, ...]
    rows: slice
    cols: slice

    @property
    def result(self) -> tuple[int, int]:
        """Shape of what is ordered."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start

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
            "cols": [self.cols.start, self.cols.stop],
            "seconds": self.seconds,
            "memory": self.memory,
        }


class Wall:
    """Decodes blocks of one file in a child process.

    The child is taken by the first order and kept for the next ones; where it died, the
    next order takes another.

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
        self._child: children.Child | None = None
        self._harmless = True
        self._deaths = 0

    def block(self, order: Order) -> AnyArray:
        """Return stored numbers, shape ``order.result``, native byte order.

        Raises
        ------
        ReadError
            The data ended the child, or took it too long or too much memory; or no
            child can be started.
        ValueError
            The decoder says that they are damaged.
        """
        if self._deaths >= _MOST_DEATHS:
            raise ReadError(f"{_subject(order)} ended {self._deaths} processes",
                            hint=REFETCH)  # fmt: skip
        if self._child is None:
            self._child, self._harmless = children.take(), True
        self._harmless &= order.kind in _HARMLESS
        process = self._child.process
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        patience = _PATIENCE + _PATIENCE_A_SECOND * order.seconds
        timer = threading.Timer(patience, give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._ask(self._child, order)
        except (EOFError, BrokenPipeError) as error:
            process.kill()
            how = f"more than {patience} s" if late.is_set() else ""
            status = process.wait()
            self._deaths += 1
            raise _died(order, status, how) from error
        except ValueError:
            self._harmless = False
            raise
        except BaseException:
            # Ctrl-C, or a file that vanished: half a message is under way.
            self._end()
            raise
        finally:
            timer.cancel()
            if process.poll() is not None or late.is_set():
                self._end()

    def close(self) -> None:
        """Let the child go, if there is one."""
        if self._child is not None and self._harmless:
            children.keep(self._child)
            self._child = None
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            children.end(child)

    def _ask(self, child: children.Child, order: Order) -> AnyArray:
        pipes.send_json(
            child.given, pipes.ORDER, {**order.as_dict(), "size": self._size}
        )
        size = math.prod(order.result) * order.dtype.itemsize
        while True:
            kind, payload = pipes.receive(child.taken, most=max(size, _SENTENCE))
            if kind == pipes.WANT:
                pipes.send(child.given, pipes.BYTES, self._wanted(payload))
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
    """Return the wall of an open file, which goes with it."""
    if container.wall is None:
        container.wall = Wall(container.read, container.size)
    return container.wall


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
