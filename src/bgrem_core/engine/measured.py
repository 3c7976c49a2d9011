"""The scale of a frame that is not in memory: read once, or a sample of its bands."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import Image
from bgrem_core.io.masks import flag_non_finite, flag_saturated
from bgrem_core.mesh import Mesh
from bgrem_core.methods.common import frame_scale
from bgrem_core.normalize import Scale
from bgrem_core.planes import Plane, allocate, constant
from bgrem_core.progress import drain
from bgrem_core.settings import RunSettings

#: Pixels up to which the whole of a frame is measured.
MOST = 2**26
#: Rows of a band; whole cells of the meshes of offset and noise.
BAND = 256


def measured(
    plane: Plane,
    settings: RunSettings,
    *,
    known: Image,
    most: int = MOST,
) -> Scale:
    """Measure noise and offset of a plane.

    Parameters
    ----------
    plane : Plane
        Shape (ny, nx); anything of which rows can be read as an array.
    settings : RunSettings
        Of the method.
    known : Image
        Its gain, FWHM and saturation hold; of its data nothing is used.
    most : int, optional
        Pixels that are read. A larger frame is measured on bands of 256 rows at equal
        distances.

    Returns
    -------
    Scale
        Of the shape of the plane. Of a frame up to `most` pixels the same, to the bit,
        as of an array in memory.
    """
    ny, nx = plane.shape
    every = max(1, -(-ny * nx // most))
    starts = range((every - 1) // 2 * BAND, ny - BAND + 1, every * BAND)
    if every == 1 or len(starts) < 2:
        every, starts = 1, range(0, ny, BAND)
    spans = [slice(start, min(start + BAND, ny)) for start in starts]
    data = allocate((sum(s.stop - s.start for s in spans), nx))
    at = 0
    for span in spans:
        band = np.asarray(plane[span, 0:nx])
        data[at : at + len(band)] = band
        at += len(band)
    seen = replace(known, data=data, flags=flags_of(data, known.saturation))
    scale = drain(frame_scale(seen, settings))
    if every == 1:
        return scale
    notice = f"noise and offset are measured on one band of {BAND} rows in {every}"
    return replace(
        scale,
        offset=_laid(scale.offset, scale, (ny, nx)),
        sigma=_laid(scale.sigma, scale, (ny, nx)),
        notices=(*scale.notices, notice),
    )


def flags_of(data: NDArray[np.float32], saturation: float | None) -> NDArray[np.uint8]:
    """Return the flags that the pixels themselves tell."""
    flags: NDArray[np.uint8] = allocate(data.shape, np.uint8)
    flag_non_finite(data, flags)
    if saturation is not None:
        flag_saturated(data, flags, saturation, stated=True)
    return flags


def _laid(plane: Plane, scale: Scale, shape: tuple[int, int]) -> Plane:
    """Lay the map of a sample over the whole frame, whose bands lie evenly in it."""
    if isinstance(plane, Mesh):
        return Mesh(nodes=plane.nodes, shape=shape, order=plane.order)
    return constant(scale.median_sigma, shape)
