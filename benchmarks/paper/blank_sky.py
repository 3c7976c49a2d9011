"""Figure 5: pixels of the blank sky before and after.

As in the paper: their histogram. Fair: what it says about finding sources, for methods
with very different blank skies; and clipping alone makes half of the pixels zero.
"""

from typing import Any

import numpy as np
from cleaned import Maker, blank, filed, flat, mean_error
from equal import MATCHED, arm, compare
from example import makers
from given import NOISE, Given
from images import DEFAULT_CONV, flat_raw
from picture import colour, halves, new
from scipy import ndimage

MARKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
EDGES = np.round(np.arange(-5, 5.001, 0.05), 3)


def _others(given: Given) -> dict[str, Maker]:
    kernel = DEFAULT_CONV / DEFAULT_CONV.sum()
    return {
        "default.conv": lambda f: ndimage.convolve(flat_raw(f.image, f.fwhm), kernel),
        "median 5x5": lambda f: ndimage.median_filter(flat_raw(f.image, f.fwhm), 5),
        **{n: m for n, m in makers(given).items() if n not in given.models},
    }


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    frames = given.parts()
    own = {n: flat(d) for n, d in given.models.items()}
    known = {"input": lambda f: flat_raw(f.image, f.fwhm), **_others(given), **own}
    dark = {f: blank(f) for f in frames}
    rows: dict[str, Any] = {}
    for name, make in known.items():
        values = [make(f)[dark[f]] for f in frames]
        rows[name] = _row(values)
        if name in given.models:
            rows[f"{name}, clipped"] = _row([np.maximum(v, 0) for v in values])
    arms = {
        name: arm(make, start=4.0, key="paper 1")
        for name, make in _others(given).items() if name != "Gaussian of the PSF"
    }  # fmt: skip
    arms |= {
        name: arm(own[name], start=1.2, key=f"paper 1 {filed(d)}")
        for name, d in given.models.items()
    }
    found = compare(frames, arms, given.cache)
    # The matched filter is the Gaussian, but for a factor.
    found["Gaussian of the PSF"] = found[MATCHED]
    return {
        "blank": rows,
        "edges": [float(EDGES[0]), float(EDGES[-1]), len(EDGES) - 1],
        "pixels": int(sum(d.sum() for d in dark.values())),
        "found": found,
        "frames": len(frames),
    }, {}


def _row(values: list[np.ndarray]) -> dict[str, Any]:
    together = np.concatenate(values)
    return {
        "rms": [_round(v) for v in mean_error([float(v.std()) for v in values])],
        "mean": [_round(v) for v in mean_error([float(v.mean()) for v in values])],
        "zero": round(float(np.mean(together == 0)), 4),
        "histogram": np.histogram(np.clip(together, -4.99, 4.99), EDGES)[0].tolist(),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.8)
    left, right = halves(figure, "Figure 5  Blank sky")
    _histogram(left.subplots(), result)
    _against_found(right.subplots(), result)
    return figure


def _histogram(axis: Any, result: dict[str, Any]) -> None:
    low, high, count = result["edges"]
    edges = np.linspace(low, high, count + 1)
    for name, row in result["blank"].items():
        clipped = name.endswith("clipped")
        if name.split(",")[0] not in ("input", "optical", "optical-paper"):
            continue
        words = f"{name}: rms {row['rms'][0]:.3f}"
        if clipped:
            words += f", {100 * row['zero']:.0f} % are zero"
        axis.stairs(np.maximum(row["histogram"], 0.1), edges, color=colour(name),
                    lw=1 if clipped else 1.8, ls=":" if clipped else "-",
                    label=words)  # fmt: skip
    axis.set_yscale("log")
    axis.set(xlabel="pixel value, sigma of the sky", ylabel="pixels", xlim=(-5, 5),
             ylim=(1, 60 * result["pixels"]))  # fmt: skip
    axis.legend(loc="upper left", fontsize=8)


def _against_found(axis: Any, result: dict[str, Any]) -> None:
    for name, row in result["found"].items():
        if name not in result["blank"]:
            continue
        value, low, high = row["ratio"]
        rms = result["blank"][name]["rms"][0]
        axis.errorbar([rms], [value], [[max(value - low, 0)], [max(high - value, 0)]],
                      fmt="o", capsize=3, color=colour(name))  # fmt: skip
        left = name.startswith(NOISE)  # beside the filters' names, not across them
        axis.annotate(name, (rms, value), xytext=(-7 if left else 7, 5),
                      textcoords="offset points", ha="right" if left else "left",
                      fontsize=9, color=colour(name))  # fmt: skip
    axis.axhline(1, color="0.8", lw=1, zorder=0)
    axis.set_xscale("log")
    axis.set_xticks(MARKS, [f"{m:g}" for m in MARKS])
    axis.minorticks_off()
    axis.set(
        xlim=(0.01, 1.2),
        xlabel="rms of the blank sky, sigma of the input",
        ylabel="true positives at 10 false per Mpix\nover the matched filter",
    )
