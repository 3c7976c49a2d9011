"""One raw frame of a user: whether it can be trained on, and cut-outs of it."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.fill import fill_masked
from bgrem_core.io import is_product
from bgrem_core.train import cache
from bgrem_core.train.frames import CUTS, WHAT, FrameData
from bgrem_core.white import white_rms
from bgrem_core.zscale import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from bgrem_core.image import Image

    Float = NDArray[np.float32]

__all__ = ["Frame", "cut_frame"]

_BAD = 0.05
"""Largest share of pixels without a number in a cut-out; they are filled."""
_CALIBRATION = ("bias", "dark", "flat", "zero")
_KIND_KEYS = ("IMAGETYP", "OBSTYPE", "FRAMETYP", "FRAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that can be trained on.

    Attributes
    ----------
    name : str
        File, and HDU and plane where there are several.
    exposure : tuple of int
        Number of the file and of the plane: frames that share them share a sky.
    shape : tuple of int
        (ny, nx), pixels.
    digest : str
        SHA-256 of its pixels.
    cuts : tuple of str
        Names of its cut-outs.
    noise : float
        White noise, in the unit of the frame.
    white : float
        The same in units of the normalised cut-outs.
    """

    name: str
    exposure: tuple[int, int]
    shape: tuple[int, int]
    digest: str
    cuts: tuple[str, ...]
    noise: float
    white: float


def cut_frame(
    image: "Image",
    name: str,
    exposure: tuple[int, int],
    data: FrameData,
    most: int,
    folder: "Path | None",
) -> Frame | str:
    """Check a frame, and keep cut-outs of it.

    Parameters
    ----------
    image : Image
        The frame.
    name : str
        Of it, for people.
    exposure : tuple of int
        Of it, see `Frame`.
    data : FrameData
        How it is cut.
    most : int
        Most cut-outs.
    folder : pathlib.Path or None
        Of the run; None to keep nothing.

    Returns
    -------
    Frame or str
        Why it cannot be used, if it cannot.
    """
    why = _unfit(image, data)
    if not why:
        pixels = np.asarray(image.data, np.float32)
        own = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        cuts = _cut(pixels, own, data, most)
        found = {f"{own[:16]}_{y}_{x}.npy": cut for y, x, cut in cuts}
        why = "" if found else _why_not(pixels)
    if why:
        return why
    if folder is not None:
        for file, cut in found.items():
            cache.keep(folder / CUTS / file, partial(np.asarray, cut), what=WHAT)
    noise = [white_rms(cut) for cut in found.values()]
    share = [
        rms / normalise(cut)[2] for rms, cut in zip(noise, found.values(), strict=True)
    ]
    return Frame(
        name=name,
        exposure=exposure,
        shape=image.shape,
        digest=own,
        cuts=tuple(found),
        noise=float(np.median(noise)),
        white=float(np.median(share)),
    )


def _unfit(image: "Image", data: FrameData) -> str:
    """Return why a frame is none to train on, by its header and its size."""
    if is_product(image.header):
        return "results of bgrem"
    for key in _KIND_KEYS:
        kind = str((image.header or {}).get(key, "")).lower()
        if any(word in kind for word in _CALIBRATION):
            return f"calibration frames by their {key}"
    if min(image.shape) < data.crop:
        return f"smaller than a crop of {data.crop} x {data.crop} pix"
    return ""


def _cut(
    pixels: "Float", digest: str, data: FrameData, most: int
) -> "Iterator[tuple[int, int, Float]]":
    """Yield cut-outs that can be used, and where they lie."""
    sides = [min(n, data.cut) for n in pixels.shape]
    number = min(-(-pixels.size // (sides[0] * sides[1])), most)
    rng = np.random.default_rng([data.split_seed, int(digest[:12], 16)])
    for _ in range(number):
        y, x = (
            int(rng.integers(0, n - side + 1))
            for n, side in zip(pixels.shape, sides, strict=True)
        )
        cut = pixels[y : y + sides[0], x : x + sides[1]]
        bad = ~np.isfinite(cut)
        if bad.mean() > _BAD:
            continue
        if bad.any():
            level = np.float32(np.median(cut[~bad]))
            cut = fill_masked(cut - level, bad) + level
        if normalise(cut)[0].any():
            yield y, x, np.ascontiguousarray(cut, np.float32)


def _why_not(pixels: "Float") -> str:
    if not np.isfinite(pixels).all():
        return f"more than {_BAD:.0%} of the pixels have no number"
    return "constant, or nearly so"
