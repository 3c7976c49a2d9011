"""The diffuse gamma-ray sky at 1 to 2 GeV, and which part of it is held out.

``data/README.md`` says how the map was made and where its ingredients are from.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = [
    "FILE",
    "FINE",
    "HELD_OUT",
    "ISOTROPIC",
    "Footprint",
    "distance_from_held_out",
    "draw_footprint",
    "intensity",
    "relative_exposure",
    "synthetic_cells",
]

FILE = Path(__file__).parent / "data" / "gamma_sky.npz"
ISOTROPIC = 2.574e-7
"""ph / (cm2 s sr), 1 to 2 GeV: iso_P8R3_ULTRACLEANVETO_V3_FRONT_v1."""
HELD_OUT = ((45.0, 0.0), (205.0, -38.0), (275.0, 60.0))
"""Centres (l, b) of three caps, degrees, that training never sees: 20 % of the sky."""
HELD_OUT_RADIUS = 30.0
"""Of each cap, degrees."""
FINE = ("model", "synthetic")
"""Names of the structure below the size of a block of the emission model."""
_SEED = 20261122
_BLOCK = 6  # cells along each side of a block of the emission model
_LATITUDE = (-90.0625, 1.375 / 6)  # lower edge of the map and height of a cell
_LONGITUDE = (180.0, 1.5 / 6)  # left edge and width; longitude falls with the column


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A square of the sky in the zenithal equal-area projection.

    Attributes
    ----------
    l, b : float
        Galactic coordinates of the centre, degrees.
    angle : float
        By which north is turned from up towards left (anticlockwise), degrees.
        Longitude rises to the left.
    pixel : float
        Side of a pixel, degrees.
    """

    l: float  # noqa: E741
    b: float
    angle: float = 0.0
    pixel: float = 0.2

    def coordinates(self, x: "ArrayLike", y: "ArrayLike") -> "tuple[Double, Double]":
        """Return the sky coordinates of places.

        Parameters
        ----------
        x, y : ndarray
            Distance from the centre of the patch to the right and up, pixels.

        Returns
        -------
        tuple of ndarray
            Longitude (-180 to 180) and latitude, degrees.
        """
        east, north = self._turned(np.asarray(x, float), np.asarray(y, float))
        l, b = np.radians(self.l), np.radians(self.b)  # noqa: E741
        square = east**2 + north**2
        ahead = 1 - square / 2
        # Equal area: the distance on the plane is 2 sin(theta / 2).
        factor = np.sqrt(np.maximum(1 - square / 4, 0))
        east, north = east * factor, north * factor
        forward = ahead * np.cos(b) - north * np.sin(b)
        up = ahead * np.sin(b) + north * np.cos(b)
        lon = np.degrees(l + np.arctan2(east, forward))
        return (lon + 180) % 360 - 180, np.degrees(np.arcsin(np.clip(up, -1, 1)))

    def places(self, l: "ArrayLike", b: "ArrayLike") -> "tuple[Double, Double]":  # noqa: E741
        """Return where sky coordinates fall: the inverse of `coordinates`.

        Parameters
        ----------
        l, b : ndarray
            Degrees.

        Returns
        -------
        tuple of ndarray
            Distance from the centre of the patch to the right and up, pixels.
        """
        lon = np.radians(np.asarray(l, float) - self.l)
        lat, centre = np.radians(np.asarray(b, float)), np.radians(self.b)
        ahead = np.sin(centre) * np.sin(lat) + np.cos(centre) * np.cos(lat) * np.cos(
            lon
        )
        factor = np.sqrt(2 / np.maximum(1 + ahead, 1e-9)) / np.radians(self.pixel)
        east = np.cos(lat) * np.sin(lon) * factor
        north = factor * (
            np.cos(centre) * np.sin(lat) - np.sin(centre) * np.cos(lat) * np.cos(lon)
        )
        turn = np.radians(self.angle)
        return (
            -east * np.cos(turn) - north * np.sin(turn),
            -east * np.sin(turn) + north * np.cos(turn),
        )

    def _turned(self, x: "Double", y: "Double") -> "tuple[Double, Double]":
        """Return offsets to the east and to the north, radians."""
        turn, unit = np.radians(self.angle), np.radians(self.pixel)
        east = (-x * np.cos(turn) - y * np.sin(turn)) * unit
        north = (-x * np.sin(turn) + y * np.cos(turn)) * unit
        return east, north


