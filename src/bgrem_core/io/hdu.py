"""HDUs as they are written: cards copied byte for byte, data streamed by bands."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.checksum import Sum, encode
from bgrem_core.io.fits import number_card, quiet
from bgrem_core.io.layout import CARD, card_key, padded

if TYPE_CHECKING:
    from astropy.io.fits import Header

_END = b"END".ljust(CARD)
_BITPIX = {"f4": -32, "u1": 8, "i4": 32}
#: Cards that do not hold for new pixels.
DROPPED = frozenset({
    "BSCALE", "BZERO", "BLANK", "ZBLANK", "CHECKSUM", "DATASUM", "DATAMIN",
    "DATAMAX", "PCOUNT", "GCOUNT",
})  # fmt: skip
_SUM_CARD = "{:8}= '{:16}'"
_NO_SUM = "0" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHDU:
    """An HDU to be written.

    Attributes
    ----------
    cards : tuple of bytes
        80 bytes each, structure first, without END, CHECKSUM and DATASUM.
    bands : callable
        ``bands()`` yields the data from the first row on, native byte order.
    dtype : dtype
        float32, uint8 or int32.
    size : int
        Bytes of the data.
    """

    cards: tuple[bytes, ...]
    bands: Callable[[], Iterator[AnyArray]]
    dtype: np.dtype[Any]
    size: int

    @property
    def total(self) -> int:
        """Bytes in the file, padding included."""
        return padded((len(self.cards) + 3) * CARD) + padded(self.size)


def write_hdu(file: IO[bytes], hdu: NewHDU) -> None:
    """Write an HDU with its CHECKSUM and DATASUM at the end of a file.

    Parameters
    ----------
    file : binary file
        Open for writing at its end; it can be sought.
    hdu : NewHDU
        What to write.
    """
    start = file.tell()
    file.write(_header(hdu, _NO_SUM, 0))
    total = Sum()
    for band in hdu.bands():
        data = np.ascontiguousarray(band, hdu.dtype.newbyteorder(">")).tobytes()
        total.update(data)
        file.write(data)
    file.write(bytes(padded(hdu.size) - hdu.size))
    end = file.tell()
    complete = Sum()
    complete.update(_header(hdu, _NO_SUM, total.value))
    both = complete.value + total.value
    file.seek(start)
    file.write(_header(hdu, encode((both & 0xFFFFFFFF) + (both >> 32)), total.value))
    file.seek(end)


def _header(hdu: NewHDU, checksum: str, datasum: int) -> bytes:
    sums = [
        _SUM_CARD.format("CHECKSUM", checksum),
        _SUM_CARD.format("DATASUM", str(datasum)),
    ]
    cards = [*hdu.cards, *(s.encode("ascii").ljust(CARD) for s in sums), _END]
    text = b"".join(cards)
    return text.ljust(padded(len(text)))


def replace_image(
    cards: Iterable[bytes], shape: tuple[int, ...], *, drop: Iterable[str] = ()
) -> list[bytes]:
    """Return the cards of an image HDU for float32 pixels of another shape.

    Parameters
    ----------
    cards : iterable of bytes
        Of the input, structure first.
    shape : tuple of int
        Of the output.
    drop : iterable of str, optional
        Further keywords to be left out.

    Returns
    -------
    list of bytes
        The rest in order, byte for byte.
    """
    kept: list[bytes] = []
    unwanted = DROPPED | set(drop)
    gone = False
    extension = False
    lengths = {f"NAXIS{k + 1}": n for k, n in enumerate(shape[::-1])}
    for card in cards:
        key = card_key(card)
        if key == "CONTINUE" and gone:
            continue
        gone = key in unwanted
        extension |= key == "XTENSION"
        if gone:
            continue
        kept.append(_restructured(card, key, lengths))
        if extension and key == f"NAXIS{len(shape)}":
            kept += [number_card("PCOUNT", 0), number_card("GCOUNT", 1)]
    return kept


def _restructured(card: bytes, key: str, lengths: Mapping[str, int]) -> bytes:
    if key == "BITPIX":
        return number_card(key, -32, "IEEE single precision")
    if key in lengths and int(card[10:].split(b"/")[0]) != lengths[key]:
        return number_card(key, lengths[key])
    return card


def structure(
    shape: tuple[int, ...], dtype: np.dtype[Any], *, primary: bool
) -> list[bytes]:
    """Return the first cards of a new image HDU."""
    first = (
        b"SIMPLE  =                    T / conforms to FITS standard"
        if primary
        else b"XTENSION= 'IMAGE   '           / image extension"
    )
    cards = [
        first.ljust(CARD),
        number_card("BITPIX", _BITPIX[dtype.str[1:]]),
        number_card("NAXIS", len(shape)),
        *(number_card(f"NAXIS{k + 1}", n) for k, n in enumerate(shape[::-1])),
    ]
    if primary:
        return [*cards, b"EXTEND  =                    T".ljust(CARD)]
    return [*cards, number_card("PCOUNT", 0), number_card("GCOUNT", 1)]


def new_cards(key: str, value: object, comment: str = "") -> list[bytes]:
    """Return the card of a value; a long text takes several.

    Parameters
    ----------
    key : str
        Keyword.
    value : str, int, float, bool or None
        None = undefined. Characters that FITS does not allow become "?".
    comment : str, optional
        Left out where it does not fit.
    """
    from astropy.io import fits

    if isinstance(value, str):
        value = "".join(c if " " <= c <= "~" else "?" for c in value)
    with quiet():
        text = str(fits.Card(key, value, comment)).encode("ascii")
    return [text[k : k + CARD] for k in range(0, len(text), CARD)]


def array_cards(
    header: "Header | None", shape: tuple[int, ...], unit: str, *, primary: bool
) -> list[bytes]:
    """Return the cards of a new image HDU for what came without a file.

    Parameters
    ----------
    header : Header or None
        Its cards follow those of the structure.
    shape : tuple of int
        Shape of the array, float32.
    unit : str
        BUNIT, if the header has none.
    primary : bool
        The first HDU of the file.
    """
    cards = structure(shape, np.dtype(np.float32), primary=primary)
    if header is None:
        return cards + (new_cards("BUNIT", unit) if unit else [])
    with quiet():
        plain = header.copy(strip=True)
        text = plain.tostring(endcard=False, padding=False)
    own = [
        text[k : k + CARD].encode("ascii", "replace") for k in range(0, len(text), CARD)
    ]
    if unit and "BUNIT" not in plain:
        own += new_cards("BUNIT", unit)
    return cards + own


def data_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the bytes of an array."""
    return math.prod(shape) * dtype.itemsize
