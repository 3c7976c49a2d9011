"""Training on a user's own raw frames: what comes before the steps, and after them."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bgrem_core.errors import BGRemError, ModelError, UsageError, WriteError
from bgrem_core.models import list_models
from bgrem_core.networks import build
from bgrem_core.systematics.classical import classical, plain
from bgrem_core.systematics.trails import measure_trails
from bgrem_core.train import checkpoint, export
from bgrem_core.train.bench import claim, make_folder, recipe_of
from bgrem_core.train.collect import collect
from bgrem_core.train.frames import FrameData, cut_outs
from bgrem_core.train.lock import lock
from bgrem_core.train.proof import (
    Comparison,
    Tile,
    compare,
    network_map,
    put_in,
    summary,
)
from bgrem_core.train.start import Start, read_start
from bgrem_core.white import white_rms

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]
    Map = Callable[[Float], Float]

__all__ = ["PROOF", "finish", "with_frames"]

_log = logging.getLogger(__name__)

PROOF = "proof.json"
SHIPPED = "satellites"
CLASSICAL = "the classical map"
_TILES = 48
"""Most tiles on which maps are compared."""


def with_frames(
    recipe: "Recipe", sources: Sequence[Path], folder: Path, start: Start | None
) -> "Recipe":
    """Read the frames into the folder of a run, and name them in its recipe.

    Parameters
    ----------
    recipe : Recipe
        Of the family frames, without frames.
    sources : sequence of pathlib.Path
        Files and folders.
    folder : pathlib.Path
        Of the run.
    start : Start or None
        Weights to begin with; the recipe takes over their network.

    Returns
    -------
    Recipe
        That can be trained in the folder.

    Raises
    ------
    UsageError
        Too few frames; the folder holds a run of other frames or settings; the name
        is that of weights that ship.
    ReadError
        A file or folder is missing.
    WriteError
        The folder cannot be written, or holds weights of that name of another run.
    """
    if recipe.name in {card.name for card in list_models()}:
        raise UsageError(
            f"{recipe.name} is the name of weights that ship", "give another --name"
        )
    begun = (folder / checkpoint.STATE).exists()
    weights = folder / f"{recipe.name}.safetensors"
    if weights.exists() and not begun:
        raise WriteError(f"{weights} exists", "give another --name or --out")
    if start is not None:
        recipe = dataclasses.replace(
            recipe, network=start.network, config=dict(start.config)
        )
    fresh = not folder.exists()
    make_folder(folder)
    try:
        with lock(folder):
            data = collect(sources, recipe.data, folder, write=not begun)
            recipe = dataclasses.replace(recipe, data=data)
            if start is not None:
                recipe = start.told(recipe)
            if begun:
                # A run of other frames is refused before anything is added to it.
                claim(recipe, folder)
                collect(sources, recipe.data, folder, write=True)
    except BGRemError:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return recipe


def finish(folder: Path, start: Start | None, *, device: str = "cpu") -> Iterator[str]:
    """Compare the weights of a run with others on the held-out frames, and export them.

    Parameters
    ----------
    folder : pathlib.Path
        Of a run of the family frames that has ended; gets the weights, their card and
        what was measured.
    start : Start or None
        Weights that it began with; None compares with those that ship.
    device : str, optional
        Torch device.

    Yields
    ------
    str
        Lines for people.

    Raises
    ------
    WriteError
        Other weights of that name are there, or the folder cannot be written.
    """
    fields, arrays = export.from_run(folder)
    path = folder / f"{fields['name']}.safetensors"
    if path.exists():
        yield from _there_already(path, fields)
        return
    own = str(fields["name"])
    start = start or read_start(SHIPPED)
    rival = start.name if start.name != own else f"{start.name}, as it began"
    networks = {
        rival: _network(start.network, dict(start.config), start.state, device),
        own: _network(fields["network"], fields["config"], _tensors(arrays), device),
    }
    data = recipe_of(folder).data
    tiles, angles = _tiles(folder, data)
    if not tiles:
        yield "no tile of the held-out frames has room for targets: nothing is compared"
    else:
        yield f"comparing maps on {len(tiles)} tiles of the held-out frames ..."
        found: Comparison | None = None
        for line in compare(tiles, _arms(angles, networks, device)):
            if isinstance(line, str):
                yield line
            else:
                found = line
        assert found is not None  # noqa: S101 - compare ends with it
        fields["figures"] = summary(found, own, [CLASSICAL, rival])
        yield from _told(fields["figures"])
        _keep(folder / PROOF, found, fields)
    export.write(fields, arrays, folder)
    yield f"{path} ({path.stat().st_size / 2**20:.1f} MB) and its card"
    yield f"to use it: bgrem --method systematics --model {path} -f FRAME"


def _there_already(path: Path, fields: dict[str, Any]) -> Iterator[str]:
    """Say what is known of weights that were exported before."""
    try:
        known, _ = export.from_weights(path)
    except BGRemError:
        known = {}
    if known.get("training", {}).get("tensors") != fields["training"]["tensors"]:
        raise WriteError(f"{path} exists", "move it away, or give another --out")
    yield from _told(known["figures"])
    yield f"{path} holds these weights already; nothing was replaced"


def _told(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the table and the notes of a card."""
    rows = figures.get("table", ())
    wide = (
        [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else ()
    )
    for row in rows:
        cells = (cell.ljust(n) for cell, n in zip(row, wide, strict=True))
        yield "  ".join(cells).rstrip()
    yield from figures.get("notes", ())


def _keep(path: Path, found: Comparison, fields: dict[str, Any]) -> None:
    """Write what was measured at each target."""
    out = {
        "weights": fields["training"]["tensors"],
        "figures": fields["figures"],
        "tiles": found.tiles.tolist(),
        "frames": found.frames.tolist(),
        "values": {k: np.round(v, 4).tolist() for k, v in found.values.items()},
    }
    try:
        path.write_text(json.dumps(out) + "\n", encoding="utf-8")
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "make room and run the same command again",
        ) from error


