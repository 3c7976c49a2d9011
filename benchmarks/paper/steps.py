"""Appendix B: how many reverse steps.

As in the paper: the mean absolute error of what the network was asked for. Fair: what a
user gets from it, true positives at equal false ones, the bias of faint flux, and what
it costs; all on the flat image, so that both objectives stand on one scale.
"""

import time
from typing import Any

import numpy as np
from cleaned import (
    aim,
    alone,
    circle_sum,
    clean,
    counted,
    flat,
    flat_truth,
    inner_sources,
    level,
    mean_error,
    spread,
    told,
    which,
)
from denoiser import Denoiser
from equal import arm, compare
from frames import Frame
from given import KIND, Given
from picture import PAPER, colour, halves, new, nothing

STEPS = (1, 2, 3, 4, 6, 8, 11, 15, 20)
TOY = (1, 3)
KINDS = (KIND, "crowded")
OPTIMA = (3, 6, 11, 15)  # of the paper; the last is its best
MARKS = (1, 3, 6, 11, 15, 20)
FAINT = (5.0, 10.0)  # true S/N
TIMED = 512  # pixels a side
VERSION = 1


def measure(denoise: Denoiser, frame: Frame, steps: int) -> dict[str, Any]:
    """Return errors of one cleaned frame, and flux ratios of its faint sources."""
    made = clean(denoise, frame, steps=steps)
    good = counted(frame)
    own = np.abs(made - aim(denoise, frame))[good]
    image, truth = level(made), flat_truth(frame)
    off = (image - truth)[good]
    return {
        "own": float(own.mean()),
        "mae": float(np.abs(off).mean()),
        "rms": float(np.sqrt(np.mean(off**2))),
        "flux": faint_flux(image, truth, frame),
    }


def faint_flux(image: np.ndarray, truth: np.ndarray, frame: Frame) -> list[float]:
    """Return light over true light in circles of 1 FWHM, of faint single sources."""
    t = frame.truth
    keep = inner_sources(frame, 2 * frame.fwhm) & alone(frame)
    keep &= (t.snr >= FAINT[0]) & (t.snr < FAINT[1])
    places = t.x[keep], t.y[keep], frame.fwhm
    return [
        round(float(v), 4)
        for v in circle_sum(image, *places) / circle_sum(truth, *places)
    ]


