"""Rings: apertures, sources and truths drawn on images, as Points layers.

Points cost a fraction of what Shapes cost. Their sizes are pixels of the image and grow
with it on the screen; their lines would too, so a pen keeps these thin.
"""

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from bgrem_core.inspection import LEAST_SNR
from bgrem_core.truth import MISSED
from napari_bgrem.comparison import OVER
from napari_bgrem.mark import KEY, Mark, mark_of
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Points
    from napari.types import LayerDataTuple
    from numpy.typing import NDArray

    from bgrem_core.inspection import Inspection
    from bgrem_core.truth import Match

__all__ = ["FATES", "Pen", "Rings", "sources_layer", "truth_layer"]

SOURCE = "#56beff"
AIM, SKY, NOTHING = "#ff4fd8", "#ffa7ec", "#ffd24f"
"""Of the aperture, of its sky ring, and of an aperture that may hold no source."""
DARK = {AIM: "#b3008f", SKY: "#5a1e52", NOTHING: "#7a4b00"}
"""The same on a residual, whose middle is white."""
FATES = {
    "hit": ("#3cc85a", "disc"),
    "miss": ("#f5d732", "square"),
    "false": ("#f0463c", "x"),
}
"""Colour and shape of what was found, missed, or found though it is not there."""
WIDTH = 1.6
"""Of lines, screen pixels."""
DRAWN, LEAST = 2.5, 2.0
"""A source is drawn this many times as large as its major axis, and no smaller than
this radius, pixels; as in region files."""
_STEP = 1.25


class Pen:
    """Keeps the lines of Points layers at one width on the screen.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose zoom counts.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._layers: WeakSet[Points] = WeakSet()
        self._zoom = 0.0

    def add(self, layer: "Points") -> None:
        """Keep the lines of a layer."""
        if not self._layers:
            self._viewer.scene.camera.events.zoom.connect(self._on_zoom)
        self._layers.add(layer)
        layer.border_width = self.width(layer)

    def drop(self, layer: "Points") -> None:
        """Leave a layer alone."""
        self._layers.discard(layer)
        if not self._layers:
            self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)

    def width(self, layer: "Layer") -> float:
        """Return the width of a line in pixels of a layer."""
        self._zoom = self._zoom or self._viewer.scene.camera.zoom
        return float(WIDTH / max(self._zoom * abs(layer.scale[-1]), 1e-9))

    def _on_zoom(self) -> None:
        zoom = self._viewer.scene.camera.zoom
        # Redrawing at every turn of the wheel would be felt.
        if self._zoom and 1 / _STEP < zoom / self._zoom < _STEP:
            return
        self._zoom = zoom
        for layer in list(self._layers):
            if layer in self._viewer.layers:
                layer.border_width = self.width(layer)
            else:
                self.drop(layer)


class Rings:
    """Aperture and sky ring of the source that was clicked, on several images.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets one Points layer for each image.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._layers: dict[Image, Points] = {}
        self.pen = Pen(viewer)

    def show(self, inspection: "Inspection", images: "Sequence[Image]") -> None:
        """Draw the rings of an inspection, and no others.

        Parameters
        ----------
        inspection : Inspection
            Position and radii in data pixels.
        images : sequence of napari.layers.Image
            What they are drawn on.
        """
        for image in [x for x in self._layers if x not in images]:
            self._remove(image)
        at = np.tile([inspection.y, inspection.x], (3, 1))
        size = 2 * np.array([inspection.radius, *inspection.ring])
        faint = not inspection.found or inspection.snr < LEAST_SNR
        aim = NOTHING if faint else AIM
        for image in images:
            layer = self._layers.get(image)
            colours = [aim, SKY, SKY]
            if (mark := mark_of(image)) and mark.role == "residual":
                colours = [DARK[colour] for colour in colours]
            if layer is not None and layer in self._viewer.layers:
                _move(layer, at, size, colours)
            else:
                self._add(image, at, size, colours)

    def clear(self) -> None:
        """Take all rings away."""
        for image in list(self._layers):
            self._remove(image)

    def _add(
        self,
        image: "Image",
        at: "NDArray[Any]",
        size: "NDArray[Any]",
        colours: list[str],
    ) -> None:
        from napari.layers import Points

        mark = mark_of(image)
        own = Mark(role="rings") if mark is None else _as(mark, "rings")
        layer = Points(
            at,
            size=size,
            border_color=colours,
            name=f"{image.name}: aperture",
            metadata={KEY: own, OVER: image},
            **_look(),
            **placement_like(image),
        )
        selected = set(self._viewer.layers.selection)
        self._layers[image] = layer
        self.pen.add(layer)
        self._viewer.add_layer(layer)
        # What was selected is what the status bar reads.
        self._viewer.layers.selection = selected

    def _remove(self, image: "Image") -> None:
        layer = self._layers.pop(image)
        self.pen.drop(layer)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)


