"""What the method of Cohen & Lu is told, and what it shows of each of its steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgrem_core.options import option, validate

__all__ = ["Diffusion", "DiffusionSettings"]

_Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSettings:
    """Settings of `cohen2021`.

    Attributes
    ----------
    variant : str
        "code" as the authors' program does it, "paper" as their equations say.
    iterations : int
        Number of steps; the method has no end of its own.
    gamma : float
        Length of a step.
    background : float
        Grey level of blank sky.
    window : int
        Side of the window that tells signal from background, pixels.
    signal_ratio : float
        Signal is where the mean in the window is this many times the background.
    background_ratio : float
        Below this ratio diffusion is never stopped; `variant` "paper" knows one ratio,
        `signal_ratio`, for both.
    group_size : int
        Connected pixels that change much are a feature from this number on, fewer are
        a star.
    scales : int
        Asymmetry is averaged over distances from 1 to this, pixels.
    sensitivity : float or None
        k, the asymmetry at which diffusion slows down; None = from the image.
    """

    variant: str = option(
        default="code",
        choices=("code", "paper"),
        help="as the authors' program does it, or as their paper says",
        advanced=True,
    )
    iterations: int = option(
        default=200, range=(1, 100_000), help="number of diffusion steps"
    )
    gamma: float = option(
        default=0.25, range=(1e-3, 0.25), help="length of a step", advanced=True
    )
    background: float = option(
        default=46.0, range=(1e-3, 1e6), unit="grey level", help="level of blank sky"
    )
    window: int = option(
        default=24,
        range=(1, 1000),
        unit="pix",
        help="side of the window that tells signal from background",
        advanced=True,
    )
    signal_ratio: float = option(
        default=2.5,
        range=(0, 1000),
        help="signal is this many times brighter than the background",
        advanced=True,
    )
    background_ratio: float = option(
        default=1.5,
        range=(0, 1000),
        help="below this many times the background diffusion never stops",
        advanced=True,
    )
    group_size: int = option(
        default=50,
        range=(1, 1_000_000),
        unit="pix",
        help="changing pixels that are connected are kept from this number on",
        advanced=True,
    )
    scales: int = option(
        default=5,
        range=(1, 50),
        unit="pix",
        help="largest distance over which the asymmetry is averaged",
        advanced=True,
    )
    sensitivity: float | None = option(
        default=None,
        range=(1e-6, 1e6),
        unit="grey level",
        help="asymmetry at which diffusion slows down",
        advanced=True,
    )

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diffusion:
    """An image after a step of `cohen2021`, and what led there.

    Attributes
    ----------
    iteration : int
        Number of the step, from 1.
    image : ndarray of float64
        (ny, nx) after the step, in the unit of the input.
    asymmetry : ndarray of float64
        (ny, nx), mean asymmetry before the step over the sensitivity k.
    enhancement : ndarray of float64
        (ny, nx), factor of the asymmetry by brightness, above 1 where the
        surroundings are brighter than the background.
    conduction : ndarray of float64
        (ny, nx), the diffusion coefficient of the step, 0 to 1: one over
        1 + asymmetry x enhancement, but where the step was stopped.
    residue : ndarray of float64
        (ny, nx), how fast the image changes, grey levels per step, mean of the last
        four; 0 until there are as many.
    stop : ndarray of bool
        (ny, nx), True = the next step is stopped there (B = 0 in the paper, else 1);
        made from `residue`.
    """

    iteration: int
    image: _Plane
    asymmetry: _Plane
    enhancement: _Plane
    conduction: _Plane
    residue: _Plane
    stop: NDArray[np.bool_]
