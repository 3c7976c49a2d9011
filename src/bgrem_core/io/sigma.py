"""Sigma: the noise map that comes with an image, as ERR, variance or weight."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import MaskBit
from bgrem_core.io.arrays import AnyArray
from bgrem_core.planes import allocate, bands

Kind = Literal["sigma", "variance", "inverse variance"]

_INVERSE = re.compile(r"(^|[^a-z])(wht|weights?|wgt|ivar|invvar|oow)([^a-z]|$)")
_VARIANCE = re.compile(r"(^|[^a-z])(var|variance)([^a-z]|$)")
_SAMPLE = 1_000_000


class Sigma(NamedTuple):
    """Noise sigma and what was wrong with it.

    Attributes
    ----------
    values : ndarray of float32, shape (ny, nx)
        Positive and finite; the median where there was no value.
    missing : int
        Pixels without a value.
    """

    values: NDArray[np.float32]
    missing: int


def kind_of(name: str) -> Kind:
    """Return what a map holds by the name of its file or HDU; sigma if in doubt."""
    text = name.lower()
    if _INVERSE.search(text):
        return "inverse variance"
    return "variance" if _VARIANCE.search(text) else "sigma"


def make_sigma(
    pieces: Iterable[tuple[slice, AnyArray]],
    flags: NDArray[np.uint8],
    kind: Kind,
) -> Sigma | None:
    """Turn a noise map into sigma per pixel.

    Parameters
    ----------
    pieces : iterable of (slice, ndarray)
        Rows of the map.
    flags : ndarray of uint8, shape (ny, nx)
        Gets NO_COVERAGE where the map has no positive, finite value.
    kind : {"sigma", "variance", "inverse variance"}
        What the map holds.

    Returns
    -------
    Sigma or None
        None if no pixel has a value; `flags` is not changed then.
    """
    sigma: NDArray[np.float32] = allocate(flags.shape)
    missing = 0
    for rows, stored in pieces:
        with np.errstate(all="ignore"):
            values = np.asarray(stored, np.float64)
            if kind == "inverse variance":
                values = 1 / values
            if kind != "sigma":
                values = np.sqrt(values)
            values = values.astype(np.float32)
            bad = ~(np.isfinite(values) & (values > 0))
        sigma[rows] = np.where(bad, 0, values)
        missing += int(bad.sum())
    if missing == flags.size:
        return None
    if missing:
        _fill(sigma, flags)
    return Sigma(sigma, missing)


def _fill(sigma: NDArray[np.float32], flags: NDArray[np.uint8]) -> None:
    """Give masked pixels a sigma that does no harm to their neighbours."""
    stride = max(1, int(np.sqrt(sigma.size / _SAMPLE)))
    sample = sigma[::stride, ::stride]
    sample = sample[sample > 0]
    usual = np.median(sample) if sample.size else np.float32(1)
    for rows in bands(sigma.shape):
        bad = sigma[rows] == 0
        flags[rows] |= np.uint8(MaskBit.NO_COVERAGE) * bad
        sigma[rows][bad] = usual
