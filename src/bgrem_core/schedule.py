"""The noise schedule of BGRem: sigma of the diffusion time t, from 0 to 1.

theta(t) = theta_start + t (theta_end - theta_start), sigma = sin(theta); t = 1 is the
image as observed, smaller t is an image with part of its noise taken away.

References
----------
.. [1] arXiv:2510.04718.
"""

from dataclasses import dataclass
from math import acos
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["INFERENCE", "TRAINING", "Schedule", "levels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Angles between which the noise level runs.

    Attributes
    ----------
    theta_start : float
        Angle at t = 0, radians; sigma there is sin(theta_start).
    theta_end : float
        Angle at t = 1, radians.
    """

    theta_start: float = acos(0.98)
    theta_end: float = acos(0.0)

    def sigma(self, t: "ArrayLike") -> "NDArray[np.float64]":
        """Return the noise level at diffusion time t.

        Parameters
        ----------
        t : array_like
            Times from 0 to 1.

        Returns
        -------
        ndarray
            Of float64, the shape of t.
        """
        time = np.asarray(t, np.float64)
        return np.sin(self.theta_start + time * (self.theta_end - self.theta_start))

    def levels(self, n: int) -> "NDArray[np.float64]":
        """Return the noise levels of n equal reverse steps.

        Parameters
        ----------
        n : int
            Number of steps, at least 1.

        Returns
        -------
        ndarray
            (n + 1,) float64, sigma at t = 1, 1 - 1/n, ..., 0.

        Raises
        ------
        UsageError
            n is below 1.
        """
        if n < 1:
            raise UsageError(f"steps={n} is not at least 1", "use 1 or more steps")
        return self.sigma(np.linspace(1, 0, n + 1))


TRAINING = Schedule()
"""Levels that networks are trained on."""
INFERENCE = Schedule(theta_end=acos(0.01))
"""Levels of the reverse process, as in the original."""


def levels(n: int) -> "NDArray[np.float64]":
    """Return the noise levels of n equal reverse steps at inference.

    Parameters
    ----------
    n : int
        Number of steps, at least 1.

    Returns
    -------
    ndarray
        (n + 1,) float64, falling; as `Schedule.levels` of `INFERENCE`.
    """
    return INFERENCE.levels(n)
