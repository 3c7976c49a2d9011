"""Reopened: the layers of a result that was written to a file, made one again.

What a file keeps is enough to look and to compare, not to measure: the noise map and
what else a result knows of itself are not all in it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import BGRemError
from bgrem_core.image import Image, MaskBit
from bgrem_core.io import open_image
from bgrem_core.planes import allocate, bands
from napari_bgrem.layers import image_layers
from napari_bgrem.mark import KEY, Mark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_bgrem.layers import LayerData

__all__ = ["SUM", "one_result"]

SUM = "original (sum)"
"""How the layer is called that is in no file: cleaned image and residual, added."""
_GIVEN = MaskBit.DQ | MaskBit.SATURATED | MaskBit.USER


def one_result(layers: "list[LayerData]", *, run: str, name: str) -> "list[LayerData]":
    """Mark layers of one file as one result, with its original before them.

    Parameters
    ----------
    layers : list of LayerData
        Of one file.
    run : str
        Put into the marks.
    name : str
        How the name of the original begins.

    Returns
    -------
    list of LayerData
        The original is that of the file, else the hidden sum of cleaned image and
        residual; the layers as they came where the file has not one of each.
    """
    by_role = {_role(entry): entry for entry in layers}
    roles = [_role(entry) for entry in layers]
    if roles.count("cleaned") != 1 or roles.count("residual") != 1:
        return layers
    cleaned, residual = (_full(by_role[role]) for role in ("cleaned", "residual"))
    if cleaned.shape != residual.shape or cleaned.ndim != 2:
        return layers
    saved = _full(by_role["original"]) if "original" in by_role else None
    try:
        image = open_image(
            _sum(cleaned, residual) if saved is None else saved,
            header=_header(by_role["cleaned"]),
            mask=_given(by_role.get("mask")),
        )
    except BGRemError:
        return layers
    assert isinstance(image, Image)  # noqa: S101 - two axes make no stack
    for _, keywords, _ in layers:
        mark = keywords["metadata"].get(KEY)
        if isinstance(mark, Mark):
            mine = "" if mark.role == "original" else run
            keywords["metadata"][KEY] = replace(mark, image=image, run=mine)
    if saved is not None:
        return layers
    (first,) = image_layers(image, name=f"{name}: {SUM}")
    first[1]["visible"] = False
    return [first, *layers]


def _sum(cleaned: "NDArray[Any]", residual: "NDArray[Any]") -> "NDArray[np.float32]":
    total = allocate(cleaned.shape, np.float32)
    for rows in bands(cleaned.shape):
        # Where the original had no value, the cleaned image has its very bits.
        rest = np.nan_to_num(residual[rows], nan=0.0, posinf=0.0, neginf=0.0)
        total[rows] = cleaned[rows] + rest
    return total


def _header(cleaned: "LayerData") -> Any:
    """Return the header of a cleaned image without what makes it a result."""
    kept = cleaned[1]["metadata"]["header"].copy()
    for key in [key for key in kept if key.startswith("BGR")]:
        del kept[key]
    return kept


def _given(mask: "LayerData | None") -> "NDArray[np.bool_] | None":
    """Return which pixels were not to be trusted before the run; None if not known."""
    return None if mask is None else (_full(mask) & np.uint8(_GIVEN)) > 0


def _role(entry: "LayerData") -> str:
    mark = entry[1]["metadata"].get(KEY)
    return mark.role if isinstance(mark, Mark) else ""


def _full(entry: "LayerData") -> "NDArray[Any]":
    data: Any = entry[0]
    full: NDArray[Any] = data[0] if isinstance(data, list) else data
    return full
