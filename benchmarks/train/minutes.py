"""What 5, 15 and 40 minutes of two cores buy on the optical model.

The shipped recipe with its number of steps cut to shares of 5/40 and 15/40, each with
its own warm-up and cosine down to a rate of nothing: what somebody gets who has that
long, not a look at a run in passing. Two measures: the error on held-out crops that
all arms share, and true positives at ten false per Mpix against the strongest classical
arm, on frames of the full simulator.

python benchmarks/train/minutes.py [--runs runs/minutes] [--minutes 5 15 40]
A run that is there already, whole, is not trained again.
"""

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "optical"))

import quick

from bgrem_core.train import export
from bgrem_core.train.bench import trainer
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import Recipe, shipped

RESULTS = Path(__file__).parent / "results"
WHOLE = 40
"""Minutes that the shipped recipe is cut to."""
BATCHES = 24


def cut(minutes: int) -> Recipe:
    recipe = Recipe.read(shipped("optical", "cpu"))
    steps = round(recipe.loop.steps * minutes / WHOLE)
    loop = dataclasses.replace(recipe.loop, steps=steps)
    return dataclasses.replace(recipe, loop=loop)


def held_out_error(run: Trainer) -> dict[str, list[float]]:
    """Mean errors at level 1 on the same held-out crops, with their scatter."""
    rows = run.score(range(1000, 1000 + BATCHES))
    out = {}
    for name in ("mae", "mse"):
        values = np.array([r[name] for r in rows])
        error = np.nanstd(values, ddof=1) / math.sqrt(len(values))
        out[name] = [round(float(np.nanmean(values)), 5), round(float(error), 5)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/minutes"))
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 15, 40])
    parser.add_argument("--kinds", nargs="+", default=["dark", "crowded"])
    parser.add_argument("--number", type=int, default=2, help="frames of each kind")
    args = parser.parse_args()
    rows = []
    for minutes in args.minutes:
        folder = args.runs / str(minutes)
        run = trainer(cut(minutes), folder)
        for row in run.run():
            if row["step"] % 500 == 0:
                print(minutes, row, flush=True)
        fields, arrays = export.from_run(folder)
        path = export.write(fields, arrays, folder / "weights", overwrite=True)
        found = quick.found(str(path), tuple(args.kinds), number=args.number)
        rows.append(
            {
                "minutes": minutes,
                "steps": run.step,
                "minutes_taken": round(run.seconds / 60, 1),
                "held_out": held_out_error(run),
                "to_strongest": {k: v["optical"] for k, v in found.items()},
                "weights": fields["training"]["tensors"],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "minutes.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
