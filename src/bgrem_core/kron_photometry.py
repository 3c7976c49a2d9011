"""Kron photometry: fluxes of extended sources in ellipses that grow with their light.

Kron (1980, ApJS 43, 305), as SExtractor's MAG_AUTO.
"""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.matched import circle_noise
from bgrem_core.rings import INNER, ring_sky
from bgrem_core.shapes import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.shapes import Shapes

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

KRON, KRON_LEAST, KRON_REACH = 2.5, 3.5, 6.0
"""Kron factor, least radius and reach of the first moment, as SExtractor's AUTO."""
KRON_AREA = 5.0
"""Largest ellipse, in pixels of the source above the threshold."""
KRON_WIDEST = 150.0
"""Longest semi-axis of Kron's ellipse, pixels; what is larger is no single source."""


def kron_fluxes(
    data: "NDArray[np.float32]",
    bad: "Bools",
    blank: "Bools",
    x: "Floats",
    y: "Floats",
    *,
    sigma: "Floats",
    shapes: "Shapes",
    fwhm: float,
    rho_xy: tuple[float, float] = (0.0, 0.0),
    labels: "NDArray[np.int32] | None" = None,
) -> tuple["Floats", "Floats"]:
    """Sum Kron's ellipse round each source.

    The sky is measured again outside the ellipse: nearer in there is light of the
    source.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        Masked pixels 0.
    bad : ndarray of bool, shape (ny, nx)
        True = masked.
    blank : ndarray of bool, shape (ny, nx)
        True = a pixel of blank sky.
    x, y : ndarray, shape (n,)
        Positions, pixels, 0-based.
    sigma : ndarray, shape (n,)
        Noise of one pixel at each source.
    shapes : Shapes
        Axes and direction of each ellipse; a NaN is taken for a point source.
    fwhm : float
        FWHM of the PSF, pixels.
    rho_xy : tuple of float, optional
        Correlation of the noise of neighbours.
    labels : ndarray of int32, shape (ny, nx), optional
        Pixels of each source: those of others are left out, and the own ones limit
        the ellipse.

    Returns
    -------
    flux, error : ndarray of float64, shape (n,)
        In the unit of the data; no photon noise of the source.
    """
    import sep

    least = fwhm / FWHM_PER_SIGMA
    a = np.where(np.isfinite(shapes.a), np.maximum(shapes.a, least), least)
    b = np.where(np.isfinite(shapes.b), np.clip(shapes.b, 0.5 * least, a), least)
    theta = np.deg2rad(np.where(np.isfinite(shapes.theta), shapes.theta, 0.0))
    theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    # The first moment needs a plane near zero.
    empty = data[blank]
    empty = empty[:: max(1, empty.size // 100_000)]
    flat = data - np.float32(np.median(empty) if empty.size else 0)
    if labels is not None:
        row, col = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
        own = labels[
            np.clip(row, 0, labels.shape[0] - 1), np.clip(col, 0, labels.shape[1] - 1)
        ]
        bad = bad | ((labels > 0) & ~np.isin(labels, own[own > 0]))
    first, _ = sep.kron_radius(flat, x, y, a, b, theta, KRON_REACH, mask=bad)
    with np.errstate(invalid="ignore"):
        grow = np.where(first > 0, np.maximum(KRON * first, KRON_LEAST), KRON_LEAST)
    grow = np.minimum(grow, KRON_WIDEST / a)
    if labels is not None:
        pixels = np.bincount(labels.ravel(), minlength=int(labels.max(initial=0)) + 1)
        most = np.sqrt(KRON_AREA * pixels[own] / (np.pi * a * b))
        grow = np.where(own > 0, np.minimum(grow, np.maximum(most, 1.0)), grow)
    total, _, _ = sep.sum_ellipse(flat, x, y, a, b, theta, grow, mask=bad, subpix=5)
    area = np.pi * a * b * grow**2
    sky, sky_err = np.zeros(len(x)), np.zeros(len(x))
    step = np.round(np.log(a * grow) / np.log(1.25)).astype(int)
    for k in np.unique(step):
        group = np.flatnonzero(step == k)
        ring = ring_sky(
            flat, blank, x[group], y[group], fwhm=1.15 * 1.25**k / INNER,
            sigma=sigma[group], rho_xy=rho_xy,
        )  # fmt: skip
        sky[group], sky_err[group] = ring.level, ring.error
    noise = np.array([circle_noise(r, rho_xy) for r in np.sqrt(area / np.pi)])
    return total - sky * area, np.hypot(sigma * noise, sky_err * area)
