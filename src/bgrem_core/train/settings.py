"""What decides the optimisation, and the learning rate of each step."""

import math
from dataclasses import dataclass

from bgrem_core.errors import UsageError
from bgrem_core.simulate.ranges import TINY, check_ranges

__all__ = ["LoopSettings", "learning_rate"]

_STEPS = (1, 10**7)
_LIMITS = {
    "steps": _STEPS,
    "rate": (TINY, 1),
    "warmup": (0, 10**7),
    "epoch": _STEPS,
    "factor": (TINY, 1),
    "validation": (0, 10**4),
    "patience": (0, 10**7),
    "decay": (0, 1),
    "clip": (TINY, 1e12),
    "shards": (1, 1024),
    "threads": (1, 1024),
    "checkpoint": _STEPS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """What decides the optimisation.

    Attributes
    ----------
    steps : int
        Optimiser steps of the whole run.
    rate : float
        Highest learning rate.
    schedule : str
        ``cosine`` (half a cosine, 0 at the last step) or ``paper`` (times `factor`
        after each epoch); both after `warmup`.
    warmup : int
        Steps of linear rise.
    epoch : int
        Steps per epoch: of validation and of the schedule ``paper``.
    factor : float
        Of the learning rate, per epoch, in the schedule ``paper``.
    validation : int
        Held-out batches after each epoch; 0 = none.
    patience : int
        Epochs without a better validation after which the run ends; 0 = never. The
        best weights are kept.
    decay : float
        Weight decay of AdamW.
    beta : float
        Decay of AdamW's mean square.
    ema : float
        Decay per step of the averaged weights; 0 = the plain weights.
    clip : float
        Largest norm of the gradient.
    precision : str
        ``bf16`` (autocast) or ``f32``.
    shards : int
        Equal parts of a batch that are computed side by side, one thread of Python
        each; part of the recipe because sums depend on it.
    threads : int
        CPU threads of torch in each shard, for the same reason.
    checkpoint : int
        Steps between checkpoints.
    """

    steps: int
    rate: float = 2e-3
    schedule: str = "cosine"
    warmup: int = 200
    epoch: int = 500
    factor: float = 0.95
    validation: int = 0
    patience: int = 0
    decay: float = 1e-4
    beta: float = 0.98
    ema: float = 0.998
    clip: float = 1.0
    precision: str = "bf16"
    shards: int = 1
    threads: int = 1
    checkpoint: int = 200

    def __post_init__(self) -> None:
        for name, known in (
            ("precision", ("bf16", "f32")),
            ("schedule", ("cosine", "paper")),
        ):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name}={getattr(self, name)!r} is unknown",
                    f"use {' or '.join(known)}",
                )
        check_ranges(self, _LIMITS)
        if not (0 <= self.ema < 1 and 0 <= self.beta < 1):
            raise UsageError("ema and beta must lie in [0, 1)", "correct the recipe")
        if self.patience and not self.validation:
            raise UsageError(
                "patience needs validation", "set validation to some batches"
            )


def learning_rate(step: int, settings: LoopSettings) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    step : int
        From 0.
    settings : LoopSettings
        Rate, schedule, warm-up and length.

    Returns
    -------
    float
        Learning rate.
    """
    s = settings
    if step < s.warmup:
        return s.rate * (step + 1) / s.warmup
    if s.schedule == "paper":
        return float(s.rate * s.factor ** (step // s.epoch))
    done = (step - s.warmup) / max(s.steps - s.warmup, 1)
    return s.rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