def _tiles(folder: Path, data: FrameData) -> tuple[list[Tile], list[float | None]]:
    """Cut tiles from the held-out frames, equally many from each; put targets in."""
    frames = cut_outs(folder, data.digest, held_out=True)
    each = max(1, _TILES // len(frames))
    tiles: list[Tile] = []
    angles: list[float | None] = []
    for number, cuts in enumerate(frames[:_TILES]):
        rng = np.random.default_rng([data.split_seed, number])
        whole = [np.asarray(cut) for cut in cuts]
        trails = [_angle(cut) for cut in whole]
        for _ in range(each):
            k = int(rng.integers(len(whole)))
            n = data.crop
            y, x = (int(rng.integers(0, side - n + 1)) for side in whole[k].shape)
            tile = put_in(whole[k][y : y + n, x : x + n], rng, frame=number)
            if tile is not None:
                tiles.append(tile)
                angles.append(trails[k])
    return tiles, angles


def _angle(cut: "Float") -> float | None:
    """Return the direction of the trails in a cut-out, None where there are none."""
    rest = cut - plain(cut)
    shape = measure_trails(rest, white_rms(cut))
    return None if shape is None else shape.angle


def _arms(
    angles: Sequence[float | None], networks: "dict[str, nn.Module]", device: str
) -> "Callable[[int], dict[str, Map]]":
    def arms(k: int) -> "dict[str, Map]":
        out: dict[str, Map] = {CLASSICAL: lambda x: classical(x, angles[k])}
        for name, network in networks.items():
            out[name] = network_map(_predictor(network, device), (k,))
        return out

    return arms


def _network(kind: str, config: dict[str, Any], state: Any, device: str) -> "nn.Module":
    network = build(kind, **config)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:  # cannot be: both were checked when they were read
        raise ModelError(
            "the weights do not fit their network", "train anew"
        ) from error
    return network.eval().to(device)


def _tensors(arrays: Any) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}


def _predictor(network: "nn.Module", device: str) -> "Callable[[Float, Float], Float]":
    def predict(x: "Float", t: "Float") -> "Float":
        with torch.inference_mode():
            inputs = (torch.from_numpy(a).to(device) for a in (x, t))
            out: Float = network(*inputs).float().cpu().numpy()
        return out

    return predict
