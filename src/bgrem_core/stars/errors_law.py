"""How wrong the model of a star is: photon noise and a share of its light, measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["ErrorLaw", "fit_errors"]

_BINS = 24
_FEWEST = 40
_CLEAR = 2.0
#: Relative error that is assumed where too few pixels tell, and its least and greatest.
_ASSUMED, _LEAST, _MOST = 0.04, 0.003, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLaw:
    """Variance that starlight adds: ``photons * light + (relative * light) ** 2``.

    Attributes
    ----------
    photons : float
        Variance per light, 1 / gain.
    relative : float
        Error of the PSF as a share of the light.
    """

    photons: float
    relative: float

    def variance(self, light: "Floats", wrong: "Floats | None" = None) -> "Floats":
        """Return the variance under so much starlight.

        Parameters
        ----------
        light : ndarray
            Of the stars.
        wrong : ndarray, optional
            Light times its relative error, where that is known star by star.

        Returns
        -------
        ndarray
            Of the shape of `light`.
        """
        bright = np.maximum(light, 0)
        out = np.square(self.relative * bright if wrong is None else wrong)
        out += self.photons * bright
        return out


def fit_errors(
    left: "Floats", variance: "Floats", light: "Floats", good: "Bools", slope: float
) -> ErrorLaw:
    """Fit the law to what the model left.

    Parameters
    ----------
    left : ndarray of float64, shape (ny, nx)
        Image without sky and stars.
    variance : ndarray of float64, shape (ny, nx)
        Of the sky.
    light : ndarray of float64, shape (ny, nx)
        Of the stars.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    slope : float
        Variance per light that the sky's noise shows; 0 = unknown.

    Returns
    -------
    ErrorLaw
        Photon noise is that of the sky's law where there is one.
    """
    sigma = float(np.sqrt(np.median(variance)))
    # In faint wings the sky's structure is what is left, and no fault of the stars.
    under = good & (light > _CLEAR * sigma)
    if under.sum() < 2 * _FEWEST:
        return ErrorLaw(photons=slope, relative=_ASSUMED)
    bright, square = light[under], left[under] ** 2
    noise = variance[under]
    order = np.argsort(bright)
    at, extra, scale = [], [], []
    for some in np.array_split(order, min(_BINS, len(order) // _FEWEST)):
        # The worst twentieth belongs to what is no star's fault.
        whole = np.sort(square[some] / noise[some])[: int(0.95 * len(some))]
        base = float(np.median(noise[some]))
        at.append(float(np.median(bright[some])))
        # A twentieth less of a chi-squared of one is 0.76 of its mean.
        excess = float(whole.mean()) / 0.76
        extra.append((excess - 1) * base)
        scale.append(max(excess, 0.1) * base)
    x, v, e = np.array(at), np.array(extra), np.array(scale)
    rest = np.maximum(v - slope * x, -e)
    columns = [x**2] if slope > 0 else [x**2, x]
    matrix = np.stack(columns, axis=1) / e[:, None]
    found, _ = optimize.nnls(matrix, rest / e)
    return ErrorLaw(
        photons=slope if slope > 0 else float(found[1]),
        relative=float(np.clip(np.sqrt(found[0]), _LEAST, _MOST)),
    )
