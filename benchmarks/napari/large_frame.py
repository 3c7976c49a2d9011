"""A large frame in the window: opened, cleaned, strength moved; and a run cancelled.

Cancel is answered when the tile at work is done: beside its answer stands the time that
tiles took, from one to the next.

Own memory (RssAnon: without the pages of files) of the whole process, napari included,
is sampled throughout. Linux only.

xvfb-run python benchmarks/napari/large_frame.py [--size 10560] [--folder FOLDER]
xvfb-run python benchmarks/napari/large_frame.py --toy --out toy.json    # a minute
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from window import open_dock, pause, serve

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from large_frame import anonymous_kib, make_frame

from napari_bgrem.mark import marked

RESULTS = Path(__file__).parent / "results"
TOY = {"size": 1300, "tile": 256}


class Tiles:
    """The time from one tile of a session to the next, as its worker finishes them."""

    def __init__(self, session: Any) -> None:
        self.seconds: list[float] = []
        self._last: float | None = None
        session.progressed.connect(self._take)

    def _take(self, step: Any) -> None:
        # Called on the worker's thread, before it waits for the window.
        now = time.perf_counter()
        if step.stage != "tiles":
            self._last = None
            return
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now

    def summary(self) -> dict[str, float]:
        """Return the median and the longest, and how many there were."""
        return {
            "median": round(float(np.median(self.seconds)), 2),
            "longest": round(max(self.seconds), 2),
            "count": len(self.seconds),
        }


class Memory:
    """The peak of own memory, sampled on a thread of its own."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, anonymous_kib(os.getpid()))

    def take(self) -> int:
        """Return the peak since the last time, MB."""
        peak, self.peak = self.peak, anonymous_kib(os.getpid())
        return round(peak / 1024)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=10560)
    parser.add_argument("--tile", type=int, help="side of a tile, pixels")
    parser.add_argument("--toy", action="store_true", help="a small frame, small tiles")
    parser.add_argument("--folder", type=Path, help="where the frame is made")
    parser.add_argument("--out", type=Path, default=RESULTS / "large_frame.json")
    args = parser.parse_args()
    if args.toy:
        args.size, args.tile = TOY["size"], TOY["tile"]
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder, "frame.fits")
        make_frame(path, args.size)
        memory, start = Memory(), time.perf_counter()

        def note(name: str) -> None:
            nonlocal start
            now = time.perf_counter()
            rows[name] = {"peak_MB": memory.take(), "wall_s": round(now - start, 1)}
            print(name, rows[name], flush=True)
            start = time.perf_counter()

        viewer, dock = open_dock(Path(folder))
        if args.tile:
            dock.choice.set_values({"tile": args.tile})
        tiles = Tiles(dock.desk.session)
        pause(1)
        note("window")
        viewer.open(str(path), plugin="napari-bgrem")
        pause(2)
        note("opened")
        dock.start()
        serve(lambda: bool(marked(viewer, "partial")))
        serve(lambda: 0.05 < dock.desk.pace.share < 0.99)
        pressed = time.perf_counter()
        dock.desk.cancel()
        serve(lambda: not dock.desk.busy)
        answered, before = time.perf_counter() - pressed, tiles.summary()
        partial = marked(viewer, "partial")[0]
        coarse = partial.data[-1] if partial.multiscale else partial.data
        share = float(np.isfinite(coarse).mean())
        note("cancelled")
        pause(1)  # Mesa's software renderer must have drawn a layer that goes
        viewer.layers.remove(partial)
        dock.start()
        serve(lambda: not dock.desk.busy)
        pause(3)
        note("cleaned")
        dock.look.slider.setValue(50)
        serve(lambda: dock.blend.strength == 0.5)
        note("strength")
        memory.close()
        viewer.close()
    result = {
        "size": args.size,
        "steps": rows,
        "peak_MB": max(row["peak_MB"] for row in rows.values()),
        "cancel_answered_s": round(answered, 2),
        "tile_before_cancel_s": before,
        "tile_s": tiles.summary(),
        "partial_share": round(share, 3),
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
