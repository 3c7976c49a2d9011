"""Put a recipe on the bench: network, batches, loop, in the folder of the run."""

import dataclasses
import json
import os
from pathlib import Path

import torch

from bgrem_core.errors import BGRemError, ReadError, UsageError, WriteError
from bgrem_core.train import checkpoint
from bgrem_core.train.feed import Feed
from bgrem_core.train.fit import fitting_network
from bgrem_core.train.lock import lock
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import Recipe
from bgrem_core.train.start import Start

__all__ = ["RECIPE", "claim", "make_folder", "recipe_of", "trainer"]

RECIPE = "recipe.json"
_PER_CORE = 4


def trainer(
    recipe: Recipe,
    folder: Path,
    *,
    start: Start | None = None,
    device: str = "cpu",
    workers: int = 0,
) -> Trainer:
    """Prepare a run, or take up the one that is in the folder.

    Parameters
    ----------
    recipe : Recipe
        What to train, on what, how long.
    folder : pathlib.Path
        Of the run: recipe, simulated data, checkpoint, curves.
    start : Start, optional
        Weights to begin with; default random ones.
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
        The recipe cannot be trained here, the folder holds a run of another one, the
        device is not there, or the recipe begins with other weights than are given.
    ReadError
        The checkpoint or the simulated data in the folder are damaged.
    WriteError
        The folder cannot be written.
    """
    _check_machine(recipe, device)
    there = (folder / checkpoint.STATE).exists()
    if start is not None:
        recipe = start.told(recipe)
    elif there:
        recipe = _with_its_start(recipe, folder)
    elif recipe.start:
        raise UsageError(
            f"the recipe begins with the weights {recipe.start[:16]}...",
            "give them by --from",
        )
    # The state of the caller's generator is put back: seeds are handed in, not set.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = fitting_network(recipe)
    if start is not None and not there:
        start.put_into(network, recipe)
    make_folder(folder)
    with lock(folder):
        claim(recipe, folder)
        feed = Feed(recipe, folder, workers=workers)
    loss = recipe.kind().loss
    return Trainer(
        network,
        feed=feed,
        loss=lambda net, batch: loss(net, batch, recipe),
        settings=recipe.loop,
        folder=folder,
        identity=recipe.digest(),
        device=device,
    )


def make_folder(folder: Path) -> None:
    """Make the folder of a run.

    Parameters
    ----------
    folder : pathlib.Path
        May exist.

    Raises
    ------
    WriteError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def recipe_of(folder: Path) -> Recipe:
    """Return the recipe of a run.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Recipe
        As the run was started.

    Raises
    ------
    ReadError
        There is none, or it is damaged.
    """
    path = folder / RECIPE
    if not path.is_file():
        raise ReadError(f"{folder} holds no run: {RECIPE} is missing", "train there")
    try:
        return Recipe.read(path)
    except BGRemError as error:
        raise ReadError(
            f"{path} is damaged: {error.sentence}",
            "put the recipe of that run there, or use a new folder",
        ) from error


def _with_its_start(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with the start of the run that is there, if that is all."""
    if not (folder / RECIPE).exists():
        return recipe
    begun = dataclasses.replace(recipe, start=recipe_of(folder).start)
    return begun if begun == recipe_of(folder) else recipe


def _check_machine(recipe: Recipe, device: str) -> None:
    cores, threads = os.cpu_count() or 1, recipe.loop.threads
    if threads > _PER_CORE * cores:
        raise UsageError(
            f"recipe.loop.threads={threads} is too much for {cores} cores",
            f"give at most {_PER_CORE * cores}",
        )
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.split(":")[0], False):
        have = ", ".join(name for name, ok in there.items() if ok)
        raise UsageError(f"device {device!r} is not available", f"use {have}")


def claim(recipe: Recipe, folder: Path) -> None:
    """Write the recipe into the folder, unless it holds a run of another.

    Parameters
    ----------
    recipe : Recipe
        Of the run that is to be there.
    folder : pathlib.Path
        Exists, and is held by this process.

    Raises
    ------
    UsageError
        A run of another recipe is there.
    WriteError
        The folder cannot be written.
    """
    path = folder / RECIPE
    if (folder / checkpoint.STATE).exists() and path.exists():
        if recipe_of(folder).digest() != recipe.digest():
            raise UsageError(
                f"{folder} belongs to another recipe",
                "use a new --out folder or the recipe it was started with",
            )
        return
    beside = path.with_suffix(".json.new")
    try:
        beside.write_text(json.dumps(recipe.as_dict(), indent=2) + "\n")
        beside.replace(path)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{folder} cannot be written: {error.strerror or error}",
        "give a folder with room for a run",
    )
