"""Pipes: messages of one letter and some bytes, between a process and its child."""

import json
import struct
from typing import IO, Any

__all__ = [
    "BYTES",
    "FAILED",
    "FORGET",
    "MEMORY",
    "ORDER",
    "PIXELS",
    "READY",
    "WANT",
    "receive",
    "send",
    "send_json",
]

#: The child asks for bytes of the file, and gets them.
WANT, BYTES = b"W", b"B"
#: The parent orders a block, the child is ready to be asked, and answers in one of
#: three ways: pixels, a sentence on what is wrong, or that memory does not suffice.
ORDER, READY, PIXELS, FAILED, MEMORY = b"O", b"R", b"P", b"F", b"M"
#: The next order is for another file.
FORGET = b"N"

_HEAD = struct.Struct("<cQ")


def send(pipe: IO[bytes], kind: bytes, payload: bytes | memoryview = b"") -> None:
    """Write a message at once."""
    pipe.write(_HEAD.pack(kind, len(payload)))
    pipe.write(payload)
    pipe.flush()


def send_json(pipe: IO[bytes], kind: bytes, payload: Any) -> None:
    """Write a message of plain values."""
    send(pipe, kind, json.dumps(payload).encode())


def receive(pipe: IO[bytes], *, most: int) -> tuple[bytes, bytearray]:
    """Read a message.

    Parameters
    ----------
    pipe : binary file
        Where from.
    most : int
        Bytes that are believed; nothing is allocated for more.

    Returns
    -------
    kind : bytes
        One letter.
    payload : bytearray
        The rest.

    Raises
    ------
    EOFError
        The other side is gone, or says what it cannot say.
    """
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError("the pipe has ended")
    kind, size = _HEAD.unpack(head)
    if size > most:
        raise EOFError(f"a message of {size} bytes is too long")
    payload = bytearray(size)
    view, at = memoryview(payload), 0
    while at < size:
        count = pipe.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the pipe has ended within a message")
        at += count
    return kind, payload
