"""PSF photometry: fluxes of overlapping point sources, solved together.

Positions are held, so fluxes enter linearly and the best ones solve one sparse system
of normal equations: what crowded apertures would count twice is shared out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg
from scipy.spatial import KDTree

from bgrem_core.matched import weighted_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.growth import Profile

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

REACH, SHADE = 1.25, 2.25
"""Radii in FWHM: of the pixels fitted round each source, and how far its light is
followed into the pixels of others."""
NEIGHBOURS = 10
"""Sources, itself included, that the error of a flux accounts for."""
_RIDGE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PsfFluxes:
    """Total fluxes of n point sources.

    Attributes
    ----------
    flux : ndarray of float64, shape (n,)
        Total flux in the unit of the data; NaN where no pixel is usable.
    error : ndarray of float64, shape (n,)
        From the noise of the sky, blending included; no photon noise of the source.
    """

    flux: "Floats"
    error: "Floats"


def psf_fluxes(
    data: "NDArray[np.float32]",
    usable: "Bools",
    x: "Floats",
    y: "Floats",
    *,
    level: "Floats",
    sigma: "Floats",
    profile: "Profile",
    rho_xy: tuple[float, float] = (0.0, 0.0),
) -> PsfFluxes:
    """Solve for the fluxes of all sources at once.

    Minimises ``sum_p (d_p - s - sum_i f_i P_i(p))^2`` over the pixels within `REACH`
    FWHM of any source. Equal weights: a fit weighted by its own photon noise is biased
    low. The error of f_i is the root of the diagonal of the inverse normal matrix,
    restricted to the source and those that it touches, times the growth of
    ``sqrt(w^T C w / w^T w)`` by the noise correlation with w = P.

    Parameters
    ----------
    data : ndarray of float32, shape (ny, nx)
        Pixels.
    usable : ndarray of bool, shape (ny, nx)
        True = not masked.
    x, y : ndarray, shape (n,)
        Positions, pixels, 0-based.
    level, sigma : ndarray, shape (n,)
        Local sky and noise of one pixel at each source.
    profile : Profile
        PSF of unit flux.
    rho_xy : tuple of float, optional
        Correlation of the noise of neighbours.

    Returns
    -------
    PsfFluxes
        In the order of the positions.
    """
    count = len(x)
    if not count:
        return PsfFluxes(flux=np.zeros(0), error=np.zeros(0))
    design, pixels = _design(usable, x, y, profile)
    weight = np.asarray(abs(design).sum(axis=1)).ravel()
    # Sky at a pixel: mean of those of the sources that reach it, by their light there.
    sky = (design @ level) / np.maximum(weight, 1e-300)
    values = data.ravel()[pixels].astype(np.float64) - sky
    normal = (design.T @ design).tocsr()
    power = normal.diagonal()
    seen = power > 0
    # Scaled to a unit diagonal the system is well conditioned but for close pairs.
    scale = 1 / np.sqrt(np.where(seen, power, 1.0))
    unit = sparse.diags_array(scale) @ normal @ sparse.diags_array(scale)
    ridge = sparse.diags_array(np.where(seen, _RIDGE, 1.0))
    solution, _ = cg((unit + ridge).tocsr(), scale * (design.T @ values),
                     rtol=1e-7, maxiter=2000)  # fmt: skip
    flux = scale * solution
    error = sigma * np.sqrt(_inverse_diagonal(x, y, power, profile))
    error *= correlation_growth(profile, rho_xy)
    return PsfFluxes(
        flux=np.where(seen, flux, np.nan), error=np.where(seen, error, np.nan)
    )


def correlation_growth(profile: "Profile", rho_xy: tuple[float, float]) -> float:
    """Return by how much noise correlation raises the sigma of a PSF-weighted sum."""
    weights = _weights(profile)
    return weighted_noise(weights, rho_xy) / weighted_noise(weights)


def _design(
    usable: "Bools", x: "Floats", y: "Floats", profile: "Profile"
) -> tuple[sparse.csr_array, "NDArray[np.intp]"]:
    """Return the PSF of each source (column) at each pixel used (row)."""
    ny, nx = usable.shape
    reach, shade = REACH * profile.fwhm, SHADE * profile.fwhm
    half = int(np.ceil(shade)) + 1
    step = np.arange(-half, half + 1)
    col = np.rint(x).astype(np.intp)[:, None, None] + step[None, None, :]
    row = np.rint(y).astype(np.intp)[:, None, None] + step[None, :, None]
    dx, dy = np.broadcast_arrays(col - x[:, None, None], row - y[:, None, None])
    r2 = dx**2 + dy**2
    on_frame = (col >= 0) & (col < nx) & (row >= 0) & (row < ny)
    fitted = np.zeros(usable.shape, bool)
    own = on_frame & (r2 <= reach**2)
    row, col = np.broadcast_arrays(row, col)
    fitted[row[own], col[own]] = True
    fitted &= usable
    inside = on_frame & (r2 <= shade**2)
    inside[inside] = fitted[row[inside], col[inside]]
    place = (row * nx + col)[inside]
    source = np.broadcast_to(np.arange(len(x))[:, None, None], inside.shape)[inside]
    pixels, line = np.unique(place, return_inverse=True)
    value = profile.density(dx[inside], dy[inside])
    shape = (len(pixels), len(x))
    return sparse.csr_array((value, (line, source)), shape=shape), pixels


def psf_sums(profile: "Profile") -> tuple[float, float, float]:
    """Return the sums of P, P^2 and P^3 over the pixels of a fit.

    An error of the sky shifts the flux by sum P / sum P^2 per pixel value; photons of
    the source add ``flux / gain * sum P^3 / (sum P^2)^2`` to its variance.
    """
    weights = _weights(profile)
    return tuple(float(np.sum(weights**k)) for k in (1, 2, 3))  # type: ignore[return-value]


def _weights(profile: "Profile") -> "Floats":
    half = max(3, int(np.ceil(REACH * profile.fwhm)))
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    inside = np.hypot(dx, dy) <= REACH * profile.fwhm
    return np.asarray(profile.density(dx, dy) * inside)


def _inverse_diagonal(
    x: "Floats", y: "Floats", power: "Floats", profile: "Profile"
) -> "Floats":
    """Return the diagonal of the inverse, each from a source and its neighbours.

    The overlap of two sources is that of round PSFs at their distance; all the small
    matrices are inverted at once.
    """
    count = min(NEIGHBOURS, len(x))
    reach = 2 * REACH * profile.fwhm
    points = np.stack([x, y], axis=1)
    distance, near = KDTree(points).query(points, k=count, distance_upper_bound=reach)
    distance, near = distance.reshape(len(x), -1), near.reshape(len(x), -1)
    absent = ~np.isfinite(distance)
    near = np.where(absent, 0, near)
    gap = points[near][:, :, None, :] - points[near][:, None, :, :]
    grid, table = _overlap(profile)
    local = np.interp(np.hypot(gap[..., 0], gap[..., 1]), grid, table)
    local[absent[:, :, None] | absent[:, None, :]] = 0
    diagonal = np.arange(count)
    # Sources at one place share one flux: the small ridge makes the error huge.
    local[:, diagonal, diagonal] = 1 + 1e-6
    inverse = np.linalg.inv(local)[:, 0, 0]
    with np.errstate(divide="ignore"):
        return np.asarray(inverse / power)


def _overlap(profile: "Profile") -> tuple["Floats", "Floats"]:
    """Tabulate the overlap of two round PSFs against distance, 1 at distance 0."""
    half = int(np.ceil(2.5 * REACH * profile.fwhm)) + 1
    axis = np.arange(-half, half + 1, dtype=float)
    dy, dx = np.meshgrid(axis, axis, indexing="ij")
    centre = profile.density(dx, dy) * (np.hypot(dx, dy) <= REACH * profile.fwhm)
    grid = np.linspace(0, 2 * REACH * profile.fwhm, 25)
    moved = [
        np.sum(
            centre
            * profile.density(dx - d, dy)
            * (np.hypot(dx - d, dy) <= REACH * profile.fwhm)
        )
        for d in grid
    ]
    return grid, np.array(moved) / moved[0]
