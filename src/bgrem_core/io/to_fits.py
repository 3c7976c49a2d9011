"""Results as FITS."""

from collections import Counter
from types import TracebackType
from typing import IO, Self

from bgrem_core.errors import WriteError
from bgrem_core.io.choose import LAYER_KEY
from bgrem_core.io.container import Container, open_container
from bgrem_core.io.fits import is_whole, plain_cards, scan_fits
from bgrem_core.io.hdu import NewHDU, array_cards, replace_image, write_hdu
from bgrem_core.io.layers import cleaned_hdu, layer_hdus, result_cards
from bgrem_core.io.layout import HDURecord, card_key
from bgrem_core.io.product import Product
from bgrem_core.io.provenance import ORDER_KEYS

_COPY = 8 * 2**20


class Plan:
    """All HDUs of an output, in order, before any is written.

    Parameters
    ----------
    products : list of Product
        Results of one input.
    layers : bool
        Append the parts.
    clip : bool
        Show negative values of the cleaned image as 0.

    Attributes
    ----------
    size : int
        Bytes of the output.
    """

    def __init__(self, products: list[Product], *, layers: bool, clip: bool) -> None:
        self._products = products
        self._clip = clip
        self._layers = layers
        self._source: Container | None = None
        self._items: list[HDURecord | NewHDU] = []

    def __enter__(self) -> Self:
        origin = self._products[0].origin
        try:
            if origin.format == "fits" and origin.path is not None:
                self._source = open_container(origin.path, salvage=origin.salvaged)
                self._from_file(self._source)
            else:
                self._from_array()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._source is not None:
            self._source.__exit__(kind, error, trace)

    @property
    def size(self) -> int:
        """Bytes of the output."""
        return sum(
            item.total if isinstance(item, NewHDU) else item.end - item.start
            for item in self._items
        )

    def write(self, file: IO[bytes]) -> None:
        """Write all HDUs to an empty file."""
        for item in self._items:
            if isinstance(item, NewHDU):
                write_hdu(file, item)
            else:
                self._copy(file, item)

    def _copy(self, file: IO[bytes], record: HDURecord) -> None:
        assert self._source is not None  # noqa: S101 - records come from a source
        end = record.data + record.size
        for at in range(record.start, end, _COPY):
            file.write(self._source.read(at, min(_COPY, end - at)))
        # Padding is copied too, and made where the input's last block is short.
        there = min(record.end, self._source.size)
        file.write(self._source.read(end, there - end))
        file.write(bytes(record.end - there))

    def _from_file(self, source: Container) -> None:
        salvaged = self._products[0].origin.salvaged
        records = scan_fits(source, salvage=salvaged).records
        replaced = {p.origin.hdu: p for p in self._products}
        names = Counter((r.name.upper(), r.version) for r in records)
        layers: list[NewHDU] = []
        for record in records:
            product = replaced.pop(record.index, None)
            if product is None:
                # Of a file that is cut off, the door has said what is missing.
                if is_whole(source, record):
                    self._items.append(record)
                continue
            if record.shape != product.origin.shape:
                raise WriteError(
                    f"{source.path.name} was changed since it was read",
                    hint="run again",
                )
            cards = list(plain_cards(record))
            self._items.append(self._image(product, cards))
            if self._layers:
                layers += layer_hdus(product, cards, names)
        if replaced:
            raise WriteError(f"{source.path.name} was changed since it was read",
                             hint="run again")  # fmt: skip
        self._items += layers

    def _from_array(self) -> None:
        names: Counter[tuple[str, int]] = Counter()
        for k, product in enumerate(self._products):
            cards = _array(product, primary=k == 0)
            self._items.append(self._image(product, cards))
            if self._layers:
                self._items += layer_hdus(product, cards, names)

    def _image(self, product: Product, cards: list[bytes]) -> NewHDU:
        extra = result_cards(product.first, clip=self._clip)
        # HISTORY of the input stays; keys of an earlier run do not.
        old = {card_key(c) for c in extra} - {"HISTORY", "CONTINUE"} | set(ORDER_KEYS)
        kept = replace_image(cards, product.shape, drop=old | {LAYER_KEY})
        return cleaned_hdu(product, [*kept, *extra], clip=self._clip)


def _array(product: Product, *, primary: bool) -> list[bytes]:
    image = product.first.image
    return array_cards(image.header, product.shape, image.unit, primary=primary)
