"""Reader: FITS files as layers, row 0 first, with header and world coordinates.

napari's own reader turns a FITS image upside down, leaves its header out and shows only
the first image of a file.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.image import Stack
from bgrem_core.io import is_product, open_image
from bgrem_core.io.choose import LAYER_KEY, is_image, science
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import scan_fits
from bgrem_core.io.fits_image import open_fits
from bgrem_core.pyramid import Pyramid
from bgrem_core.settings import OpenSettings
from napari_bgrem.layers import cube_layer, image_layers, labels_layer, mask_layer
from napari_bgrem.looks import look_of, sampled
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.placement import placement_of, turn_up
from napari_bgrem.reopened import one_result
from napari_bgrem.unmarked import unmarked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.io.container import Container
    from bgrem_core.io.layout import HDURecord
    from napari_bgrem.layers import LayerData

    Name = str | os.PathLike[str]

__all__ = ["ENDINGS", "PATH", "get_reader", "read_fits"]

_PLAIN = (".fits", ".fit", ".fts")
ENDINGS = (
    *_PLAIN,
    *(end + packed for end in _PLAIN for packed in (".gz", ".bz2", ".fz")),
)
"""Names that the reader takes, in lower case."""
PATH = "path"
"""Key of a layer's metadata: the file that it was read from."""
LARGEST_CUBE = 2**30
"""Bytes of a cube that is shown whole."""

_ROLES = {"uncert": "uncertainty", "subtracted": "photometric"}
"""Layers in a file whose names are not those of their roles."""


def get_reader(path: str | list[str]) -> "Callable[[Any], list[LayerData]] | None":
    """Return the reader of a file, as napari asks for it.

    Parameters
    ----------
    path : str or list of str
        One file or several.

    Returns
    -------
    callable or None
        `read_fits`; None for files that are no FITS by their names.
    """
    paths = [path] if isinstance(path, str) else path
    if paths and all(str(p).lower().endswith(ENDINGS) for p in paths):
        return read_fits
    return None


