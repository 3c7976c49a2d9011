"""Parts that the pictures share: two halves, images, legends."""

from typing import Any

import numpy as np

LEFT, RIGHT = "as in the paper", "fair version"
COLOUR = {
    "optical": "#c2410c",
    "optical-paper": "#1d4ed8",
    "input": "0.35",
    "matched": "k",
    "truth": "#15803d",
}
PAPER = {"color": "0.85", "lw": 1.0, "zorder": 0}
WIDTH, DPI = 12.0, 110


def new(height: float) -> Any:
    """Return an empty figure, in a plain style."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 10,
            "legend.fontsize": 8.5,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    return plt.figure(figsize=(WIDTH, height), layout="constrained")


def save(figure: Any, path: Any) -> None:
    """Write a picture and forget it."""
    from matplotlib import pyplot as plt

    figure.savefig(path, dpi=DPI, format="png")
    plt.close(figure)


def halves(
    figure: Any, title: str, *, widths: tuple[float, float] = (1, 1),
    left: str = LEFT, right: str = RIGHT,
) -> tuple[Any, Any]:  # fmt: skip
    """Return the two sides of a picture, each with its heading."""
    figure.suptitle(title, fontsize=12, x=0.01, ha="left", weight="bold")
    sides = figure.subfigures(1, 2, width_ratios=widths, wspace=0.03)
    for side, words in zip(sides, (left, right), strict=True):
        side.suptitle(words, fontsize=11, color="0.3")
    return tuple(sides)


def show(
    axis: Any, image: np.ndarray, *, low: float, high: float, title: str,
    signed: bool = False,
) -> Any:  # fmt: skip
    """Show an image without ticks: grey, or diverging for what is signed."""
    shown = axis.imshow(
        image, cmap="PuOr_r" if signed else "gray", vmin=low, vmax=high,
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=9)
    axis.spines[:].set_visible(False)
    return shown


def bar(figure: Any, shown: Any, axes: Any, words: str) -> None:
    """Add a thin colour bar with its unit."""
    made = figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.01, aspect=30)
    made.set_label(words, fontsize=9)
    made.ax.tick_params(labelsize=8)


def colour(name: str) -> str:
    """Return the colour of a model or arm, by the first known word of its name."""
    first = name.split(",")[0]
    return COLOUR.get(first, "0.55")


def nothing(axis: Any, words: str) -> None:
    """Say in an empty panel why it is empty."""
    axis.axis("off")
    axis.text(0.5, 0.5, words, ha="center", va="center", color="0.4",
              transform=axis.transAxes)  # fmt: skip
