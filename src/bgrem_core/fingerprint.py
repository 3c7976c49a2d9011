"""Fingerprint: what decides the bits of a run's tiles, as a few lines of JSON."""

import dataclasses
import hashlib
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.planes import Plane, bands

if TYPE_CHECKING:
    from bgrem_core.image import Image
    from bgrem_core.models import Model
    from bgrem_core.normalize import Scale
    from bgrem_core.settings import RunSettings

__all__ = ["fingerprint"]

#: Rows of the planes of the scale that are looked at.
_ROWS = 64


def fingerprint(
    image: "Image", scale: "Scale", model: "Model", settings: "RunSettings"
) -> dict[str, Any]:
    """Return what decides the bits of the tiles of a run.

    Parameters
    ----------
    image : Image
        As it was opened: whatever changed at the door changes it too, such as a map of
        the noise in another file.
    scale : Scale
        Noise and offset as they were measured.
    model : Model
        Its weights, and what it is computed with.
    settings : RunSettings
        All settings of the method.

    Returns
    -------
    dict
        "input", "scale", "weights", "settings", "version" and "engine", as JSON.
    """
    from bgrem_core.methods.common import package_version

    return {
        "input": _of_image(image),
        "scale": _of_scale(scale),
        "weights": model.sha256,
        "settings": dataclasses.asdict(settings),
        "version": package_version(),
        "engine": _engine(model),
    }


def _of_image(image: "Image") -> str:
    total = hashlib.blake2b(digest_size=16)
    known = (image.gain, image.fwhm, image.zeropoint, image.saturation)
    total.update(repr((image.shape, image.unit, known)).encode())
    for plane in (image.data, image.flags, image.rms):
        for rows in bands(image.shape) if plane is not None else ():
            total.update(_bytes(plane[rows]))  # type: ignore[index]
    return total.hexdigest()


def _of_scale(scale: "Scale") -> str:
    total = hashlib.blake2b(digest_size=16)
    numbers = (scale.median_sigma, scale.rho_xy, scale.source)
    total.update(repr((numbers, scale.fwhm if isfinite(scale.fwhm) else None)).encode())
    for plane in (scale.offset, scale.sigma):
        total.update(_rows_of(plane))
    return total.hexdigest()


def _rows_of(plane: Plane) -> bytes:
    ny, nx = plane.shape
    rows = range(0, ny, max(1, ny // _ROWS))
    return b"".join(_bytes(np.asarray(plane[r : r + 1, 0:nx])) for r in rows)


def _bytes(block: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(block).tobytes()


def _engine(model: "Model") -> str:
    """Name what the same numbers may come out of with other last bits."""
    import scipy
    import torch

    libraries = f"torch {torch.__version__}, numpy {np.__version__}"
    kind = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return f"{libraries}, scipy {scipy.__version__}, {model.device}, {kind}, {threads}"
