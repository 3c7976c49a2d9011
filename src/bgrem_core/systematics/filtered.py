"""A frame through a filter, and the scatter of what comes out, cell by cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.mesh import Mesh, cell_edges, node_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Filtered", "filtered", "scatter", "sigma_of"]

_CELL = 64
"""Cell in which the scatter of a filtered frame is measured, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """A frame through a matched filter.

    Attributes
    ----------
    flux : ndarray
        (ny, nx), flux of a point on each pixel, a local level taken off.
    noise : ndarray
        (ny, nx), its scatter, positive; infinite where the frame has none.
    """

    flux: "Float"
    noise: "Float"

    @property
    def snr(self) -> "Float":
        """Flux over its scatter."""
        return self.flux / self.noise


def filtered(frame: "Float", kernel: "Floats", bad: "Bools") -> Filtered:
    """Pass a frame through a filter and measure the scatter of what comes out.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), bad pixels 0.
    kernel : ndarray
        As from `kernel_of`.
    bad : ndarray of bool
        (ny, nx), pixels that do not count for the scatter.

    Returns
    -------
    Filtered
        Its noise holds all that scatters, correlated as it may be.
    """
    flux = ndimage.correlate(
        np.asarray(frame, np.float32), kernel.astype(np.float32), mode="constant"
    )
    noise = scatter(flux, bad)
    return Filtered(flux=flux, noise=noise)


def scatter(values: "Float", bad: "Bools") -> "Float":
    """Return the scatter about each pixel, from cells, half-way between them."""
    shape = values.shape
    count = [node_count(n, _CELL) for n in shape]
    edges = [cell_edges(n, m) for n, m in zip(shape, count, strict=True)]
    nodes = np.zeros(count)
    for j in range(count[0]):
        for i in range(count[1]):
            cell = (
                slice(edges[0][j], edges[0][j + 1]),
                slice(edges[1][i], edges[1][i + 1]),
            )
            nodes[j, i] = sigma_of(values[cell], bad[cell])
    known = nodes > 0
    if not known.any():
        return np.full(shape, np.inf, np.float32)
    nodes = np.where(known, nodes, np.median(nodes[known]))
    mesh = Mesh(nodes=nodes, shape=(shape[0], shape[1]), order=1)
    return np.asarray(mesh[:, :], np.float32)


def sigma_of(values: "Float", bad: "Bools") -> float:
    """Return the scatter of the good pixels, 0 without one."""
    good = values[~bad]
    if not good.size:
        return 0.0
    return 1.4826 * float(np.median(np.abs(good - np.median(good))))