def read_fits(path: "Name | Sequence[Name]") -> "list[LayerData]":
    """Read all images of FITS files.

    Parameters
    ----------
    path : path or sequence of path
        One file or several, also packed or tile-compressed.

    Returns
    -------
    list of LayerData
        One layer for each image HDU. What is no science image by its name, such as a
        mask, comes hidden; a cube is one layer with a slider; layers of our own results
        look as they do after a run, and their original comes before them. What cannot
        be shown is told in a notification.

    Raises
    ------
    ReadError
        The file cannot be read.
    ImageError, UsageError
        It holds no image that can be shown.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    layers = [layer for each in paths for layer in _read_file(Path(each))]
    turn_up()
    return layers


def _read_file(path: Path) -> "list[LayerData]":
    with open_container(path) as container:
        if container.format != "fits":
            layers = image_layers(open_image(path), name=_stem(path))
        else:
            layers = _File(container).layers()
    for _, keywords, _ in layers:
        keywords["metadata"][PATH] = str(path)
        # It is shown in tooltips and in the status bar, which know mark-up.
        keywords["name"] = unmarked(keywords["name"])
    return layers


@dataclass(eq=False)
class _Missing:
    """HDUs that are not shown."""

    tables: list[str] = field(default_factory=list)
    failed: list[tuple[str, BGRemError]] = field(default_factory=list)

    def tell(self, name: str) -> None:
        """Say so in napari."""
        from napari.utils.notifications import show_info, show_warning

        if self.tables:
            tables = ", ".join(self.tables)
            show_info(
                unmarked(f"{name}: not shown, as they are no images: HDU {tables}")
            )
        for label, error in self.failed:
            show_warning(unmarked(f"{name}: HDU {label} is not shown: {error}"))


class _File:
    """The images of one FITS file."""

    def __init__(self, container: "Container") -> None:
        self._container = container
        self._path = container.path
        self._records = scan_fits(container).records
        self._images = [r for r in self._records if is_image(r)]
        # Raises if there is none.
        self._science = {r.index for r in science(self._records)}
        self._sigma = _product_sigma(self._records)

    def layers(self) -> "list[LayerData]":
        """Return the layers of all images that can be shown."""
        missing = _Missing([r.label for r in self._records if _is_other(r)])
        layers: list[LayerData] = []
        for record in self._images:
            try:
                layers += self._layers_of(record)
            except BGRemError as error:
                missing.failed.append((record.label, error))
        if not layers:
            raise missing.failed[0][1]
        missing.tell(self._path.name)
        stem = _stem(self._path)
        return one_result(layers, run=f"file {self._path}", name=stem)

    def _layers_of(self, record: "HDURecord") -> "list[LayerData]":
        name = self._name(record)
        settings = OpenSettings(hdu=self._handle(record))
        try:
            opened = open_fits(self._container, settings)
        except UsageError:
            # A cube asks for a plane: the user will choose it later, by the slider.
            return [self._cube(record, name)]
        said = record.values.get(LAYER_KEY)
        if isinstance(opened, Stack):
            layers = image_layers(opened, name=name)
        elif isinstance(said, str):
            layers = [self._result_layer(opened, _role(said), name)]
        elif is_product(opened.header):
            layers = [self._result_layer(opened, "cleaned", name)]
        else:
            layers = image_layers(opened, name=name)
        if record.index not in self._science:
            for _, keywords, _ in layers:
                keywords["visible"] = False
        return layers

    def _cube(self, record: "HDURecord", name: str) -> "LayerData":
        size = 4 * int(np.prod(record.shape, dtype=object))
        if size > LARGEST_CUBE:
            raise UsageError(
                f"a cube of {size / 2**30:.1f} GiB is too large to be shown whole",
                hint="open a plane of it with bgrem_core.open_image(path, plane=K)",
            )
        settings = OpenSettings(hdu=self._handle(record), plane="all")
        stack = open_fits(self._container, settings)
        assert isinstance(stack, Stack)  # noqa: S101 - it asked for a plane
        data, keywords, kind = cube_layer(stack, name=name)
        keywords["visible"] = record.index in self._science
        return data, keywords, kind

    def _result_layer(self, image: "Image", role: str, name: str) -> "LayerData":
        keywords = {
            "name": name,
            "metadata": {
                KEY: Mark(role=role),
                "header": image.header,
                "wcs": image.wcs,
            },
            **placement_of(image),
        }
        if role == "mask":
            return mask_layer(_whole(image.data, np.uint8), keywords)
        if role == "segm":
            return labels_layer(_whole(image.data, np.int32), keywords)
        keywords |= look_of(role, sampled(image.data), self._sigma)
        return Pyramid.over(image.data).data, keywords, "image"

    def _name(self, record: "HDURecord") -> str:
        stem = _stem(self._path)
        if len(self._images) == 1:
            return stem
        said = record.name or str(record.index)
        same = [r.name for r in self._images].count(record.name) > 1
        version = f",{record.version}" if record.name and same else ""
        return f"{stem} [{said}{version}]"

    def _handle(self, record: "HDURecord") -> str:
        """Return how the core is asked for an HDU; there, names of digits go first."""
        index = str(record.index)
        if any(r.name == index for r in self._records) and record.name:
            return f"{record.name},{record.version}"
        return index


def _stem(path: Path) -> str:
    name = path.name
    for end in sorted(ENDINGS, key=len, reverse=True):
        if name.lower().endswith(end):
            return name[: -len(end)]
    return name


def _is_other(record: "HDURecord") -> bool:
    return not is_image(record) and record.kind != "empty"


def _role(said: str) -> str:
    name = said.strip().lower()
    return _ROLES.get(name, name)


def _product_sigma(records: "Sequence[HDURecord]") -> float:
    """Return the noise of the original by the keywords of a result, NaN if unknown."""
    for record in records:
        norm = record.values.get("BGRNORM")
        if isinstance(norm, (int, float)) and norm > 0:
            return 1 / float(norm)
    return float("nan")


def _whole(data: "NDArray[Any]", dtype: type) -> "NDArray[Any]":
    """Return masks and labels as the whole numbers that they were stored as."""
    numbers: NDArray[Any] = np.nan_to_num(data, posinf=0, neginf=0).astype(dtype)
    return numbers
