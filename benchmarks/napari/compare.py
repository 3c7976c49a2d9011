"""How long the window stands still when a result is put up for comparison.

The longest gap of the event loop, in two arms of one run, in turn: all in one go, as
without a window; and piece by piece, as the dock does. The first time of all is told
apart: napari then makes its overlays and draws each letter for the first time.

xvfb-run python benchmarks/napari/compare.py [--size 3000] [--rounds 5]
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from responsive import frame
from window import Gaps, open_dock, pause, serve

from napari_bgrem.compared import newest_groups

RESULTS = Path(__file__).parent / "results"
SHOWN = 3.0  # seconds, in which all pieces come


def at_once(function) -> None:
    function()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "compare.json")
    args = parser.parse_args()
    gaps = Gaps()
    with tempfile.TemporaryDirectory() as folder:
        viewer, dock = open_dock(Path(folder))
        viewer.add_image(frame(args.size), name="field")
        dock.choice.method.setCurrentIndex(dock.choice.method.findData("mesh"))
        pause(2)
        with gaps:
            dock.start()
            serve(lambda: not dock.desk.busy)
            pause(SHOWN)
        first = max(gaps.all)
        groups, soon = newest_groups(viewer, dock.desk.source), dock.comparison.soon
        arms = {"one go": at_once, "pieces": soon}
        longest: dict[str, list[float]] = {name: [] for name in [*arms, "leave"]}
        for _ in range(args.rounds):
            for name, how in arms.items():
                with gaps:
                    pause(0.1)  # the clock must have ticked before
                    dock.comparison.leave()
                    pause(1)
                longest["leave"].append(max(gaps.all))
                dock.comparison.soon = how
                with gaps:
                    pause(0.1)
                    dock.comparison.enter(groups)
                    pause(SHOWN)
                longest[name].append(max(gaps.all))
        viewer.close()
    result = {
        "size": args.size,
        "first_ms": round(1000 * first),
        "median_ms": {k: round(1000 * float(np.median(v))) for k, v in longest.items()},
        "longest_ms": {k: round(1000 * max(v)) for k, v in longest.items()},
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
