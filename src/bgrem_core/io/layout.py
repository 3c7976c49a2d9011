"""Layout: where the HDUs of a FITS file lie, found without trusting the file.

The headers are scanned here, card by card, so that no other parser ever sees a file
whose structure is broken or whose stated size is a lie.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from bgrem_core.errors import ReadError

BLOCK = 2880
CARD = 80

#: Longest header that is believed: 200,000 cards.
MAX_HEADER = 16_000_000
MAX_AXES = 999
BITPIX = (8, 16, 32, 64, -32, -64)

Kind = Literal["image", "compressed", "table", "empty", "other"]
Value = str | int | float | bool | None

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?$")
_TEXT = re.compile(r"\s*'((?:[^']|'')*)'")


@dataclass(frozen=True, eq=False)
class HDURecord:
    """One HDU: its cards and where its data lie.

    Attributes
    ----------
    index : int
        Position in the file, 0 = primary.
    start : int
        Offset of the header in bytes.
    data : int
        Offset of the data unit.
    size : int
        Bytes of the data unit, without padding.
    cards : tuple of bytes
        The cards before END, 80 bytes each, as in the file.
    """

    index: int
    start: int
    data: int
    size: int
    cards: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """Offset of the next HDU."""
        return self.data + padded(self.size)

    @cached_property
    def values(self) -> dict[str, Value]:
        """Value of each keyword; of several cards the first; None = unreadable."""
        return card_values(self.cards)

    @cached_property
    def kind(self) -> Kind:
        """What this HDU holds."""
        return _kind(self.values)

    @property
    def name(self) -> str:
        """EXTNAME, or ""."""
        name = self.values.get("EXTNAME")
        return name.strip() if isinstance(name, str) else ""

    @property
    def version(self) -> int:
        """EXTVER, 1 if there is none."""
        version = self.values.get("EXTVER")
        return version if isinstance(version, int) else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image in the order of numpy, slowest axis first."""
        if self.kind not in {"image", "compressed"}:
            return ()
        prefix = "ZNAXIS" if self.kind == "compressed" else "NAXIS"
        axes = _integer(self.values, prefix, self.index)
        return tuple(
            _integer(self.values, f"{prefix}{k}", self.index)
            for k in range(axes, 0, -1)
        )

    @property
    def label(self) -> str:
        """A few words for a message, such as ``1 SCI (4094 x 2046)``."""
        words = [str(self.index)]
        if self.name:
            words.append(self.name + (f",{self.version}" if self.version != 1 else ""))
        size = " x ".join(str(n) for n in self.shape[::-1])
        words.append(f"({size})" if size else f"({self.kind})")
        return " ".join(words)


class Layout(NamedTuple):
    """The HDUs of a file, and what was odd about it."""

    records: tuple[HDURecord, ...]
    notices: tuple[str, ...]


