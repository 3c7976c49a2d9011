"""Numbers drawn from ranges."""

import numpy as np

__all__ = ["log_uniform"]


def log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Return a number whose logarithm is uniform between two positive bounds."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))
