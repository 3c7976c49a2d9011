"""The outputs that an image network may have, and what their numbers mean."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOISE", "ODDS", "QUANTILES", "meaning"]

NOISE = ("mae", "mse")
"""Two estimates of the noise: its median and its mean."""
QUANTILES = {"q68": 0.683, "q95": 0.954}
"""Shares of the pixels whose error of the noise stays below the answer."""
ODDS = ("artefact", "centre")
"""Probabilities: a pixel was hit by something that is no light of the sky; a source
has its centre there."""


def meaning(name: str, answer: "NDArray[Any]") -> "NDArray[np.float32]":
    """Turn the bare answer of a head into what it stands for.

    Parameters
    ----------
    name : str
        Of the head.
    answer : ndarray
        As the network gives it.

    Returns
    -------
    ndarray of float32
        Same shape: noise and widths in units of the sky sigma, probabilities 0 to 1.
    """
    value = np.asarray(answer, np.float32)
    if name in QUANTILES:
        # Softplus, as in training; logaddexp is the same at five times the time.
        value = np.log1p(np.exp(-np.abs(value))) + np.maximum(value, np.float32(0))
    elif name in ODDS:
        value = np.float32(1) / (np.float32(1) + np.exp(-np.clip(value, -60, 60)))
    return value
