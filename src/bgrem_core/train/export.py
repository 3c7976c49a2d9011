"""Turn a run into weights that can be used: slim file plus generated card.

``python -m bgrem_core.train.export --run runs/gamma --out FOLDER``. Without ``--run``
the weights ``--name`` that are in the folder already get a new card, for figures that
were measured after they were made.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import BGRemError, ReadError, UsageError, WriteError
from bgrem_core.model_card import UNMEASURED, ModelCard
from bgrem_core.plain_text import plain
from bgrem_core.train import checkpoint, curve
from bgrem_core.train.card import card_text
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
    UsageError
        The run has no such head.
    """
    from bgrem_core.train.bench import recipe_of

    recipe = recipe_of(folder)
    if not (folder / checkpoint.STATE).is_file():
        raise ReadError(f"{folder} holds no checkpoint", "train there first")
    state, note = checkpoint.read(folder)
    if note["recipe"] != recipe.digest():
        raise ReadError(f"{folder} mixes two recipes", "train in a new folder")
    network, config = _network(recipe, state, head)
    arrays = {k: v.contiguous().numpy() for k, v in network.state_dict().items()}
    step, loop = note["step"], recipe.loop
    batch, _ = recipe.kind().examples(recipe.data)
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
            "planned": loop.steps,
            "finished": step >= loop.steps or 0 < loop.patience <= note["since"],
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
        heads = config.get("heads", [head])
        if head not in heads:
            raise UsageError(
                f"the run has no head {head!r}", f"give --head {' or '.join(heads)}"
            )
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


def _last_losses(folder: Path) -> dict[str, float]:
    from bgrem_core.train.loop import CURVE, VALIDATION

    out = {}
    for name, word, rows in ((CURVE, "", _ROWS), (VALIDATION, "held-out ", 1)):
        table = curve.read(folder / name)[-rows:]
        for key in table[0] if table else ():
            if key in ("step", "norm", "rate", "seconds"):
                continue
            found = [r[key] for r in table if not math.isnan(r[key])]
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
    fields: dict[str, Any],
    *,
    thresholds: Path | None = None,
    figures: Path | None = None,
    calibration: Sequence[Path] = (),
) -> None:
    """Add what benchmarks measured, if they measured these weights.

    Parameters
    ----------
    fields : dict
        Of a `ModelCard`; changed in place.
    thresholds : pathlib.Path or None, optional
        JSON of ``benchmarks/optical/thresholds.py``.
    figures : pathlib.Path or None, optional
        JSON of the benchmark of the model.
    calibration : sequence of pathlib.Path, optional
        JSON of ``coverage.py``, ``artefacts.py`` and ``centres.py``; their parts of the
        calibration replace those that are there.

    Raises
    ------
    ReadError
        A file cannot be read.
    UsageError
        A file belongs to other weights.
    """
    if thresholds is not None:
        fields["thresholds"] = _measured(thresholds, "thresholds", fields)
    if figures is not None:
        fields["figures"] = _measured(figures, "figures", fields)
    for path in calibration:
        known = fields.get("calibration", {})
        fields["calibration"] = {**known, **_measured(path, "calibration", fields)}


def _measured(path: Path, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReadError(
            f"{path} cannot be read: {error}", "run the benchmark first"
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get(key), dict):
        raise ReadError(f"{path} holds no {key}", "run the benchmark first")
    if data.get("weights") != fields["training"]["tensors"]:
        raise UsageError(
            f"{path} was measured with other weights", "run the benchmark again"
        )
    found: dict[str, Any] = data[key]
    return found


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
    # In the order in which the file gives it back: its card is made again from it.
    fields = json.loads(json.dumps(fields, sort_keys=True))
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
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "give another --out folder",
        ) from error
    finally:
        for new in (beside, text):
            with suppress(OSError):
                new.unlink(missing_ok=True)
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
    args = _parser().parse_args(argv)
    try:
        if args.run:
            fields, arrays = from_run(args.run, head=args.head)
        else:
            fields, arrays = from_weights(args.out / f"{args.name}.safetensors")
        if args.steps is not None:
            fields["steps"] = args.steps
        add_figures(
            fields,
            thresholds=args.thresholds,
            figures=args.figures,
            calibration=args.calibration,
        )
        path = write(fields, arrays, args.out, overwrite=args.overwrite)
    except BGRemError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.code
    sys.stdout.write(
        f"{plain(path)} ({path.stat().st_size / 2**20:.1f} MB) and its card\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bgrem_core.train.export",
        description="Turn a run into weights and their card, NAME.safetensors and "
        "NAME.md; without --run, give the weights in --out a new card, with figures "
        "that were measured since.",
    )
    parser.add_argument("--run", type=Path, help="folder of the run")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of weights and card"
    )
    parser.add_argument(
        "--name",
        default="optical",
        help="without --run: which weights in --out (default optical)",
    )
    parser.add_argument(
        "--head",
        default="mae",
        choices=["mae", "mse"],
        help="with --run of an optical network: the output that is kept; mae (default) "
        "was trained on absolute errors, mse on squared ones",
    )
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="reverse steps by default: what the benchmark found best; 1 with --run",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace weights of that name"
    )
    parser.add_argument(
        "--thresholds",
        type=Path,
        metavar="JSON",
        help="detection thresholds: what benchmarks/optical/thresholds.py wrote",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="what coverage.py, artefacts.py and centres.py of benchmarks/optical "
        "wrote: without it the heads for error, artefacts and centres are not shown",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="JSON",
        help="figures of the card: what the benchmark of the model wrote (run.py of "
        "optical, gamma and satellites)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
