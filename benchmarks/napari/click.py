"""Time of one click of the inspector, in a window with the three cells, milliseconds.

xvfb-run -a python benchmarks/napari/click.py    # or on a screen, without xvfb-run
"""

import json
import platform
import time
from pathlib import Path

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QApplication

import bgrem_core
import napari
from bgrem_core.samples import path
from napari_bgrem._qt.inspector import Inspector
from napari_bgrem.compared import comparison_of, newest_groups
from napari_bgrem.layers import image_layers
from napari_bgrem.products import result_layers

FRAME, CLICKS = "cfhtls_g", 20
RESULTS = Path(__file__).parent / "results" / "click.json"


class Timed:
    """Adds up the time that calls of a function take."""

    def __init__(self, function):
        self.function = function
        self.seconds = 0.0

    def __call__(self, *args, **kwargs):
        start = time.perf_counter()
        try:
            return self.function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - start


def window():
    """Return a viewer with a result, compared, and its inspector after a search."""
    viewer = napari.Viewer()
    image = bgrem_core.open_image(path(FRAME))
    separation = bgrem_core.clean(image)
    for made in image_layers(image, name=FRAME):
        viewer.add_layer(Layer.create(*made))
    for made in result_layers(separation, like=viewer.layers[0], run="1"):
        viewer.add_layer(Layer.create(*made))
    inspector = Inspector(viewer)
    viewer.window.add_dock_widget(inspector, name="Inspect sources")
    comparison_of(viewer).enter(newest_groups(viewer))
    inspector.find_sources()
    while inspector.collected.table is None:
        QApplication.processEvents()
    inspector.inspect.click()
    return viewer, inspector


def clicks(viewer, inspector):
    """Return the times of clicks: sources and blank sky, all cells in turn."""
    rng = np.random.default_rng(1)
    layers = [group[0] for group in newest_groups(viewer)]
    table = inspector.collected.table
    rows = rng.integers(0, len(table), CLICKS + 3)
    times = []
    for k, row in enumerate(rows):
        x, y = table["x"][row].value, table["y"][row].value
        if k % 4 == 3:
            x, y = rng.uniform(10, 400, 2)
        parts = {
            "core": (inspector.collected, "look"),
            "rings": (inspector.rings, "show"),
            "rows": (inspector.rows, "show_rows"),
            "profile": (inspector.profile, "set_curves"),
            "growth": (inspector.growth, "set_curves"),
        }
        timed = {name: Timed(getattr(*where)) for name, where in parts.items()}
        for name, (where, method) in parts.items():
            setattr(where, method, timed[name])
        start, cpu = time.perf_counter(), time.process_time()
        inspector.click(layers[k % 3], x, y)
        total, cpu = time.perf_counter() - start, time.process_time() - cpu
        for where, method in parts.values():
            delattr(where, method)
        QApplication.processEvents()
        found = {name: 1000 * part.seconds for name, part in timed.items()}
        times.append({"total": 1000 * total, "cpu": 1000 * cpu, **found})
    # The first ones make layers and labels.
    return times[3:]


def main():
    viewer, inspector = window()
    times = clicks(viewer, inspector)
    viewer.close()
    medians = {k: round(float(np.median([t[k] for t in times])), 1) for k in times[0]}
    worst = round(max(t["total"] for t in times), 1)
    print(f"one click, own time without repaint, median of {CLICKS}:")
    for name, value in medians.items():
        print(f"  {name:8s} {value:6.1f} ms")
    print(f"  longest  {worst:6.1f} ms")
    record = {
        "frame": FRAME,
        "clicks": CLICKS,
        "median_ms": medians,
        "longest_ms": worst,
        "napari": napari.__version__,
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
