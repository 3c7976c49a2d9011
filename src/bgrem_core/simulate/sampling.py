"""Frames drawn from a model, by the whole reverse chain from noise to frame."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.ddpm import STEPS, reverse_step
from bgrem_core.errors import UsageError
from bgrem_core.progress import Progress, drain

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from bgrem_core.models import Model

    Float = NDArray[np.float32]

__all__ = ["iter_sample", "sample"]

_FEW = 8
"""Frames in one call of the network by default."""


def sample(
    model: "Model",
    n: int,
    *,
    shape: tuple[int, int] = (128, 128),
    seed: int = 0,
    batch: int = _FEW,
) -> "Float":
    """Draw frames as a model has learnt them.

    Parameters
    ----------
    model : Model
        Of the method systematics, trained for all times of the schedule.
    n : int
        Frames, at least 1.
    shape : tuple of int, optional
        (ny, nx), multiples of the model's ``pooling``; rows and columns are what they
        were in training only at the size of its crops.
    seed : int, optional
        Equal seeds give equal frames, however many are drawn.
    batch : int, optional
        Frames that go through the network together; decides memory and time.

    Returns
    -------
    ndarray
        (n, ny, nx) float32, normalised as by `bgrem_core.zscale.normalise`.

    Raises
    ------
    UsageError
        The model cannot be drawn from, or nothing is asked for.
    """
    return drain(iter_sample(model, n, shape=shape, seed=seed, batch=batch))


def iter_sample(
    model: "Model",
    n: int,
    *,
    shape: tuple[int, int] = (128, 128),
    seed: int = 0,
    batch: int = _FEW,
) -> "Generator[Progress, None, Float]":
    """Draw frames as `sample` does, step by step.

    Parameters
    ----------
    model, n, shape, seed, batch
        As for `sample`.

    Returns
    -------
    ndarray
        (n, ny, nx) float32.

    Yields
    ------
    Progress
        After each call of the network, 1000 for each batch.

    Raises
    ------
    UsageError
        The model cannot be drawn from, or nothing is asked for.
    """
    if n < 1 or batch < 1:
        raise UsageError(
            f"n={n} and batch={batch} are not both at least 1", "ask for 1 or more"
        )
    _check(model)
    total = STEPS * -(-n // batch)
    done = 0
    out = np.empty((n, *shape), np.float32)
    for start in range(0, n, batch):
        own = range(start, min(start + batch, n))
        # Each frame has its own stream: the batch decides nothing.
        streams = [np.random.default_rng([seed, k]) for k in own]
        x = _normal(streams, shape)
        for t in reversed(range(STEPS)):
            eps = model.evaluate(x, np.full(len(own), t, np.float32))
            x = reverse_step(x, t, eps, _normal(streams, shape))
            done += 1
            yield Progress(stage="draw", done=done, total=total)
        out[own.start : own.stop] = x[:, 0]
    return out


def _normal(streams: list[np.random.Generator], shape: tuple[int, int]) -> "Float":
    return np.stack(
        [rng.standard_normal((1, *shape), dtype=np.float32) for rng in streams]
    )


def _check(model: "Model") -> None:
    card = model.card
    if card.objective != "systematics":
        raise UsageError(
            f"the model {card.name} does not know what raw frames look like",
            "use one of the method systematics",
        )
    last = card.range("t")[1] if "t" in card.trained else 0
    if last < STEPS - 1:
        raise UsageError(
            f"the model {card.name} was trained for times to {last:g}, and a frame is "
            f"drawn from {STEPS - 1} on",
            "use a model whose recipe has beyond > 0",
        )
