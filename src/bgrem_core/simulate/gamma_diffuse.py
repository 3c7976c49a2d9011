"""The diffuse emission of one square of the sky as the telescope sees it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.gamma_psf import RADIUS, kernel
from bgrem_core.simulate.gamma_sky import Footprint, intensity, relative_exposure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = ["DiffusePatch", "draw_distortion", "view_diffuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusePatch:
    """The diffuse sky of one square as the telescope sees it, before any factor.

    Attributes
    ----------
    footprint : Footprint
        Where it lies.
    scale : float
        Factor on the width of the PSF.
    emission : ndarray
        (ny, nx) float32, interstellar intensity times relative exposure, seen through
        the PSF, ph / (cm2 s sr). Row 0 is the lowest.
    exposure : tuple of float
        Relative exposure at the centre, and its change per pixel to the right and up.
    """

    footprint: Footprint
    scale: float
    emission: "Float"
    exposure: tuple[float, float, float]

    def relative(self, x: "ArrayLike", y: "ArrayLike") -> "Double":
        """Return the relative exposure at 0-based pixels x, y."""
        middle = (self.emission.shape[-1] - 1) / 2
        centre, right, up = self.exposure
        dx, dy = np.asarray(x, float) - middle, np.asarray(y, float) - middle
        return np.asarray(centre + right * dx + up * dy)


def view_diffuse(
    footprint: Footprint, side: int = 64, *, scale: float = 1.0, fine: str = "model"
) -> DiffusePatch:
    """Return the diffuse sky of one square, seen through the PSF.

    Parameters
    ----------
    footprint : Footprint
        Where.
    side : int, optional
        Pixels.
    scale : float, optional
        Factor on the width of the PSF.
    fine : str, optional
        Fine structure of the emission, as in `intensity`.

    Returns
    -------
    DiffusePatch
        With a margin of 16 pixels of the real sky taken into account.
    """
    whole = side + 2 * RADIUS
    place = np.arange(whole) - (whole - 1) / 2
    l, b = footprint.coordinates(place[None, :], place[:, None])  # noqa: E741
    ends = np.array([0.0, -side / 2, side / 2, 0.0, 0.0])
    centre, left, right, down, up = relative_exposure(
        *footprint.coordinates(ends, np.array([0.0, 0.0, 0.0, -side / 2, side / 2]))
    )
    slopes = (float(centre), float(right - left) / side, float(up - down) / side)
    weight = slopes[0] + slopes[1] * place[None, :] + slopes[2] * place[:, None]
    psf = np.zeros((whole, whole))
    psf[: 2 * RADIUS + 1, : 2 * RADIUS + 1] = kernel(footprint.pixel, scale)
    # The PSF reaches as far as the margin, so that nothing wraps round into the patch.
    seen = np.fft.irfft2(
        np.fft.rfft2(intensity(l, b, fine=fine) * weight) * np.fft.rfft2(psf),
        s=(whole, whole),
    )
    inner = slice(2 * RADIUS, 2 * RADIUS + side)
    return DiffusePatch(
        footprint=footprint,
        scale=scale,
        emission=seen[inner, inner].astype(np.float32),
        exposure=slopes,
    )


def draw_distortion(rng: np.random.Generator, side: int, rms: float) -> "Float":
    """Draw the error of an emission model.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    side : int
        Pixels.
    rms : float
        Of the natural log.

    Returns
    -------
    ndarray
        (side, side) float32, a smooth positive factor; its features are a fifth to a
        fourteenth of the side wide.
    """
    knots = int(rng.integers(5, 15))
    basis = _splines(side, knots)
    field = basis @ rng.standard_normal((knots + 3, knots + 3)) @ basis.T
    out: Float = np.exp(rms * field / field.std()).astype(np.float32)
    return out


def _splines(side: int, spans: int) -> "Double":
    """Return the uniform cubic B-splines over a patch, (side, spans + 3)."""
    place = (np.arange(side) + 0.5) / side * spans
    distance = np.abs(place[:, None] - (np.arange(spans + 3) - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far)
