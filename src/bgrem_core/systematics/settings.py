"""Settings of the method "systematics"."""

import dataclasses
from dataclasses import dataclass

from bgrem_core.options import option
from bgrem_core.settings import RunSettings

__all__ = ["CLASSICAL", "ONE_STEP", "PAPER", "TIMES", "SystematicsSettings", "quick"]

ONE_STEP, PAPER, CLASSICAL = "one-step", "paper", "classical"
TIMES = {ONE_STEP: 300, PAPER: 150, CLASSICAL: 0}
"""Time to which a frame is diffused, by mode: where the gain is flat on development
frames, and the later one of the paper's."""
QUICK = 6
"""Draws of a preview."""


@dataclass(frozen=True, kw_only=True)
class SystematicsSettings(RunSettings):
    """Settings of the method "systematics".

    Attributes
    ----------
    mode : str
        "one-step", "paper" or "classical".
    model : str
        Name of a shipped model or path of a safetensors file.
    t : int or None
        Time to which the frame is diffused; None = 300, or 150 for "paper".
    samples : int
        Draws of noise that are averaged.
    absorb : bool
        Leave in the map what it holds of white noise and targets.
    protect : float
        Signal to noise from which points are kept from the network.
    angle : float or None
        Direction of the trails, degrees; None = measured.
    injections : int
        Artificial targets.
    frames : str or None
        Folder or pattern of further frames.
    dwell : float
        Time during which a target may stand still, seconds.
    """

    mode: str = option(
        default=ONE_STEP,
        help="one-step: one call of the network for each draw; paper: the whole "
        "reverse chain, a hundred times slower, most of a target is absorbed; "
        "classical: medians alone, no network",
        choices=(ONE_STEP, PAPER, CLASSICAL),
    )
    model: str = option(
        default="satellites",
        help="name of a model or path of its weights",
        flags=("--model",),
    )
    t: int | None = option(
        default=None,
        help="time of the diffusion: a later one leaves more of a target; default: "
        "300, in mode paper 150 (the paper: 100 to 150)",
        range=(1, 999),
    )
    samples: int = option(
        default=20, help="draws of noise that are averaged", range=(1, 1000)
    )
    absorb: bool = option(
        default=False,
        help="leave in the map of mode one-step what it holds of the white noise and "
        "of targets, as the mean of many chains of mode paper does",
        advanced=True,
    )
    protect: float = option(
        default=8.0,
        help="points from this signal to noise on are kept from the network in mode "
        "one-step, so that it does not absorb them; 0 = none",
        unit="sigma",
        range=(0, 1e6),
        advanced=True,
    )
    angle: float | None = option(
        default=None,
        help="direction of the trails from +x towards +y; default: measured",
        unit="deg",
        range=(-360, 360),
        advanced=True,
    )
    injections: int = option(
        default=24,
        help="artificial targets that measure what is kept of a target; 0 = none, and "
        "no correction",
        range=(0, 1000),
        advanced=True,
    )
    frames: str | None = option(
        default=None,
        help="folder or pattern of further frames of this sensor: what stands on the "
        "same pixels in all is taken off too, a target that stands still included",
        advanced=True,
    )
    dwell: float = option(
        default=600.0,
        help="time during which a target may stand still: further frames taken within "
        "it are left out",
        unit="s",
        range=(0, 1e8),
        advanced=True,
    )


def quick(settings: SystematicsSettings) -> SystematicsSettings:
    """Return the settings of a preview: few draws, no artificial targets."""
    mode = CLASSICAL if settings.mode == CLASSICAL else ONE_STEP
    t = settings.t if mode == settings.mode else None
    return dataclasses.replace(
        settings, mode=mode, t=t, samples=min(settings.samples, QUICK), injections=0,
        frames=None,
    )  # fmt: skip
