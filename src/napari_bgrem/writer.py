"""Writer: layers as FITS, with the header and the world coordinates of their image."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import BGRemError, WriteError
from bgrem_core.image import Origin
from bgrem_core.io import atomic_write, check_target, is_same_file
from bgrem_core.io import write as write_result
from bgrem_core.io.choose import LAYER_KEY
from bgrem_core.io.fits import number_card
from bgrem_core.io.hdu import (
    NewHDU,
    array_cards,
    data_bytes,
    new_cards,
    replace_image,
    write_hdu,
)
from bgrem_core.io.layout import card_key, card_value
from bgrem_core.io.pixels import rows_at_once
from napari_bgrem.layers import CubeMark
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.reader import PATH

if TYPE_CHECKING:
    from bgrem_core.separation import Separation
    from napari_bgrem.layers import LayerData

__all__ = ["write_labels", "write_layer", "write_layers"]

_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_WHOLE = frozenset({"", "original", "cleaned", "partial", "preview"})
_LAYERS = {"uncertainty": "UNCERT", "photometric": "SUBTRACTED"}
# Maps of a result that are in the unit of its image.
_SAME_UNIT = frozenset({"rms", "spread", "filled"})
_CHANGED = "pixels were changed in napari after this run"
_FLAT = 2


def write_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as FITS.

    Parameters
    ----------
    path : str
        The file. One that exists is replaced, but never the input of the layer.
    data : ndarray or list of ndarray
        Of several levels the full one is written.
    attributes : dict
        As napari hands them over; the metadata hold header and mark.

    Returns
    -------
    list of str
        The path. A cleaned image is written as `bgrem_core.write` does, with all HDUs
        of its input; all else as one HDU with the header of its image.

    Raises
    ------
    WriteError
        The path is the input, or cannot be written; nothing is left behind.
    """
    return _write(path, [(data, attributes, "image")])


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer as FITS; see `write_layer`."""
    return _write(path, [(data, attributes, "labels")])


def write_layers(path: str, layers: "Sequence[LayerData]") -> list[str]:
    """Write several layers into one FITS file.

    Parameters
    ----------
    path : str
        As for `write_layer`.
    layers : sequence of LayerData
        Images and labels.

    Returns
    -------
    list of str
        The path. A cleaned image with other layers of its run is written as
        `bgrem_core.write` does with ``layers=True``; all else as one HDU a layer, in
        their order, named after what they show.

    Raises
    ------
    WriteError
        As `write_layer`.
    """
    return _write(path, layers)


def _write(path: str, layers: "Sequence[LayerData]") -> list[str]:
    target = Path(path)
    items = [_Item(*layer) for layer in layers]
    try:
        check_target(target, overwrite=True)
        _spare_inputs(target, items)
        result = _one_result(items)
        if result is not None:
            write_result(result, target, layers=len(items) > 1, overwrite=True)
        else:
            _write_hdus(target, _hdus(items))
    except WriteError:
        raise
    except BGRemError as error:
        # napari takes any ValueError of a writer for "there is no writer".
        raise WriteError(error.sentence, error.hint) from error
    return [str(target)]


@dataclass(eq=False)
class _Item:
    """One layer as napari hands it over."""

    data: Any
    attributes: dict[str, Any]
    kind: str

    @property
    def metadata(self) -> dict[str, Any]:
        found = self.attributes.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def mark(self) -> Mark | None:
        found = self.metadata.get(KEY)
        return found if isinstance(found, Mark) else None

    @property
    def separation(self) -> "Separation | None":
        return self.mark.separation if self.mark else None

    @property
    def role(self) -> str:
        return self.mark.role if self.mark else ""

    @property
    def name(self) -> str:
        return str(self.attributes.get("name") or self.kind)

    @property
    def origin(self) -> Origin:
        """Where the image of the layer came from."""
        known = self.mark.image if self.mark else None
        return Origin() if known is None else known.origin

    @property
    def header(self) -> Any:
        from astropy.io.fits import Header

        found = self.metadata.get("header")
        return found if isinstance(found, Header) else None

    @property
    def is_layer(self) -> bool:
        """Whether this is a part or a map of a result."""
        return self.role not in _WHOLE

    @property
    def in_image_unit(self) -> bool:
        extras = self.separation.extras if self.separation else {}
        other = self.role in extras and self.role not in _SAME_UNIT
        return self.kind != "labels" and not other

    @property
    def unit(self) -> str:
        known = self.mark.image if self.mark else None
        return known.unit if known is not None and self.in_image_unit else ""

    def full(self) -> Any:
        """Return the pixels as they are stored: colours first, of levels the full one.

        Axes of length one that the input had come back.
        """
        data = self.data
        if isinstance(data, (list, tuple)) or self.attributes.get("multiscale"):
            data = data[0]
        if self.attributes.get("rgb"):
            return np.moveaxis(data, -1, 0)
        leading = len(self.origin.shape) - _FLAT
        if self.origin.format == "fits" and data.ndim == _FLAT and leading > 0:
            return data[(np.newaxis,) * leading]
        return data

    def was_changed(self) -> bool:
        """Whether a cleaned image is not what its result says."""
        result = self.separation
        return (
            self.role == "cleaned"
            and result is not None
            and not _shows(self.full(), result)
        )

    def sources(self) -> Iterator[Path]:
        """Yield the files that the layer came from."""
        said = self.metadata.get(PATH)
        if isinstance(said, str):
            yield Path(said)
        images = [self.mark.image] if self.mark and self.mark.image else []
        if isinstance(self.mark, CubeMark):
            images += self.mark.stack.planes
        for image in images:
            if image.origin.path is not None:
                yield image.origin.path


def _spare_inputs(target: Path, items: Sequence[_Item]) -> None:
    for item in items:
        if any(is_same_file(target, source) for source in item.sources()):
            raise WriteError(
                f"{target.name} is the input of the layer {item.name!r}",
                hint="save under another name",
            )


def _one_result(items: Sequence[_Item]) -> "Separation | None":
    """Return the result whose cleaned image and other layers these are."""
    results = {id(item.separation): item.separation for item in items}
    if len(results) > 1:
        return None
    (result,) = results.values()
    cleaned = [item for item in items if item.role == "cleaned"]
    if result is None or len(cleaned) != 1 or cleaned[0].was_changed():
        return None
    source = result.image.origin
    if source.format == "fits" and not (source.path and source.path.exists()):
        # What was read is gone: only what the layers hold can be written.
        return None
    return result


def _shows(data: Any, result: "Separation") -> bool:
    """Whether pixels are those of the cleaned image, bit by bit."""
    while data.ndim > _FLAT and data.shape[0] == 1:
        data = data[0]
    if data.shape != result.shape or data.dtype != np.float32:
        return False
    plane = result.cleaned_plane
    ny, nx = result.shape
    step = rows_at_once(nx)
    return all(
        np.array_equal(
            np.asarray(data[k : k + step]),
            plane[k : min(k + step, ny), 0:nx],
            equal_nan=True,
        )
        for k in range(0, ny, step)
    )


def _hdus(items: Sequence[_Item]) -> list[NewHDU]:
    taken: Counter[str] = Counter()
    made = []
    for k, item in enumerate(items):
        name = ""
        if len(items) > 1 or item.is_layer:
            name = (item.role or item.name).upper()
            taken[name] += 1
        made.append(_hdu(item, name, taken[name], primary=k == 0))
    return made


def _hdu(item: _Item, name: str, version: int, *, primary: bool) -> NewHDU:
    """Return the HDU of a layer; with no name the header keeps its own."""
    data = item.full()
    dtype = _stored(data.dtype, item.name)
    cards = array_cards(item.header, data.shape, item.unit, primary=primary)
    drop = {LAYER_KEY, "INHERIT"}
    if name:
        drop |= {"EXTNAME", "EXTVER", "EXTLEVEL"}
    if not item.in_image_unit:
        drop |= {"BUNIT"}
    run = [] if item.separation is None else item.separation.provenance.cards()
    drop |= {key for key, *_ in run} - {"HISTORY"}
    cards = [
        _typed(card, dtype, item.origin)
        for card in replace_image(cards, data.shape, drop=drop)
    ]
    if name:
        cards += new_cards("EXTNAME", name)
        cards += new_cards("EXTVER", version) if version > 1 else []
    if item.is_layer:
        said = _LAYERS.get(item.role, item.role.upper())
        cards += new_cards(LAYER_KEY, said, "layer of a result of bgrem")
    for key, value, comment in run:
        cards += new_cards(key, value, comment)
    if item.was_changed():
        cards += new_cards("HISTORY", _CHANGED)
    return NewHDU(
        cards=tuple(cards),
        bands=lambda: _bands(data, dtype),
        dtype=dtype,
        size=data_bytes(data.shape, dtype),
    )


def _typed(card: bytes, dtype: "np.dtype[Any]", origin: Origin) -> bytes:
    """Return a card for pixels of a type, and for the one plane that was taken."""
    key = card_key(card)
    if key == "BITPIX":
        return number_card(key, _BITPIX[dtype.str[1:]])
    moved = {f"CRPIX{len(origin.shape) - k}": n for k, n in enumerate(origin.index)}
    value = card_value(card) if moved.get(key) else None
    if isinstance(value, (int, float)):
        (card,) = new_cards(key, float(value) - moved[key], "of the plane taken")
    return card


def _stored(dtype: "np.dtype[Any]", name: str) -> "np.dtype[Any]":
    """Return the type of FITS that holds all values of a type."""
    for code in _BITPIX:
        if np.can_cast(dtype, code, "safe"):
            return np.dtype(code)
    raise WriteError(
        f"the layer {name!r} holds {dtype} values, which FITS cannot",
        hint="convert it first",
    )


def _bands(data: Any, dtype: "np.dtype[Any]") -> "Iterator[np.ndarray[Any, Any]]":
    """Yield the pixels in the order of a file, never many at once."""
    *leading, ny, nx = data.shape
    step = rows_at_once(nx)
    for index in np.ndindex(*leading):
        plane = data[index] if index else data
        for start in range(0, ny, step):
            yield np.asarray(plane[start : start + step]).astype(dtype, copy=False)


def _write_hdus(target: Path, hdus: Sequence[NewHDU]) -> None:
    needed = sum(hdu.total for hdu in hdus)
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise WriteError(
            f"{needed / 2**20:.0f} MiB are needed in {target.parent}, "
            f"{free / 2**20:.0f} are free",
            hint="make room, or save on another disk",
        )
    with atomic_write(target, overwrite=True) as file:
        for hdu in hdus:
            write_hdu(file, hdu)
