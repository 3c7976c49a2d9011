"""Steps per second of each recipe, against its simulator alone.

Each recipe runs a few steps in a scratch folder; the simulator draws the same batches
with nothing else at work. Medians, because the first steps set up their kernels.

python benchmarks/train/speed.py [--recipes optical_cpu gamma_cpu ...] [--steps 12]
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

from bgrem_core.train.bench import trainer
from bgrem_core.train.feed import Feed
from bgrem_core.train.recipe import RECIPES, Recipe

RESULTS = Path(__file__).parent / "results"


def smaller(recipe: Recipe) -> Recipe:
    """Fewer fields, simulated once: the draw of a batch does not depend on them."""
    few = {"fields": 4, "held_out": 1} if recipe.family == "optical" else {}
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **few))


def measure(recipe: Recipe, steps: int, folder: Path) -> dict:
    run = trainer(recipe, folder)
    rows = []
    for row in run.run():
        rows.append(row["seconds"])
        if len(rows) >= steps:
            break
    feed = Feed(recipe, folder)
    draws = []
    for k in range(2 * steps):
        begun = time.perf_counter()
        batch = feed(k)
        draws.append(time.perf_counter() - begun)
    size = len(next(iter(batch.values())))
    step, draw = statistics.median(rows[2:]), statistics.median(draws)
    return {
        "recipe": f"{recipe.name}, batch {size}",
        "shards": recipe.loop.shards,
        "threads": recipe.loop.threads,
        "seconds_per_step": round(step, 4),
        "samples_per_second": round(size / step, 1),
        "simulator_samples_per_second": round(size / draw, 1),
        "simulator_share_percent": round(100 * draw / step, 1),
        "minutes_of_the_recipe": round(step * recipe.loop.steps / 60, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    every = sorted(p.stem for p in RECIPES.glob("*_cpu.json"))
    parser.add_argument("--recipes", nargs="+", default=every)
    parser.add_argument("--steps", type=int, default=12)
    args = parser.parse_args()
    rows = []
    for name in args.recipes:
        recipe = smaller(Recipe.read(RECIPES / f"{name}.json"))
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(recipe, args.steps, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
