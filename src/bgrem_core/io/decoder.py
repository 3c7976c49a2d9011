"""Decoder: the child process behind the wall; see `bgrem_core.io.wall`.

``python -m bgrem_core.io.decoder``: orders come in at standard input, answers go out at
standard output, and the end of the input is the end of the process.
"""

import io
import json
import os
import signal
import sys
import time
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bgrem_core.io import pipes
from bgrem_core.io.fits import quiet

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["main"]

_AHEAD = 2**18
_MOST = 2**62


class _Packed:
    """A file and those of its HDUs that were asked for."""

    def __init__(self, given: IO[bytes], answers: IO[bytes]) -> None:
        self._remote = _Remote(given, answers)
        self._file = io.BufferedReader(self._remote)
        self._hdus: dict[int, Any] = {}

    def hdu(self, order: dict[str, Any]) -> Any:
        index = order["hdu"]
        if index not in self._hdus:
            from astropy.io import fits

            self._remote.size = order["size"]
            self._file.seek(0)
            # Never closed: that would close the pipe.
            hdus = fits.open(self._file, do_not_scale_image_data=True)
            hdu = hdus[index]
            if (*hdu.shape, hdu.compression_type) != (*order["shape"], order["kind"]):
                raise ValueError("they contradict themselves")
            self._hdus[index] = hdu
        return self._hdus[index]


class _Remote(io.RawIOBase):
    """The file, of which the parent sends what is read, and has told the size.

    What was sent last is kept: astropy goes to each tile anew, from which a buffer of
    Python takes nothing over, and the next tile mostly follows.
    """

    def __init__(self, given: IO[bytes], answers: IO[bytes]) -> None:
        super().__init__()
        self._given, self._answers = given, answers
        self._at = 0
        self._kept, self._kept_at = memoryview(b""), 0
        self.size = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}
        self._at = start[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        start = self._at - self._kept_at
        if not 0 <= start < len(self._kept):
            self._fetch(max(len(view), _AHEAD))
            start = 0
        found = self._kept[start : start + len(view)]
        view[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _fetch(self, size: int) -> None:
        pipes.send_json(self._answers, pipes.WANT, [self._at, size])
        _, payload = pipes.receive(self._given, most=_MOST)
        self._kept, self._kept_at = memoryview(payload), self._at


def main() -> None:
    """Decode what is ordered, until nobody orders any more."""
    # Ctrl-C is for the parent, which then ends its child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Nothing else may speak on this pipe.
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
    # Loaded before the limits are set.
    import astropy.io.fits  # noqa: F401

    pipes.send(answers, pipes.READY)
    packed = _Packed(given, answers)
    while True:
        try:
            kind, payload = pipes.receive(given, most=_MOST)
        except EOFError:
            return
        if kind == pipes.FORGET:
            packed = _Packed(given, answers)
            continue
        order = json.loads(payload)
        try:
            _limit(order["seconds"], order["memory"])
            data = _decode(packed, order)
        except MemoryError:
            pipes.send(answers, pipes.MEMORY)
        except (EOFError, BrokenPipeError):
            # From the decoder too: the file then has less than it states.
            pipes.send(answers, pipes.FAILED, b"they end too early")
        except Exception as error:  # noqa: BLE001 - decoders throw anything
            pipes.send(answers, pipes.FAILED, str(error).encode()[:4000])
        else:
            pipes.send(answers, pipes.PIXELS, data.data.cast("B"))


def _decode(packed: _Packed, order: dict[str, Any]) -> np.ndarray[Any, Any]:
    rows, cols = (slice(*order[side]) for side in ("rows", "cols"))
    with quiet():
        data = packed.hdu(order).section[(*order["index"], rows, cols)]
    if data.shape != (rows.stop - rows.start, cols.stop - cols.start):
        raise ValueError(f"they give {data.shape} pixels")
    if data.dtype != np.dtype(order["dtype"]):
        raise ValueError(f"they give {data.dtype}")
    return np.ascontiguousarray(data, order["dtype"])


def _limit(seconds: int, memory: int) -> None:
    """Let the system end this process if it works, or grows, beyond an order."""
    try:
        import resource
    except ImportError:
        return
    used = int(time.process_time()) + 1
    _lower(resource, resource.RLIMIT_CPU, used + seconds)
    _lower(resource, resource.RLIMIT_CORE, 0)
    taken = _address_space(resource)
    if taken is not None:
        _lower(resource, resource.RLIMIT_AS, taken + memory)


def _lower(resource: Any, kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    # The hard limit stays as it is: the next order has another one.
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(kind, (wanted, hard))


def _address_space(resource: Any) -> int | None:
    """Return the bytes of addresses in use; None where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * int(resource.getpagesize())
    except OSError:
        return None


if __name__ == "__main__":
    main()
