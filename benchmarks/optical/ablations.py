"""What the choices behind the optical weights are worth, each trained for equally long.

Every variant is the recipe `long` with one thing changed and the same number of steps,
far fewer than those of the weights that ship: what counts is the difference from
"base". Two measures: the error of the noise on the same held-out crops, and true
positives at ten false per Mpix, over the matched filter's, best recipe against best.

python benchmarks/optical/ablations.py [--steps 1500] [--only NAME ...] [--runs FOLDER]

A run that was stopped goes on where it was.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from cache import RESULTS
from denoiser import Denoiser
from quick import found

from bgrem_core.train import export
from bgrem_core.train.bench import trainer
from bgrem_core.train.feed import Feed
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import Recipe, shipped

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "joint objective": {"data": {"objective": "joint"}},
    "noise heads alone": {"config": {"heads": ["mae", "mse"]}},
    "sigma in electrons not told": {"crops": {"known": 0.0}},
    "half the width": {"config": {"widths": [20, 36, 56]}},
    "one level more": {"config": {"widths": [40, 72, 112, 112]}},
    "an eighth of the fields": {"data": {"fields": 14}},
}
BATCHES = range(1000, 1016)
KINDS = ("dark", "deep", "crowded")


def recipe(name: str, steps: int) -> Recipe:
    """Return the recipe of a variant."""
    base = Recipe.read(shipped("optical", "long"))
    change = VARIANTS[name]
    crops = dataclasses.replace(base.data.crops, **change.get("crops", {}))
    data = dataclasses.replace(base.data, crops=crops, **change.get("data", {}))
    loop = dataclasses.replace(base.loop, steps=steps, epoch=steps, warmup=steps // 20)
    config = {**base.config, **change.get("config", {})}
    return dataclasses.replace(base, data=data, loop=loop, config=config)


def train(name: str, steps: int, folder: Path, fields: Path) -> Trainer:
    """Train a variant; the fields of all variants lie in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "fields").exists():
        fields.mkdir(parents=True, exist_ok=True)
        (folder / "fields").symlink_to(fields.resolve())
    run = trainer(recipe(name, steps), folder, workers=1)
    for row in run.run():
        if row["step"] % 250 == 0:
            print(name, row, flush=True)
    return run


def held_out(run: Trainer, name: str, steps: int) -> list[float]:
    """Return the mean absolute error at level 1, in sigma, and its scatter's error."""
    # The crops of all variants come from the same held-out fields, whatever theirs are.
    own, base = recipe(name, steps), recipe("base", steps)
    data = dataclasses.replace(own.data, fields=base.data.fields)
    run.feed = Feed(dataclasses.replace(own, data=data), run.folder)
    values = [row["mae"] for row in run.score(BATCHES)]
    error = np.nanstd(values, ddof=1) / np.sqrt(len(values))
    return [round(float(np.nanmean(values)), 5), round(float(error), 5)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--fields", type=Path, default=Path("runs/long/fields"))
    parser.add_argument("--frames", type=int, default=2, help="of 4 Mpix, a kind")
    args = parser.parse_args()
    rows, start = [], time.monotonic()
    for name in args.only or VARIANTS:
        folder = args.runs / name.replace(" ", "_")
        run = train(name, args.steps, folder, args.fields)
        card, arrays = export.from_run(folder)
        path = export.write(card, arrays, folder / "weights", overwrite=True)
        joint = "joint" in name
        rows.append(
            {
                "name": name,
                "change": VARIANTS[name],
                "steps": run.step,
                "minutes": round(run.seconds / 60, 1),
                "parameters": sum(p.numel() for p in run.params),
                # Of another target, where the sky is to be predicted too.
                "held_out_mae": None if joint else held_out(run, name, args.steps),
                "weights": Denoiser(str(path)).digest,
                "to_strongest": found(str(path), KINDS, number=args.frames),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        result = {"steps": args.steps, "kinds": KINDS, "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        beside = RESULTS / "ablations.json.new"
        beside.write_text(json.dumps(result, indent=1) + "\n")
        beside.replace(RESULTS / "ablations.json")
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
