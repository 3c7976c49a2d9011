"""Put a recipe on the bench: network, batches, loop, in the folder of the run."""

import json
from pathlib import Path

import torch

from bgrem_core.errors import UsageError, WriteError
from bgrem_core.networks import build
from bgrem_core.train.feed import Feed
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import Recipe

__all__ = ["RECIPE", "trainer"]

RECIPE = "recipe.json"


def trainer(
    recipe: Recipe, folder: Path, *, device: str = "cpu", workers: int = 0
) -> Trainer:
    """Prepare a run, or take up the one that is in the folder.

    Parameters
    ----------
    recipe : Recipe
        What to train, on what, how long.
    folder : pathlib.Path
        Of the run: recipe, simulated data, checkpoint, curves.
    device : str, optional
        Torch device: cpu, cuda, mps.
    workers : int, optional
        Processes that draw batches ahead; the result does not depend on it.

    Returns
    -------
    Trainer
        Ready to `Trainer.run`.

    Raises
    ------
    UsageError
        The folder holds a run of another recipe, or the device is not there.
    ReadError
        The checkpoint in the folder is damaged.
    WriteError
        The folder cannot be written.
    """
    _check_device(device)
    _claim(recipe, folder)
    # The state of the caller's generator is put back: seeds are handed in, not set.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = build(recipe.network, **recipe.config)
    loss = recipe.kind().loss
    return Trainer(
        network,
        feed=Feed(recipe, folder, workers=workers),
        loss=lambda net, batch: loss(net, batch, recipe),
        settings=recipe.loop,
        folder=folder,
        identity=recipe.digest(),
        device=device,
    )


def _check_device(device: str) -> None:
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.split(":")[0], False):
        have = ", ".join(name for name, ok in there.items() if ok)
        raise UsageError(f"device {device!r} is not available", f"use {have}")


def _claim(recipe: Recipe, folder: Path) -> None:
    """Write the recipe into a new folder; refuse one that belongs to another."""
    path = folder / RECIPE
    if path.exists():
        if Recipe.read(path).digest() != recipe.digest():
            raise UsageError(
                f"{folder} belongs to another recipe",
                "use a new --out folder or the recipe it was started with",
            )
        return
    beside = path.with_suffix(".json.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(recipe.as_dict(), indent=2) + "\n")
        beside.replace(path)
    except OSError as error:
        raise WriteError(
            f"{folder} cannot be written: {error.strerror or error}",
            "give a folder with room for a run",
        ) from error
