"""Check plots: what the core's checks found, as curves and small images."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from bgrem_core.checks import BlankSky, FaintFlux, ResidualCheck

    Message = dict[str, Any]

__all__ = ["CHECKS", "check_message"]


def check_message(name: str, result: Any) -> "Message":
    """Return what came of a check as a message.

    Parameters
    ----------
    name : str
        Key of `CHECKS`.
    result : BlankSky, ResidualCheck or FaintFlux
        What the check returned.

    Returns
    -------
    dict
        Verdict, rows and plots.
    """
    return {
        "type": "check",
        "name": name,
        "verdict": result.verdict,
        "rows": result.rows(),
        "plots": CHECKS[name](result),
    }


def curve(
    name: str,
    x: "ArrayLike",
    y: "ArrayLike",
    *,
    low: "ArrayLike | None" = None,
    high: "ArrayLike | None" = None,
    points: bool = False,
    role: str = "other",
) -> "Message":
    """Return one line of a plot."""
    return {
        "name": name, "x": np.asarray(x), "y": np.asarray(y), "points": points,
        "low": None if low is None else np.asarray(low),
        "high": None if high is None else np.asarray(high), "role": role,
    }  # fmt: skip


def plot(
    title: str,
    curves: "list[Message]",
    *,
    x_label: str = "",
    y_label: str = "",
    zero: bool = False,
    names: "list[str] | None" = None,
) -> "Message":
    """Return a plot of lines."""
    return {
        "title": title, "x_label": x_label, "y_label": y_label, "zero": zero,
        "mark": None, "names": names, "curves": curves,
    }  # fmt: skip


def _blank_sky(result: "BlankSky") -> "list[Message]":
    width = np.diff(result.edges)
    x = np.repeat(result.edges, 2)[1:-1]
    curves = []
    for role, sky in (("original", result.original), ("cleaned", result.cleaned)):
        share = sky.counts / max(float(sky.counts.sum()), 1.0) / width
        curves.append(curve(role, x, np.repeat(share, 2), role=role))
    bell = np.linspace(float(result.edges[0]), float(result.edges[-1]), 101)
    height = np.exp(-(bell**2) / 2) / np.sqrt(2 * np.pi)
    curves.append(curve("unit Gaussian", bell, height))
    label = "sigma of the noise"
    made = plot("Blank sky", curves, x_label=label, y_label="share", zero=True)
    # What was denoised is so narrow that the rest would be flat beside it.
    return [{**made, "top": 1.6 * float(height.max())}]


def _residual(result: "ResidualCheck") -> "list[Message]":
    made: list[Message] = []
    cutout = result.cutout
    if np.isfinite(cutout).any():
        ny, nx = cutout.shape
        limit = float(np.nanmax(np.abs(cutout))) or 1.0
        image = {"ny": ny, "nx": nx, "values": cutout.ravel(), "limit": limit}
        title = "Mean residual at sources"
        made.append({"title": title, "image": image, "unit": "share of the flux"})
    if np.isfinite(result.correlation).any():
        lags = np.arange(1.0, result.correlation.shape[1] + 1)
        curves = []
        for k, (axis, role) in enumerate((("x", "cleaned"), ("y", "residual"))):
            value, error = result.correlation[k], result.correlation_err[k]
            low, high = value - error, value + error
            along = f"along {axis}"
            curves.append(
                curve(
                    along,
                    lags + 0.1 * k,
                    value,
                    low=low,
                    high=high,
                    role=role,
                    points=True,
                )
            )
            curves.append(curve(f"input, {axis}", lags, result.expected[k], role=role))
        title, label = "Correlation of neighbours", "distance (pix)"
        made.append(plot(title, curves, x_label=label, zero=True))
    return made


def _faint_flux(result: "FaintFlux") -> "list[Message]":
    some = result.count > 0
    if not some.any():
        return []
    at = np.arange(float(some.sum()))
    names = [
        f"{low:g}-{high:g}" if np.isfinite(high) else f"> {low:g}"
        for low, high, good in zip(
            result.edges[:-1], result.edges[1:], some, strict=True
        )
        if good
    ]
    curves = [
        curve(
            "cleaned", at, result.median[some], low=result.low[some],
            high=result.high[some], points=True, role="cleaned",
        ),
        curve("by choice alone", at, result.expected[some]),
    ]  # fmt: skip
    title = "Flux, cleaned over input"
    return [plot(title, curves, x_label="S/N", zero=True, names=names)]


CHECKS: "dict[str, Callable[[Any], list[Message]]]" = {
    "blank_sky": _blank_sky,
    "residual": _residual,
    "faint_flux": _faint_flux,
}
"""How the checks of the core are drawn, by their names."""
