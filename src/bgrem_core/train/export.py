"""Turn a run into weights that can be used: slim file plus generated card.

``python -m bgrem_core.train.export --run runs/gamma --out FOLDER``. Without ``--run``
the weights that are in the folder already get a new card, for figures that were
measured after they were made.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import BGRemError, ReadError, UsageError, WriteError
from bgrem_core.models import ModelCard
from bgrem_core.train import checkpoint
from bgrem_core.train.card import UNMEASURED, card_text
from bgrem_core.weights import slim

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

__all__ = ["add_figures", "from_run", "from_weights", "main", "tensors_digest", "write"]

_ROWS = 300
"""Last rows of the curve that are averaged."""


def tensors_digest(arrays: "Arrays") -> str:
    """Return the SHA-256 of names, shapes and numbers, whatever the card says."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(arrays[name].astype("<f4").tobytes())
    return digest.hexdigest()


def from_run(folder: Path, *, head: str = "mae") -> "tuple[dict[str, Any], Arrays]":
    """Take the averaged weights out of a run, the best ones if it kept them.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    head : str, optional
        Which of several trained outputs is kept.

    Returns
    -------
    tuple
        Fields of a `ModelCard`, and the arrays of its network by name.

    Raises
    ------
    ReadError
        The folder holds no run, or its checkpoint is damaged or of another recipe.
    """
    from bgrem_core.train.bench import RECIPE
    from bgrem_core.train.recipe import Recipe

    recipe = Recipe.read(folder / RECIPE)
    if not (folder / checkpoint.STATE).is_file():
        raise ReadError(f"{folder} holds no checkpoint", "train there first")
    state, note = checkpoint.read(folder)
    if note["recipe"] != recipe.digest():
        raise ReadError(f"{folder} mixes two recipes", "train in a new folder")
    network, config = _network(recipe, state, head)
    arrays = {k: v.contiguous().numpy() for k, v in network.state_dict().items()}
    step, batch = note["step"], _batch(recipe)
    fields = {
        "name": recipe.name,
        "version": recipe.version,
        "network": recipe.network,
        "config": config,
        "radius": network.radius,
        "pooling": network.pooling,
        "steps": 1,
        **recipe.kind().describe(recipe),
        "recipe": recipe.digest(),
        "training": {
            "steps": step,
            "planned": recipe.loop.steps,
            "finished": step >= recipe.loop.steps or "best" in state,
            "examples": step * batch,
            "minutes": round(note["seconds"] / 60, 1),
            "device": note.get("device", "cpu"),
            "parameters": sum(p.numel() for p in network.parameters()),
            "tensors": tensors_digest(arrays),
            "losses": _last_losses(folder),
            "recipe": recipe.as_dict(),
        },
    }
    if fields["method"] == "bgrem":
        fields["thresholds"] = UNMEASURED
    return fields, arrays


def _network(recipe: Any, state: "Arrays", head: str) -> tuple[Any, dict[str, Any]]:
    import torch

    from bgrem_core.networks import FastUNet, build

    config = dict(recipe.config)
    if recipe.network == "fast":
        config["head"] = head
    network: Any = build(recipe.network, **config)
    flat = torch.from_numpy(state.get("best", state["ema"]))
    with torch.no_grad():
        pieces = torch.split(flat, [p.numel() for p in network.parameters()])
        for p, value in zip(network.parameters(), pieces, strict=True):
            p.copy_(value.view(p.shape))
        for name, b in network.named_buffers():
            b.copy_(torch.from_numpy(state[f"buffer.{name}"]))
    if isinstance(network, FastUNet) and len(network.heads) > 1:
        with torch.no_grad():
            network = network.slim()
        config = network.config
    return network, config


def _batch(recipe: Any) -> int:
    data = recipe.data
    batch: int = data.crops.batch if hasattr(data, "crops") else data.batch
    return batch


