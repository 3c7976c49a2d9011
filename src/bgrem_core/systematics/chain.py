"""The map of a frame as the paper draws it: the mean of many whole reverse chains."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.ddpm import diffuse, reverse_step
from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Predict = Callable[[Float, Float], Float]

__all__ = ["calls", "reverse_chain"]

_FEW = 10
"""Chains that go through the network together by default."""


def calls(t: int, samples: int, *, batch: int = _FEW) -> int:
    """Return how often the network is called.

    Parameters
    ----------
    t : int
        Time to which the frame is diffused.
    samples : int
        Chains.
    batch : int, optional
        Chains in one call.

    Returns
    -------
    int
        Calls.
    """
    return (t + 1) * -(-samples // batch)


def reverse_chain(
    predict: "Predict",
    x: "Float",
    t: int,
    samples: int,
    rng: np.random.Generator,
    *,
    batch: int = _FEW,
) -> "Generator[tuple[int, int], None, tuple[Float, Float]]":
    """Diffuse a frame to a time and go back step by step, many times.

    Parameters
    ----------
    predict : callable
        ``predict(x_t, t)`` with x_t (b, 1, ny, nx) and t (b,), both float32, gives
        the noise in x_t, of its shape.
    x : ndarray
        (ny, nx) normalised frame.
    t : int
        Time to which the frame is diffused.
    samples : int
        Chains, at least 1.
    rng : numpy.random.Generator
        The only source of chance.
    batch : int, optional
        Chains that are given to ``predict`` together; decides memory, not the result.

    Returns
    -------
    mean, spread : ndarray
        (ny, nx) float32, over the chains: the map in the units of x, and the standard
        deviation, 0 for a single chain.

    Yields
    ------
    tuple of int
        Calls of the network done, and calls in all.

    Raises
    ------
    UsageError
        A time outside the schedule, or fewer than one chain.

    References
    ----------
    .. [1] Ho, Jain & Abbeel 2020, arXiv:2006.11239, algorithm 2, with the variance of
       the posterior.
    .. [2] Waldmann, Rocchetto & Debczynski 2023, AMOS Conference: partial diffusion to
       times of 100 and 150, and the mean of the chains.
    """
    if samples < 1 or batch < 1:
        raise UsageError(
            f"samples={samples} and batch={batch} are not both at least 1",
            "use 1 or more",
        )
    x = np.asarray(x, np.float32)
    total, done = calls(t, samples, batch=batch), 0
    ends = []
    # Each chain has its own stream: the batch decides nothing.
    streams = rng.spawn(samples)
    for start in range(0, samples, batch):
        own = streams[start : start + batch]
        x_t = diffuse(x, t, _normal(own, x.shape))
        for k in range(t, -1, -1):
            eps = predict(x_t, np.full(len(own), k, np.float32))
            x_t = reverse_step(x_t, k, eps, _normal(own, x.shape))
            done += 1
            yield done, total
        ends.append(x_t[:, 0])
    every = np.concatenate(ends).astype(np.float64)
    spread = every.std(axis=0, ddof=1) if samples > 1 else np.zeros(x.shape)
    return every.mean(axis=0).astype(np.float32), spread.astype(np.float32)


def _normal(streams: list[np.random.Generator], shape: tuple[int, ...]) -> "Float":
    return np.stack(
        [rng.standard_normal((1, *shape), dtype=np.float32) for rng in streams]
    )
