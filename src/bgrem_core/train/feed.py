"""Batches in the order of their steps, drawn here or ahead of time by workers."""

import signal
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from bgrem_core.train.family import Draw
from bgrem_core.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Batch = Mapping[str, NDArray[np.float32]]

__all__ = ["Feed"]

_AHEAD = 3
"""Batches in store per worker."""
_draw: list[Draw] = []
"""Filled in each worker process when it starts."""


class Feed:
    """Draws batches; more workers change the speed, never the batches.

    Parameters
    ----------
    recipe : Recipe
        What is drawn.
    folder : pathlib.Path
        Of the run.
    workers : int, optional
        Processes that draw ahead; 0 = draw in this one.
    """

    def __init__(self, recipe: Recipe, folder: Path, *, workers: int = 0) -> None:
        # Before the workers start: what they only read is made once, here.
        self._here = recipe.kind().prepare(recipe, folder)
        self._last = recipe.loop.steps
        self._workers = workers
        self._store: dict[int, Future[Batch]] = {}
        self._pool = (
            ProcessPoolExecutor(
                workers, get_context("spawn"), _open, (recipe.as_dict(), folder)
            )
            if workers
            else None
        )

    def __call__(self, step: int) -> "Batch":
        """Return the batch of a step.

        Parameters
        ----------
        step : int
            From 0; workers expect them to rise one by one.

        Returns
        -------
        mapping of ndarray
            Float32, first axis = batch.
        """
        if self._pool is None:
            return self._here(step, held_out=False)
        with _deaf():
            for k in range(step, min(step + _AHEAD * self._workers, self._last)):
                if k not in self._store:
                    self._store[k] = self._pool.submit(_work, k)
        return self._store.pop(step).result()

    def held_out(self, number: int) -> "Batch":
        """Return a batch for validation.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        mapping of ndarray
            Float32, first axis = batch; drawn apart from those of the steps.
        """
        return self._here(number, held_out=True)

    def close(self) -> None:
        """Stop the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf() -> "Iterator[None]":
    """Start processes that never hear Ctrl-C: this one hears it, and ends them.

    If it comes meanwhile, it is heard when the block is left.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _open(recipe: dict[str, object], folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    known = Recipe.from_dict(recipe)
    _draw[:] = [known.kind().prepare(known, folder)]


def _work(step: int) -> "Batch":
    return _draw[0](step, held_out=False)
