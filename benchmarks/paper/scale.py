"""Appendix B: the normalisation.

As in the paper: the error when the image is scaled by a wrong factor. Fair: which
factor an estimator would have given, that of the published code (the standard deviation
of the lowest 90 % of the pixels above zero) and a mesh, on frames of known noise.
"""

from typing import Any

import numpy as np
from cleaned import (
    coarse_sky,
    counted,
    filed,
    flat_truth,
    is_joint,
    level,
    mean_error,
    told,
)
from denoiser import Denoiser
from frames import Frame
from given import Given
from picture import colour, halves, new, nothing
from scipy.stats import norm

import bgrem_core
from bgrem_core.normalize import measure_scale
from bgrem_core.progress import drain

FACTORS = (0.5, 0.7, 0.84, 1.0, 1.2, 1.4, 2.0)
ESTIMATORS = ("paper", "mesh")
KINDS = ("dark", "bright sky", "deep", "crowded")
VERSION = 1


def pure_noise() -> float:
    """Return what the published estimator gives for normal noise of sigma 1.

    All pixels above zero: the standard deviation of the lower 90 % of a normal.
    """
    top = norm.ppf(0.9)
    mean = -norm.pdf(top) / 0.9
    return float(np.sqrt(1 - top * norm.pdf(top) / 0.9 - mean**2))


def error(denoise: Denoiser, frame: Frame, factor: float) -> float:
    """Return the mean absolute error if sigma is taken to be ``factor``."""
    image = np.asarray(frame.image / factor, np.float32)
    own = told(frame)
    if own["sigma_e"] is not None:
        own["sigma_e"] *= factor
    made = denoise(image, **own)
    if is_joint(denoise):
        made = made - coarse_sky(image)
    off = level(np.asarray(factor * made, np.float32)) - flat_truth(frame)
    return float(np.abs(off[counted(frame)]).mean())


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    factors = (0.7, 1.0, 1.4) if given.toy else FACTORS
    models = {}
    for name, denoise in given.models.items():
        print(f"normalisation: {name}", flush=True)
        rows = {
            k: [_kept(given, denoise, f, k) for f in given.parts()] for k in factors
        }
        models[name] = {
            f"{k:g}": {
                "mae": [_round(v) for v in mean_error(row)],
                "change": [
                    _round(v) for v in mean_error(100 * np.divide(row, rows[1.0]) - 100)
                ],
            }
            for k, row in rows.items()
        }
    kinds = KINDS[:1] if given.toy else KINDS
    return {
        "models": models,
        "pure noise": round(pure_noise(), 4),
        "estimates": {k: _estimates(given.parts(k)) for k in kinds},
        "frames": len(given.parts()),
    }, {}


def _kept(given: Given, denoise: Denoiser, frame: Frame, factor: float) -> float:
    parts = ["paper scale", VERSION, frame.digest, *filed(denoise), factor]
    return given.cache.get(parts, lambda: error(denoise, frame, factor))


def _estimates(frames: list[Frame]) -> dict[str, list[Any]]:
    return {
        how: [_round(v) for v in mean_error([_estimate(f, how) for f in frames])]
        for how in ESTIMATORS
    }


def _estimate(frame: Frame, how: str) -> float:
    image = bgrem_core.open_image(np.asarray(frame.image, np.float32))
    return float(drain(measure_scale(image, estimator=how)).median_sigma)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.6)
    left, right = halves(figure, "Appendix B  Normalisation")
    axis = left.subplots()
    if not result["models"]:
        nothing(axis, "no weights")
    for shift, (name, rows) in enumerate(result["models"].items()):
        value, bars = np.array([[c or 0 for c in r["change"]] for r in rows.values()]).T
        place = [float(k) * (1 + 0.015 * shift) for k in rows]
        words = f"{name}: {rows['1']['mae'][0]:.4f} at the true sigma"
        axis.errorbar(place, value, bars, fmt="o-", ms=4.5, capsize=2,
                      color=colour(name), label=words)  # fmt: skip
    if result["models"]:
        axis.set(xlabel="sigma that is taken / true sigma", xscale="log",
                 ylabel="mean absolute error of the flat image:\n"
                 "change, percent, paired by frames")  # fmt: skip
        marks = [float(k) for k in next(iter(result["models"].values()))]
        axis.set_xticks(marks, [f"{m:g}" for m in marks])
        axis.minorticks_off()
        axis.legend(loc="lower left")
    _estimated(right.subplots(), result)
    return figure


def _estimated(axis: Any, result: dict[str, Any]) -> None:
    kinds = result["estimates"]
    words = {"paper": "lowest 90 % of the pixels", "mesh": "our mesh"}
    shade = {"paper": colour("optical-paper"), "mesh": colour("optical")}
    for shift, (how, mark) in enumerate((("paper", "s"), ("mesh", "o"))):
        value = [k[how][0] for k in kinds.values()]
        bars = [k[how][1] or 0 for k in kinds.values()]
        axis.errorbar(np.arange(len(kinds)) + 0.12 * shift, value, bars, fmt=mark,
                      ms=6, capsize=3, label=words[how], color=shade[how])  # fmt: skip
    axis.axhline(1.1, color="none")  # room above
    axis.axhline(1, color="0.7", lw=1, zorder=0)
    axis.axhline(result["pure noise"], color="0.85", lw=1, ls="--", zorder=0)
    axis.text(len(kinds) - 0.45, result["pure noise"], "normal noise alone",
              ha="right", va="bottom", fontsize=8.5, color="0.5")  # fmt: skip
    axis.set_xticks(range(len(kinds)), list(kinds))
    axis.set_xlim(-0.5, len(kinds) - 0.4)
    axis.set_ylim(0, None)
    axis.set(ylabel="estimated sigma / true sigma", xlabel="simulated frames")
    axis.legend(loc="lower left")
