"""Mark: what a layer is to us, kept in its metadata."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.image import Image
    from bgrem_core.separation import Separation

__all__ = ["FROM", "KEY", "Mark", "mark_of", "marked", "newest"]

KEY = "bgrem"
"""Key of a layer's metadata."""
FROM = "bgrem_from"
"""Key of a layer's metadata: a weak reference to the layer that it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """What a layer is to us.

    Attributes
    ----------
    role : str
        "original", "cleaned", "residual", "mask", "uncertainty", "sources", "truth",
        "rings", "partial", "preview", "cleaned in colour", "residual in colour", or the
        name of a part or an extra.
    image : Image or None
        The image that it shows or was made from.
    separation : Separation or None
        The result that it belongs to.
    run : str
        Which run made it; "" for what was read. Layers of one run share it.
    """

    role: str
    image: "Image | None" = None
    separation: "Separation | None" = None
    run: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Mark":
        # A duplicated layer shows the same image: nothing here is ever changed.
        return self


def mark_of(layer: "Layer | None") -> Mark | None:
    """Return the mark of a layer, None for a stranger's."""
    found = None if layer is None else layer.metadata.get(KEY)
    return found if isinstance(found, Mark) else None


def marked(viewer: "ViewerModel", role: str, run: str | None = None) -> list["Layer"]:
    """Return the layers of a role, of all runs or of one, in the viewer's order."""
    found = ((layer, mark_of(layer)) for layer in viewer.layers)
    return [
        layer
        for layer, mark in found
        if mark and mark.role == role and (run is None or mark.run == run)
    ]


def newest(layers: "list[Layer]") -> "Layer | None":
    """Return the layer of the newest run, the topmost one of equals.

    Parameters
    ----------
    layers : list of napari.layers.Layer
        With marks, in the viewer's order.

    Returns
    -------
    napari.layers.Layer or None
        Runs are compared by number; what was read from a file counts as older.
    """

    def age(item: "tuple[int, Layer]") -> tuple[tuple[int, ...], int]:
        mark = mark_of(item[1])
        parts = mark.run.split(".") if mark else []
        return tuple(int(p) if p.isdigit() else -1 for p in parts), item[0]

    return max(enumerate(layers), key=age)[1] if layers else None
