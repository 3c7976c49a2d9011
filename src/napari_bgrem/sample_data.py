"""Sample data: the frames that ship with the package, under File > Open Sample."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core import open_image, samples
from napari_bgrem.layers import image_layers
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.placement import turn_up
from napari_bgrem.reader import PATH

if TYPE_CHECKING:
    from astropy.table import QTable

    from napari_bgrem.layers import LayerData

__all__ = [
    "TABLE",
    "cfhtls_g",
    "decam_i",
    "decam_r",
    "photons",
    "satellite",
    "simulated",
]

TABLE = "table"
"""Key of a layer's metadata: the catalogue of which it shows the positions."""

_RING = "#ffffff"
_DIAMETER = 8.0


def decam_r() -> "list[LayerData]":
    """Return the layers of the sample with the elliptical galaxy."""
    return _sample("decam_r")


def decam_i() -> "list[LayerData]":
    """Return the layers of the sample with cosmic rays."""
    return _sample("decam_i")


def cfhtls_g() -> "list[LayerData]":
    """Return the layers of the sample with the saturated star."""
    return _sample("cfhtls_g")


def photons() -> "list[LayerData]":
    """Return the layers of the simulated gamma rays: photons, and what was put in."""
    return _sample("photons")


def satellite() -> "list[LayerData]":
    """Return the layers of the simulated raw frame: trails, and its satellites."""
    return _sample("satellite")


def simulated() -> "list[LayerData]":
    """Return the layers of the simulated sample: the frame, and what was put in."""
    return _sample("simulated")


def _sample(name: str) -> "list[LayerData]":
    path = samples.path(name)
    layers = image_layers(open_image(path), name=name)
    for _, keywords, _ in layers:
        keywords["metadata"][PATH] = str(path)
    truth = samples.truth(name)
    if truth is not None:
        layers.append(_truth_layer(truth, layers[0][1]))
    turn_up()
    return layers


def _truth_layer(truth: "QTable", image: dict[str, Any]) -> "LayerData":
    """Return what was put into a frame as rings, hidden until asked for."""
    columns = {name: _plain(truth[name]) for name in truth.colnames}
    metadata = image["metadata"]
    mark = Mark(role="truth", image=metadata[KEY].image)
    keywords = {
        "name": f"{image['name']}: truth",
        "metadata": {**metadata, KEY: mark, TABLE: truth},
        "features": columns,
        "size": _DIAMETER,
        "face_color": "transparent",
        "border_color": _RING,
        "border_width": 0.5,
        "border_width_is_relative": False,
        "visible": False,
        "scale": image["scale"],
        "units": image["units"],
    }
    return np.stack([columns["y"], columns["x"]], axis=1), keywords, "points"


def _plain(column: Any) -> "np.ndarray[Any, Any]":
    return np.asarray(getattr(column, "value", column))