def kept(given: Given, denoise: Denoiser, frame: Frame, steps: int) -> dict[str, Any]:
    parts = ["paper steps", VERSION, frame.digest, *which(denoise), steps]
    return given.cache.get(parts, lambda: measure(denoise, frame, steps))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over frames with their errors, and the flux of all sources."""
    out: dict[str, Any] = {
        key: [_round(v) for v in mean_error([r[key] for r in rows])]
        for key in ("own", "mae", "rms")
    }
    return {**out, "flux": spread(np.concatenate([r["flux"] for r in rows]))}


def change(rows: list[dict[str, Any]], first: list[dict[str, Any]]) -> list[Any]:
    """Return the change of the error against one step, percent, paired by frames."""
    ratio = [100 * (r["own"] / f["own"] - 1) for r, f in zip(rows, first, strict=True)]
    return [_round(v) for v in mean_error(ratio)]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def ratio(
    given: Given, denoise: Denoiser, frames: list[Frame], steps: int
) -> list[float | None]:
    """Return true positives over the matched filter, with 68 % bounds."""
    own = arm(
        flat(denoise, steps=steps),
        start=1.2, key=f"paper 1 {which(denoise)} {steps}",
    )  # fmt: skip
    return compare(frames, {"cleaned": own}, given.cache)["cleaned"]["ratio"]


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    kinds = KINDS[:1] if given.toy else KINDS
    frames = {k: given.parts(k) for k in kinds}
    steps = TOY if given.toy else STEPS
    seconds = _times(given, steps)
    models: dict[str, Any] = {}
    for name, denoise in given.models.items():
        rows: dict[int, list[Any]] = {}
        for n in steps:
            print(f"steps: {name}, {n}", flush=True)
            rows[n] = [kept(given, denoise, f, n) for k in kinds for f in frames[k]]
            models.setdefault(name, {})[str(n)] = {
                **summary(rows[n]),
                "change": change(rows[n], rows[steps[0]]),
                "ratio": {k: ratio(given, denoise, frames[k], n) for k in kinds},
                "seconds": seconds[name][n],
            }
    best = {n: min(row, key=lambda s: row[s]["own"][0]) for n, row in models.items()}
    return {
        "models": models, "kinds": list(kinds), "best": best,
        "frames": sum(len(f) for f in frames.values()),
    }, {}  # fmt: skip


def _times(given: Given, steps: tuple[int, ...]) -> dict[str, dict[int, float]]:
    """Return CPU seconds per Mpix, the least of interleaved runs."""
    frame = given.parts()[0]
    image = frame.image[:TIMED, :TIMED]
    best: dict[str, dict[int, float]] = {n: {} for n in given.models}
    for _ in range(1 if given.toy else 2):
        for n in steps:
            for name, denoise in given.models.items():
                start = time.process_time()
                denoise(image, steps=n, **told(frame))
                took = (time.process_time() - start) * 1e6 / image.size
                best[name][n] = round(min(took, best[name].get(n, np.inf)), 3)
    return best


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(6.2)
    left, right = halves(figure, "Appendix B  Number of reverse steps")
    if not result["models"]:
        nothing(left.subplots(), "no weights")
        return figure
    _as_in_the_paper(left.subplots(2, 1, sharex=True), result)
    _fair(right.subplots(3, 1, sharex=True), result)
    return figure


def _as_in_the_paper(axes: Any, result: dict[str, Any]) -> None:
    for name, rows in result["models"].items():
        for axis, key in zip(axes, ("own", "change"), strict=True):
            value, error = np.array([_pair(r[key]) for r in rows.values()]).T
            axis.errorbar([int(n) for n in rows], value, error, fmt="o-", ms=4.5,
                          capsize=2, color=colour(name), label=name)  # fmt: skip
    for axis in axes:
        _mark(axis)
        axis.set_xticks(MARKS)
    axes[0].set_ylabel("mean absolute error of what\nis asked for, sigma of the sky")
    axes[0].margins(y=0.3)
    axes[0].legend(title="lines: optima of the paper, the best one dark",
                   title_fontsize=8.5)  # fmt: skip
    axes[1].axhline(0, color="0.7", lw=1, zorder=0)
    axes[1].set_xlabel("reverse steps (bars: over frames)")
    axes[1].set_ylabel("change against one step,\npercent, paired by frames")


def _pair(values: list[float | None]) -> tuple[float, float]:
    return float(values[0] or 0), float(values[1] or 0)


def _mark(axis: Any) -> None:
    for n in OPTIMA:
        axis.axvline(n, **{**PAPER, "color": "0.6" if n == OPTIMA[-1] else "0.88"})


def _fair(axes: Any, result: dict[str, Any]) -> None:
    for name, rows in result["models"].items():
        n = [int(k) for k in rows]
        for kind, mark in zip(result["kinds"], ("o-", "s--"), strict=False):
            ratio = np.array([r["ratio"][kind] for r in rows.values()], float)
            below, above = ratio[:, 0] - ratio[:, 1], ratio[:, 2] - ratio[:, 0]
            axes[0].errorbar(n, ratio[:, 0], np.maximum([below, above], 0), fmt=mark,
                             ms=4, capsize=2, color=colour(name),
                             label=f"{name}, {kind}")  # fmt: skip
        flux = [(k, r["flux"]) for k, r in zip(n, rows.values(), strict=True)]
        flux = [(k, f[1], f[2]) for k, f in flux if f[1] is not None]
        if flux:
            place, value, error = np.array(flux).T
            axes[1].errorbar(place, value, error, fmt="o-", ms=4, capsize=2,
                             color=colour(name))  # fmt: skip
        axes[2].plot(n, [r["seconds"] for r in rows.values()], "o-", ms=4,
                     color=colour(name))  # fmt: skip
    for axis in axes[:2]:
        axis.axhline(1, color="0.7", lw=1, zorder=0)
    for axis in axes:
        _mark(axis)
        axis.set_xticks(MARKS)
    axes[0].set_ylabel("true positives\nover matched")
    axes[0].legend(ncols=2, fontsize=8)
    axes[1].set_ylabel("flux kept\nat S/N 5-10")
    axes[2].set_yscale("log")
    axes[2].set(xlabel="reverse steps", ylabel="CPU seconds\nper Mpix")
