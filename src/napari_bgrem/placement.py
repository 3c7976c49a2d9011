"""Placement: where layers lie in the viewer, and which way is up."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from bgrem_core.image import Image

__all__ = ["face_the_sky", "placement_like", "placement_of", "turn_up"]

_ARCSEC = 3600
_COARSE = 60
"""Side of a pixel, arcsec, from which degrees are read more easily."""


def placement_of(image: "Image") -> dict[str, Any]:
    """Return where the layer of an image lies.

    Parameters
    ----------
    image : Image
        With or without world coordinates.

    Returns
    -------
    dict
        Keywords of a layer: with a celestial WCS the scale of a pixel in arcseconds,
        or degrees where that is large, so that the scale bar shows those; else pixels.
    """
    side = _pixel_side(image)
    if side is None:
        return {"scale": (1.0, 1.0), "units": ("pixel", "pixel")}
    unit = "arcsec"
    if side >= _COARSE:
        side, unit = side / _ARCSEC, "deg"
    return {"scale": (side, side), "units": (unit, unit)}


def placement_like(layer: "Layer", ndim: int = 2) -> dict[str, Any]:
    """Return where a layer must lie to cover another one.

    Parameters
    ----------
    layer : napari.layers.Layer
        What it lies on.
    ndim : int, optional
        Axes of the new layer; of more the last ones count.

    Returns
    -------
    dict
        Keywords of a layer. Units too: where they differ napari shows none.
    """
    last = list(range(layer.ndim - ndim, layer.ndim))
    return {
        "scale": tuple(layer.scale[last]),
        "translate": tuple(layer.translate[last]),
        "rotate": np.asarray(layer.rotate)[np.ix_(last, last)],
        "shear": _shear(layer)[np.ix_(last, last)],
        "affine": layer.affine.set_slice(last).affine_matrix,
        "units": tuple(layer.units)[-ndim:],
        "axis_labels": tuple(layer.axis_labels)[-ndim:],
    }


def face_the_sky(viewer: "ViewerModel") -> None:
    """Turn the camera of a viewer so that row 0 is at the bottom, as in FITS."""
    viewer.scene.camera.orientation2d = ("up", "right")


def turn_up() -> None:
    """Turn the camera of the current viewer, if there is one and it shows nothing."""
    # Nobody has a viewer who did not import it; to ask would load Qt.
    if "napari.viewer" not in sys.modules:
        return
    # A picture upside down is no reason to fail.
    with suppress(Exception):
        import napari

        viewer = napari.current_viewer()
        if viewer is not None and not viewer.layers:
            face_the_sky(viewer)


def _pixel_side(image: "Image") -> float | None:
    """Return the side of a pixel in arcseconds, None without a WCS."""
    wcs = image.wcs
    if wcs is None:
        return None
    from astropy.wcs.utils import proj_plane_pixel_area

    try:
        area = float(proj_plane_pixel_area(wcs))
    except (ValueError, TypeError):
        return None
    side = float(np.sqrt(area)) * _ARCSEC
    return side if np.isfinite(side) and side > 0 else None


def _shear(layer: "Layer") -> "NDArray[np.float64]":
    """Return the shear of a layer as a matrix; napari may give its upper corner."""
    shear = np.asarray(layer.shear, np.float64)
    if shear.ndim > 1:
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, k=1)] = shear
    return matrix
