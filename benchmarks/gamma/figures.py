"""The pictures, from benchmark.json and the example patches; needs matplotlib.

Of the paper's figures 12 to 15 only the kind is known here: patches with their truth,
total counts, detections, true against false ones. Figure 16 is light over truth.
"""

from pathlib import Path
from typing import Any

import numpy as np
from arms import EMISSION, EXACT, NETWORK, RAW
from common import pictures
from detection import BEST, PEAKS, SEXTRACTOR
from infinite import INPUTS
from scoring import BANDS, BRIGHT

# The palette of Okabe and Ito.
LOOK = {
    EXACT: ("k", "-"), NETWORK: ("#d55e00", "-"), BEST: ("#0072b2", "--"),
    PEAKS: ("#e69f00", "-."), SEXTRACTOR: ("#56b4e9", ":"), EMISSION: ("#009e73", "--"),
    "paper": ("#cc79a7", "-"), "paper, MSE": ("#009e73", "-"), RAW: ("0.45", "-"),
}  # fmt: skip
WORDS = {
    RAW: "raw map", BEST: "best sep mesh", SEXTRACTOR: "SExtractor's defaults",
    NETWORK: "our network", "paper": "paper's network",
    "paper, MSE": "paper's network, MSE",
}  # fmt: skip
DPI = 100


def draw(result: dict[str, Any], examples: Path, folder: Path) -> list[str]:
    """Write all pictures; return their names, or none without matplotlib."""
    s = result["sections"]
    makes: dict[str, pictures.Make] = {
        "examples": lambda plt, maps: _examples(plt, maps),
        "total_counts": lambda plt, _: _total(plt, s),
        "detections": lambda plt, maps: _detections(plt, maps),
        "true_false": lambda plt, _: _true_false(plt, s),
        "light_over_truth": lambda plt, _: _light(plt, s),
        "completeness": lambda plt, _: _completeness(plt, s.get("detection")),
        "completeness_wrong": lambda plt, _: _completeness(plt, s.get("wrong")),
    }
    return pictures.draw(makes, examples, folder, DPI)


