"""Small runs of the bench, and what they left; shared by several test modules."""

import dataclasses
from pathlib import Path

import torch

import bgrem_core
from bgrem_core.train.recipe import RECIPES, Recipe
from bgrem_core.train.settings import LoopSettings

SRC = Path(bgrem_core.__file__).parents[1]


def smaller(name="optical_cpu", *, config, loop, **crops):
    full = Recipe.read(RECIPES / f"{name}.json")
    data = dataclasses.replace(
        full.data,
        fields=2,
        held_out=1,
        field_size=100,
        crops=dataclasses.replace(full.data.crops, batch=6, crop=48, **crops),
    )
    return dataclasses.replace(full, config=config, data=data, loop=loop)


def twenty_steps():
    """Return a small optical recipe that is trained in seconds."""
    loop = LoopSettings(
        steps=20, rate=5e-3, warmup=5, shards=2, checkpoint=100, epoch=5, validation=2
    )
    return smaller(config={"widths": [8, 12], "heads": ["mae", "mse"]}, loop=loop)


def weights(run):
    named = dict(zip(run.names, run.ema, strict=True))
    raw = {k: v.detach() for k, v in run.network.named_parameters()}
    return named, raw


def assert_equal(one, two):
    for a, b in zip(weights(one), weights(two), strict=True):
        for name in a:
            assert torch.equal(a[name], b[name]), name


def curve(folder, name="loss.csv"):
    """Return the rows without the seconds, which no two runs share."""
    lines = (folder / name).read_text().splitlines()
    cut = lines[0].endswith("seconds")
    return [line.rsplit(",", 1)[0] if cut else line for line in lines]
