"""Checksum: the sum of the FITS standard (4.0, appendix J), taken piece by piece."""

import numpy as np

_FULL = 0xFFFFFFFF
# Characters that the encoding must avoid: punctuation between digits and letters.
_AVOID = frozenset(b":;<=>?@[\\]^_`")


class Sum:
    """Ones-complement sum of big-endian 32-bit words.

    Attributes
    ----------
    value : int
        The sum so far, as if what was fed were padded with zeros.
    """

    def __init__(self) -> None:
        self._total = 0
        self._rest = b""

    def update(self, data: bytes) -> None:
        """Add the next bytes of the stream."""
        data = self._rest + data
        whole = len(data) // 4 * 4
        self._rest = data[whole:]
        words = np.frombuffer(data, ">u4", whole // 4)
        self._total += int(words.sum(dtype=np.uint64))

    @property
    def value(self) -> int:
        """The folded sum."""
        total = self._total + int.from_bytes(self._rest.ljust(4, b"\0"), "big")
        while total > _FULL:
            total = (total & _FULL) + (total >> 32)
        return total


def encode(value: int) -> str:
    """Return the 16 characters of CHECKSUM whose complement is `value`."""
    value = _FULL - value
    characters = np.zeros((4, 4), np.int64)
    for k in range(4):
        byte = (value >> (24 - 8 * k)) & 0xFF
        characters[:, k] = _spread(byte)
    text = bytes(characters.ravel().tolist())
    # The standard rotates by one, so that the value starts at column 12.
    return (text[-1:] + text[:-1]).decode("ascii")


def _spread(byte: int) -> list[int]:
    """Split a byte over four letters or digits that add up to it."""
    quarter, rest = divmod(byte, 4)
    four = [quarter + 48 + (rest if k == 0 else 0) for k in range(4)]
    while any(c in _AVOID for c in four):
        for k in (0, 2):
            if four[k] in _AVOID or four[k + 1] in _AVOID:
                four[k] += 1
                four[k + 1] -= 1
    return four
