"""The fine grid on which unresolved light is collected, and its geometry."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["BORDER", "FINE", "Grid", "add_stamp", "spread", "taper"]

FINE = 2
"""Fine cells per pixel side."""
BORDER = 48
"""Pixels outside the field that still receive sources, so that light leaks in."""


def taper(radius: "NDArray[np.floating]", end: float) -> "Float":
    """Return 1 inside 0.7 of the end, 0 beyond it, and a smooth fall between."""
    t = np.clip((radius / end - 0.7) / 0.3, 0, 1)
    fall: Float = (0.5 * (1 + np.cos(np.pi * t))).astype(np.float32)
    return fall


def add_stamp(image: "Float", stamp: "Float", x: int, y: int) -> None:
    """Add an odd-sided stamp centred on a pixel; what hangs over the edge is lost."""
    hy, hx = stamp.shape[0] // 2, stamp.shape[1] // 2
    y0, y1 = max(y - hy, 0), min(y + hy + 1, image.shape[0])
    x0, x1 = max(x - hx, 0), min(x + hx + 1, image.shape[1])
    if y0 < y1 and x0 < x1:
        image[y0:y1, x0:x1] += stamp[
            y0 - y + hy : y1 - y + hy, x0 - x + hx : x1 - x + hx
        ]


class Grid:
    """Collects light on planes of half-pixel cells, one plane per basis image.

    A point between the cells is spread with the cubic B-spline, whose spectrum is
    divided out again with the PSF; what is left of the grid is below 0.1 % of the
    peak at a FWHM of 2 pixels.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the field, pixels.
    planes : int
        Number of basis images.
    reach : int
        Radius of the basis images, pixels: the pad that takes up what the FFT wraps.
    """

    def __init__(self, shape: tuple[int, int], planes: int, reach: int) -> None:
        self.shape = shape
        self.cells = tuple(
            fft.next_fast_len(
                FINE * max(n + BORDER + max(reach, BORDER), 2 * reach) + 4, real=True
            )
            for n in shape
        )
        self.light = np.zeros((planes, *self.cells), np.float32)

    def add_points(self, x: "Float64", y: "Float64", weight: "Float64") -> None:
        """Add points; ``weight`` (planes, n) is what each plane gets of them."""
        cx, cy = FINE * (x + BORDER), FINE * (y + BORDER)
        ix, iy = np.floor(cx).astype(np.int64), np.floor(cy).astype(np.int64)
        wx, wy = _cubic(cx - ix), _cubic(cy - iy)
        for j in range(4):
            for i in range(4):
                at = (np.maximum(iy + j - 1, 0), np.maximum(ix + i - 1, 0))
                share = weight * (wy[j] * wx[i])
                for plane, part in zip(self.light, share, strict=True):
                    np.add.at(plane, at, part.astype(np.float32))

    def add_shape(self, stamp: "Float", cell: tuple[int, int], weight: "Float") -> None:
        """Add one stamp of cells, already spread by `spread`, centred on a cell."""
        for plane, part in zip(self.light, weight, strict=True):
            add_stamp(plane, part * stamp, *cell)

    def seen(self, basis: "Float") -> "Float":
        """Return the light of all planes, each through its basis image, in pixels."""
        total = 0
        for plane, image in zip(self.light, basis, strict=True):
            total = total + fft.rfft2(plane) * self._spectrum(image)
        fine = fft.irfft2(total, s=self.cells)
        start = FINE * BORDER
        rows, columns = (slice(start, start + FINE * n, FINE) for n in self.shape)
        out: Float = FINE**2 * fine[rows, columns]
        return np.maximum(out, 0)

    def _spectrum(self, image: "Float") -> "NDArray[np.complex64]":
        """Return the transform of a basis image with the B-spline divided out."""
        side = image.shape[0]
        padded = np.zeros(self.cells, np.float32)
        padded[:side, :side] = image
        padded = np.roll(padded, (-(side // 2), -(side // 2)), axis=(0, 1))
        out: NDArray[np.complex64] = fft.rfft2(padded)
        fy = np.sinc(np.fft.fftfreq(self.cells[0])).astype(np.float32) ** -4
        fx = np.sinc(np.fft.rfftfreq(self.cells[1])).astype(np.float32) ** -4
        out *= fy[:, None]
        out *= fx[None, :]
        return out


def spread(stamp: "Float") -> "Float":
    """Spread a stamp of cells as `Grid.add_points` spreads a point on a cell."""
    wide = np.pad(stamp, 1)
    wide[1:-1] = (wide[:-2] + 4 * wide[1:-1] + wide[2:]) / 6
    wide[:, 1:-1] = (wide[:, :-2] + 4 * wide[:, 1:-1] + wide[:, 2:]) / 6
    return wide


def _cubic(t: "Float64") -> "Float64":
    """Return the four weights of the cubic B-spline, (4, n)."""
    u = 1 - t
    weights: Float64 = (
        np.stack(
            [
                u**3,
                3 * t**3 - 6 * t**2 + 4,
                3 * u**3 - 6 * u**2 + 4,
                t**3,
            ]
        )
        / 6
    )
    return weights
