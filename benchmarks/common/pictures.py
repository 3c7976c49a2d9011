"""Pictures of a benchmark, all in one look; they need matplotlib."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 11.0
Maps = dict[str, np.ndarray]
Make = Callable[[Any, Maps], Any]


def draw(makes: dict[str, Make], examples: Path, folder: Path, dpi: int) -> list[str]:
    """Write all pictures; return their names, or none without matplotlib.

    Each is made of pyplot and the example maps, if there are some; None is no picture.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(
        {
            "font.size": 9, "axes.titlesize": 9, "legend.fontsize": 8,
            "legend.frameon": False, "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )  # fmt: skip
    maps: Maps = {}
    if examples.is_file():
        with np.load(examples) as file:
            maps = {k: file[k] for k in file.files}
    out = []
    for name, make in makes.items():
        figure = make(plt, maps)
        if figure is not None:
            _save(figure, folder / f"{name}.png", dpi)
            plt.close(figure)
            out.append(f"{name}.png")
    return out


def new(plt: Any, height: float, rows: int, columns: int, title: str) -> Any:
    """Return a figure with its title, and its axes."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained"
    )
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", weight="bold")
    return figure, axes


def _save(figure: Any, path: Path, dpi: int) -> None:
    """Write 256 colours, as noise makes large files; beside the target first."""
    from PIL import Image

    beside = path.with_name(path.name + ".new")
    with BytesIO() as whole:
        figure.savefig(whole, dpi=dpi, format="png")
        few = Image.open(whole).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(beside, format="png", optimize=True)
    beside.replace(path)
