"""Iterative PSF photometry: find, fit all together, subtract, find again.

As DAOPHOT and photutils' IterativePSFPhotometry do it, but all stars of a frame are
solved at once (sparse least squares, fluxes and shifts), with the true PSF of the
frame's middle: fast enough for whole crowded frames, and a strong peer.
"""

import numpy as np
from recipes import maxima
from scipy import ndimage, sparse
from scipy.sparse.linalg import lsqr

ROUNDS = 3
LEAST = 3.0  # S/N of a maximum that is fitted
POOR = 2.0  # mean square of the residuals, in their variance
RADIUS = 7  # pixels of the PSF that are fitted
PROFILE = 0.05  # error of the model, as a share of it: the PSF changes over the frame


def photometry(image: np.ndarray, psf: np.ndarray, fwhm: float) -> np.ndarray:
    """Return x, y and fitted S/N of the stars in a flat image of unit sigma."""
    middle = psf.shape[0] // 2
    wide = psf[middle - 16 : middle + 17, middle - 16 : middle + 17].astype(float)
    power = np.sqrt(np.sum(wide**2))
    kernel = (wide / power).astype(np.float32)
    x, y, flux, since = np.zeros((4, 0))
    model = np.zeros_like(image)
    for turn in range(ROUNDS):
        light = _correlate(model, kernel)
        # Residuals of the bright stars are no stars.
        seen = _correlate(image - model, kernel) / np.hypot(1, PROFILE * light)
        peaks = maxima(seen)
        new = peaks[:, peaks[2] >= LEAST]
        x, y = np.r_[x, new[0]], np.r_[y, new[1]]
        flux = np.r_[flux, new[2] / power]  # a first guess
        since = np.r_[since, np.full(new.shape[1], turn)]
        x, y, flux = _fit(image, psf, x, y, flux)
        keep = flux * power > LEAST / 2
        x, y, flux, since = (v[keep] for v in (x, y, flux, since))
        model = _model(image.shape, psf, x, y, flux)
    keep = ~((since > 0) & _is_bad(image, model, fwhm, x, y))
    x, y, flux = _fit(image, psf, x[keep], y[keep], flux[keep])
    light = _correlate(_model(image.shape, psf, x, y, flux), kernel)
    others = ndimage.map_coordinates(light, [y, x], order=1) - flux * power
    error = np.hypot(1, PROFILE * np.maximum(others, 0))
    return np.stack([x, y, flux * power / error])


def _is_bad(
    image: np.ndarray, model: np.ndarray, fwhm: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return where stars do not explain the light: what was added there is a galaxy."""
    chi2 = (image - model) ** 2 / (1 + (PROFILE * model) ** 2)
    poor = ndimage.uniform_filter(chi2, round(fwhm)) > POOR
    poor = ndimage.binary_dilation(poor, iterations=round(2 * fwhm))
    row, col = (
        np.clip(np.rint(v), 0, n - 1).astype(int)
        for v, n in zip((y, x), image.shape, strict=True)
    )
    return poor[row, col]


def _correlate(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    from scipy.signal import oaconvolve

    return oaconvolve(image, kernel[::-1, ::-1], "same").astype(np.float32)


def _stamps(
    psf: np.ndarray, x: np.ndarray, y: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and values of the PSF at some positions, (n, pixels)."""
    way = np.arange(-radius, radius + 1)
    dy, dx = (v.ravel() for v in np.meshgrid(way, way, indexing="ij"))
    row, col = np.rint(y).astype(int), np.rint(x).astype(int)
    middle = psf.shape[0] // 2
    value = ndimage.map_coordinates(
        psf.astype(float),
        [dy + middle - (y - row)[:, None], dx + middle - (x - col)[:, None]],
        order=3,
    )
    return row[:, None] + dy, col[:, None] + dx, value


def _matrix(
    shape: tuple[int, int], psf: np.ndarray, x: np.ndarray, y: np.ndarray, radius: int
) -> sparse.csc_matrix:
    row, col, value = _stamps(psf, x, y, radius)
    inside = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    star = np.broadcast_to(np.arange(len(x))[:, None], row.shape)
    return sparse.csc_matrix(
        (value[inside], (row[inside] * shape[1] + col[inside], star[inside])),
        shape=(shape[0] * shape[1], len(x)),
    )


def _fit(
    image: np.ndarray, psf: np.ndarray, x: np.ndarray, y: np.ndarray, flux: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit fluxes, then fluxes and small shifts, of all stars together."""
    slope_y, slope_x = np.gradient(psf.astype(float))
    flux = _solve([_matrix(image.shape, psf, x, y, RADIUS)], image, [flux])[0]
    parts = [_matrix(image.shape, p, x, y, RADIUS) for p in (psf, slope_x, slope_y)]
    zero = np.zeros(len(x))
    # Moved by d, a star changes by -flux times the slope of the PSF.
    flux, by_x, by_y = _solve(parts, image, [flux, zero, zero])
    safe = np.maximum(flux, 1e-3)
    x = x + np.clip(-by_x / safe, -0.5, 0.5)
    y = y + np.clip(-by_y / safe, -0.5, 0.5)
    flux = _solve([_matrix(image.shape, psf, x, y, RADIUS)], image, [flux])[0]
    return x, y, flux


def _solve(
    parts: list[sparse.csc_matrix], image: np.ndarray, first: list[np.ndarray]
) -> list[np.ndarray]:
    matrix = sparse.hstack(parts, format="csc")
    # Columns of unit length: the solver needs few steps.
    length = np.sqrt(np.asarray(matrix.power(2).sum(axis=0)).ravel())
    length = np.maximum(length, 1e-9)
    scaled = (matrix @ sparse.diags(1 / length)).tocsr()
    got = lsqr(
        scaled, image.ravel().astype(float), x0=np.concatenate(first) * length,
        iter_lim=40, atol=1e-4, btol=1e-4, damp=0.05,
    )  # fmt: skip
    return np.split(got[0] / length, len(parts))


def _model(
    shape: tuple[int, int],
    psf: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    flux: np.ndarray,
) -> np.ndarray:
    matrix = _matrix(shape, psf, x, y, 16)
    return (matrix @ flux).reshape(shape).astype(np.float32)
