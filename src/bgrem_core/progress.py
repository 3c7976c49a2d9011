"""Progress: what long work tells its caller between two steps."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bgrem_core.tiles import Tile

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Progress:
    """One step of a run.

    Attributes
    ----------
    stage : str
        "scale", "tiles" or "sky".
    done, total : int
        Steps of this stage.
    tile : Tile or None
        The tile just finished.
    block : ndarray of float32 or None
        Denoised pixels of ``tile.keep`` (sky still in), ready to be shown.
    note : str
        What a person should know before the work goes on.
    """

    stage: str
    done: int
    total: int
    tile: "Tile | None" = None
    block: NDArray[np.float32] | None = None
    note: str = ""


def relabel(
    steps: Generator[Progress, Any, R], change: Callable[[Progress], Progress]
) -> Generator[Progress, Any, R]:
    """Pass steps on, each changed; what is sent goes to where they are made."""
    sent: Any = None
    try:
        while True:
            try:
                step = steps.send(sent)
            except StopIteration as end:
                result: R = end.value
                return result
            sent = yield change(step)
    finally:
        steps.close()


def drain(steps: Generator[object, None, T]) -> T:
    """Run a generator to its end and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
