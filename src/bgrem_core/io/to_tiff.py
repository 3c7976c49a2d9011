"""Results as TIFF: the cleaned image as float32, colours in the order of the input."""

import json
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import UsageError
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.product import Product
from bgrem_core.planes import Plane
from bgrem_core.separation import Separation

_STRIP = 256


def write_tiff(file: IO[bytes], products: list[Product], *, clip: bool) -> None:
    """Write the cleaned image, row 0 first as it was read.

    Parameters
    ----------
    file : binary file
        Open for writing and empty; it can be sought.
    products : list of Product
        One.
    clip : bool
        Show negative values as 0.

    Raises
    ------
    UsageError
        Several images, for which a TIFF has no place.
    """
    import tifffile

    if len(products) > 1:
        raise UsageError("a TIFF holds one image", hint="use a .fits file")
    product = products[0]
    planes: list[Plane] = [s.cleaned_plane for s in product.planes]
    ny, nx = product.first.shape
    count = len(planes)
    stored = product.origin.shape
    last = count > 1 and stored[-1] == count and stored[:2] == (ny, nx)
    shape = (ny, nx, count) if last else (count, ny, nx) if count > 1 else (ny, nx)
    options: dict[str, Any] = {"photometric": "minisblack"}
    if last:
        options = {"photometric": "rgb", "planarconfig": "contig"}
    elif count == 3:
        options = {"photometric": "rgb", "planarconfig": "separate"}
    with tifffile.TiffWriter(file, bigtiff=product.size > 2**31) as writer:
        writer.write(
            _strips(planes, clip=clip, together=last),
            shape=shape,
            dtype=np.float32,
            rowsperstrip=_STRIP,
            description=_description(product.first),
            metadata=None,
            **options,
        )


def _strips(
    planes: list[Plane], *, clip: bool, together: bool
) -> Iterator[NDArray[np.float32]]:
    def block(plane: Plane, rows: slice) -> AnyArray:
        part = np.asarray(plane[rows, slice(0, plane.shape[1])], np.float32)
        return np.maximum(part, np.float32(0)) if clip else part

    for group in [planes] if together else [[p] for p in planes]:
        ny = group[0].shape[0]
        for start in range(0, ny, _STRIP):
            rows = slice(start, min(start + _STRIP, ny))
            blocks = [block(plane, rows) for plane in group]
            yield np.stack(blocks, axis=-1) if together else blocks[0]


def _description(first: Separation) -> str:
    return json.dumps({"bgrem": first.provenance.as_dict()}, ensure_ascii=True)
