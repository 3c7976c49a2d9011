"""The method of Cohen & Lu as their equations say it, which is not what they ran."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgrem_core.stars.asymmetry import STRAIGHT_AXES, mean_asymmetry
from bgrem_core.stars.diffusion import Diffusion, DiffusionSettings
from bgrem_core.stars.regions import brightness, large_groups, signal_of

__all__ = ["as_printed"]

_Plane = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: Steps over which the change of the image is averaged.
_STEPS = 4


def as_printed(image: _Plane, settings: DiffusionSettings) -> Iterator[Diffusion]:
    """Diffuse an image by the equations of the paper.

    What they leave open is chosen here: pixels at the edges are repeated outside,
    corners connect, the first steps average what changes there are, and signal is told
    from background on the original image.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx), finite, grey levels.
    settings : DiffusionSettings
        Their `variant` and `background_ratio` are not looked at.

    Yields
    ------
    Diffusion
        After each step.

    Raises
    ------
    ImageError
        No pixel is signal.
    """
    signal = signal_of(
        brightness(image, settings.window, settings.background), settings
    )
    k = settings.sensitivity or 2 * float(_apart(image, settings).mean())
    changes: deque[_Plane] = deque(maxlen=_STEPS)
    stop = np.zeros(image.shape, bool)
    for iteration in range(1, settings.iterations + 1):
        apart = _apart(image, settings) / (k or 1)
        level = brightness(image, settings.window, settings.background)
        with np.errstate(over="ignore"):  # to infinity, which conducts nothing
            enhancement = np.exp(level - 1)
        resistance = np.multiply(
            apart, enhancement, out=np.zeros_like(apart), where=apart > 0
        )
        conduction = np.where(stop, 0, 1 / (1 + resistance))
        step = settings.gamma * conduction * ndimage.laplace(image, mode="nearest")
        image = image + step
        changes.append(np.abs(step))
        change = np.mean(changes, axis=0)
        stop = (
            large_groups(change > change[signal].mean(), settings.group_size) & signal
        )
        yield Diffusion(
            iteration=iteration,
            image=image,
            asymmetry=apart,
            enhancement=enhancement,
            conduction=conduction,
            residue=change,
            stop=stop,
        )


def _apart(image: _Plane, settings: DiffusionSettings) -> _Plane:
    return mean_asymmetry(image, settings.scales, axes=STRAIGHT_AXES)