def _show(axis: Any, image: np.ndarray, high: float, *, signed: bool = False) -> Any:
    """Show counts by their root, or what is signed as it is."""
    low = -high if signed else 0
    shown = image if signed else np.sqrt(np.maximum(image, 0))
    scale = (low, high) if signed else (0, np.sqrt(high))
    drawn = axis.imshow(
        shown, cmap="PuOr_r" if signed else "cividis", vmin=scale[0], vmax=scale[1],
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return drawn


def _examples(plt: Any, m: dict[str, np.ndarray]) -> Any:
    if not m:
        return None
    expected = m["background"] + m["source"]
    columns: list[tuple[str, np.ndarray, bool]] = []
    for words, seen in zip(INPUTS, (expected, m["counts"]), strict=True):
        if f"paper, {words}" in m:
            left = seen - m[f"paper, {words}"]
            columns += [
                (f"paper's network,\n{words}", left, False),
                ("less truth", left - m["source"], True),
            ]
    ours = m["network source"]
    columns = [
        ("expectation", expected, False), ("photons", m["counts"], False),
        ("true sources", m["source"], False), *columns,
        ("our network, Poisson:\nsource map", ours, False),
        ("less truth", ours - m["source"], True),
        ("background\nless truth", m["network background"] - m["background"], True),
    ]  # fmt: skip
    number = len(m["b"])
    figure, axes = pictures.new(
        plt, 1.12 * number + 0.9, number, len(columns),
        "Figures 12 and later: sources by each network, root of counts per pixel",
    )  # fmt: skip
    for k, line in enumerate(axes):
        top = float(np.quantile(expected[k], 0.995))
        light = float(np.quantile(m["source"][k], 0.995))
        for axis, (title, images, signed) in zip(line, columns, strict=True):
            high = top if title in ("expectation", "photons") else light
            _show(axis, images[k], light / 2 if signed else high, signed=signed)
            if k == 0:
                axis.set_title(title, fontsize=8)
        line[0].set_ylabel(f"b = {m['b'][k]:.0f} deg")
    figure.supxlabel(
        "orange: too much, purple: too little, saturated at half the bright end of "
        "the sources", fontsize=8,
    )  # fmt: skip
    return figure


def _total(plt: Any, s: dict[str, Any]) -> Any:
    """Draw the light of each patch over the true one."""
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    if "infinite" in s:
        scatter = s["infinite"]["scatter"]
        for name, values in scatter.items():
            if name != "true":
                arm, _, words = name.rpartition(", ")
                panels.setdefault(words, {})[arm] = (scatter["true"], values)
    elif "brightness" in s:
        p = s["brightness"]["patches"]
        panels["Poisson"] = {NETWORK: (p["true"], p[f"counts - {NETWORK}"])}
    if not panels:
        return None
    figure, axes = pictures.new(
        plt, 3.9, 1, len(panels), "Figures 12 and later: total counts of a patch, left "
        "over true",
    )  # fmt: skip
    marks = {"paper": "o", "paper, MSE": "^", NETWORK: "s"}
    for axis, (words, arms) in zip(axes[0], panels.items(), strict=True):
        for name, (true, left) in arms.items():
            colour = LOOK[name][0]
            axis.loglog(
                true, np.maximum(left, 1), marks[name], ms=3.5, mfc="none",
                color=colour, label=f"{WORDS[name]}, counts - background",
            )  # fmt: skip
        ends = np.array([axis.get_xlim()[0], axis.get_xlim()[1]])
        axis.plot(ends, ends, color="0.7", lw=1, zorder=0)
        least = max(axis.get_ylim()[0], ends[0] / 5)
        axis.set(title=words, xlabel="true source counts", ylabel="counts left",
                 xlim=ends, ylim=(least, None))  # fmt: skip
        axis.legend(loc="upper left")
    return figure


def _detections(plt: Any, m: dict[str, np.ndarray]) -> Any:
    if not m:
        return None
    expected = m["background"] + m["source"]
    columns: list[tuple[str, np.ndarray, str]] = []
    for words, seen in zip(INPUTS, (expected, m["counts"]), strict=True):
        columns.append((f"{words},\nraw map", seen, f"raw found, {words}"))
        if f"paper, {words}" in m:
            left = seen - m[f"paper, {words}"]
            columns.append(
                (f"{words},\npaper's network", left, f"paper found, {words}")
            )
    left = m["counts"] - m["network background"]
    columns.append(("Poisson, our network,\niterative search", left, "network found"))
    number = len(m["b"])
    figure, axes = pictures.new(
        plt, 2.15 * number + 0.8, number, len(columns),
        "Figures 12 and later: detections, SExtractor's defaults at 3 rms of each map",
    )  # fmt: skip
    for k, line in enumerate(axes):
        x, y, ts = m[f"truth {k}"]
        real = ts > BRIGHT
        for axis, (title, images, found) in zip(line, columns, strict=True):
            image = images[k]
            _show(axis, image, float(np.quantile(image, 0.997)))
            axis.scatter(x[real], y[real], s=45, facecolors="none", edgecolors="w",
                         lw=1.1)  # fmt: skip
            fx, fy = m[f"{found} {k}"]
            axis.scatter(fx, fy, s=22, marker="x", color="#ff5a36", lw=1.2)
            axis.set(xlim=(-0.5, 63.5), ylim=(-0.5, 63.5))
            if k == 0:
                axis.set_title(title, fontsize=8)
        line[0].set_ylabel(f"b = {m['b'][k]:.0f} deg")
    figure.supxlabel(f"circles: sources with Asimov TS above {BRIGHT:g}; crosses: "
                     "detections", fontsize=8)  # fmt: skip
    return figure


def _true_false(plt: Any, s: dict[str, Any]) -> Any:
    if "infinite" not in s:
        return None
    arms = s["infinite"]["arms"]
    ways = (
        ("ours", "one to one, 2.5 pixels"),
        ("paper", "the paper's count, 5 pixels"),
    )
    figure, axes = pictures.new(
        plt, 3.6, 1, 2, "Figures 12 and later: true and false detections per patch, "
        "SExtractor's defaults at 3 rms of each map",
    )  # fmt: skip
    for axis, (way, title) in zip(axes[0], ways, strict=True):
        for name, v in arms.items():
            arm, _, words = name.rpartition(", ")
            (t, dt), (f, df) = np.array([v[way]["true"], v[way]["false"]], float)
            axis.errorbar(
                [f], [t], [dt], [df], capsize=2, ms=7,
                fmt="o" if INPUTS[words] else "s",
                mfc="none" if INPUTS[words] else None, color=LOOK[arm][0],
                label=f"{WORDS.get(arm, arm)}, {words}",
            )  # fmt: skip
        axis.set(title=title, xlabel="false per patch", ylabel="true per patch")
        most = max(axis.get_xlim()[1], 0.1)
        axis.set_xlim(-0.05 * most, most)
        axis.set_ylim(0, None)
        axis.grid(color="0.92")
    axes[0][1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _light(plt: Any, s: dict[str, Any]) -> Any:
    if "brightness" not in s:
        return None
    terciles = s["brightness"]["terciles"]
    panels: dict[str, dict[str, tuple[Any, str]]] = {
        "Poisson": {
            "our network, source map": (terciles["source map"], NETWORK),
            "our network, counts - background": (terciles[f"counts - {NETWORK}"], BEST),
            "exact background": (terciles[f"counts - {EXACT}"], EXACT),
        }
    }
    if "infinite" in s:
        panels = {"infinite statistics": {}, **panels}
        for name, v in s["infinite"]["arms"].items():
            arm, _, words = name.rpartition(", ")
            if v["light"] and arm != NETWORK:
                said = f"{WORDS[arm]}, counts - background"
                panels[words][said] = (v["light"], arm)
    figure, axes = pictures.new(
        plt, 3.7, 1, len(panels), "Figure 16: light over truth, patches by tercile of "
        "the true light",
    )  # fmt: skip
    for axis, (title, arms) in zip(axes[0], panels.items(), strict=True):
        for k, (name, (pairs, look)) in enumerate(arms.items()):
            value, error = np.array(pairs[:3], float).T  # None = NaN
            axis.errorbar(
                np.arange(3) + 0.05 * k, value, error, fmt="o", ls=LOOK[look][1],
                color=LOOK[look][0], ms=4, capsize=2, label=name,
            )  # fmt: skip
        axis.axhline(1, color="0.7", lw=1, zorder=0)
        axis.set_xticks(range(3), ["faint", "middle", "bright"])
        axis.set(title=title, ylabel="predicted over true")
        axis.margins(y=0.25)
        axis.legend()
    return figure


def _completeness(plt: Any, d: dict[str, Any] | None) -> Any:
    if d is None:
        return None
    figure, axes = pictures.new(
        plt, 3.7, 1, len(BANDS),
        f"Sources with Asimov TS above {BRIGHT:g} found"
        + (", another sky than that of the training" if "rms" in d else ""),
    )  # fmt: skip
    rates = d["curves"]["rates"]
    for axis, band in zip(axes[0], BANDS, strict=True):
        axis.set(xscale="log", xlim=(rates[0], rates[-1]))
        for name, values in d["curves"]["bands"][band].items():
            axis.plot(
                rates, np.array(values, float), lw=1.8, color=LOOK[name][0],
                ls=LOOK[name][1], label=WORDS.get(name, name),
            )  # fmt: skip
        axis.axvline(0.1, color="0.85", lw=1, zorder=0)
        axis.set(title=band, xlabel="false per patch", ylim=(0, 1.02))
    axes[0][0].set_ylabel("share found")
    lines, names = axes[0][0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside right center")
    return figure