def sources_layer(table: "QTable", like: "Image") -> "LayerDataTuple":
    """Return a catalogue as a Points layer.

    Parameters
    ----------
    table : astropy.table.QTable
        What `find_sources` returned.
    like : napari.layers.Image
        The image that it lies on.

    Returns
    -------
    LayerDataTuple
        Points in the order of the rows, with the columns as features.
    """
    columns = {name: _plain(table[name]) for name in table.colnames}
    axes = np.nan_to_num(columns.get("a", np.zeros(len(table))))
    keywords = {
        "size": 2 * np.maximum(DRAWN * axes, LEAST),
        "border_color": SOURCE,
        "features": columns,
        "name": f"{_stem(like)}: sources",
        **_on(like, "sources"),
    }
    return _points(table), keywords, "points"


def truth_layer(
    match: "Match", found: "QTable", truth: "QTable", like: "Image"
) -> "LayerDataTuple":
    """Return hits, misses and false detections as a Points layer.

    Parameters
    ----------
    match : Match
        What became of each.
    found, truth : astropy.table.QTable
        What was matched.
    like : napari.layers.Image
        The image that they lie on.

    Returns
    -------
    LayerDataTuple
        Told apart by colour and by shape; the feature "fate" says it in a word. Of
        those that were missed only the ones above `MISSED`.
    """
    # Fainter ones are missed by everybody; an unknown S/N counts.
    missed = match.miss & ~(match.snr < MISSED)
    fates = {
        "hit": _points(found)[match.hit],
        "miss": _points(truth)[missed],
        "false": _points(found)[match.false],
    }
    words = [word for word, at in fates.items() for _ in at]
    keywords = {
        "size": 4 * match.radius,
        "border_color": [FATES[word][0] for word in words] or SOURCE,
        "symbol": [FATES[word][1] for word in words] or "disc",
        "features": {"fate": words},
        "name": f"{_stem(like)}: hits and misses",
        **_on(like, "fates"),
    }
    return np.concatenate(list(fates.values())), keywords, "points"


def _on(like: "Image", role: str) -> dict[str, Any]:
    mark = mark_of(like)
    own = Mark(role=role) if mark is None else _as(mark, role)
    return {
        "metadata": {**like.metadata, KEY: own, OVER: like},
        **_look(),
        **placement_like(like),
    }


def _look() -> dict[str, Any]:
    return {
        "face_color": "transparent",
        "border_width": 0.5,
        "border_width_is_relative": False,
        "antialiasing": 1.0,
    }


def _as(mark: Mark, role: str) -> Mark:
    return Mark(role=role, image=mark.image, separation=mark.separation, run=mark.run)


def _stem(layer: "Layer") -> str:
    """Return the name of a layer without its role."""
    return str(layer.name).rpartition(": ")[0] or str(layer.name)


def _move(
    layer: "Points", at: "NDArray[Any]", size: "NDArray[Any]", colours: list[str]
) -> None:
    """Move points that are there, touching only what differs.

    Each attribute that is set costs a redraw, and what listens to new data of a layer
    recomputes the extent of all layers: rings do not extend anything.
    """
    from napari.utils.colormaps.standardize_color import transform_color

    with layer.events.data.blocker():
        layer.data = at
    if not np.array_equal(layer.size, size):
        layer.size = size
    wanted = transform_color(colours)
    if not np.array_equal(layer.border_color, wanted):
        layer.border_color = wanted
    if not layer.visible:
        layer.visible = True


def _points(table: "QTable") -> "NDArray[np.float64]":
    """Return rows and columns of a catalogue, shape (n, 2)."""
    return np.stack([_plain(table["y"]), _plain(table["x"])], axis=1).astype(float)


def _plain(column: Any) -> "NDArray[Any]":
    return np.asarray(getattr(column, "value", column))
