"""Train the paper's network with each of its three losses, all else equal (app. C).

python benchmarks/paper/losses.py [--steps 300] [--runs runs/losses]

Prints what `run.py --losses` wants. A run that was stopped goes on where it was.
"""

import argparse
import dataclasses
from pathlib import Path

from bgrem_core.train import export
from bgrem_core.train.bench import trainer
from bgrem_core.train.recipe import Recipe, shipped

LOSSES = ("mae", "mse", "huber")


def recipe(loss: str, steps: int) -> Recipe:
    base = Recipe.read(shipped("optical-paper", "cpu"))
    epoch = max(1, base.loop.epoch * steps // base.loop.steps)
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, loss=loss),
        loop=dataclasses.replace(base.loop, steps=steps, epoch=epoch),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--runs", type=Path, default=Path("runs/losses"))
    parser.add_argument("--fields", type=Path, default=Path("runs/paper/fields"))
    args = parser.parse_args()
    words = []
    for loss in LOSSES:
        folder = args.runs / loss
        if args.fields.is_dir() and not (folder / "fields").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "fields").symlink_to(args.fields.resolve())
        run = trainer(recipe(loss, args.steps), folder)
        for row in run.run():
            if row["step"] % 50 == 0:
                print(loss, row, flush=True)
        fields, arrays = export.from_run(folder)
        path = export.write(fields, arrays, folder / "weights", overwrite=True)
        words.append(f"{loss}={path}")
    print("--losses", *words)


if __name__ == "__main__":
    main()
