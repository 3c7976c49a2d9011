"""The method of Cohen & Lu as their program does it, which is not what they print.

It gives the figures of the paper. docs/stars-published.md lists where the two differ.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgrem_core.stars.asymmetry import asymmetry, mean_asymmetry
from bgrem_core.stars.diffusion import Diffusion, DiffusionSettings
from bgrem_core.stars.flux_form import differences, gained
from bgrem_core.stars.regions import brightness, large_groups, signal_of

__all__ = ["as_coded"]

_Plane = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: Asymmetry of the pixels at the edges, whose neighbours are missing: next to none, so
#: that they are always diffused.
_FRAME = 1.0
#: Steps over which the change of the image is averaged.
_STEPS = 4


def as_coded(image: _Plane, settings: DiffusionSettings) -> Iterator[Diffusion]:
    """Diffuse an image as the authors' program does.

    Parameters
    ----------
    image : ndarray of float64
        (ny, nx), finite, grey levels.
    settings : DiffusionSettings
        Their `variant` is not looked at.

    Yields
    ------
    Diffusion
        After each step.

    Raises
    ------
    ImageError
        No pixel is signal.
    """
    ratio = brightness(image, settings.window, settings.background)
    signal, quiet = signal_of(ratio, settings), ratio < settings.background_ratio
    k = settings.sensitivity or 2 * float(asymmetry(image, 1, frame=_FRAME).mean())
    original = _smooth(image)
    # The first residue is that of the first step, not of the original.
    residues: deque[_Plane] = deque(maxlen=_STEPS + 1)
    change, stop = np.zeros_like(image), np.zeros(image.shape, bool)
    for iteration in range(1, settings.iterations + 1):
        apart = mean_asymmetry(image, settings.scales, frame=_FRAME) / k
        level = _smooth(image) / settings.background
        with np.errstate(over="ignore"):  # to infinity, which conducts nothing
            enhancement = np.exp(level - 1)
        conduction = _conduction(apart, enhancement, level, stop)
        south, east = differences(image)
        image = image + settings.gamma * gained(conduction * south, conduction * east)
        residues.append(np.abs(original - _smooth(image)))
        if len(residues) > _STEPS:
            # The mean of four successive differences.
            change = np.maximum((residues[-1] - residues[0]) / _STEPS, 0)
            stop = _stop(change, signal, quiet, settings.group_size)
        yield Diffusion(
            iteration=iteration,
            image=image,
            asymmetry=apart,
            enhancement=enhancement,
            conduction=conduction,
            residue=change,
            stop=stop,
        )


def _smooth(image: _Plane) -> _Plane:
    out: _Plane = ndimage.uniform_filter(image, 3, mode="reflect")
    return out


def _conduction(
    apart: _Plane, enhancement: _Plane, level: _Plane, stop: _Bools
) -> _Plane:
    """Return 1 / (1 + a exp(level / B - 1)), in its limit B -> 0 where stopped.

    The limit is no flow under a positive level, and free flow under a negative one or
    where nothing is asymmetric; a program that puts B = 0 gets NaN in the last case.
    """
    resistance = np.zeros_like(apart)
    np.multiply(apart, enhancement, out=resistance, where=apart > 0)
    resistance[stop & (level > 0) & (apart > 0)] = np.inf
    resistance[stop & (level < 0)] = 0
    return 1 / (1 + resistance)


def _stop(change: _Plane, signal: _Bools, quiet: _Bools, least: int) -> _Bools:
    threshold = float(change[signal].mean())
    # The program writes 1 over what exceeds the threshold and then 0 over what does
    # not exceed it: from a threshold of 1 on, that takes back every 1.
    if threshold >= 1:
        return np.zeros(change.shape, bool)
    return large_groups(change > threshold, least) & ~quiet
