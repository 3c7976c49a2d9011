"""Cut-outs that keep their place on the sky and their frame's noise."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bgrem_core.errors import UsageError
from bgrem_core.image import Image, Origin
from bgrem_core.normalize import Scale
from bgrem_core.planes import Block, LazyPlane, Plane

if TYPE_CHECKING:
    from astropy.io.fits import Header


def crop(image: Image, block: Block, *, scale: Scale | None = None) -> Image:
    """Cut a rectangle out of an image.

    Parameters
    ----------
    image : Image
        The whole frame.
    block : tuple of slice
        Rows and columns, 0-based; cut at the frame's edges.
    scale : Scale, optional
        Noise and offset of the whole frame, which the cut-out then keeps.

    Returns
    -------
    Image
        With CRPIX and LTV of every WCS in the header shifted; SIP and TPV terms are
        relative to CRPIX and hold as they are.

    Raises
    ------
    UsageError
        The rectangle lies outside the image.
    """
    rows, cols = (slice(*b.indices(n)) for b, n in zip(block, image.shape, strict=True))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        raise UsageError(
            f"the rectangle {block} holds no pixel of an image of shape {image.shape}",
            hint="give rows and columns inside the image",
        )
    scale = scale or image.scale
    return replace(
        image,
        data=image.data[rows, cols],
        flags=image.flags[rows, cols],
        rms=None if image.rms is None else image.rms[rows, cols],
        header=_shifted(image.header, cols.start, rows.start),
        scale=scale and _crop_scale(scale, rows, cols),
        origin=Origin(),
    )


def _crop_scale(scale: Scale, rows: slice, cols: slice) -> Scale:
    return replace(
        scale,
        offset=_window(scale.offset, rows, cols),
        sigma=_window(scale.sigma, rows, cols),
    )


def _window(plane: Plane, rows: slice, cols: slice) -> LazyPlane:
    return LazyPlane(
        (rows.stop - rows.start, cols.stop - cols.start),
        lambda r, c: plane[
            slice(rows.start + r.start, rows.start + r.stop),
            slice(cols.start + c.start, cols.start + c.stop),
        ],
    )


def _shifted(header: "Header | None", x: int, y: int) -> "Header | None":
    if header is None:
        return None
    header = header.copy()
    for key in header:
        match = re.fullmatch(r"(?:CRPIX|LTV)([12])[A-Z]?", key)
        if match and isinstance(header[key], (int, float)):
            header[key] -= x if match[1] == "1" else y
    return header
