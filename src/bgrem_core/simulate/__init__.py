"""Simulated frames with a known truth: for training, tests and benchmarks."""

from bgrem_core.simulate.optical import (
    KINDS,
    Psf,
    Scene,
    SceneSettings,
    Truth,
    correlate,
    correlation_kernel,
    draw_noise,
    draw_scene,
    draw_sky,
)

__all__ = [
    "KINDS",
    "Psf",
    "Scene",
    "SceneSettings",
    "Truth",
    "correlate",
    "correlation_kernel",
    "draw_noise",
    "draw_scene",
    "draw_sky",
]
