"""A PSF that changes smoothly over the field, drawn by GalSim."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.simulate.ranges import log_uniform
from bgrem_core.simulate.survey._galsim import galsim
from bgrem_core.simulate.survey.grid import FINE, taper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["SurveyPsf", "draw_profile", "draw_psf", "reach"]

REACH = 128
"""Pixels at which the PSF has faded to zero, at most."""
_PLACES = 5  # per side, at which GalSim draws the PSF
_DEGREE = 4  # of the polynomials through them
_TOLERANCE = 0.002  # of the peak, for what the basis images leave out
_WING_WIDTH, _WING_BETA = 3.0, 2.2  # of the wings added to a Kolmogorov core


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyPsf:
    """The effective PSF (pixel included) at every place of a field.

    Attributes
    ----------
    fwhm : float
        In the middle of the field: geometric mean of the two full widths at half
        maximum, pixels.
    profile : str
        "moffat" or "kolmogorov".
    beta : float
        Exponent of the Moffat profile.
    wings : float
        Share of the light in the wings of the Kolmogorov profile.
    shear : tuple of float
        Reduced shear in the middle of the field.
    shape : tuple of int
        (ny, nx) of the field, pixels.
    frame : ndarray
        (3,) side of the frame, and place (x, y) of the field's pixel (0, 0) in it.
    change : ndarray
        (3, 5) coefficients of u, v, u2, uv, v2 in the frame, for the natural
        logarithm of the FWHM and the two components of the shear; -1 < u, v < 1.
    basis : ndarray
        (k, n, n) float32 images on half-pixel cells.
    terms : ndarray
        (k, 15) coefficients of the polynomials that weigh them over the field.
    """

    fwhm: float
    profile: str
    beta: float
    wings: float
    shear: tuple[float, float]
    shape: tuple[int, int]
    frame: "Float64"
    change: "Float64"
    basis: "Float"
    terms: "Float64"

    def fwhm_at(self, x: float, y: float) -> float:
        """Return the FWHM at a place of the field, pixels."""
        return self.fwhm * float(np.exp(self._deviation(x, y)[0]))

    def at(self, x: float, y: float) -> Any:
        """Return the GalSim profile of unit flux at a place of the field."""
        gs = galsim()
        size, g1, g2 = self._deviation(x, y)
        if self.profile == "moffat":
            core = gs.Moffat(beta=self.beta, fwhm=1.0)
        else:
            core = _winged(gs, self.wings)
        core = core.dilate(self.fwhm * float(np.exp(size)))
        return core.shear(g1=self.shear[0] + g1, g2=self.shear[1] + g2)

    def image(self, x: float, y: float, *, radius: int = 32) -> "Float":
        """Return the PSF at a place of the field, centred on a pixel.

        Parameters
        ----------
        x, y : float
            Place, pixels.
        radius : int, optional
            The image has 2 radius + 1 pixels a side.

        Returns
        -------
        ndarray
            The values are float32, of unit flux over all the plane.
        """
        return draw_profile(self.at(x, y), radius)

    def weights(self, x: "Float64", y: "Float64") -> "Float64":
        """Return what each basis image counts at some places, (k, n)."""
        ny, nx = self.shape
        return self.terms @ _powers(2 * x / nx - 1, 2 * y / ny - 1, _DEGREE)

    def gram(self) -> "Float64":
        """Return the sums over pixels of the products of basis images, (k, k)."""
        flat = self.basis.reshape(len(self.basis), -1).astype(np.float64)
        products: Float64 = FINE**2 * flat @ flat.T
        return products

    def _deviation(self, x: float, y: float) -> "Float64":
        """Return what the change is here, less what it is in the middle."""
        side, x0, y0 = self.frame
        ny, nx = self.shape
        px = 2 * (np.array([x, (nx - 1) / 2]) + x0) / side - 1
        py = 2 * (np.array([y, (ny - 1) / 2]) + y0) / side - 1
        here, middle = (self.change @ _powers(px, py, 2)[1:]).T
        out: Float64 = here - middle
        return out


def draw_psf(
    rng: np.random.Generator, shape: tuple[int, int], s: "SurveySettings"
) -> SurveyPsf:
    """Draw a PSF for a field of a shape.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    s : SurveySettings
        Ranges.

    Returns
    -------
    SurveyPsf
        With basis images that give the PSF at any place to 0.2 % of its peak.
    """
    q, angle = 1 - rng.uniform(*s.ellipticity), rng.uniform(0, np.pi)
    g = (1 - q) / (1 + q)
    side = max(log_uniform(rng, s.frame), *shape)
    place = [rng.uniform(0, side - n) for n in shape[::-1]]
    # A shear is half of an ellipticity.
    most = np.array([s.fwhm_change, s.ellipticity_change / 2, s.ellipticity_change / 2])
    change = rng.normal(0, [1, 1, 0.6, 0.6, 0.6], (3, 5))
    u, v = (a.ravel() for a in np.meshgrid(*2 * (np.linspace(-1, 1, 9),)))
    height = np.abs(change @ _powers(u, v, 2)[1:]).max(1)
    change *= (most * rng.uniform(0, 1, 3) / height)[:, None]
    bare = SurveyPsf(
        fwhm=log_uniform(rng, s.fwhm),
        profile="kolmogorov" if rng.uniform() < s.kolmogorov else "moffat",
        beta=float(rng.uniform(*s.beta)),
        wings=float(rng.uniform(*s.wings)),
        shear=(g * float(np.cos(2 * angle)), g * float(np.sin(2 * angle))),
        shape=shape,
        frame=np.array([side, *place]),
        change=change,
        basis=np.zeros((0, 1, 1), np.float32),
        terms=np.zeros((0, 15)),
    )
    return _with_basis(bare)


def reach(psf: SurveyPsf) -> int:
    """Return the radius of the basis images, pixels."""
    return int(min(REACH, 32 * psf.fwhm))


def draw_profile(
    profile: Any,
    radius: int,
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
) -> "Float":
    """Sample a profile on 2 radius + 1 pixels a side, faded towards the edge."""
    side = 2 * radius + 1
    image = galsim().Image(side, side, dtype=np.float32, scale=scale)
    profile.drawImage(image, method="no_pixel", offset=offset)
    way = np.arange(-radius, radius + 1, dtype=np.float32)
    out: Float = image.array * taper(np.hypot(way[:, None], way), radius)
    return out


def _with_basis(psf: SurveyPsf) -> SurveyPsf:
    """Return the PSF with the principal components of drawings at 5 x 5 places."""
    ny, nx = psf.shape
    radius = FINE * reach(psf)
    # Chebyshev places: the polynomial stays close up to the edges.
    t = np.cos(np.pi * (np.arange(_PLACES) + 0.5) / _PLACES)
    u, v = (a.ravel() for a in np.meshgrid(t, t))
    drawn = np.stack(
        [
            draw_profile(
                psf.at((a + 1) * nx / 2, (b + 1) * ny / 2), radius, scale=1 / FINE
            ).ravel()
            for a, b in zip(u, v, strict=True)
        ]
    )
    value, vector = np.linalg.eigh(drawn @ drawn.T)
    order = np.argsort(-value)
    peak = drawn.max()
    for count in range(1, len(order) + 1):
        part = vector[:, order[:count]]
        basis = part.T @ drawn
        if np.abs(part @ basis - drawn).max() < _TOLERANCE * peak:
            break
    terms = np.linalg.lstsq(_powers(u, v, _DEGREE).T, part, rcond=None)[0].T
    names = [n for n in psf.__slots__ if n not in ("basis", "terms")]
    side = 2 * radius + 1
    return SurveyPsf(
        **{n: getattr(psf, n) for n in names},
        basis=basis.reshape(count, side, side).astype(np.float32),
        terms=terms.astype(np.float64),
    )


def _winged(gs: Any, share: float) -> Any:
    """Return a Kolmogorov core with Moffat wings, of unit flux and unit FWHM."""
    profile = gs.Add(
        (1 - share) * gs.Kolmogorov(fwhm=1.0),
        share * gs.Moffat(beta=_WING_BETA, fwhm=_WING_WIDTH),
    )
    return profile.dilate(1 / profile.calculateFWHM())


def _powers(u: "Float64", v: "Float64", degree: int) -> "Float64":
    """Return the monomials up to a total degree, (terms, n), the constant first."""
    return np.stack(
        [u ** (d - k) * v**k for d in range(degree + 1) for k in range(d + 1)]
    )