def padded(size: int) -> int:
    """Return `size` in bytes, rounded up to whole FITS blocks."""
    return -(-size // BLOCK) * BLOCK


def scan(
    read: Callable[[int, int], bytes], size: int, *, salvage: bool = False
) -> Layout:
    """Find the HDUs of a FITS file.

    Parameters
    ----------
    read : callable
        ``read(offset, size)`` gives bytes of the file.
    size : int
        Bytes in the file.
    salvage : bool, optional
        Keep what there is of a file that is cut off, or damaged behind its first HDU.

    Returns
    -------
    Layout
        At least the primary HDU. Salvaged, the last may state more data than there are.

    Raises
    ------
    ReadError
        A header that is illegal or unfinished, or states more data than there are.
    """
    records: list[HDURecord] = []
    notices = []
    offset = 0
    while offset < size or not records:
        head = read(offset, min(BLOCK, size - offset))
        if records and not head.startswith(b"XTENSION"):
            break
        try:
            record = _record(read, offset, size, len(records))
        except ReadError as error:
            if not salvage or not records:
                raise
            notices.append(f"{error.sentence}: left out, with all that follows")
            return Layout(tuple(records), tuple(notices))
        if record.data + record.size > size:
            short = _truncated(size, record.data + record.size)
            if not salvage:
                raise short
            notices.append(f"{short.sentence}, within HDU {record.index}")
            return Layout((*records, record), tuple(notices))
        records.append(record)
        offset = record.end
    rest = read(offset, max(0, min(BLOCK, size - offset)))
    if offset > size:
        notices.append("the last block of the file is not filled up to 2880 bytes")
    elif rest.strip(b"\0 "):
        notices.append(f"{size - offset} bytes after the last HDU are left out")
    return Layout(tuple(records), tuple(notices))


def _record(
    read: Callable[[int, int], bytes], offset: int, size: int, index: int
) -> HDURecord:
    cards, data = _read_header(read, offset, size, index)
    length = data_size(card_values(cards), index)
    return HDURecord(index, offset, data, length, cards)


def data_size(values: dict[str, Value], index: int) -> int:
    """Return the bytes of data that a header states.

    Raises
    ------
    ReadError
        BITPIX, NAXIS or an axis is missing or illegal.
    """
    bitpix = _integer(values, "BITPIX", index)
    if bitpix not in BITPIX:
        raise ReadError(
            f"BITPIX={bitpix} of HDU {index} is not a FITS type", hint=_DAMAGED
        )
    axes = _integer(values, "NAXIS", index)
    if not 0 <= axes <= MAX_AXES:
        raise ReadError(f"NAXIS={axes} of HDU {index} is not possible", hint=_DAMAGED)
    lengths = [_integer(values, f"NAXIS{k}", index) for k in range(1, axes + 1)]
    if values.get("GROUPS") is True and lengths[:1] == [0]:
        lengths = lengths[1:]
    extra, groups = (_optional(values, k, d, index) for k, d in _COUNTS)
    if not axes:
        return 0
    return abs(bitpix) // 8 * groups * (extra + math.prod(lengths))


def card_values(cards: tuple[bytes, ...]) -> dict[str, Value]:
    """Return the value of each keyword; of several cards the first counts."""
    values: dict[str, Value] = {}
    for card in cards:
        if card[8:10] in {b"= ", b"='"}:
            values.setdefault(card_key(card), card_value(card))
    return values


def card_key(card: bytes) -> str:
    """Return the keyword of a card, "" if there is none."""
    return card[:8].rstrip().decode("latin-1").upper()


def card_value(card: bytes) -> Value:
    """Return the value of a card; None if it has none or it cannot be read."""
    text = card[9:].decode("latin-1")
    if match := _TEXT.match(text):
        return match[1].replace("''", "'").rstrip()
    word = text.split("/", 1)[0].strip()
    if word in {"T", "F"}:
        return word == "T"
    if not _NUMBER.match(word):
        return None
    if re.fullmatch(r"[+-]?\d+", word):
        return int(word)
    return float(word.upper().replace("D", "E"))


class Growth:
    """Follows a FITS file that arrives as a stream, to know how long it may become.

    Attributes
    ----------
    total : int
        Bytes fed so far.
    """

    def __init__(self) -> None:
        self.total = 0
        self._next = 0
        self._header = bytearray()
        self._count = 0
        self._closed = False

    def limit(self) -> int:
        """Return the bytes that the headers seen so far account for."""
        return self._next + len(self._header)

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the stream.

        Raises
        ------
        ReadError
            The stream is not FITS, a header is illegal, or more has come than a block
            after the last HDU.
        """
        start = self.total
        self.total += len(piece)
        while not self._closed and (at := self.limit()) < self.total:
            room = BLOCK - len(self._header) % BLOCK
            self._header += piece[at - start : at - start + room]
            if len(self._header) % BLOCK == 0:
                self._take_block()
        if self.total > self.limit() + BLOCK:
            raise ReadError(
                f"more than the stated {self.limit()} bytes come out of the file",
                hint="the file is damaged, or made to fill the disk",
            )

    def _take_block(self) -> None:
        if not self._header.startswith((b"SIMPLE  =", b"XTENSION")):
            if not self._count:
                raise ReadError("the compressed file holds no FITS file")
            self._closed = True
            self._header.clear()
        elif cards := _until_end(bytes(self._header)):
            size = data_size(card_values(cards), self._count)
            self._next += len(self._header) + padded(size)
            self._header.clear()
            self._count += 1
        elif len(self._header) > MAX_HEADER:
            raise ReadError("a header has no END card", hint=_DAMAGED)


_DAMAGED = "the file is damaged: fetch it again"
_COUNTS = (("PCOUNT", 0), ("GCOUNT", 1))


def _truncated(size: int, wanted: int) -> ReadError:
    share = 100 * size / wanted
    return ReadError(
        f"the file ends at byte {size} of {wanted} ({share:.0f} %)",
        hint="was the download or copy cut off? --salvage keeps what is there",
    )


def _read_header(
    read: Callable[[int, int], bytes], offset: int, size: int, index: int
) -> tuple[tuple[bytes, ...], int]:
    """Return the cards before END and the offset behind the header."""
    cards: list[bytes] = []
    at = offset
    while at + BLOCK <= size and at - offset <= MAX_HEADER:
        found, ended = _split(read(at, BLOCK))
        cards += found
        at += BLOCK
        if ended:
            return tuple(cards), at
    if at - offset > MAX_HEADER:
        raise ReadError(f"the header of HDU {index} has no END card", hint=_DAMAGED)
    raise ReadError(
        f"the file ends at byte {size}, within the header of HDU {index}",
        hint="was the download or copy cut off? --salvage keeps what is there"
        if index
        else "was the download or copy cut off?",
    )


def _split(block: bytes) -> tuple[list[bytes], bool]:
    cards: list[bytes] = []
    for card in _slices(block):
        if card[:8] == b"END     ":
            return cards, True
        cards.append(card)
    return cards, False


def _until_end(header: bytes) -> tuple[bytes, ...] | None:
    # Only the newest block can hold the END that was not there before.
    if not _split(header[-BLOCK:])[1]:
        return None
    return tuple(_split(header)[0])


def _slices(block: bytes) -> Iterator[bytes]:
    for k in range(0, len(block), CARD):
        yield block[k : k + CARD]


def _kind(values: dict[str, Value]) -> Kind:
    extension = values.get("XTENSION")
    if extension is not None and extension not in {"IMAGE", "IUEIMAGE"}:
        if extension == "BINTABLE" and values.get("ZIMAGE") is True:
            return "compressed"
        return "table" if extension in {"BINTABLE", "TABLE", "A3DTABLE"} else "other"
    axes = values.get("NAXIS")
    lengths = [values.get(f"NAXIS{k + 1}") for k in range(int(axes or 0))]
    if values.get("GROUPS") is True and lengths[:1] == [0]:
        return "other"
    return "image" if lengths and all(lengths) else "empty"


def _integer(values: dict[str, Value], key: str, index: int) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        said = f"{key} of HDU {index} is missing or not a whole number"
        raise ReadError(said, hint=_DAMAGED)
    if value < 0 and key != "BITPIX" and key != "ZBITPIX":
        raise ReadError(f"{key}={value} of HDU {index} is negative", hint=_DAMAGED)
    return value


def _optional(values: dict[str, Value], key: str, default: int, index: int) -> int:
    return _integer(values, key, index) if key in values else default
