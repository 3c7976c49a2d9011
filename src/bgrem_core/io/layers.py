"""Layers: the HDUs of a result, the cleaned image first."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import MaskBit
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.celestial import WCS_KEY
from bgrem_core.io.choose import LAYER_KEY
from bgrem_core.io.hdu import NewHDU, data_bytes, new_cards, structure
from bgrem_core.io.layout import card_key, card_value
from bgrem_core.io.product import Pick, Product
from bgrem_core.planes import LazyPlane, Plane
from bgrem_core.separation import Separation

if TYPE_CHECKING:
    from collections import Counter

#: Key of `Separation.extras` with the labels of the sources.
SEGMENTS = "segm"

_FLOAT = np.dtype(np.float32)
_BYTE = np.dtype(np.uint8)
_LABEL = np.dtype(np.int32)
_MASK_HELP = ", ".join(f"{b.value} {b.name}" for b in MaskBit).lower().replace("_", " ")
_UNCERT_HELP = "pixels are correlated: do not add them in quadrature"
# Extras that are in the unit of the image.
_SAME_UNIT = frozenset({"rms", "spread", "filled"})


#: Name, how to get it, type of the pixels, and a comment.
Layer = tuple[str, Pick, "np.dtype[Any]", str]


def cleaned_hdu(product: Product, cards: list[bytes], *, clip: bool) -> NewHDU:
    """Return the HDU of the cleaned image, with its cards as given."""
    pick = _clipped if clip else _cleaned
    return _new(product, _shifted(cards, product), pick, _FLOAT)


def layer_hdus(
    product: Product, cards: list[bytes], names: "Counter[tuple[str, int]]"
) -> list[NewHDU]:
    """Return one HDU for each part, extra and map of a result.

    Parameters
    ----------
    product : Product
        The result.
    cards : list of bytes
        Of the image, for its world coordinates.
    names : Counter
        (EXTNAME, EXTVER) that are taken; those of the new HDUs are added.
    """
    first = product.first
    unit = first.image.unit
    sky = [c for c in cards if WCS_KEY.fullmatch(card_key(c))]
    sky = _shifted(sky, product)
    made = []
    for name, pick, dtype, note in _layers(first):
        head = structure(product.shape, dtype, primary=False)
        head += _name_cards(name, names)
        if unit and dtype == _FLOAT and _in_image_unit(name, first):
            head += new_cards("BUNIT", unit)
        head += sky
        head += new_cards(LAYER_KEY, name, "layer of a result of bgrem")
        if note:
            head += new_cards("COMMENT", note)
        made.append(_new(product, head, pick, dtype))
    return made


def _layers(first: Separation) -> Iterator[Layer]:
    for name in first.parts:
        yield name.upper(), _part(name), _FLOAT, ""
    for name in first.extras:
        if name != SEGMENTS:
            yield name.upper(), _extra(name), _FLOAT, ""
    yield "RESIDUAL", lambda s: s.residual_plane, _FLOAT, ""
    yield "MASK", lambda s: s.flags, _BYTE, f"bits: {_MASK_HELP}"
    if SEGMENTS in first.extras:
        note = "labels are the ids of the catalogue"
        yield "SEGM", _extra(SEGMENTS), _LABEL, note
    if first.uncertainty is not None:
        yield "UNCERT", lambda s: s.uncertainty, _FLOAT, _UNCERT_HELP
    note = "not clipped, not denoised: fluxes are measured here"
    yield "SUBTRACTED", lambda s: s.photometric, _FLOAT, note


def _part(name: str) -> Pick:
    return lambda s: s.part(name)


def _extra(name: str) -> Pick:
    return lambda s: s.extras.get(name)


def _in_image_unit(name: str, first: Separation) -> bool:
    extras = {n.upper() for n in first.extras if n not in _SAME_UNIT}
    return name not in extras


def _name_cards(name: str, names: "Counter[tuple[str, int]]") -> list[bytes]:
    version = 1
    while names[name, version]:
        version += 1
    names[name, version] += 1
    cards = new_cards("EXTNAME", name)
    return cards + (new_cards("EXTVER", version) if version > 1 else [])


def result_cards(first: Separation, *, clip: bool) -> list[bytes]:
    """Return the cards that say how a cleaned image was made."""
    cards: list[bytes] = []
    for key, value, comment in first.provenance.cards():
        if key == "HISTORY":
            if first.provenance.method == "bgrem":
                cards += new_cards("BGRUSE", "DETECT", "not for photometry or stacking")
            if clip:
                cards += new_cards("BGRCLIP", clip, "negative values are shown as 0")
        cards += new_cards(key, value, comment)
    return cards


def _new(
    product: Product, cards: list[bytes], pick: Pick, dtype: "np.dtype[Any]"
) -> NewHDU:
    def bands() -> Iterator[AnyArray]:
        return product.bands(pick, dtype)

    return NewHDU(
        cards=tuple(cards),
        bands=bands,
        dtype=dtype,
        size=data_bytes(product.shape, dtype),
    )


def _cleaned(separation: Separation) -> Plane:
    return separation.cleaned_plane


def _clipped(separation: Separation) -> Plane:
    plane = separation.cleaned_plane

    def evaluate(rows: slice, cols: slice) -> NDArray[np.float32]:
        values: NDArray[np.float32] = np.maximum(plane[rows, cols], np.float32(0))
        return values

    return LazyPlane(separation.shape, evaluate)


def _shifted(cards: list[bytes], product: Product) -> list[bytes]:
    """Move the reference pixel of the axes of which one plane was taken."""
    stored, index = product.origin.shape, product.origin.index
    if len(product.planes) > 1 or len(stored) != len(product.shape):
        return cards
    moved = {f"CRPIX{len(stored) - k}": n for k, n in enumerate(index) if n}
    shifted = []
    for card in cards:
        value = card_value(card) if card_key(card) in moved else None
        if isinstance(value, (int, float)):
            key = card_key(card)
            shifted += new_cards(key, float(value) - moved[key], "of the plane taken")
        else:
            shifted.append(card)
    return shifted
