"""Make the picture of the window: a sample run, compared, and one source inspected.

Needs a screen, or Xvfb:

xvfb-run -a -s "-screen 0 1720x1000x24" python docs/make_napari_image.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

import napari

IMAGES = Path(__file__).parent / "images"
SOURCE = (118.2, 224.7)  # a star beside the galaxy of the sample
PLUGIN = "napari-bgrem"


def serve(until: Callable[[], bool], limit: float = 300.0) -> None:
    """Run the event loop until something is so."""
    end = time.monotonic() + limit
    while not until() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def pause(seconds: float) -> None:
    """Run the event loop for a while."""
    end = time.monotonic() + seconds
    serve(lambda: time.monotonic() > end)


def main() -> None:
    """Run the sample, find its sources, look at one of them, keep the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="decam_r")
    parser.add_argument("--at", type=float, nargs=2, default=SOURCE, metavar=("X", "Y"))
    parser.add_argument("--out", type=Path, default=IMAGES / "napari.png")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
        viewer = napari.Viewer()
        viewer.window.resize(1700, 960)
        dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Remove background")[1]
        viewer.open_sample(PLUGIN, args.sample)
        pause(1)
        dock.start()
        serve(lambda: not dock.desk.busy)
        dock.find_sources()
        serve(lambda: not dock.desk.busy)
        inspector = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect sources")[1]
        pause(1)
        inspector.look(*args.at)
        inspector.tabs.setCurrentIndex(0)
        pause(1)
        viewer.screenshot(str(args.out), canvas_only=False, flash=False)
        viewer.close()
    with Image.open(args.out) as picture:
        picture.convert("RGB").quantize(256).save(args.out, optimize=True)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
