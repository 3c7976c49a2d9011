"""The pictures of the benchmark, from benchmark.json alone; needs matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np
from report import scarce

COLOURS = {
    "matched": "k", "optical": "C3", "optical centres": "C6", "optical-paper": "C1",
    "sextractor": "C0", "sep default": "C9", "photutils": "C2", "psf": "C8",
    "starlet": "C5", "exact sky": "C4", "source only": "0.6",
}  # fmt: skip
WIDE = ("matched", "optical", "optical centres")


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    """Write all pictures; return their names, or none without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    out = []
    for name, make in (
        ("completeness", _completeness), ("true_false", _true_false),
        ("flux", _flux), ("discs", _discs),
    ):  # fmt: skip
        figure = make(plt, result)
        if figure is not None:
            figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
            plt.close(figure)
            out.append(f"{name}.png")
    return out


def _panels(plt: Any, count: int) -> tuple[Any, list[Any]]:
    columns = min(count, 3)
    lines = -(-count // columns)
    figure, axes = plt.subplots(
        lines,
        columns,
        figsize=(5 * columns, 3.8 * lines),
        squeeze=False,
        layout="constrained",
    )
    for spare in axes.ravel()[count:]:
        spare.axis("off")
    return figure, list(axes.ravel()[:count])


def _look(name: str) -> dict[str, Any]:
    width = 2.2 if name in WIDE else 1.1
    return {"label": name, "color": COLOURS.get(name, "C7"), "lw": width}


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    kinds = result["kinds"].items()
    return {k: v for k, v in kinds if v["arms"] and not scarce(v)}


def _legend(figure: Any, axes: list[Any]) -> None:
    """Put one legend of all arms beside the panels."""
    lines = {
        line.get_label(): line
        for axis in axes
        for line in axis.get_legend_handles_labels()[0]
    }
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", fontsize=8)


def _completeness(plt: Any, result: dict[str, Any]) -> Any:
    kinds = _shown(result)
    figure, axes = _panels(plt, len(kinds))
    for axis, (kind, v) in zip(axes, kinds.items(), strict=True):
        for name, arm in v["arms"].items():
            edges = np.array(arm["bins"])
            rows = np.sum(list(arm["completeness"].values()), axis=0)
            good = rows[0] >= 5
            middle = np.sqrt(edges[1:] * edges[:-1])
            axis.semilogx(middle[good], (rows[1] / np.maximum(rows[0], 1))[good],
                          **_look(name))  # fmt: skip
        axis.set(title=kind, xlabel="true S/N", ylabel="completeness", ylim=(0, 1.02))
        axis.set_xlim(1, 60)
    _legend(figure, axes)
    figure.suptitle("Completeness at 10 false detections per Mpix")
    return figure


def _true_false(plt: Any, result: dict[str, Any]) -> Any:
    kinds = _shown(result)
    figure, axes = _panels(plt, len(kinds))
    for axis, (kind, v) in zip(axes, kinds.items(), strict=True):
        for name, arm in v["arms"].items():
            curve = np.array(arm["curve"])
            shown = curve[curve[:, 1] > 0]
            if len(shown):
                axis.semilogx(shown[:, 1], shown[:, 2], **_look(name))
        axis.axvline(10, color="0.8", lw=1)
        axis.set(title=kind, xlabel="false per Mpix", ylabel="true", xlim=(0.3, 70))
    _legend(figure, axes)
    return figure


def _flux(plt: Any, result: dict[str, Any]) -> Any:
    flux = result.get("flux", {})
    if not flux:
        return None
    figure, axes = _panels(plt, len(flux))
    for axis, (kind, methods) in zip(axes, flux.items(), strict=True):
        for shift, (method, bins) in enumerate(methods.items()):
            for which, mark in (("forced", "o"), ("detected", "x")):
                got = [
                    (k, b[which][1], b[which][3])
                    for k, b in enumerate(bins.values())
                    if b[which][1] is not None
                ]
                if got:
                    place, value, half = np.array(got).T
                    axis.errorbar(place + 0.1 * shift, value, half, fmt=mark, ms=4,
                                  capsize=2, label=f"{method}, {which}")  # fmt: skip
            axis.set_xticks(range(len(bins)), list(bins))
        axis.axhline(1, color="0.7", lw=1)
        axis.set(title=kind, xlabel="true S/N", ylabel="flux ratio", ylim=(0.4, 2))
    axes[0].legend(fontsize=7)
    return figure


def _discs(plt: Any, result: dict[str, Any]) -> Any:
    discs = result.get("discs", [])
    if not discs:
        return None
    scales = sorted({d["scale"] for d in discs})
    figure, axes = _panels(plt, len(scales))
    for axis, scale in zip(axes, scales, strict=True):
        rows = [d for d in discs if d["scale"] == scale]
        for name in rows[0]["kept"]:
            values = [d["kept"][name][0] for d in rows]
            axis.plot([d["level"] for d in rows], values, "o-", label=name, ms=4)
        axis.axhline(100, color="0.8", lw=1)
        axis.set(title=f'h = {scale:g}"', xlabel="mu0, mag per square arcsec",
                 ylabel="light kept, percent")  # fmt: skip
    _legend(figure, axes)
    return figure
