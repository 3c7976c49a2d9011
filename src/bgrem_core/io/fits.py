"""FITS: rows of images, plain or tile-compressed, and headers as they were written."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import ReadError
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.checksum import Sum
from bgrem_core.io.container import Container
from bgrem_core.io.layout import (
    CARD,
    HDURecord,
    Layout,
    card_key,
    card_value,
    padded,
    scan,
)
from bgrem_core.io.wall import REFETCH, Order, wall_of

if TYPE_CHECKING:
    from astropy.io.fits import Header

#: ``rows(index, rows, cols)``: stored numbers of a block of the plane at ``index``.
Rows = Callable[[tuple[int, ...], slice, slice], AnyArray]

_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# Cards that describe how an image is compressed, not the image.
_COMPRESSION = re.compile(
    r"ZIMAGE|ZCMPTYPE|ZBITPIX|ZNAXIS\d*|ZTILE\d+|ZNAME\d+|ZVAL\d+|ZMASKCMP|ZQUANTIZ"
    r"|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZSIMPLE|ZEXTEND|ZBLOCKED|ZTENSION|ZPCOUNT|ZGCOUNT"
    r"|ZHECKSUM|ZDATASUM|ZTHEAP|THEAP|TFIELDS|TTYPE\d+|TFORM\d+|TDIM\d+|TNULL\d+"
    r"|TZERO\d+|TSCAL\d+|TUNIT\d+|TDISP\d+"
)
# Printable ASCII, which is all that FITS allows in a header.
_FIRST, _LAST = ord(" "), ord("~")
_STRUCTURE = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT")


def scan_fits(container: Container, *, salvage: bool = False) -> Layout:
    """Find the HDUs of an open FITS file; salvaged, also of one that is cut off.

    Raises
    ------
    ReadError
        The file is damaged or cut off.
    """
    return scan(container.read, container.size, salvage=salvage)


def is_whole(container: Container, record: HDURecord) -> bool:
    """Whether all data that an HDU states are in the file."""
    return record.data + record.size <= container.size


def bitpix(record: HDURecord) -> int:
    """Return the type of the image's stored numbers, before any compression.

    Raises
    ------
    ReadError
        A compressed image states no legal type.
    """
    value = record.values.get("ZBITPIX" if record.kind == "compressed" else "BITPIX")
    if value not in _DTYPES:
        raise ReadError(f"BITPIX={value} of HDU {record.index} is not a FITS type")
    return int(value)


def rows_of(container: Container, record: HDURecord) -> Rows:
    """Give access to the rows of an image HDU.

    Parameters
    ----------
    container : Container
        The open file.
    record : HDURecord
        An image, plain or compressed.

    Returns
    -------
    callable
        ``rows(index, rows, cols)`` gives stored numbers of the plane at `index` of the
        leading axes; big-endian or native, BSCALE and BZERO not applied. Raises
        ReadError where the data are damaged.

    Raises
    ------
    ReadError
        The header is damaged.
    """
    if record.kind == "compressed":
        return _walled(container, record)
    dtype = np.dtype(_DTYPES[bitpix(record)])
    shape = record.shape
    width = shape[-1]

    def plain(index: tuple[int, ...], rows: slice, cols: slice) -> AnyArray:
        plane = int(np.ravel_multi_index(index, shape[:-2])) if index else 0
        first = plane * shape[-2] + rows.start
        count = (rows.stop - rows.start) * width
        offset = record.data + first * width * dtype.itemsize
        stored = container.read(offset, count * dtype.itemsize)
        return np.frombuffer(stored, dtype).reshape(-1, width)[:, cols]

    return plain


def _walled(container: Container, record: HDURecord) -> Rows:
    with _damage(record):
        order = _order(record)

    def walled(index: tuple[int, ...], rows: slice, cols: slice) -> AnyArray:
        with _damage(record):
            wanted = replace(order, index=index, rows=rows, cols=cols)
            return wall_of(container).block(wanted)

    return walled


def _order(record: HDURecord) -> Order:
    """Return the order of the whole first plane."""
    shape, axes = record.shape, len(record.shape)
    tile = (record.values.get(f"ZTILE{axes - k}") for k in range(axes))
    return Order(
        hdu=record.index,
        kind=str(record.values.get("ZCMPTYPE")),
        shape=shape,
        tile=tuple(
            min(t, n) if isinstance(t, int) else n
            for t, n in zip(tile, shape, strict=True)
        ),
        dtype=np.dtype(_DTYPES[bitpix(record)]).newbyteorder("="),
        index=(0,) * (axes - 2),
        rows=slice(0, shape[-2]),
        cols=slice(0, shape[-1]),
    )


@contextmanager
def _damage(record: HDURecord) -> Iterator[None]:
    """Turn whatever a decoder throws at damaged data into one error."""
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception as error:
        kind = record.values.get("ZCMPTYPE", "compressed")
        raise ReadError(
            f"the {kind} data of HDU {record.index} are damaged ({error})",
            hint=REFETCH,
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings of astropy from the user, who gets our notices instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def plain_cards(record: HDURecord) -> tuple[bytes, ...]:
    """Return the cards of an image HDU as if it had never been compressed.

    Returns
    -------
    tuple of bytes
        80 bytes each, ASCII; structure first (SIMPLE or XTENSION, BITPIX, NAXIS ...),
        the rest in the order of the file, byte for byte but for non-ASCII characters.
    """
    cards = [clean_card(card) for card in record.cards]
    if record.kind != "compressed":
        return tuple(cards)
    kept = _structure(record)
    dropped = False
    for card in cards:
        key = card_key(card)
        if key == "CONTINUE" and dropped:
            continue
        dropped = bool(_COMPRESSION.fullmatch(key) or _STRUCTURE.fullmatch(key))
        dropped |= key in {"CHECKSUM", "DATASUM"}
        dropped |= key == "EXTNAME" and card_value(card) == "COMPRESSED_IMAGE"
        if not dropped:
            kept.append(card)
    blank = record.values.get("ZBLANK")
    if bitpix(record) > 0 and type(blank) is int and "BLANK" not in record.values:
        kept.append(number_card("BLANK", blank))
    return tuple(kept)


def _structure(record: HDURecord) -> list[bytes]:
    shape = record.shape
    axes = [number_card(f"NAXIS{k + 1}", n) for k, n in enumerate(shape[::-1])]
    return [
        b"XTENSION= 'IMAGE   '           / image extension".ljust(CARD),
        number_card("BITPIX", bitpix(record)),
        number_card("NAXIS", len(shape)),
        *axes,
        number_card("PCOUNT", 0),
        number_card("GCOUNT", 1),
    ]


def number_card(key: str, value: int, comment: str = "") -> bytes:
    """Return the card of a whole number in FITS fixed format."""
    tail = f" / {comment}" if comment else ""
    return f"{key:8}= {value:>20}{tail}".encode("ascii").ljust(CARD)[:CARD]


def clean_card(card: bytes) -> bytes:
    """Return the card with what is not printable ASCII replaced by "?"."""
    return card if _is_ascii(card) else bytes(_printable(c) for c in card)


def is_ascii(record: HDURecord) -> bool:
    """Whether all cards hold printable ASCII, as FITS demands."""
    return all(_is_ascii(card) for card in record.cards)


def _is_ascii(card: bytes) -> bool:
    return min(card) >= _FIRST and max(card) <= _LAST


def _printable(code: int) -> int:
    return code if _FIRST <= code <= _LAST else ord("?")


def header_of(record: HDURecord) -> "Header":
    """Return the header of an image HDU, as if it had never been compressed."""
    from astropy.io.fits import Header

    with quiet():
        return Header.fromstring(b"".join(plain_cards(record)).decode("ascii"))


def checksum_notice(container: Container, record: HDURecord) -> str:
    """Compare an HDU with its CHECKSUM and DATASUM.

    Returns
    -------
    str
        What is wrong, "" if nothing is or nothing is stated.
    """
    # An empty text means that there is no sum; a card that cannot be read does not.
    stated = record.values.get("DATASUM", "")
    complete = record.values.get("CHECKSUM", "") != ""
    if not str(stated).strip() and not complete:
        return ""
    header, data = Sum(), Sum()
    header.update(container.read(record.start, record.data - record.start))
    # Padding that the file lacks is zero; what it has counts.
    end = min(record.end, container.size)
    for offset, count in _pieces(record.data, end - record.data):
        data.update(container.read(offset, count))
    text = str(stated).strip()
    if text and not (text.isdecimal() and int(text) == data.value):
        return (
            f"DATASUM of HDU {record.index} is wrong: its data were changed or damaged "
            "after it was written"
        )
    if complete and (header.value + data.value) % 0xFFFFFFFF:
        what = "its header was" if text else "it was"
        return f"CHECKSUM of HDU {record.index} is wrong: {what} changed since"
    return ""


def _pieces(offset: int, size: int) -> Iterator[tuple[int, int]]:
    step = padded(8 * 2**20)
    for at in range(0, size, step):
        yield offset + at, min(step, size - at)