def intensity(
    l: "ArrayLike",  # noqa: E741
    b: "ArrayLike",
    *,
    fine: str = "model",
) -> "Double":
    """Return the interstellar emission, interpolated between cells of a quarter degree.

    Parameters
    ----------
    l, b : ndarray
        Galactic coordinates, degrees.
    fine : str, optional
        Structure below 1.5 deg: ``model``, that of Model O, or ``synthetic``, a random
        field of the same strength at each place (`synthetic_cells`).

    Returns
    -------
    ndarray
        Intensity, ph / (cm2 s sr), 1 to 2 GeV.

    Raises
    ------
    UsageError
        The fine structure is unknown.
    """
    if fine not in FINE:
        raise UsageError(f"fine={fine!r} is unknown", f"use {' or '.join(FINE)}")
    cells = _load()[0] if fine == "model" else synthetic_cells()
    ny, nx = cells.shape
    x = (_LONGITUDE[0] - np.asarray(l, float)) / _LONGITUDE[1] - 0.5
    y = np.clip(
        (np.asarray(b, float) - _LATITUDE[0]) / _LATITUDE[1] - 0.5, 0, ny - 1.001
    )
    ix, iy = np.floor(x).astype(int), y.astype(int)
    fx, fy = x - ix, y - iy
    left, right = ix % nx, (ix + 1) % nx
    low = cells[iy, left] * (1 - fx) + cells[iy, right] * fx
    high = cells[iy + 1, left] * (1 - fx) + cells[iy + 1, right] * fx
    out: Double = low * (1 - fy) + high * fy
    return out


@lru_cache(maxsize=1)
def synthetic_cells() -> "Float":
    """Return the emission with another fine structure, for tests of robustness.

    Block means are those of the map. Between them ln intensity is smooth, plus a
    Gaussian random field whose power falls as k^-2.7, the slope of cirrus, and whose
    local rms is that of the map: knots and filaments are elsewhere, as many and as
    bright.

    Returns
    -------
    ndarray
        (786, 1440) float32, cells as `intensity` interpolates them.
    """
    from scipy import ndimage

    cells = _load()[0]
    blocks = np.log(_block_means(cells))
    smooth = _between_blocks(blocks)
    own = np.log(cells) - smooth
    modes = ("nearest", "wrap")
    strength = np.sqrt(ndimage.gaussian_filter(own**2, 2 * _BLOCK, mode=modes))
    rng = np.random.default_rng(_SEED)
    ky = np.fft.fftfreq(cells.shape[0])[:, None]
    kx = np.fft.rfftfreq(cells.shape[1])[None, :]
    k = np.hypot(ky, kx)
    power = np.where(k > 1 / (2 * _BLOCK), np.maximum(k, 1e-9) ** -2.7, 0)
    white = np.fft.rfft2(rng.standard_normal(cells.shape))
    texture = np.fft.irfft2(white * np.sqrt(power), s=cells.shape)
    out = np.exp(smooth + strength * texture / texture.std())
    for _ in range(3):
        out *= np.exp(_between_blocks(blocks - np.log(_block_means(out))))
    made: Float = out.astype(np.float32)
    made.flags.writeable = False
    return made