def _last_losses(folder: Path) -> dict[str, float]:
    from bgrem_core.train.loop import CURVE, VALIDATION

    out = {}
    for name, word, rows in ((CURVE, "", _ROWS), (VALIDATION, "held-out ", 1)):
        if not (folder / name).is_file():
            continue
        with (folder / name).open(newline="") as file:
            table = list(csv.DictReader(file))[-rows:]
        for key in table[0] if table else ():
            if key in ("step", "norm", "rate", "seconds"):
                continue
            found = [float(r[key]) for r in table if r[key] != "nan"]
            if found:
                out[word + key] = round(fmean(found), 5)
    return out


def from_weights(path: Path) -> "tuple[dict[str, Any], Arrays]":
    """Take fields and arrays from an exported file, to give it a new card.

    Parameters
    ----------
    path : pathlib.Path
        The weights.

    Returns
    -------
    tuple
        Fields of a `ModelCard`, and the arrays of its network by name.
    """
    file = slim.read(path)
    return dict(file.metadata), {name: file.array(name) for name in file.tensors}


def add_figures(
    fields: dict[str, Any], *, thresholds: Path | None, figures: Path | None
) -> None:
    """Add what benchmarks measured, if they measured these weights.

    Parameters
    ----------
    fields : dict
        Of a `ModelCard`; changed in place.
    thresholds : pathlib.Path or None
        JSON of ``benchmarks/optical/thresholds.py``.
    figures : pathlib.Path or None
        JSON of ``first_weights.py`` in the benchmarks of the model.

    Raises
    ------
    ReadError
        A file cannot be read.
    UsageError
        A file belongs to other weights.
    """
    for path, key in ((thresholds, "thresholds"), (figures, "figures")):
        if path is None:
            continue
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ReadError(
                f"{path} cannot be read: {error}", "run the benchmark first"
            ) from error
        if data.get("weights") != fields["training"]["tensors"]:
            raise UsageError(
                f"{path} was measured with other weights", "run the benchmark again"
            )
        fields[key] = data[key]


def write(
    fields: Mapping[str, Any],
    arrays: "Arrays",
    folder: Path,
    *,
    overwrite: bool = False,
) -> Path:
    """Write weights and card beside their targets, then rename both.

    Parameters
    ----------
    fields : mapping
        Of a `ModelCard`; checked here.
    arrays : mapping of ndarray
        Float32 or int64, by name.
    folder : pathlib.Path
        Gets ``<name>.safetensors`` and ``<name>.md``.
    overwrite : bool, optional
        Replace weights of that name.

    Returns
    -------
    pathlib.Path
        The weights file.

    Raises
    ------
    WriteError
        Such weights exist, or the folder cannot be written.
    """
    card = ModelCard.from_dict(fields, where="the export")
    path = folder / f"{card.name}.safetensors"
    if path.exists() and not overwrite:
        raise WriteError(f"{path} exists", "add --overwrite to replace it")
    beside, text = path.with_suffix(".safetensors.new"), path.with_suffix(".md.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        slim.write(beside, arrays, fields)
        digest = hashlib.sha256(beside.read_bytes()).hexdigest()
        text.write_text(card_text(card, digest), encoding="utf-8")
        beside.replace(path)
        text.replace(path.with_suffix(".md"))
    except OSError as error:
        for new in (beside, text):
            new.unlink(missing_ok=True)
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "give another --out folder",
        ) from error
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Export a run, or give exported weights a new card.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        0, or the code of the error that was reported.
    """
    parser = argparse.ArgumentParser(prog="python -m bgrem_core.train.export")
    parser.add_argument("--run", type=Path, help="folder of the run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--name", default="optical", help="weights to re-export")
    parser.add_argument("--head", default="mae", choices=["mae", "mse"])
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--thresholds", type=Path, help="JSON of the benchmark")
    parser.add_argument("--figures", type=Path, help="JSON of the benchmark")
    args = parser.parse_args(argv)
    try:
        if args.run:
            fields, arrays = from_run(args.run, head=args.head)
        else:
            fields, arrays = from_weights(args.out / f"{args.name}.safetensors")
        add_figures(fields, thresholds=args.thresholds, figures=args.figures)
        path = write(fields, arrays, args.out, overwrite=args.overwrite)
    except BGRemError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.code
    sys.stdout.write(f"{path} ({path.stat().st_size / 2**20:.1f} MB) and its card\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
