"""Small results and viewers for the tests of comparison and inspection."""

import sys
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from bgrem_core.growth import Profile
from napari_bgrem.mark import KEY, Mark

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import fields

FWHM = fields.FWHM
STARS = ((30.3, 25.6), (90.0, 60.0), (60.4, 100.2))


def result(flux=3000.0, noise=1.0, shape=(120, 140), **kwargs):
    """Return a separation of a field of stars at STARS, x and y."""
    row, col = np.mgrid[: shape[0], : shape[1]].astype(float)
    light = sum(flux * Profile(fwhm=FWHM).density(col - x, row - y) for x, y in STARS)
    rng = np.random.default_rng(2)
    return fields.mesh_result(
        light + fields.SKY + noise * rng.standard_normal(shape), **kwargs
    )


def layers_of(separation, *, run="1", **placed):
    """Return the layers original, cleaned and residual of a separation."""
    image = separation.image
    planes = {
        "original": (image.data, Mark(role="original", image=image)),
        **{
            role: (
                np.array(plane),
                Mark(role=role, image=image, separation=separation, run=run),
            )
            for role, plane in (
                ("cleaned", separation.cleaned),
                ("residual", separation.residual),
            )
        },
    }
    return [
        Image(
            data,
            name=role,
            metadata={KEY: mark, "header": image.header, "wcs": image.wcs},
            **placed,
        )
        for role, (data, mark) in planes.items()
    ]


def viewer_with(*layers):
    """Return a viewer without a window."""
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(layer)
    return viewer