def _block_means(cells: "NDArray[np.floating]") -> "Double":
    ny, nx = (n // _BLOCK for n in cells.shape)
    shaped = cells.reshape(ny, _BLOCK, nx, _BLOCK)
    return np.asarray(shaped.mean(axis=(1, 3), dtype=float))


def _between_blocks(blocks: "Double") -> "Double":
    """Return values at the cells, interpolated between the centres of blocks."""
    from scipy import ndimage

    ny, nx = blocks.shape
    wide = np.concatenate([blocks[:, -1:], blocks, blocks[:, :1]], axis=1)
    y = (np.arange(ny * _BLOCK) + 0.5) / _BLOCK - 0.5
    x = (np.arange(nx * _BLOCK) + 0.5) / _BLOCK + 0.5
    at = np.meshgrid(y, x, indexing="ij")
    out: Double = ndimage.map_coordinates(wide, at, order=1, mode="nearest")
    return out


def relative_exposure(l: "ArrayLike", b: "ArrayLike") -> "Double":  # noqa: E741
    """Return the exposure in units of its mean over the sky.

    Parameters
    ----------
    l, b : ndarray
        Galactic coordinates, degrees.

    Returns
    -------
    ndarray
        About 0.8 to 1.4; a polynomial of the unit vector, good to half a per cent.
    """
    _, powers, coefficients = _load()
    lon, lat = np.radians(np.asarray(l, float)), np.radians(np.asarray(b, float))
    unit = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    out = np.zeros(np.broadcast(lon, lat).shape)
    for (i, j, k), c in zip(powers, coefficients, strict=True):
        out += c * unit[0] ** int(i) * unit[1] ** int(j) * unit[2] ** int(k)
    return out


def distance_from_held_out(l: "ArrayLike", b: "ArrayLike") -> "Double":  # noqa: E741
    """Return the distance to the edge of the nearest held-out cap.

    Parameters
    ----------
    l, b : ndarray
        Galactic coordinates, degrees.

    Returns
    -------
    ndarray
        Degrees; negative inside a cap.
    """
    lon, lat = np.radians(np.asarray(l, float)), np.radians(np.asarray(b, float))
    best = np.full(np.broadcast(lon, lat).shape, np.inf)
    for cap_l, cap_b in HELD_OUT:
        cl, cb = np.radians(cap_l), np.radians(cap_b)
        cosine = np.sin(lat) * np.sin(cb) + np.cos(lat) * np.cos(cb) * np.cos(lon - cl)
        best = np.minimum(best, np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return best - HELD_OUT_RADIUS


def draw_footprint(
    rng: np.random.Generator, *, pixel: float, side: int, held_out: bool
) -> Footprint:
    """Draw a square that lies wholly within, or wholly outside, the held-out caps.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    pixel : float
        Degrees.
    side : int
        Pixels that the square reads, margin included.
    held_out : bool
        Within the held-out caps, or outside them.

    Returns
    -------
    Footprint
        Centre even over the allowed part of the sky, turned by any angle.

    Raises
    ------
    UsageError
        The square is too large for a cap.
    """
    corner = side / np.sqrt(2) * np.radians(pixel)
    # One cell more: the map is interpolated.
    reach = np.degrees(2 * np.arcsin(min(corner / 2, 1))) + 0.4
    if reach >= HELD_OUT_RADIUS:
        raise UsageError(
            f"a square of {side} pixels of {pixel:g} deg does not fit into a held-out "
            f"cap of {HELD_OUT_RADIUS:g} deg",
            "use smaller pixels",
        )
    while True:
        l = float(rng.uniform(-180, 180))  # noqa: E741
        b = float(np.degrees(np.arcsin(rng.uniform(-1, 1))))
        edge = float(distance_from_held_out(l, b))
        if (edge < -reach) if held_out else (edge > reach):
            return Footprint(l=l, b=b, angle=float(rng.uniform(0, 360)), pixel=pixel)


@lru_cache(maxsize=1)
def _load() -> "tuple[Float, NDArray[np.int8], Double]":
    with np.load(FILE) as data:
        steps = np.concatenate([data["first"], data["steps"]], axis=1, dtype=np.int32)
        cells = np.exp(steps.cumsum(axis=1) * float(data["unit"])).astype(np.float32)
        return cells, data["exposure_powers"], data["exposure"].astype(np.float64)
