"""The reverse process: noise is taken off in steps, the same way each time.

Knows no network and no array library: anything that can be multiplied and subtracted
works, numpy arrays and torch tensors alike.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar, cast

from bgrem_core.errors import UsageError

__all__ = ["sample"]

Array = TypeVar("Array", bound=Any)


def sample(
    denoise: Callable[[Array, float], Array],
    x: Array,
    sigmas: Sequence[float],
    *,
    watch: Callable[[Array, Array, float], object] | None = None,
) -> Array:
    """Take the noise off an image along a falling list of noise levels.

    Parameters
    ----------
    denoise : callable
        ``denoise(x, sigma)`` predicts the unit noise x_hat in an image with noise of
        level sigma; same shape and units as x.
    x : array
        The image as observed, of any shape, in units of its noise.
    sigmas : sequence of float
        Noise levels from the observed image to the last step, such as
        `bgrem_core.schedule.levels`; at least two.
    watch : callable, optional
        ``watch(x, x_hat, sigma)`` is told after each step the image as it is then, for
        the last step the estimate that is returned, and the unit noise that the step
        saw at level sigma.

    Returns
    -------
    array
        The last estimate of the image without noise; dtype of x.

    Raises
    ------
    UsageError
        Fewer than two levels.

    References
    ----------
    .. [1] arXiv:2510.04718 (deterministic reverse steps).
    """
    if len(sigmas) < 2:
        raise UsageError(
            f"{len(sigmas)} noise levels make no step", "give the levels of 1 or more"
        )
    # Python floats: a numpy scalar of float64 would widen a float32 image.
    last = len(sigmas) - 2
    for k, (now, after) in enumerate(pairwise(float(s) for s in sigmas)):
        x_hat = denoise(x, now)
        y_hat = x - now * x_hat
        x = y_hat if k == last else y_hat + after * x_hat
        if watch is not None:
            watch(x, x_hat, now)
    return cast("Array", y_hat)
