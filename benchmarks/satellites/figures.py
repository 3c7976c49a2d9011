"""The pictures, from benchmark.json and the example frame; needs matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np
from arms import DISC, LAYERS, ORACLE, PRODUCT, WORDS
from common import pictures

from bgrem_core.zscale import zscale_limits

# The palette of Okabe and Ito.
ORANGE, BLUE, SKY, GREEN, PINK, YELLOW = (
    "#d55e00", "#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#e69f00",
)  # fmt: skip
DOTS = (":", "--", "-.", "-", (0, (5, 1, 1, 1, 1, 1)))
DPI = 100


def draw(result: dict[str, Any], examples: Path, folder: Path) -> list[str]:
    """Write all pictures; return their names, or none without matplotlib."""
    s = result["sections"]
    makes: dict[str, pictures.Make] = {
        "example": lambda plt, maps: _example(plt, maps),
        "gain": lambda plt, _: _gain(plt, s),
        "spectrum": lambda plt, _: _spectrum(plt, s.get("spectra"), s),
        "completeness": lambda plt, _: _completeness(plt, s.get("search")),
        "flux": lambda plt, _: _flux(plt, s.get("flux")),
        "sampled": lambda plt, _: _sampled(plt, s.get("sampled")),
    }
    return pictures.draw(makes, examples, folder, DPI)


def _look(name: str, own: str) -> tuple[str, Any]:
    """Return colour and line of an arm."""
    known = {
        ORACLE: ("k", "-"), "noise": ("k", ":"), "frame": ("0.55", "-"),
        PRODUCT.name: (BLUE, "--"), own: (ORANGE, "-"),
    }  # fmt: skip
    if name in known:
        return known[name]
    if name.startswith("one-step"):
        return (PINK, "-.") if "chain" in name else (YELLOW, "-.")
    if name == DISC:
        return GREEN, "-"
    return (SKY, DOTS[list(LAYERS).index(name)]) if name in LAYERS else (PINK, ":")


def _example(plt: Any, m: dict[str, np.ndarray]) -> Any:
    if not m:
        return None
    figure, axes = pictures.new(
        plt, 7.7, 2, 3, "A frame and its map; circles: targets that were put in"
    )
    frame = m["frame"]
    low, high = zscale_limits(frame)
    most = 5 * float(m["white"])
    panels = [
        ("frame", frame, (low, high)), ("map, one-step", m["network"], (low, high)),
        ("frame less map", frame - m["network"], (-most / 2, most)),
        ("true systematics", m["true"], (low, high)),
        ("map, classical", m["classical"], (low, high)),
        ("frame less classical map", frame - m["classical"], (-most / 2, most)),
    ]  # fmt: skip
    for axis, (title, image, span) in zip(axes.flat, panels, strict=True):
        axis.imshow(
            image, cmap="gray", vmin=span[0], vmax=span[1], origin="lower",
            interpolation="nearest",
        )  # fmt: skip
        axis.scatter(m["x"], m["y"], s=110, facecolors="none", edgecolors=ORANGE)
        axis.set(title=title, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def _gain(plt: Any, s: dict[str, Any]) -> Any:
    if "gain" not in s:
        return None
    arms, own = s["gain"]["arms"], s["gain"]["network"]
    figure, axes = pictures.new(plt, 4.2, 1, 2, "Gain in signal to noise")
    names = [n for n in arms if n != ORACLE]
    place = np.arange(len(names))[::-1]
    for shift, (way, colour) in zip(
        (0.2, 0, -0.2), (("median", ORANGE), ("mean", BLUE), ("robust", GREEN)),
        strict=True,
    ):  # fmt: skip
        value, error = np.array([arms[n]["share"][way][:2] for n in names], float).T
        axes[0][0].errorbar(
            100 * value, place + shift, xerr=100 * error, fmt="o", color=colour, ms=4,
            capsize=2, label=way,
        )  # fmt: skip
    axes[0][0].axvline(100, color="k", lw=1, zorder=0)
    axes[0][0].axvline(85, color="0.75", lw=1, ls="--", zorder=0)
    axes[0][0].set_yticks(place, names)
    axes[0][0].set(xlabel="share of the oracle's excess gain, %")
    axes[0][0].legend(loc="lower left")
    right, above = axes[0][1], True
    for name in names:
        v, colour = arms[name], _look(name, own)[0]
        (k, dk), (g, dg) = np.array([v["kept"], v["gain"]["median"]], float)
        right.errorbar([k], [g], [dg], [dk], fmt="o", color=colour, ms=4, capsize=2)
        as_chain = name.endswith(WORDS["absorb"])
        if name not in (own, PRODUCT.name) and not as_chain:
            continue
        above = not above
        said = name.removeprefix("one-step ")
        said = f"{said.partition(',')[0]}, chain" if as_chain else said
        right.annotate(
            said, (k, g), xytext=(-6, 6 if above else -12),
            fontsize=7, textcoords="offset points", color=colour,
            ha="left" if k < 0.6 else "right",
        )  # fmt: skip
    for name, v in s.get("equal", {}).get("curves", {}).items():
        if name in (own, PRODUCT.name):
            colour, line = _look(name, own)
            right.plot(v["kept"], v["median"], ls=line, color=colour, lw=1, zorder=0)
    best = arms[ORACLE]["gain"]["median"][0]
    right.axhline(best, color="k", lw=1, zorder=0)
    right.annotate("oracle", (0.02, best), xytext=(0, 3), fontsize=7,
                   textcoords="offset points",
                   xycoords=("axes fraction", "data"))  # fmt: skip
    right.margins(x=0.15)
    right.set(xlabel="peak kept, median", ylabel="gain, median",
              title="lines: maps scaled down")  # fmt: skip
    return figure


def _spectrum(plt: Any, d: dict[str, Any] | None, s: dict[str, Any]) -> Any:
    if d is None:
        return None
    own = s.get("gain", {}).get("network", "")
    shown = [
        n for n in d["power"] if n in (ORACLE, "noise", "frame", own, PRODUCT.name)
    ]
    shown += [n for n in d["power"] if "t = 150" in n or n == "sep mesh 16"]
    figure, axes = pictures.new(
        plt, 3.8, 1, 2, "Power of what is left, over white noise"
    )
    for axis in axes[0]:
        for name in shown:
            value, error = np.array(d["power"][name], float).T
            colour, line = _look(name, own)
            axis.errorbar(
                d["frequency"], value, error, color=colour, ls=line, lw=1.6, label=name
            )
        axis.set(xlabel="cycles per pixel")
        axis.axhline(1, color="0.8", lw=1, zorder=0)
    axes[0][0].set(yscale="log", ylabel="power", ylim=(0.03, None))
    axes[0][1].set(ylim=(0, 2.5), title="the same, linear")
    axes[0][1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _completeness(plt: Any, d: dict[str, Any] | None) -> Any:
    if d is None:
        return None
    figure, axes = pictures.new(plt, 3.7, 1, 1, "Targets found by a blind search")
    axis = axes[0][0]
    for name, v in d["arms"].items():
        colour, line = _look(name, d["network"])
        axis.plot(d["rates"], v["curve"], ls=line, color=colour, lw=1.6, label=name)
    axis.axvline(0.1, color="0.85", lw=1, zorder=0)
    axis.axvline(1, color="0.85", lw=1, zorder=0)
    axis.set(xscale="log", xlabel="false per frame", ylabel="share found")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _flux(plt: Any, d: dict[str, Any] | None) -> Any:
    if d is None:
        return None
    figure, axes = pictures.new(plt, 3.6, 1, 3, "Fluxes of targets against true ones")
    own = d["network"]
    titles = (
        ("corrected", "median", "corrected, median"),
        ("corrected", "mean", "corrected, mean"),
        ("left", "as left", "as left by the map, median"),
    )
    for axis, (_, key, title) in zip(axes[0], titles, strict=True):
        for k, (name, bins) in enumerate(d["arms"].items()):
            value, error = 100 * np.array([b[key] for b in bins.values()], float).T
            colour, line = _look(name, own)
            axis.errorbar(
                np.arange(len(value)) + 0.08 * (k - 1), value, error, fmt="o",
                ls=line, lw=1, color=colour, ms=4, capsize=2, label=name,
            )  # fmt: skip
        axis.axhline(0, color="0.7", lw=1, zorder=0)
        axis.axhspan(-3, 3, color="0.93", zorder=0)
        axis.set_xticks(range(len(bins)), bins)
        axis.set(title=title, xlabel="S/N in white noise", ylabel="bias, %")
    axes[0][2].legend(loc="lower right")
    return figure


def _sampled(plt: Any, d: dict[str, Any] | None) -> Any:
    if d is None:
        return None
    figure, axes = pictures.new(plt, 3.6, 1, 2, "Frames drawn from the network")
    left, right = axes[0]
    middle = np.array(d["edges"])
    middle = (middle[1:] + middle[:-1]) / 2
    for name, colour in (("training", "k"), ("drawn", ORANGE)):
        left.stairs(d[name]["histogram"], d["levels"], color=colour, label=name)
        low, half, high = d[name]["power"]
        right.plot(middle, half, color=colour, label=name)
        right.fill_between(middle, low, high, color=colour, alpha=0.15, lw=0)
    left.set(yscale="log", xlabel="normalised pixel", ylabel="share of pixels")
    right.set(yscale="log", xlabel="cycles per pixel",
              ylabel="power, median and 68 % of frames")  # fmt: skip
    left.legend()
    return figure
