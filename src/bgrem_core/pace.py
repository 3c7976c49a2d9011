"""Pace: how far long work is, how fast, and how long it will take."""

import math
import time
from collections.abc import Callable

from bgrem_core.progress import Progress

__all__ = ["Pace"]

WORDS = {
    "loading": "Reading",
    "scale": "Measuring the noise",
    "tiles": "Removing the noise",
    "map": "Mapping the background",
    "kept": "Measuring what is kept of targets",
    "frames": "Reading further frames",
    "sky": "Measuring the sky",
    "find": "Finding sources",
}
"""What a window calls the stages."""
_SURE = 2.0  # seconds of a stage from which its rate means something


class Pace:
    """Rate and time left of the stage at work.

    Parameters
    ----------
    clock : callable, optional
        Seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage: str | None = None
        self._since = self._now = 0.0
        self._step = Progress(stage="", done=0, total=0)
        self._first = self._pixels = 0

    def take(self, step: Progress) -> None:
        """Take note of a step."""
        self._now = self._clock()
        if step.stage != self._stage:
            self._stage, self._since = step.stage, self._now
            self._first, self._pixels = step.done, 0
        elif step.block is not None:
            self._pixels += step.block.size
        self._step = step

    @property
    def share(self) -> float:
        """Share of the stage that is done."""
        return self._step.done / self._step.total if self._step.total else 0.0

    @property
    def left(self) -> float:
        """Seconds until this stage is done, NaN while that is not known."""
        done = self._step.done - self._first
        passed = self._now - self._since
        if done < 1 or passed < _SURE:
            return math.nan
        return (self._step.total - self._step.done) * passed / done

    @property
    def rate(self) -> float:
        """Mpix per second of the tiles, NaN while that is not known."""
        passed = self._now - self._since
        if not self._pixels or passed < _SURE:
            return math.nan
        return self._pixels / 1e6 / passed

    def text(self) -> str:
        """Return one line for a person: stage, step, rate and time left."""
        step = self._step
        word, *rest = step.stage.split(",", 1)
        parts = [",".join([WORDS.get(word, word.capitalize()), *rest])]
        if step.total > 1:
            parts.append(f"{step.done} of {step.total}")
        if not math.isnan(self.rate):
            parts.append(f"{self.rate:.2g} Mpix/s")
        if not math.isnan(self.left):
            parts.append(f"{duration(self.left)} left")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration for a person, such as "45 s", "3 min" or "1 h 20 min"."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
